//! The notation inside a line: what is sent, and what a reply is compared with.

use std::collections::BTreeMap;

use knoxide::time::Timestamp;

/// What earlier replies and the fixture brought, by name.
pub(crate) type Variables = BTreeMap<String, String>;

/// Bytes to be sent, with variables to fill in.
#[derive(Debug, Clone)]
pub(crate) struct Template(Vec<Piece>);

/// What a text must look like.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    /// These very bytes.
    Plain(Vec<u8>),
    /// A variable's value, changed.
    Variable(Change, String),
    /// A text of some shape, kept under a name if there is one.
    Shape(Shape, Option<String>),
}

#[derive(Debug, Clone, Copy)]
enum Change {
    None,
    Upper,
    Reversed,
    First(usize),
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Any text, also none.
    Any,
    /// So many lower-case hexadecimal digits.
    Hex(usize),
    /// A lower-case UUID with hyphens.
    Uuid,
    /// An RFC 3339 time in UTC that ends in `Z`.
    Time,
}

impl Template {
    /// Reads a text to be sent.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let pieces = split(text, false)?;
        match pieces.iter().find(|piece| matches!(piece, Piece::Shape(..))) {
            Some(shape) => Err(format!("{shape:?} cannot be sent")),
            None => Ok(Self(pieces)),
        }
    }

    /// The bytes to send.
    pub(crate) fn fill(&self, variables: &Variables) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for piece in &self.0 {
            bytes.extend(piece.literal(variables)?);
        }
        Ok(bytes)
    }
}

impl Pattern {
    /// Reads a text to compare replies with.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { source: text.to_owned(), pieces: split(text, true)? })
    }

    /// The text as it stands in the transcript.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether `text` looks like this. What is to be kept goes into `variables`, if so.
    pub(crate) fn fits(&self, text: &[u8], variables: &mut Variables) -> Result<bool, String> {
        let mut parts = Vec::new();
        for piece in &self.pieces {
            parts.push(match piece {
                Piece::Shape(shape, name) => Part::Shape(*shape, name.as_deref()),
                Piece::Plain(_) | Piece::Variable(..) => Part::Literal(piece.literal(variables)?),
            });
        }
        let mut kept = Vec::new();
        let fits = fits(&parts, text, &mut kept);
        variables.extend(kept.into_iter().filter(|_| fits));
        Ok(fits)
    }
}

/// A piece of a pattern with its variables filled in.
enum Part<'a> {
    Literal(Vec<u8>),
    Shape(Shape, Option<&'a str>),
}

/// Tries all lengths that the first part may have, and the rest after each.
fn fits(parts: &[Part<'_>], text: &[u8], kept: &mut Vec<(String, String)>) -> bool {
    let Some((first, rest)) = parts.split_first() else { return text.is_empty() };
    let (shape, name) = match first {
        Part::Literal(literal) => {
            return text.strip_prefix(literal.as_slice()).is_some_and(|text| fits(rest, text, kept));
        }
        Part::Shape(shape, name) => (shape, name),
    };
    shape.lengths(text).any(|length| {
        let (taken, text) = text.split_at(length);
        let fits = fits(rest, text, kept);
        if let (true, Some(name)) = (fits, name) {
            kept.push(((*name).to_owned(), String::from_utf8_lossy(taken).into_owned()));
        }
        fits
    })
}

impl Shape {
    fn read(word: &str) -> Option<Self> {
        match word {
            "time" => Some(Self::Time),
            "uuid" => Some(Self::Uuid),
            _ => word.strip_suffix(" hex")?.parse().ok().map(Self::Hex),
        }
    }

    /// The lengths with which the start of `text` has this shape, the longest first.
    fn lengths(self, text: &[u8]) -> impl Iterator<Item = usize> {
        let (least, most) = match self {
            Self::Any => (0, text.len()),
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

    /// One length if the text starts with so many bytes that are right; none (an empty range)
    /// otherwise.
    fn fixed(length: usize, text: &[u8], is_right: impl Fn(usize, u8) -> bool) -> (usize, usize) {
        let right = text.len() >= length && text.iter().take(length).enumerate().all(|(at, &byte)| is_right(at, byte));
        if right { (length, length) } else { (1, 0) }
    }
}

impl Piece {
    /// What stands in angle brackets, or `None` when that is ordinary text.
    fn read(inside: &str) -> Result<Option<Self>, String> {
        let (word, rest) = inside.split_once(' ').unwrap_or((inside, ""));
        Ok(Some(match word {
            "bytes" => {
                let bytes = rest.split(' ').map(|hex| u8::from_str_radix(hex, 16));
                Self::Plain(bytes.collect::<Result<_, _>>().map_err(|error| format!("<{inside}>: {error}"))?)
            }
            "repeat" => {
                let (times, text) = rest.split_once(' ').ok_or_else(|| format!("<{inside}>: repeat N TEXT"))?;
                let times = times.parse().map_err(|error| format!("<{inside}>: {error}"))?;
                Self::Plain(text.repeat(times).into_bytes())
            }
            "upper" => Self::Variable(Change::Upper, rest.to_owned()),
            "reversed" => Self::Variable(Change::Reversed, rest.to_owned()),
            "first" => {
                let (length, name) = rest.split_once(' ').ok_or_else(|| format!("<{inside}>: first N NAME"))?;
                let length = length.parse().map_err(|error| format!("<{inside}>: {error}"))?;
                Self::Variable(Change::First(length), name.to_owned())
            }
            _ => {
                let (shape, name) = match inside.split_once(" as ") {
                    Some((shape, name)) => (shape, Some(name.to_owned())),
                    None => (inside, None),
                };
                return Ok(Shape::read(shape).map(|shape| Self::Shape(shape, name)));
            }
        }))
    }

    fn literal(&self, variables: &Variables) -> Result<Vec<u8>, String> {
        let (change, name) = match self {
            Self::Plain(bytes) => return Ok(bytes.clone()),
            Self::Variable(change, name) => (change, name),
            Self::Shape(shape, _) => return Err(format!("{shape:?} is no text")),
        };
        let value = variables.get(name).ok_or_else(|| format!("nothing is known as {{{name}}}"))?;
        Ok(match change {
            Change::None => value.clone(),
            Change::Upper => value.to_uppercase(),
            Change::Reversed => value.chars().rev().collect(),
            Change::First(length) => value.chars().take(*length).collect(),
        }
        .into_bytes())
    }
}

/// Splits a text at `{variable}`, `<notation>` and, in patterns, `*`.
fn split(text: &str, is_pattern: bool) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let special = match first {
            '{' => variable(rest).map(|name| (Piece::Variable(Change::None, name.to_owned()), name.len() + 2)),
            '<' => match rest.find('>') {
                Some(end) => Piece::read(&rest[1..end])?.map(|piece| (piece, end + 1)),
                None => None,
            },
            '*' if is_pattern => Some((Piece::Shape(Shape::Any, None), 1)),
            _ => None,
        };
        let length = match special {
            Some((piece, length)) => {
                if !plain.is_empty() {
                    pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                }
                pieces.push(piece);
                length
            }
            None => {
                plain.extend(rest[..first.len_utf8()].bytes());
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    Ok(pieces)
}

/// The name in `{name}` at the start of a text. JSON has no such thing: its keys are quoted.
fn variable(text: &str) -> Option<&str> {
    let name = &text[1..text.find('}')?];
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    is_name.then_some(name)
}
