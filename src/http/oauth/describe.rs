//! What is said of a token: `{"active":false}`, or whose it is.

use crate::domain::dialect::{Mount, PerDialect};
use crate::domain::session::{Refusal, SessionId, Verified};
use crate::http::account::write_session;
use crate::http::drf::reply::write_string;

/// Nothing else is said of a token that is not live (RFC 7662, section 2.2).
const INACTIVE: &[u8] = b"{\"active\":false}";

/// The usual length of what is said of a live token, in bytes.
pub(super) const USUAL_LENGTH: usize = 512;

/// Describes a token by the outcome of its check. Tokens of a dialect that is switched off are refused everywhere.
///
/// Written directly, as the reply to `GET /auth/user/` is: a request may ask for a thousand of them.
pub(super) fn write(out: &mut Vec<u8>, outcome: &Result<Verified, Refusal>, mounts: &PerDialect<Mount>) {
    let live = outcome.as_ref().ok().and_then(|who| Some((who, mounts.get(who.session.kind.dialect()?))));
    let Some((who, mount)) = live.filter(|(_, mount)| mount.enabled) else {
        out.extend_from_slice(INACTIVE);
        return;
    };
    out.extend_from_slice(b"{\"active\":true,\"token_type\":");
    write_string(out, mount.keywords.first().map_or("Bearer", String::as_str));
    out.extend_from_slice(b",\"iat\":");
    write_number(out, who.issued.as_seconds());
    if let Some(end) = who.expires {
        // Rounded down: nobody takes the token for live after its end.
        out.extend_from_slice(b",\"exp\":");
        write_number(out, end.as_seconds());
    }
    out.extend_from_slice(b",\"sub\":\"");
    write_number(out, who.user.id.0);
    out.extend_from_slice(b"\",\"username\":");
    write_string(out, &who.user.username);
    out.extend_from_slice(b",\"sid\":\"");
    out.extend_from_slice(who.session.id.write(&mut SessionId::space()).as_bytes());
    out.extend_from_slice(b"\",\"email\":");
    write_string(out, &who.user.email);
    out.extend_from_slice(if who.user.is_staff { b",\"is_staff\":true" } else { b",\"is_staff\":false" });
    out.extend_from_slice(if who.user.is_admin { b",\"is_admin\":true" } else { b",\"is_admin\":false" });
    out.extend_from_slice(b",\"session\":");
    write_session(out, who);
    out.push(b'}');
}

fn write_number(out: &mut Vec<u8>, number: i64) {
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(out, &number);
}
