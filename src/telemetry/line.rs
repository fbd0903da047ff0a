//! One record, one line, in either form.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use log::kv::{self, Key, Value, VisitSource, VisitValue};
use log::{Level, Record};

use crate::config::LogFormat;
use crate::domain::escape::{is_unseen, push_visible};
use crate::domain::time::Timestamp;

/// The longest line, in bytes, its end included.
pub(super) const MAX_LINE: usize = 8 * 1024;

/// Most lines are shorter than this, in bytes.
const USUAL_LINE: usize = 320;

/// Space that is reserved for the end of a line that was cut, in bytes.
const ENDING: usize = 32;

/// The longest message, in bytes as written, so that there is space for key-values too.
const MAX_MESSAGE: usize = MAX_LINE / 2;

/// The line of a record.
pub(super) fn of_record(format: LogFormat, at: Timestamp, record: &Record<'_>) -> String {
    let mut line = Line::begin(format, at, record.level(), record.target());
    match record.args().as_str() {
        Some(message) => line.message(message),
        None => line.message(&record.args().to_string()),
    }
    // The visitor never fails.
    let _ = record.key_values().visit(&mut line);
    line.end()
}

/// The line that says how many lines were dropped.
pub(super) fn of_dropped(format: LogFormat, at: Timestamp, dropped: u64) -> String {
    let mut line = Line::begin(format, at, Level::Warn, module_path!());
    line.message("log lines were dropped, since they were not read in time");
    line.pair("dropped", |field| field.bare(dropped));
    line.end()
}

/// A line that is being written.
struct Line {
    format: LogFormat,
    text: String,
    cut: bool,
}

/// The end of a line, to which a value is written.
struct Field<'a> {
    format: LogFormat,
    text: &'a mut String,
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

    /// Adds a key-value, if there is space for it.
    fn pair(&mut self, key: &str, value: impl FnOnce(&mut Field<'_>)) {
        let (key, from) = (escaped(key, 64), self.text.len());
        let text = &mut self.text;
        // Writing to a string never fails.
        let _ = match self.format {
            LogFormat::Json => write!(text, r#","{}":"#, unreserved(&key)),
            LogFormat::Plain => write!(text, " {key}="),
        };
        value(&mut Field { format: self.format, text });
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
        let mut visited = Ok(());
        self.pair(key.as_str(), |field| visited = value.visit(field));
        visited
    }
}

impl Field<'_> {
    /// A number, `true`, `false` or `null`: the same in both forms.
    fn bare(&mut self, value: impl Display) {
        // Writing to a string never fails.
        let _ = write!(self.text, "{value}");
    }

    fn quoted(&mut self, value: &str) {
        if self.format == LogFormat::Plain && is_word(value) {
            self.text.push_str(value);
        } else {
            // As above.
            let _ = write!(self.text, r#""{}""#, escaped(value, MAX_MESSAGE));
        }
    }
}

impl<'v> VisitValue<'v> for Field<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.quoted(&value.to_string());
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.quoted(value);
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.bare("null");
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.bare(value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.bare(value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        // JSON knows neither infinity nor NaN.
        if value.is_finite() {
            self.bare(value);
        } else {
            self.quoted(&value.to_string());
        }
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.bare(value);
        Ok(())
    }
}

/// Keys that the line itself uses are renamed, so that no key occurs twice.
fn unreserved(key: &str) -> Cow<'_, str> {
    if ["time", "level", "target", "message", "cut"].contains(&key) {
        Cow::Owned(format!("{key}_"))
    } else {
        Cow::Borrowed(key)
    }
}

/// Whether a value can be written without quotes.
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| !is_unseen(c) && !matches!(c, ' ' | '"' | '\\' | '='))
}

/// Text inside quotes, by JSON's rules, of at most `limit` bytes.
fn escaped(text: &str, limit: usize) -> Cow<'_, str> {
    let is_special = |c| matches!(c, '"' | '\\') || is_unseen(c);
    limited(text, limit, is_special, |c, piece| match c {
        '"' => piece.push_str("\\\""),
        '\\' => piece.push_str("\\\\"),
        c => push_visible(c, piece),
    })
}

/// `text` with special characters replaced by `escape`, and cut with `…` if it would be longer than `limit`
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
