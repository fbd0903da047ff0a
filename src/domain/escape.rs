//! Escapes untrusted text for logs and terminals: it cannot end a line, move the cursor, change the
//! direction of writing, or hide.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

#[cfg(feature = "server")]
pub(crate) use self::escaping::{push_visible, visible, visible_lines};

/// Characters that are invisible, or look like something else: controls (C0, DEL and C1, in which
/// U+009B starts a terminal command), formats such as those that change the direction of writing,
/// separators, all spaces but the plain one, default ignorable code points (variation selectors, fillers,
/// tags), the blank Braille pattern, and code points without an agreed meaning: private, unassigned,
/// noncharacters.
pub(crate) fn is_unseen(c: char) -> bool {
    use GeneralCategory as Is;
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let by_category = matches!(
        category,
        Is::Control
            | Is::Format
            | Is::LineSeparator
            | Is::ParagraphSeparator
            | Is::SpaceSeparator
            | Is::PrivateUse
            | Is::Surrogate
            | Is::Unassigned
    );
    by_category || c == '\u{2800}' || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Escaping, as the log and the command line use it.
#[cfg(feature = "server")]
mod escaping {
    use std::borrow::Cow;
    use std::fmt::Write as _;

    use super::is_unseen;

    /// Adds `c` to `text`, escaped as in JSON if it is invisible (RFC 8259, section 7).
    pub(crate) fn push_visible(c: char, text: &mut String) {
        match c {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if is_unseen(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string never fails.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            c => text.push(c),
        }
    }

    /// The text with all invisible characters escaped.
    pub(crate) fn visible(text: &str) -> Cow<'_, str> {
        escape(text, is_unseen)
    }

    /// The same for a text of several lines: line ends stay. JSON stays JSON with the same meaning,
    /// because outside of its strings the only invisible characters are line ends.
    pub(crate) fn visible_lines(text: &str) -> Cow<'_, str> {
        escape(text, |c| c != '\n' && is_unseen(c))
    }

    fn escape(text: &str, is_special: impl Fn(char) -> bool) -> Cow<'_, str> {
        if !text.contains(&is_special) {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len() + 8);
        for c in text.chars() {
            if is_special(c) { push_visible(c, &mut shown) } else { shown.push(c) }
        }
        Cow::Owned(shown)
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn what_is_seen_stays_and_the_rest_reads_back_from_json() {
        for seen in ["Zoë", "日本", "مريم", "क्षि", "ไทย", "e\u{301}", "🐝", "— … “x” № ½"]
        {
            assert!(matches!(visible(seen), Cow::Borrowed(text) if text == seen), "{seen}");
        }
        for unseen in ["\u{9b}2J", "a\u{202e}b", "\u{2800}", "\u{e0041}", "\u{fe0f}", "\u{10ffff}", "\u{a0}"] {
            let shown = visible(unseen);
            assert!(shown.is_ascii(), "{shown}");
            let read: String = serde_json::from_str(&format!("\"{shown}\"")).expect("JSON");
            assert_eq!(read, unseen);
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(visible_lines("a\n\u{85}b\r\n"), "a\n\\u0085b\\r\n");
        assert_eq!(visible("a\nb"), "a\\nb");
    }
}
