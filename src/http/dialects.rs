//! The dialects, one file each. No dialect depends on another; what several Django packages have in common is
//! here.
//!
//! A new dialect is a variant of [`Dialect`], for which the compiler then lists the places that
//! have to handle it; a file here; a folder of transcripts; a page in `docs/dialects/`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::drf::endpoint::Endpoint;
use super::drf::request::{LoginDenial, RequestContext};
use super::openapi::document::{Document, Section};
use super::openapi::operation::Operation;
use super::openapi::schema::object;
use super::openapi::{coded_detail, detail, non_field_errors};
use super::{HttpState, account};
use crate::domain::dialect::{CookieMode, Dialect, Mount};
use crate::domain::session::Refusal;
use crate::service::{BadToken, Issued, RefreshedTokens, TokenRefusal};

pub mod access_token;
pub mod djoser;
pub mod drf_jwt;
pub mod knox;
pub mod simplejwt;

/// The endpoints of a dialect.
fn endpoints(dialect: Dialect) -> &'static [Endpoint] {
    match dialect {
        Dialect::Knox => &knox::ENDPOINTS,
        Dialect::DrfJwt => &drf_jwt::ENDPOINTS,
        Dialect::Simplejwt => &simplejwt::ENDPOINTS,
        Dialect::AccessToken => &access_token::ENDPOINTS,
        Dialect::Djoser => &djoser::ENDPOINTS,
    }
}

/// The paths that take the refresh token of a dialect, below its prefix.
pub(super) fn refresh_paths(dialect: Dialect) -> impl Iterator<Item = &'static str> {
    let takes_it = |endpoint: &&Endpoint| endpoint.actions.iter().any(|action| action.fields == ["refresh"]);
    endpoints(dialect).iter().filter(takes_it).map(|endpoint| endpoint.path)
}

/// The enabled dialects.
fn mounted(state: &HttpState) -> impl Iterator<Item = (Dialect, &Mount)> {
    let dialects = &state.options().dialects;
    Dialect::ALL.into_iter().map(|dialect| (dialect, dialects.get(dialect))).filter(|(_, mount)| mount.enabled)
}

/// Mounts the enabled dialects, each below its prefix.
pub fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    for (dialect, mount) in mounted(state) {
        endpoints(dialect).iter().for_each(|endpoint| endpoint.mount(config, &mount.prefix, dialect));
    }
}

/// What the document says about the enabled dialects.
pub(super) fn document(document: &mut Document, state: &HttpState) {
    for (dialect, mount) in mounted(state) {
        let mut section = document.section(dialect.as_str(), about(dialect), &mount.prefix);
        section.with_cookies(mount.cookie != CookieMode::Off);
        endpoints(dialect).iter().for_each(|endpoint| section.endpoint(endpoint));
        if dialect == Dialect::Knox {
            let about = "For access tokens of every dialect, each under its own keyword.";
            let mut section = document.section("account", about, &mount.prefix);
            section.with_cookies(state.jar().is_some());
            account::endpoints(state.auth().has_passwords()).for_each(|endpoint| section.endpoint(endpoint));
        }
    }
}

const fn about(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Knox => "Opaque tokens, as with django-rest-knox.",
        Dialect::DrfJwt => "One JWT, as with djangorestframework-jwt.",
        Dialect::Simplejwt => "An access and a refresh JWT, by e-mail address, as with djangorestframework-simplejwt.",
        Dialect::AccessToken => "One JWT with its end and its user.",
        Dialect::Djoser => "An access and a refresh JWT, as with djoser.",
    }
}

/// What the document says of verifying where there is one JWT.
fn verifies_one(section: &Section<'_>, answer: Value) -> Operation {
    Operation::new("Whether a JWT is good")
        .reads_token("token", section.has_cookies())
        .reply(200, "It is: the same one.", answer)
        .reply(400, "It is not.", non_field_errors())
        .asks_the_database()
}

/// What it says of refreshing there.
fn refreshes_one(section: &Section<'_>, answer: Value) -> Operation {
    Operation::new("Another JWT for one that is good")
        .reads_token("token", section.has_cookies())
        .reply(200, "The new one.", answer)
        .reply(400, "The old one is not good, or cannot be refreshed any more.", non_field_errors())
        .throttled("The session was refreshed too often.")
        .asks_the_database()
}

/// What it says of verifying where there are two, but for the refusal.
fn verifies_either(section: &Section<'_>, answer: Value) -> Operation {
    Operation::new("Whether a JWT is good, of either kind")
        .reads_token("token", section.has_cookies())
        .reply(200, "It is.", answer)
        .asks_the_database()
}

/// What it says of refreshing there, but for the refusal.
fn refreshes_pair(section: &Section<'_>) -> Operation {
    let token = || section.token();
    let with_rotation = object([("access", token()), ("refresh", token())]);
    Operation::new("A new access JWT for a refresh JWT")
        .reads_token("refresh", section.has_cookies())
        .reply(
            200,
            "With rotation, a new refresh JWT too.",
            json!({ "anyOf": [object([("access", token())]), with_rotation] }),
        )
        .throttled("The session was refreshed too often.")
        .asks_the_database()
}

/// The schema of [`pair`].
fn pair_schema(section: &Section<'_>) -> Value {
    object([("refresh", section.token()), ("access", section.token())])
}

/// The schema of [`pair_refusal`].
fn pair_refusal_schema() -> Value {
    json!({ "anyOf": [coded_detail(), detail()] })
}

/// The denial of djangorestframework-jwt, which `access_token` also uses.
fn deny_single(context: &RequestContext<'_>, denial: LoginDenial) -> HttpResponse {
    context.replies().non_field_error(denial.message("Unable to login with provided credentials."))
}

/// The challenge of simplejwt, which djoser also uses.
const CHALLENGE: &str = "Bearer realm=\"api\"";

/// The message of simplejwt, which djoser also uses.
const fn pair_denial(denial: LoginDenial) -> &'static str {
    denial.message("No active account found with the given credentials")
}

/// The messages of djangorestframework-jwt, which `access_token` also uses.
const fn single_refusal(refusal: TokenRefusal) -> &'static str {
    match refusal {
        TokenRefusal::Expired => "Signature has expired.",
        TokenRefusal::InactiveUser => "User account is disabled.",
        TokenRefusal::WindowOver => "Refresh has expired.",
        TokenRefusal::WrongKind | TokenRefusal::Bad(_) => "Error decoding signature.",
    }
}

/// The messages of simplejwt, which djoser also uses (`docs/dialects/simplejwt.md#refusals-of-tokens`).
const fn pair_words(refusal: TokenRefusal) -> &'static str {
    match refusal {
        TokenRefusal::WrongKind => "Token has wrong type",
        TokenRefusal::InactiveUser => "No active account found for the given token.",
        TokenRefusal::Expired | TokenRefusal::WindowOver | TokenRefusal::Bad(_) => "Token is invalid or expired",
    }
}

/// The body of simplejwt's 401: about the token with a code, about its user without.
fn pair_refusal(refusal: TokenRefusal) -> Value {
    let detail = pair_words(refusal);
    match refusal {
        TokenRefusal::InactiveUser => json!({ "detail": detail }),
        TokenRefusal::Expired | TokenRefusal::WrongKind | TokenRefusal::WindowOver | TokenRefusal::Bad(_) => {
            json!({ "detail": detail, "code": "token_not_valid" })
        }
    }
}

/// Verification in simplejwt ignores the user, and has no message for an inactive one.
const fn unless_inactive(refusal: TokenRefusal) -> TokenRefusal {
    match refusal {
        TokenRefusal::InactiveUser => TokenRefusal::Bad(BadToken::Refused(Refusal::InactiveUser)),
        TokenRefusal::Expired | TokenRefusal::WrongKind | TokenRefusal::WindowOver | TokenRefusal::Bad(_) => refusal,
    }
}

/// The reply to a login that hands out two tokens.
fn pair(context: &RequestContext<'_>, issued: &Issued) -> HttpResponse {
    let body = json!({
        "refresh": issued.refresh.as_ref().and_then(|refresh| context.in_body(&refresh.token)),
        "access": context.in_body(&issued.access.token),
    });
    context.hand_over(issued, context.replies().json(StatusCode::OK, &body))
}

/// The reply to a refresh of one of them.
fn refreshed(context: &RequestContext<'_>, tokens: &RefreshedTokens) -> HttpResponse {
    let access = context.in_body(&tokens.access.token);
    let body = match &tokens.refresh {
        Some(refresh) => json!({ "access": access, "refresh": context.in_body(&refresh.token) }),
        None => json!({ "access": access }),
    };
    context.hand_over(tokens, context.replies().json(StatusCode::OK, &body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{forward_auth, oauth};

    /// So the settings need not reject prefixes that would make two dialects share a path.
    #[test]
    fn no_prefix_makes_two_dialects_meet() {
        const RESERVED: [&str; 4] =
            [".well-known/jwks.json", ".well-known/oauth-authorization-server", "healthz", "readyz"];
        let all = || {
            let all = Dialect::ALL.into_iter().flat_map(endpoints).chain(account::endpoints(true));
            let all = all.map(|endpoint| endpoint.path).chain(RESERVED).chain(forward_auth::PATHS);
            let all = all.chain(oauth::ENDPOINTS.map(|endpoint| endpoint.path));
            #[cfg(feature = "pages")]
            let all = all.chain(
                crate::http::routes::paths(crate::http::pages::account::PAGES).map(|path| path.trim_matches('/')),
            );
            all
        };
        for path in all() {
            let ends_like_it = |other: &&str| format!("/{other}").ends_with(&format!("/{path}"));
            assert_eq!(all().filter(ends_like_it).count(), 1, "{path}");
        }
    }
}
