//! One record, one line, in either form.

use std::borrow::Cow;
use std::fmt::Write as _;

use log::kv::{self, Key, Value, VisitSource, VisitValue};
use log::{Level, Record};

use crate::config::LogFormat;
use crate::time::Timestamp;
use crate::visible::{is_unseen, push_visible};

/// The longest line, in bytes, its end included.
pub(super) const MAX_LINE: usize = 8 * 1024;

/// What most lines are shorter than, in bytes.
const USUAL_LINE: usize = 320;

/// Room that is kept for what ends a line that was cut.
const ENDING: usize = 32;

/// The longest message, in bytes as written, so that key-values have room too.
const MAX_MESSAGE: usize = MAX_LINE / 2;

/// The line of a record.
pub(super) fn of_record(format: LogFormat, at: Timestamp, record: &Record<'_>) -> String {
    let mut line = Line::begin(format, at, record.level(), record.target());
    line.message(&record.args().to_string());
    // The visitor never fails.
    let _ = record.key_values().visit(&mut line);
    line.end()
}

/// The line that says how many lines were dropped.
pub(super) fn of_dropped(format: LogFormat, at: Timestamp, dropped: u64) -> String {
    let mut line = Line::begin(format, at, Level::Warn, module_path!());
    line.message("log lines were dropped, since nobody read them in time");
    line.pair("dropped", &Shown::Bare(dropped.to_string()));
    line.end()
}

/// A line in the making.
struct Line {
    format: LogFormat,
    text: String,
    cut: bool,
}

/// A value as a line shows it.
enum Shown {
    /// A number, `true`, `false` or `null`: the same in both forms.
    Bare(String),
    /// Text, not escaped yet.
    Text(String),
}

impl Line {
    fn begin(format: LogFormat, at: Timestamp, level: Level, target: &str) -> Self {
        let target = escaped(target, 256);
        let mut text = String::with_capacity(USUAL_LINE);
        // Writing to a string never fails.
        let _ = match format {
            LogFormat::Json => {
                let level = level.as_str().to_ascii_lowercase();
                write!(text, r#"{{"time":"{at}","level":"{level}","target":"{target}""#)
            }
            LogFormat::Plain => write!(text, "{at} {level:<5} {target}:"),
        };
        Self { format, text, cut: false }
    }

    fn message(&mut self, message: &str) {
        // Writing to a string never fails.
        let _ = match self.format {
            LogFormat::Json => write!(self.text, r#","message":"{}""#, escaped(message, MAX_MESSAGE)),
            LogFormat::Plain => write!(self.text, " {}", limited(message, MAX_MESSAGE, is_unseen, push_visible)),
        };
    }

    /// Adds a key-value, unless it finds no room.
    fn pair(&mut self, key: &str, value: &Shown) {
        let (key, from) = (escaped(key, 64), self.text.len());
        let text = &mut self.text;
        // Writing to a string never fails.
        let _ = match (self.format, value) {
            (LogFormat::Json, Shown::Bare(value)) => write!(text, r#","{}":{value}"#, unreserved(&key)),
            (LogFormat::Json, Shown::Text(value)) => {
                write!(text, r#","{}":"{}""#, unreserved(&key), escaped(value, MAX_MESSAGE))
            }
            (LogFormat::Plain, Shown::Bare(value)) => write!(text, " {key}={value}"),
            (LogFormat::Plain, Shown::Text(value)) if is_word(value) => write!(text, " {key}={value}"),
            (LogFormat::Plain, Shown::Text(value)) => write!(text, r#" {key}="{}""#, escaped(value, MAX_MESSAGE)),
        };
        if self.text.len() + ENDING > MAX_LINE {
            self.text.truncate(from);
            self.cut = true;
        }
    }

    fn end(mut self) -> String {
        let ending = match (self.format, self.cut) {
            (LogFormat::Json, true) => ",\"cut\":true}\n",
            (LogFormat::Json, false) => "}\n",
            (LogFormat::Plain, true) => " (cut)\n",
            (LogFormat::Plain, false) => "\n",
        };
        self.text.push_str(ending);
        self.text
    }
}

impl<'kvs> VisitSource<'kvs> for Line {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let mut shown = Shown::Bare("null".to_owned());
        value.visit(&mut shown)?;
        self.pair(key.as_str(), &shown);
        Ok(())
    }
}

impl<'v> VisitValue<'v> for Shown {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        *self = Self::Text(value.to_string());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        *self = Self::Bare("null".to_owned());
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        *self = Self::Bare(value.to_string());
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        *self = Self::Bare(value.to_string());
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        // JSON knows neither infinity nor NaN.
        let text = value.to_string();
        *self = if value.is_finite() { Self::Bare(text) } else { Self::Text(text) };
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        *self = Self::Bare(value.to_string());
        Ok(())
    }
}

/// The keys of the line itself get no twin.
fn unreserved(key: &str) -> Cow<'_, str> {
    if ["time", "level", "target", "message", "cut"].contains(&key) {
        Cow::Owned(format!("{key}_"))
    } else {
        Cow::Borrowed(key)
    }
}

/// Whether a value needs no quotes to be told from what stands around it.
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| !is_unseen(c) && !matches!(c, ' ' | '"' | '\\' | '='))
}

/// Text for between quotes, by JSON's rules, of at most `limit` bytes.
fn escaped(text: &str, limit: usize) -> Cow<'_, str> {
    let is_special = |c| matches!(c, '"' | '\\') || is_unseen(c);
    limited(text, limit, is_special, |c, piece| match c {
        '"' => piece.push_str("\\\""),
        '\\' => piece.push_str("\\\\"),
        c => push_visible(c, piece),
    })
}

/// `text` with what is special through `escape`, ended by `…` where it would be longer than `limit`
/// bytes.
fn limited(
    text: &str,
    limit: usize,
    is_special: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    if text.len() + '…'.len_utf8() <= limit && !text.contains(is_special) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len().min(limit));
    let mut piece = String::new();
    for c in text.chars() {
        piece.clear();
        escape(c, &mut piece);
        if shown.len() + piece.len() + '…'.len_utf8() > limit {
            shown.push('…');
            break;
        }
        shown.push_str(&piece);
    }
    Cow::Owned(shown)
}
