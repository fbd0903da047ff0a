//! Forms: their fields, and the token in each one that changes something. It follows from the cookie, which other sites
//! cannot read, so nothing has to be stored; and the cookie does not follow from it.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::token::Token;
use crate::http::HttpOptions;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::{Fields, read_body};
use crate::http::drf::body::declared_length;
use crate::http::drf::media::{covers, joined};

/// The name of its field.
const FIELD: &str = "form_token";

const PURPOSE: &[u8] = b"knoxide form token";

/// The token of forms on pages with this cookie.
pub(super) fn token_for(cookie: &Token) -> String {
    mac(cookie).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default()
}

/// Whether a form that came with this cookie has the token of its page.
fn is_of_page(cookie: &Token, presented: &str) -> bool {
    let presented = hex::decode(presented).ok();
    let verified = presented.and_then(|presented| mac(cookie)?.verify_slice(&presented).ok());
    verified.is_some()
}

/// Why a form is not taken.
pub(super) enum BadForm {
    /// It cannot be read.
    Unread(ApiError),
    /// Its token is not that of a page with this cookie.
    OfAnotherSession,
}

/// The fields of the query for a page that is read, and those of the body for everything else, which has to be a form of a
/// page with this cookie.
///
/// # Errors
/// When the body is larger or slower than it should be, no form, or that of another session.
pub(super) async fn read(
    is_read: bool,
    request: &HttpRequest,
    payload: Payload,
    options: &HttpOptions,
    cookie: Option<&Token>,
) -> Result<Fields, BadForm> {
    if is_read {
        return Ok(Fields::of_form(request.query_string().as_bytes()));
    }
    let mut fields = read_body_fields(request, payload, options).await.map_err(BadForm::Unread)?;
    let presented = fields.text(FIELD).unwrap_or_default();
    if cookie.is_some_and(|cookie| is_of_page(cookie, &presented)) {
        Ok(fields)
    } else {
        Err(BadForm::OfAnotherSession)
    }
}

async fn read_body_fields(request: &HttpRequest, payload: Payload, options: &HttpOptions) -> Result<Fields, ApiError> {
    let headers = request.headers();
    let body = read_body(declared_length(headers), payload, options).await?;
    let content_type = joined(headers, &CONTENT_TYPE).unwrap_or_default();
    if !covers(&content_type, "application", "x-www-form-urlencoded") {
        return Err(ApiError::invalid("the body is no form"));
    }
    Ok(Fields::of_form(&body))
}

/// A key of any length is good.
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
        assert!(is_of_page(&one, &token) && !is_of_page(&other, &token));
        for bad in ["", "x", &token[..62], &format!("{token}00"), &"0".repeat(64), one.expose()] {
            assert!(!is_of_page(&one, bad), "{bad}");
        }
    }
}
