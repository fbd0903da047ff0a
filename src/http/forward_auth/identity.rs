//! The headers that tell a service who the user is. All of them are in every 200, so that a proxy which sets them
//! replaces what the client sent under these names.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::domain::session::{SessionId, Verified};

static REMOTE_USER: HeaderName = HeaderName::from_static("remote-user");
static REMOTE_EMAIL: HeaderName = HeaderName::from_static("remote-email");
static REMOTE_GROUPS: HeaderName = HeaderName::from_static("remote-groups");
static REMOTE_USER_ID: HeaderName = HeaderName::from_static("remote-user-id");
static REMOTE_SESSION: HeaderName = HeaderName::from_static("remote-session");
static REMOTE_EXPIRES: HeaderName = HeaderName::from_static("remote-expires");
static REMOTE_TOKEN_FROM: HeaderName = HeaderName::from_static("remote-token-from");

static EMPTY: HeaderValue = HeaderValue::from_static("");
static STAFF: HeaderValue = HeaderValue::from_static("staff");
static HEADER: HeaderValue = HeaderValue::from_static("header");
static COOKIE: HeaderValue = HeaderValue::from_static("cookie");

/// What is encoded besides all bytes above ASCII. The percent sign too, so that a decoder gives the text back.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// Their names, for the document.
pub(super) const HEADERS: [&str; 7] = [
    "Remote-User",
    "Remote-Email",
    "Remote-Groups",
    "Remote-User-Id",
    "Remote-Session",
    "Remote-Expires",
    "Remote-Token-From",
];

/// Where the token was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Header,
    Cookie,
}

/// Adds the headers about this user and session.
pub(super) fn describe(mut reply: HttpResponse, who: &Verified, source: Source) -> HttpResponse {
    let headers = reply.headers_mut();
    headers.insert(REMOTE_USER.clone(), encoded(&who.user.username));
    headers.insert(REMOTE_EMAIL.clone(), encoded(&who.user.email));
    headers.insert(REMOTE_GROUPS.clone(), if who.user.is_staff { STAFF.clone() } else { EMPTY.clone() });
    headers.insert(REMOTE_USER_ID.clone(), HeaderValue::from(who.user.id.0));
    headers.insert(REMOTE_SESSION.clone(), encoded(who.session.id.write(&mut SessionId::space())));
    let mut expires = Vec::new();
    if let Some(end) = who.expires {
        end.write(&mut expires);
    }
    // A time is ASCII.
    headers.insert(REMOTE_EXPIRES.clone(), HeaderValue::try_from(expires).unwrap_or_else(|_| EMPTY.clone()));
    let source = match source {
        Source::Header => &HEADER,
        Source::Cookie => &COOKIE,
    };
    headers.insert(REMOTE_TOKEN_FROM.clone(), source.clone());
    reply
}

/// Visible ASCII as it stands; everything else, and the percent sign, as `%` and two hexadecimal digits for each byte of
/// UTF-8.
fn encoded(text: &str) -> HeaderValue {
    let mut pieces = utf8_percent_encode(text, ENCODED);
    let value = match (pieces.next(), pieces.next()) {
        // Almost every name needs no encoding.
        (Some(whole), None) => HeaderValue::from_str(whole),
        (None, _) => Ok(EMPTY.clone()),
        (Some(_), Some(_)) => HeaderValue::from_str(&utf8_percent_encode(text, ENCODED).to_string()),
    };
    // What is left is visible ASCII, which every header may have.
    value.unwrap_or_else(|_| EMPTY.clone())
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode;
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        encoded(text).to_str().expect("visible ASCII").to_owned()
    }

    #[test]
    fn what_is_visible_stays_and_a_percent_sign_does_not() {
        let visible: String = ('!'..='~').filter(|c| *c != '%').collect();
        assert_eq!(shown(&visible), visible);
        for (name, expected) in [
            ("", ""),
            ("%61dmin", "%2561dmin"),
            ("100%", "100%25"),
            (" a b ", "%20a%20b%20"),
            ("Zoë", "Zo%C3%AB"),
            ("a\r\nRemote-User: root\0", "a%0D%0ARemote-User:%20root%00"),
            ("\u{7f}", "%7F"),
        ] {
            assert_eq!(shown(name), expected);
        }
    }

    #[test]
    fn every_code_point_comes_back() {
        for c in '\0'..=char::MAX {
            // What follows would be part of what a bare percent sign encodes.
            let name = format!("{c}61");
            let value = shown(&name);
            assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{c:?}: {value}");
            assert_eq!(percent_decode(value.as_bytes()).decode_utf8().expect("UTF-8"), name);
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back_as_it_was(name in "\\PC*|[\\x00-\\x7f]*|[%0-9a-fA-F]*|.*") {
            let value = shown(&name);
            prop_assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{}", value);
            prop_assert_eq!(percent_decode(value.as_bytes()).decode_utf8().expect("UTF-8"), name);
        }
    }
}
