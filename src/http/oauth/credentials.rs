//! The credentials of a request: a client's id and secret in the header or in the body (RFC 6749, section 2.3.1), or an
//! administrator's token in the header.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::form::Form;
use super::refusal::Refusal;
use crate::domain::client::ClientSecret;
use crate::domain::token::Token;

/// Who the sender claims to be, and the proof.
#[derive(Debug)]
pub(super) enum Credentials {
    /// Nothing is said.
    None,
    /// A client.
    Client { id: String, secret: ClientSecret },
    /// The token of an administrator's script.
    Administrator(Token),
}

impl Credentials {
    /// Those of the `Authorization` header.
    ///
    /// # Errors
    /// 400 if there are two such headers, 401 if it makes no sense.
    pub(super) fn of_header(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(AUTHORIZATION);
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(Self::None),
            (Some(only), None) => only.as_bytes(),
            (Some(_), Some(_)) => return Err(Refusal::invalid_request("there are two Authorization headers")),
        };
        let mut words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (scheme, credentials, rest) = (words.next().unwrap_or_default(), words.next(), words.next());
        let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
        let credentials = credentials.filter(|_| rest.is_none());
        if is("Basic") {
            let read = credentials.and_then(basic);
            return read.ok_or(Refusal::invalid_client("the credentials in the header cannot be read"));
        }
        if is("Bearer") || is("Token") {
            let token = credentials.and_then(Token::parse);
            return token.map(Self::Administrator).ok_or(Refusal::invalid_token());
        }
        Err(Refusal::invalid_client("the Authorization header is neither Basic nor Bearer"))
    }

    /// Those of a request with a form: of the header, or of the body.
    ///
    /// # Errors
    /// 400 if both have a secret, or they name two clients (RFC 6749, section 2.3).
    pub(super) fn of_request(in_header: Self, form: &Form) -> Result<Self, Refusal> {
        let (id, secret) = (form.get("client_id"), form.get("client_secret"));
        match (in_header, secret) {
            (Self::None, None) => Ok(Self::None),
            (Self::None, Some(secret)) => {
                let id = id.ok_or(Refusal::invalid_client("the parameter client_id is missing"))?;
                let secret = ClientSecret::presented(secret.to_owned());
                Ok(Self::Client { id: id.to_owned(), secret })
            }
            (Self::Client { .. } | Self::Administrator(_), Some(_)) => {
                Err(Refusal::invalid_request("there are credentials in the header and in the body"))
            }
            (Self::Client { id: named, .. }, None) if id.is_some_and(|id| id != named) => {
                Err(Refusal::invalid_request("the header and the body name two clients"))
            }
            (in_header @ (Self::Client { .. } | Self::Administrator(_)), None) => Ok(in_header),
        }
    }
}

/// Base64 of an id, a colon and a secret, the two of them form-encoded.
fn basic(credentials: &[u8]) -> Option<Credentials> {
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(credentials).ok()?);
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Credentials::Client {
        id: decoded_part(id).to_string(),
        secret: ClientSecret::presented(decoded_part(secret)),
    })
}

/// A part of the credentials without its escapes. What is no escape stands for itself, so that clients that do not
/// encode are understood, too: neither ids nor secrets contain anything that has to be encoded.
fn decoded_part(text: &str) -> Zeroizing<String> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    Zeroizing::new(percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}
