//! A JSON scanner with Python's rules (`docs/contract.md#json-bodies`).
//!
//! `serde_json` is not enough here: it refuses lone surrogates, which the contract answers with a
//! field error, and it knows neither Python's limit of 4300 digits nor one on nesting that needs
//! no stack. Only the top level's scalars are kept; what lies deeper is checked and dropped.

use crate::http::body::python::number_text;
use crate::http::body::value::{Document, Kind, Text, Value};

/// How deep arrays and objects may be nested, the outermost included.
pub const MAX_DEPTH: usize = 1000;

/// How many digits Python reads in a whole number.
pub const MAX_DIGITS: usize = 4300;

/// Why a text is no JSON. It never repeats the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at character {position}")]
pub struct JsonError {
    problem: &'static str,
    /// Counted in characters from 0.
    position: usize,
}

/// Reads one JSON document.
///
/// # Errors
/// When the text is anything else, when it holds `NaN` or `Infinity`, a whole number of more than
/// [`MAX_DIGITS`] digits, or is nested deeper than [`MAX_DEPTH`].
pub fn parse(text: &str) -> Result<Document, JsonError> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    let document = match scanner.peek() {
        Some(b'{') => Document::Object(scanner.object()?),
        Some(b'[') => {
            scanner.nested(0)?;
            Document::NotObject(Kind::List)
        }
        _ => Document::NotObject(scanner.scalar()?.kind()),
    };
    scanner.space();
    if scanner.peek().is_some() { Err(scanner.error("more than one value")) } else { Ok(document) }
}

enum Scalar<'a> {
    Null,
    Bool,
    Number(&'a str),
    Text(Text),
}

impl Scalar<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool => Kind::Bool,
            Self::Number(literal) if literal.contains(['.', 'e', 'E']) => Kind::Float,
            Self::Number(_) => Kind::Int,
            Self::Text(_) => Kind::Str,
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool => Value::Other,
            Self::Number(literal) => Value::Text(Text::new(number_text(literal))),
            Self::Text(text) => Value::Text(text),
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    /// In bytes, always on a character's first.
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, expected: u8, problem: &'static str) -> Result<(), JsonError> {
        if self.eat(expected) { Ok(()) } else { Err(self.error(problem)) }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, problem: &'static str) -> JsonError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        JsonError { problem, position: before.chars().count() }
    }

    /// The outermost object, whose scalars are kept.
    fn object(&mut self) -> Result<Vec<(Text, Value)>, JsonError> {
        self.expect(b'{', "an object was expected")?;
        let mut fields = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Ok(fields);
        }
        loop {
            let name = self.name()?;
            self.space();
            let value = if matches!(self.peek(), Some(b'{' | b'[')) {
                self.nested(1)?;
                Value::Other
            } else {
                self.scalar()?.into_value()
            };
            fields.push((name, value));
            self.space();
            if self.eat(b'}') {
                return Ok(fields);
            }
            self.expect(b',', "a comma or closing brace was expected")?;
            self.space();
        }
    }

    /// A field's name and its colon.
    fn name(&mut self) -> Result<Text, JsonError> {
        self.expect(b'"', "a name in double quotes was expected")?;
        let name = self.string()?;
        self.space();
        self.expect(b':', "a colon was expected")?;
        Ok(name)
    }

    /// Checks an array or object and everything in it. What is open is kept in a list rather than
    /// on the call stack, so that no depth can exhaust the latter.
    fn nested(&mut self, depth_outside: usize) -> Result<(), JsonError> {
        let mut closers: Vec<u8> = Vec::new();
        loop {
            self.space();
            let opened = match self.peek() {
                Some(b'[') => Some(b']'),
                Some(b'{') => Some(b'}'),
                _ => None,
            };
            if let Some(closer) = opened {
                if depth_outside + closers.len() >= MAX_DEPTH {
                    return Err(self.error("nesting is too deep"));
                }
                self.at += 1;
                self.space();
                if !self.eat(closer) {
                    if closer == b'}' {
                        self.name()?;
                    }
                    closers.push(closer);
                    continue;
                }
            } else {
                self.scalar()?;
            }
            if self.close(&mut closers)? {
                return Ok(());
            }
        }
    }

    /// What follows a value: closing brackets, then a comma and the next name. True when the
    /// outermost bracket was closed.
    fn close(&mut self, closers: &mut Vec<u8>) -> Result<bool, JsonError> {
        while let Some(closer) = closers.last().copied() {
            self.space();
            if self.eat(closer) {
                closers.pop();
                continue;
            }
            self.expect(b',', "a comma or closing bracket was expected")?;
            if closer == b'}' {
                self.space();
                self.name()?;
            }
            return Ok(false);
        }
        Ok(true)
    }

    fn scalar(&mut self) -> Result<Scalar<'a>, JsonError> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string().map(Scalar::Text)
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(Scalar::Number),
            _ => {
                for (word, scalar) in [("null", Scalar::Null), ("true", Scalar::Bool), ("false", Scalar::Bool)] {
                    if self.rest().starts_with(word) {
                        self.at += word.len();
                        return Ok(scalar);
                    }
                }
                Err(self.error("a value was expected"))
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        self.eat(b'-');
        let whole = if self.eat(b'0') { 1 } else { self.digits() };
        if whole == 0 {
            return Err(self.error("a digit was expected"));
        }
        let mut is_float = false;
        if self.eat(b'.') {
            is_float = true;
            if self.digits() == 0 {
                return Err(self.error("a digit was expected"));
            }
        }
        if self.eat(b'e') || self.eat(b'E') {
            is_float = true;
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            if self.digits() == 0 {
                return Err(self.error("a digit was expected"));
            }
        }
        if !is_float && whole > MAX_DIGITS {
            return Err(self.error("too many digits"));
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// A string whose opening quote has been read.
    fn string(&mut self) -> Result<Text, JsonError> {
        let mut text = Text::default();
        loop {
            let rest = self.rest();
            let plain = rest.find(|c| matches!(c, '"' | '\\' | '\0'..='\u{1f}')).unwrap_or(rest.len());
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut text)?;
                }
                Some(_) => return Err(self.error("a raw control character in a string")),
                None => return Err(self.error("a string without end")),
            }
        }
    }

    /// An escape sequence whose backslash has been read.
    fn escape(&mut self, text: &mut Text) -> Result<(), JsonError> {
        let plain = match self.peek() {
            Some(b'u') => return self.unicode_escape(text),
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.error("an unknown escape sequence")),
        };
        self.at += 1;
        text.push(plain);
        Ok(())
    }

    fn unicode_escape(&mut self, text: &mut Text) -> Result<(), JsonError> {
        let Some(unit) = self.hex_unit() else { return Err(self.error("four hex digits were expected")) };
        self.at += 5;
        if let Some(c) = char::from_u32(u32::from(unit)) {
            text.push(c);
            return Ok(());
        }
        let mut ahead = Scanner { text: self.text, at: self.at };
        let low = if ahead.eat(b'\\') { ahead.hex_unit() } else { None };
        let pair = low.and_then(|low| char::decode_utf16([unit, low]).next()?.ok());
        if let Some(c) = pair {
            self.at += 6;
            text.push(c);
        } else {
            text.push_surrogate(unit);
        }
        Ok(())
    }

    /// The four hex digits behind the `u` under the cursor.
    fn hex_unit(&self) -> Option<u16> {
        let digits = self.rest().strip_prefix('u')?.get(..4)?;
        // `from_str_radix` alone would let a sign pass.
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    }
}

#[cfg(test)]
mod tests;
