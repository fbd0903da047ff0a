//! The notation inside a line: what is sent, and what a reply must match.

use std::collections::BTreeMap;

use super::claims::JwtShape;
use super::shape::Shape;
use crate::harness::jwt;

/// Values of earlier replies and of the fixture, by name.
pub(crate) type Variables = BTreeMap<String, String>;

/// The variable that holds the server's time, in microseconds since 1970.
pub(crate) const NOW: &str = "now";

/// Bytes to send, with variables to fill in.
#[derive(Debug, Clone)]
pub(crate) struct Template(Vec<Piece>);

/// The pattern that a text must match.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    /// Exactly these bytes.
    Plain(Vec<u8>),
    /// A variable's value, changed.
    Variable(Change, String),
    /// A text of some shape, stored under a name if there is one.
    Shape(Shape, Option<String>),
    /// A text that is computed when it is needed.
    Made(Made),
    /// A signed token.
    Jwt(JwtShape),
}

#[derive(Debug, Clone)]
enum Made {
    /// Whole seconds since 1970, this many after the server's current second.
    Now(i64),
    /// The same moment as UTC text with milliseconds.
    TimeOfNow(i64),
    /// The seconds in a variable, in the same form.
    TimeOf(String),
    /// A text as base64url.
    Base64(Inner),
    /// A token with any header and payload, and a matching signature with a variable's value.
    Signed { secret: String, header: Inner, payload: Inner },
}

/// A text within a notation, in which only variables and `<now…>` have a meaning.
#[derive(Debug, Clone)]
pub(crate) struct Inner(Vec<Piece>);

#[derive(Debug, Clone, Copy)]
enum Change {
    None,
    Upper,
    Reversed,
    First(usize),
    /// One part of a token.
    Part(usize),
    /// The last base64 letter, replaced by one that a careless decoder reads as the same.
    Twiddled,
}

/// Why the notation is parsed: not everything is allowed everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Template,
    Pattern,
    Inner,
}

impl Template {
    /// Reads a text to be sent.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let pieces = split(text, Reading::Template)?;
        match pieces.iter().find(|piece| matches!(piece, Piece::Shape(..) | Piece::Jwt(_))) {
            Some(shape) => Err(format!("{shape:?} cannot be sent")),
            None => Ok(Self(pieces)),
        }
    }

    /// The bytes to send.
    pub(crate) fn fill(&self, variables: &Variables) -> Result<Vec<u8>, String> {
        fill(&self.0, variables)
    }

    /// The text with this word wherever something is to be filled in.
    pub(crate) fn with(&self, word: &str) -> String {
        fill_with(&self.0, word)
    }
}

impl Inner {
    /// Reads a text within a notation.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(split(text, Reading::Inner)?))
    }

    /// The text with its variables filled in.
    pub(crate) fn fill(&self, variables: &Variables) -> Result<String, String> {
        String::from_utf8(fill(&self.0, variables)?).map_err(|error| error.to_string())
    }

    /// The text with a zero wherever something is to be filled in.
    pub(crate) fn with_zeros(&self) -> String {
        fill_with(&self.0, "0")
    }
}

fn fill_with(pieces: &[Piece], word: &str) -> String {
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Plain(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Piece::Variable(..) | Piece::Shape(..) | Piece::Made(_) | Piece::Jwt(_) => word.to_owned(),
    });
    texts.collect()
}

fn fill(pieces: &[Piece], variables: &Variables) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend(piece.literal(variables)?);
    }
    Ok(bytes)
}

impl Pattern {
    /// Reads a text to compare replies with.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { source: text.to_owned(), pieces: split(text, Reading::Pattern)? })
    }

    /// The text as written in the transcript.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether `text` matches. If so, named values are stored in `variables`.
    pub(crate) fn fits(&self, text: &[u8], variables: &mut Variables) -> Result<bool, String> {
        let mut parts = Vec::new();
        for piece in &self.pieces {
            parts.push(match piece {
                Piece::Shape(shape, name) => Part::Shape(*shape, name.as_deref()),
                Piece::Jwt(shape) => Part::Jwt(shape),
                Piece::Plain(_) | Piece::Variable(..) | Piece::Made(_) => Part::Literal(piece.literal(variables)?),
            });
        }
        let mut kept = Vec::new();
        let fits = fits(&parts, text, variables, &mut kept)?;
        variables.extend(kept.into_iter().filter(|_| fits));
        Ok(fits)
    }
}

/// A piece of a pattern with its variables filled in.
enum Part<'a> {
    Literal(Vec<u8>),
    Shape(Shape, Option<&'a str>),
    Jwt(&'a JwtShape),
}

/// Tries all possible lengths of the first part, and the rest after each.
fn fits(
    parts: &[Part<'_>],
    text: &[u8],
    variables: &Variables,
    kept: &mut Vec<(String, String)>,
) -> Result<bool, String> {
    let Some((first, rest)) = parts.split_first() else { return Ok(text.is_empty()) };
    let (shape, name) = match first {
        Part::Literal(literal) => {
            return match text.strip_prefix(literal.as_slice()) {
                Some(text) => fits(rest, text, variables, kept),
                None => Ok(false),
            };
        }
        // A wrong token deserves a message, so it is an error, and not just a mismatch.
        Part::Jwt(jwt) => {
            let (token, text) = text.split_at(JwtShape::length(text));
            kept.extend(jwt.judge(&String::from_utf8_lossy(token), variables)?);
            return fits(rest, text, variables, kept);
        }
        Part::Shape(shape, name) => (shape, name),
    };
    for length in shape.lengths(text) {
        let (taken, text) = text.split_at(length);
        if fits(rest, text, variables, kept)? {
            kept.extend(name.map(|name| (name.to_owned(), String::from_utf8_lossy(taken).into_owned())));
            return Ok(true);
        }
    }
    Ok(false)
}

impl Piece {
    /// Parses the text in angle brackets; `None` if that is ordinary text.
    fn read(inside: &str, reading: Reading) -> Result<Option<Self>, String> {
        if let Some(seconds) = seconds_from_now(inside) {
            return Ok(Some(Self::Made(Made::Now(seconds))));
        }
        if reading == Reading::Inner {
            return Ok(None);
        }
        let (word, rest) = inside.split_once(' ').unwrap_or((inside, ""));
        let wrong = |why: &str| format!("<{inside}>: {why}");
        Ok(Some(match word {
            "bytes" => {
                let bytes = rest.split(' ').map(|hex| u8::from_str_radix(hex, 16));
                Self::Plain(bytes.collect::<Result<_, _>>().map_err(|error| wrong(&error.to_string()))?)
            }
            "repeat" => {
                let (times, text) = numbered(rest).ok_or_else(|| wrong("repeat N TEXT"))?;
                Self::Plain(text.repeat(times).into_bytes())
            }
            "upper" => Self::Variable(Change::Upper, rest.to_owned()),
            "reversed" => Self::Variable(Change::Reversed, rest.to_owned()),
            "twiddled" => Self::Variable(Change::Twiddled, rest.to_owned()),
            "first" => {
                let (length, name) = numbered(rest).ok_or_else(|| wrong("first N NAME"))?;
                Self::Variable(Change::First(length), name.to_owned())
            }
            "part" => {
                let (number, name) = numbered(rest).ok_or_else(|| wrong("part N NAME"))?;
                Self::Variable(Change::Part(number), name.to_owned())
            }
            "b64" => Self::Made(Made::Base64(Inner::parse(rest)?)),
            "sign" => Self::Made(Made::signed(rest).ok_or_else(|| wrong("sign SECRET HEADER PAYLOAD"))??),
            "jwt" | "new" => match JwtShape::read(inside)? {
                Some(shape) => Self::Jwt(shape),
                None => return Ok(None),
            },
            "time" if rest.starts_with("of ") => Self::Made(Made::time_of(&rest["of ".len()..])),
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
            Self::Made(made) => return made.text(variables).map(String::into_bytes),
            Self::Shape(shape, _) => return Err(format!("{shape:?} is not text")),
            Self::Jwt(shape) => return Err(format!("{shape:?} is not text")),
        };
        let value = known(name, variables)?;
        Ok(match change {
            Change::None => value.to_owned(),
            Change::Upper => value.to_uppercase(),
            Change::Reversed => value.chars().rev().collect(),
            Change::First(length) => value.chars().take(*length).collect(),
            Change::Part(number) => {
                let part = jwt::part(value, *number);
                part.ok_or_else(|| format!("{{{name}}} has no part {number}"))?.to_owned()
            }
            Change::Twiddled => jwt::twiddled(value).ok_or_else(|| format!("{{{name}}} is not base64"))?,
        }
        .into_bytes())
    }
}

impl Made {
    /// `SECRET HEADER PAYLOAD`; the header contains no space.
    fn signed(text: &str) -> Option<Result<Self, String>> {
        let (secret, text) = text.split_once(' ')?;
        let (header, payload) = text.split_once(' ')?;
        let read = || {
            let (header, payload) = (Inner::parse(header)?, Inner::parse(payload)?);
            Ok(Self::Signed { secret: secret.to_owned(), header, payload })
        };
        Some(read())
    }

    fn time_of(moment: &str) -> Self {
        seconds_from_now(moment).map_or_else(|| Self::TimeOf(moment.to_owned()), Self::TimeOfNow)
    }

    fn text(&self, variables: &Variables) -> Result<String, String> {
        let now = || known(NOW, variables)?.parse::<i64>().map_err(|error| error.to_string());
        match self {
            Self::Now(seconds) => Ok((now()?.div_euclid(1_000_000) + seconds).to_string()),
            Self::TimeOfNow(seconds) => milliseconds(now()?.div_euclid(1_000) + seconds * 1_000),
            Self::TimeOf(name) => {
                let seconds: i64 = known(name, variables)?.parse().map_err(|error| format!("{{{name}}}: {error}"))?;
                milliseconds(seconds * 1_000)
            }
            Self::Base64(text) => Ok(jwt::encode(text.fill(variables)?)),
            Self::Signed { secret, header, payload } => {
                let secret = known(secret, variables)?.as_bytes();
                Ok(jwt::sign(secret, header.fill(variables)?, payload.fill(variables)?))
            }
        }
    }
}

fn milliseconds(since_1970: i64) -> Result<String, String> {
    let time = jiff::Timestamp::from_millisecond(since_1970).map_err(|error| error.to_string())?;
    Ok(format!("{time:.3}"))
}

/// The value of a variable.
pub(crate) fn known<'a>(name: &str, variables: &'a Variables) -> Result<&'a str, String> {
    variables.get(name).map(String::as_str).ok_or_else(|| format!("nothing is known as {{{name}}}"))
}

/// `now`, `now+60`, `now-60`: the offset from the current second.
fn seconds_from_now(text: &str) -> Option<i64> {
    match text.strip_prefix(NOW)? {
        "" => Some(0),
        offset if offset.starts_with(['+', '-']) => offset.parse().ok(),
        _ => None,
    }
}

/// `N TEXT`.
fn numbered(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.split_once(' ')?;
    Some((number.parse().ok()?, rest))
}

/// The position of the `>` that closes the `<` at the start of a text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '<' => depth += 1,
            '>' if depth == 1 => return Some(at),
            '>' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits a text at `{variable}`, `<notation>` and, in patterns, `*`.
fn split(text: &str, reading: Reading) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let special = match first {
            '{' => variable(rest).map(|name| (Piece::Variable(Change::None, name.to_owned()), name.len() + 2)),
            '<' => match closing(rest) {
                Some(end) => Piece::read(&rest[1..end], reading)?.map(|piece| (piece, end + 1)),
                None => None,
            },
            '*' if reading == Reading::Pattern => Some((Piece::Shape(Shape::Any, None), 1)),
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

/// The name in `{name}` at the start of a text. JSON has nothing like it: its keys are quoted.
fn variable(text: &str) -> Option<&str> {
    let name = &text[1..text.find('}')?];
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    is_name.then_some(name)
}
