//! Tokens in forms against cross-site request forgery. A token is computed from the cookie of its page, which other sites
//! cannot read, so nothing has to be stored. The cookie cannot be computed from the token.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::token::Token;

/// The name of the field with the token.
pub(super) const FIELD: &str = "form_token";

const PURPOSE: &[u8] = b"knoxide form token";

/// The token for forms on pages with this cookie.
pub(super) fn token_for(cookie: &Token) -> String {
    mac(cookie).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default()
}

/// Whether a form that came with this cookie has the right token.
pub(super) fn verify(cookie: &Token, presented: &str) -> bool {
    let presented = hex::decode(presented).ok();
    let verified = presented.and_then(|presented| mac(cookie)?.verify_slice(&presented).ok());
    verified.is_some()
}

/// HMAC takes keys of any length, so there is always one.
fn mac(cookie: &Token) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(cookie.expose().as_bytes()).ok()?;
    mac.update(PURPOSE);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_form_is_good_with_its_own_cookie_alone() {
        let [one, other] = ["a".repeat(40), "b".repeat(40)].map(|text| Token::parse(text.as_bytes()).expect("a token"));
        let token = token_for(&one);
        assert_eq!(token.len(), 64);
        assert!(verify(&one, &token) && !verify(&other, &token));
        for bad in ["", "x", &token[..62], &format!("{token}00"), &"0".repeat(64), one.expose()] {
            assert!(!verify(&one, bad), "{bad}");
        }
    }
}
