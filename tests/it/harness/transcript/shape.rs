//! Texts that are recognised by their shape.

use knoxide::domain::time::Timestamp;

/// The shape of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Any text, including none.
    Any,
    /// This many lower-case hexadecimal digits.
    Hex(usize),
    /// A lower-case UUID with hyphens.
    Uuid,
    /// An RFC 3339 time in UTC that ends in `Z`.
    Time,
    /// Any number of decimal digits.
    Digits,
}

impl Shape {
    /// Parses the name of a shape.
    pub(crate) fn read(word: &str) -> Option<Self> {
        match word {
            "time" => Some(Self::Time),
            "uuid" => Some(Self::Uuid),
            "digits" => Some(Self::Digits),
            _ => word.strip_suffix(" hex")?.parse().ok().map(Self::Hex),
        }
    }

    /// The lengths at which the start of `text` has this shape, the longest first.
    pub(crate) fn lengths(self, text: &[u8]) -> impl Iterator<Item = usize> {
        let (least, most) = match self {
            Self::Any => (0, text.len()),
            Self::Digits => match text.iter().take_while(|byte| byte.is_ascii_digit()).count() {
                0 => (1, 0),
                digits => (digits, digits),
            },
            Self::Hex(digits) => {
                Self::fixed(digits, text, |_, byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            }
            Self::Uuid => Self::fixed(36, text, |at, byte| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            }),
            Self::Time => {
                let length = text.iter().position(|&byte| byte == b'Z').map_or(0, |at| at + 1);
                let time = std::str::from_utf8(&text[..length]).ok().filter(|time| time.len() >= 20);
                if time.and_then(Timestamp::parse).is_some() { (length, length) } else { (1, 0) }
            }
        };
        (least..=most).rev()
    }

    /// One length if the text starts with this many bytes that are right; otherwise none (an empty range).
    fn fixed(length: usize, text: &[u8], is_right: impl Fn(usize, u8) -> bool) -> (usize, usize) {
        let right = text.len() >= length && text.iter().take(length).enumerate().all(|(at, &byte)| is_right(at, byte));
        if right { (length, length) } else { (1, 0) }
    }
}
