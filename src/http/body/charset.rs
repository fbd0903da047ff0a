//! The `charset` of a content type, by Python's names and rules (`docs/contract.md#content-type`).

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, X_USER_DEFINED};

use crate::http::media::latin1;

/// A way to turn bytes into text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    /// UTF-8 after an optional byte order mark.
    Utf8Signature,
    /// UTF-16 in the order that a byte order mark names; without one nothing can be read.
    Utf16,
    Utf16Le,
    Utf16Be,
    Ascii,
    Latin1,
    Other(&'static Encoding),
}

/// The codecs of Python that turn bytes into bytes or nothing into anything.
const NO_TEXT: [&str; 19] = [
    "base64",
    "base64_codec",
    "base_64",
    "bz2",
    "bz2_codec",
    "hex",
    "hex_codec",
    "quopri",
    "quopri_codec",
    "quoted_printable",
    "quotedprintable",
    "rot13",
    "rot_13",
    "uu",
    "uu_codec",
    "zip",
    "zlib",
    "zlib_codec",
    "undefined",
];

/// Text codecs of Python that nobody sends a login in and that we have no decoder for. Reading
/// such a body as UTF-8 would be wrong, so it is refused like the above.
const UNREADABLE: [&str; 9] =
    ["utf_7", "utf_32", "utf_32_le", "utf_32_be", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "hz"];

impl Charset {
    /// The charset of this name: UTF-8 when Python knows no such codec.
    ///
    /// # Errors
    /// When Python knows it but it is not for text, or we cannot decode it.
    pub(super) fn named(name: &str) -> Result<Self, UnreadableCharset> {
        let plain = normalised(name);
        let plain = plain.as_str();
        if NO_TEXT.contains(&plain) || UNREADABLE.contains(&plain) {
            return Err(UnreadableCharset);
        }
        match plain {
            "utf_8" | "utf8" | "u8" | "utf" | "cp65001" => Ok(Self::Utf8),
            "utf_8_sig" => Ok(Self::Utf8Signature),
            "utf_16" | "utf16" | "u16" => Ok(Self::Utf16),
            "utf_16_le" | "utf_16le" => Ok(Self::Utf16Le),
            "utf_16_be" | "utf_16be" => Ok(Self::Utf16Be),
            "ascii" | "us_ascii" | "us" | "646" | "iso646_us" | "ansi_x3.4_1968" | "csascii" => Ok(Self::Ascii),
            "latin_1" | "latin1" | "latin" | "l1" | "iso8859_1" | "iso_8859_1" | "iso8859" | "cp819" | "8859" => {
                Ok(Self::Latin1)
            }
            _ => Self::other(&plain.replace('_', "-")),
        }
    }

    fn other(label: &str) -> Result<Self, UnreadableCharset> {
        match Encoding::for_label(label.as_bytes()) {
            Some(encoding) if encoding == REPLACEMENT => Err(UnreadableCharset),
            Some(encoding) if encoding != X_USER_DEFINED => Ok(Self::Other(encoding)),
            Some(_) | None => Ok(Self::Utf8),
        }
    }

    /// The text, or `None` when the bytes are not well-formed.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Utf8Signature => Self::Utf8.decode(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)),
            Self::Utf16 => match bytes {
                [0xff, 0xfe, rest @ ..] => Self::Utf16Le.decode(rest),
                [0xfe, 0xff, rest @ ..] => Self::Utf16Be.decode(rest),
                _ => None,
            },
            Self::Utf16Le => utf16(bytes, u16::from_le_bytes),
            Self::Utf16Be => utf16(bytes, u16::from_be_bytes),
            Self::Ascii => bytes.is_ascii().then(|| latin1(bytes).into()),
            Self::Latin1 => Some(latin1(bytes).into()),
            Self::Other(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
        }
    }

    /// The text, with U+FFFD in place of what is not well-formed.
    pub(super) fn decode_lossily(self, bytes: &[u8]) -> String {
        if let Some(text) = self.decode(bytes) {
            return text.into_owned();
        }
        match self {
            Self::Utf8 | Self::Utf8Signature => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16 | Self::Utf16Le => utf16_lossily(bytes, u16::from_le_bytes),
            Self::Utf16Be => utf16_lossily(bytes, u16::from_be_bytes),
            Self::Ascii => {
                bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { char::REPLACEMENT_CHARACTER }).collect()
            }
            Self::Latin1 => latin1(bytes),
            Self::Other(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        }
    }
}

/// A charset that no text can be read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnreadableCharset;

/// Python compares codec names without case, and takes any run of other signs for one underscore.
fn normalised(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

fn units(bytes: &[u8], from: fn([u8; 2]) -> u16) -> impl Iterator<Item = u16> {
    bytes.as_chunks::<2>().0.iter().map(move |pair| from(*pair))
}

fn utf16(bytes: &[u8], from: fn([u8; 2]) -> u16) -> Option<Cow<'static, str>> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    char::decode_utf16(units(bytes, from)).collect::<Result<String, _>>().ok().map(Cow::Owned)
}

fn utf16_lossily(bytes: &[u8], from: fn([u8; 2]) -> u16) -> String {
    let whole = char::decode_utf16(units(bytes, from)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    whole.chain((!bytes.len().is_multiple_of(2)).then_some(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(name: &str, bytes: &[u8]) -> Option<String> {
        Charset::named(name).expect("a readable charset").decode(bytes).map(Cow::into_owned)
    }

    #[test]
    fn charsets_are_known_by_pythons_names() {
        let text = "{\"é\"}";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = |mark: &[u8], rest: &[u8]| [mark, rest].concat();
        let cases: &[(&str, Vec<u8>)] = &[
            ("utf-8", text.into()),
            ("UTF8", text.into()),
            (" utf_8", text.into()),
            ("", text.into()),
            ("bogus", text.into()),
            ("utf-8-sig", text.into()),
            ("utf-8-sig", marked(b"\xef\xbb\xbf", text.as_bytes())),
            ("utf-16", marked(b"\xff\xfe", &le)),
            ("utf-16", marked(b"\xfe\xff", &be)),
            ("utf-16-le", le.clone()),
            ("UTF-16BE", be.clone()),
            ("latin-1", b"{\"\xe9\"}".to_vec()),
            ("iso-8859-1", b"{\"\xe9\"}".to_vec()),
            ("cp1252", b"{\"\xe9\"}".to_vec()),
            ("iso-8859-15", b"{\"\xe9\"}".to_vec()),
            ("koi8-r", b"{\"\xa3\"}".to_vec()),
        ];
        for (name, bytes) in cases {
            let expected = if *name == "koi8-r" { "{\"ё\"}" } else { text };
            assert_eq!(decoded(name, bytes).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let cases: &[(&str, &[u8])] = &[
            ("utf-8", b"\xff"),
            ("utf-8", b"\xc0\x80"),
            ("utf-8", b"\xed\xa0\x80"),
            ("utf-8", b"\xf4\x90\x80\x80"),
            ("utf-8", b"{}\xc3"),
            ("utf-16", b"{\0}\0"),
            ("utf-16", b"{}"),
            ("utf-16-le", b"\0\xd8"),
            ("utf-16-le", b"{\0}"),
            ("ascii", b"\xc3\xa9"),
            ("shift_jis", b"\x80\xff"),
        ];
        for (name, bytes) in cases {
            assert_eq!(decoded(name, bytes), None, "{name} {bytes:?}");
        }
    }

    #[test]
    fn codecs_that_are_not_for_text_are_refused() {
        for name in ["base64", "BASE64", "base_64", "bz2", "hex", "rot13", "rot-13", "zlib", "uu", "undefined"] {
            assert_eq!(Charset::named(name), Err(UnreadableCharset), "{name}");
        }
        assert_eq!(Charset::named("utf-7"), Err(UnreadableCharset));
        assert_eq!(Charset::named("iso-2022-kr"), Err(UnreadableCharset));
    }

    #[test]
    fn bad_bytes_become_replacement_characters() {
        let lossy = |name: &str, bytes: &[u8]| Charset::named(name).expect("readable").decode_lossily(bytes);
        assert_eq!(lossy("utf-8", b"a\xed\xa0\x80b"), "a\u{fffd}\u{fffd}\u{fffd}b");
        assert_eq!(lossy("ascii", b"a\xe9"), "a\u{fffd}");
        assert_eq!(lossy("utf-16-le", b"a\0\0\xd8b"), "a\u{fffd}\u{fffd}");
        assert_eq!(lossy("latin-1", b"\xa0"), "\u{a0}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(name in "utf-16|utf-16-le|utf-16-be|ascii|latin-1|utf-8|utf-8-sig|shift_jis|gb18030|\\PC*", bytes: Vec<u8>) {
            if let Ok(charset) = Charset::named(&name) {
                let _ = charset.decode(&bytes);
                let _ = charset.decode_lossily(&bytes);
            }
        }
    }
}
