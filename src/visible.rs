//! Text of others on lines of ours: nothing in it may end a line, move the cursor or turn the
//! direction of writing.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters that could move the cursor, hide text or end a line: controls, line and
/// paragraph separators, and those that turn the direction of writing.
pub(crate) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Adds `c` to `text`, escaped as in JSON if it is not seen.
pub(crate) fn push_visible(c: char, text: &mut String) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        c if is_unseen(c) => {
            // All of these are below U+10000, so that four digits are enough; and writing to
            // a string never fails.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        }
        c => text.push(c),
    }
}

/// The text with everything unseen escaped.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    text.chars().for_each(|c| push_visible(c, &mut shown));
    Cow::Owned(shown)
}
