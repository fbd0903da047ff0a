//! JSON Web Tokens that the tests create and parse themselves, so that the server's code is not checked against itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// The header that all Django packages write.
pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The letters of base64url in the order of their values.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes as base64url without padding (RFC 7515, section 2).
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// HMAC-SHA256 (RFC 2104), which HS256 means.
pub(crate) fn hmac(secret: &[u8], text: &str) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().to_vec()
}

/// A token with this header and payload, valid or not, and a matching HS256 signature.
pub(crate) fn sign(secret: &[u8], header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    seal(secret, &format!("{}.{}", encode(header), encode(payload)))
}

/// Adds the HS256 signature to the part of a token before its last dot.
pub(crate) fn seal(secret: &[u8], signed: &str) -> String {
    format!("{signed}.{}", encode(hmac(secret, signed)))
}

/// The header and payload of a token whose HS256 signature is valid, or what is wrong with it.
pub(crate) fn open(secret: &[u8], token: &str) -> Result<(Value, Value), String> {
    let (signed, signature) = token.rsplit_once('.').ok_or("there is no dot in it")?;
    let (header, payload) = signed.split_once('.').ok_or("there is only one dot in it")?;
    if encode(hmac(secret, signed)) != signature {
        return Err("the signature does not fit".to_owned());
    }
    let read = |part: &str, what: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|error| format!("the {what}: {error}"))?;
        serde_json::from_slice(&bytes).map_err(|error| format!("the {what}: {error}"))
    };
    Ok((read(header, "header")?, read(payload, "payload")?))
}

/// One part of a token, counted from 1.
pub(crate) fn part(token: &str, number: usize) -> Option<&str> {
    token.split('.').nth(number.checked_sub(1)?)
}

/// The token with a different last letter that a careless decoder reads as the same one: for a signature of 32 bytes
/// the last letter has only four significant bits, and the other two must be zero.
pub(crate) fn twiddled(token: &str) -> Option<String> {
    let (&last, rest) = token.as_bytes().split_last()?;
    let value = LETTERS.iter().position(|&letter| letter == last)?;
    let rest = std::str::from_utf8(rest).ok()?;
    Some(format!("{rest}{}", char::from(LETTERS[value ^ 1])))
}
