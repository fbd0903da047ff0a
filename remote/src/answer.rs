//! The server's answer to a call: one result for each token, in their order.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::dialect::Dialect;
use crate::verified::{Session, SessionId, User, UserId, Verified};

/// What the server knows about a token; `None`: it is not live, or this crate could never accept it.
pub(crate) type Outcome = Option<Verified>;

#[derive(Deserialize)]
struct Results {
    results: Vec<Told>,
}

/// A result. Members that are not listed here are ignored, so that servers can add more.
#[derive(Deserialize)]
struct Told {
    active: bool,
    sub: Option<String>,
    username: Option<String>,
    email: Option<String>,
    is_staff: Option<bool>,
    is_admin: Option<bool>,
    sid: Option<String>,
    iat: Option<i64>,
    exp: Option<i64>,
    session: Option<ToldSession>,
}

#[derive(Deserialize)]
struct ToldSession {
    dialect: String,
}

/// Reads the answer to a call about this many tokens. `None` if it is not such an answer; then nothing is known about
/// any of them.
pub(crate) fn read(body: &[u8], tokens: usize) -> Option<Vec<Outcome>> {
    // A parser error would quote user names in the log.
    let Results { results } = serde_json::from_slice(body).ok()?;
    (results.len() == tokens).then_some(())?;
    results.into_iter().map(Told::outcome).collect()
}

impl Told {
    /// `None` if a member that every live token has is missing.
    fn outcome(self) -> Option<Outcome> {
        if !self.active {
            return Some(None);
        }
        // A newer server may know dialects that this crate does not, which no application can have asked for.
        let Some(dialect) = Dialect::from_name(&self.session?.dialect) else { return Some(None) };
        let user = User {
            id: UserId(self.sub?.parse().ok()?),
            username: self.username?,
            email: self.email?,
            is_staff: self.is_staff?,
            is_admin: self.is_admin?,
        };
        let session = Session { id: SessionId::new(self.sid?), dialect };
        let expires = match self.exp {
            Some(seconds) => Some(moment(seconds)?),
            None => None,
        };
        Some(Some(Verified { user, session, issued: moment(self.iat?)?, expires }))
    }
}

/// The time this many seconds after 1970 began.
fn moment(seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    if seconds < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = r#"{"active":true,"token_type":"Token","iat":1767323045,"exp":1767409445,"sub":"17",
        "username":"alice","sid":"019b7c5e-4f05-7c1b-9d2a-3f6f0f1e2d3c","email":"","is_staff":true,"is_admin":false,
        "session":{"id":"019b7c5e-4f05-7c1b-9d2a-3f6f0f1e2d3c","dialect":"knox"},"something new":[1]}"#;

    #[test]
    fn a_live_token_is_told_with_user_and_session() {
        let body = format!(r#"{{"results":[{{"active":false}},{LIVE}]}}"#);
        let outcomes = read(body.as_bytes(), 2).expect("an answer");
        assert_eq!(outcomes[0], None);
        let who = outcomes[1].as_ref().expect("a live token");
        assert_eq!((who.user.id, who.user.username.as_str(), who.user.is_staff), (UserId(17), "alice", true));
        assert_eq!((who.session.dialect, who.session.id.as_str().len()), (Dialect::Knox, 36));
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        assert_eq!((since(who.issued), who.expires.map(since)), (1_767_323_045, Some(1_767_409_445)));
    }

    #[test]
    fn a_token_of_an_unknown_dialect_is_not_accepted() {
        let body = format!(r#"{{"results":[{}]}}"#, LIVE.replace("\"knox\"", "\"newer\""));
        assert_eq!(read(body.as_bytes(), 1), Some(vec![None]));
    }

    #[test]
    fn what_is_no_complete_answer_is_no_answer() {
        for member in ["iat", "sub", "username", "sid", "email", "is_staff", "is_admin", "session"] {
            let body = format!(r#"{{"results":[{}]}}"#, LIVE.replacen(&format!("\"{member}\""), "\"other\"", 1));
            assert_eq!(read(body.as_bytes(), 1), None, "{member}");
        }
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"results":[]}"#,
            r#"{"results":[{}]}"#,
            r#"{"results":[{"active":null}]}"#,
            r#"{"results":[{"active":"true"}]}"#,
            r#"{"results":[{"active":true}]}"#,
            r#"{"results":[{"active":false},{"active":false}]}"#,
            r#"{"results":[{"active":false}]"#,
        ] {
            assert_eq!(read(body.as_bytes(), 1), None, "{body}");
        }
    }
}
