//! What Python makes of text and numbers, because the contract's packages are written in it.

/// The white space that `str.strip()` removes. Rust's own notion lacks U+001C to U+001F.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}') || c.is_whitespace()
}

/// The text without white space at either end.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// A JSON number as `str()` prints it after `json.loads()`.
///
/// Whole numbers keep their digits; everything with a fraction or an exponent becomes a double
/// and the shortest text that reads back to it.
pub(super) fn number_text(literal: &str) -> String {
    if literal.contains(['.', 'e', 'E']) {
        return literal.parse().map_or_else(|_| literal.to_owned(), float_text);
    }
    if literal == "-0" { "0".to_owned() } else { literal.to_owned() }
}

/// `repr()` of a double: plain between 1e-4 and 1e16, else with an exponent of at least two
/// digits.
fn float_text(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // Rust prints the same shortest digits, but places point and exponent otherwise.
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let mut digits = mantissa.replace('.', "");
    if !(-4..16).contains(&exponent) {
        if digits.len() > 1 {
            digits.insert(1, '.');
        }
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{digits}e{direction}{:02}", exponent.unsigned_abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    while digits.len() <= whole {
        digits.push('0');
    }
    digits.insert(whole, '.');
    format!("{sign}{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strip_removes_what_python_calls_white_space() {
        let spaces = "\u{9}\u{a}\u{b}\u{c}\u{d}\u{1c}\u{1d}\u{1e}\u{1f}\u{20}\u{85}\u{a0}\u{1680}\u{2000}\u{2001}\
                      \u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\
                      \u{202f}\u{205f}\u{3000}";
        assert_eq!(spaces.chars().count(), 29);
        for space in spaces.chars() {
            assert_eq!(strip(&format!("{space}a{space}b{space}")), format!("a{space}b"), "{space:?}");
        }
        for kept in "\u{200b}\u{feff}\u{180e}\u{2060}\u{ad}\u{8}\u{1b}\u{7f}\u{0}".chars() {
            assert_eq!(strip(&kept.to_string()), kept.to_string(), "{kept:?}");
        }
        let all = (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| is_space(*c)).count();
        assert_eq!(all, 29);
    }

    #[test]
    fn numbers_are_printed_as_python_prints_them() {
        let cases = [
            ("12345", "12345"),
            ("-7", "-7"),
            ("0", "0"),
            ("-0", "0"),
            ("9223372036854775808", "9223372036854775808"),
            ("-0.0", "-0.0"),
            ("0.0", "0.0"),
            ("0e0", "0.0"),
            ("-0e5", "-0.0"),
            ("1.0", "1.0"),
            ("1.500", "1.5"),
            ("15E-1", "1.5"),
            ("1e5", "100000.0"),
            ("100000.0", "100000.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("123456789012345678.0", "1.2345678901234568e+17"),
            ("9999999999999998.0", "9999999999999998.0"),
            ("99999999999999999.0", "1e+17"),
            ("0.0001", "0.0001"),
            ("0.00012345", "0.00012345"),
            ("0.00001", "1e-05"),
            ("0.000012345", "1.2345e-05"),
            ("1e-7", "1e-07"),
            ("1e400", "inf"),
            ("-1e400", "-inf"),
            ("1e-400", "0.0"),
            ("-1e-400", "-0.0"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("1e100", "1e+100"),
            ("0.1", "0.1"),
            ("3.141592653589793", "3.141592653589793"),
            ("12.5e1", "125.0"),
            ("-12.25", "-12.25"),
        ];
        for (literal, expected) in cases {
            assert_eq!(number_text(literal), expected, "{literal}");
        }
    }
}
