//! The dialects, one file each. No dialect depends on another; what several Django packages have in common is
//! here.
//!
//! A new dialect is a variant of [`Dialect`], for which the compiler then lists the places that
//! have to handle it; a file here; a folder of transcripts; a page in `docs/dialects/`.

use actix_web::http::StatusCode;
use actix_web::{Handler, HttpResponse, web};
use serde_json::{Value, json};

use super::drf::endpoint::Endpoint;
use super::drf::request::{Incoming, LoginDenial, RequestContext};
use super::openapi::document::{Document, Section, token_schemes};
use super::openapi::operation::Operation;
use super::openapi::schema::object;
use super::openapi::{coded_detail, detail, non_field_errors};
use super::{HttpState, account, events, self_service};
use crate::domain::dialect::{CookieMode, Dialect};
use crate::domain::session::Refusal;
use crate::service::{BadToken, Issued, RefreshedTokens, TokenRefusal};

pub mod access_token;
pub mod djoser;
pub mod drf_jwt;
pub mod knox;
pub mod simplejwt;

/// Mounts the enabled dialects, each below its prefix.
pub fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    let dialects = &state.options().dialects;
    for dialect in Dialect::ALL {
        let mount = dialects.get(dialect);
        if !mount.enabled {
            continue;
        }
        match dialect {
            Dialect::Knox => knox::configure(config, &mount.prefix),
            Dialect::DrfJwt => drf_jwt::configure(config, &mount.prefix),
            Dialect::Simplejwt => simplejwt::configure(config, &mount.prefix),
            Dialect::AccessToken => access_token::configure(config, &mount.prefix),
            Dialect::Djoser => djoser::configure(config, &mount.prefix),
        }
    }
}

/// What the document says about the enabled dialects.
pub(super) fn document(document: &mut Document, state: &HttpState) {
    let options = state.options();
    let schemes = token_schemes(&options.dialects);
    for dialect in Dialect::ALL {
        let mount = options.dialects.get(dialect);
        if !mount.enabled {
            continue;
        }
        let mut section = document.section(dialect.as_str(), about(dialect), &mount.prefix);
        section.with_cookies(mount.cookie != CookieMode::Off);
        match dialect {
            Dialect::Knox => knox::document(&mut section),
            Dialect::DrfJwt => drf_jwt::document(&mut section),
            Dialect::Simplejwt => simplejwt::document(&mut section, options.compat),
            Dialect::AccessToken => access_token::document(&mut section),
            Dialect::Djoser => djoser::document(&mut section, options.compat),
        }
        if dialect == Dialect::Knox {
            let about = "For access tokens of every dialect, each under its own keyword.";
            let mut section = document.section("account", about, &mount.prefix);
            section.with_cookies(state.jar().is_some());
            account::document(&mut section, options.compat, &schemes);
            self_service::document(&mut section, state, &schemes);
            events::document(&mut section, state, &schemes);
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

/// What the document says of verifying and refreshing where there is one JWT: the replies have this schema.
fn document_one_jwt(
    section: &mut Section<'_>,
    (verify_at, verify): (&str, &Endpoint),
    (refresh_at, refresh): (&str, &Endpoint),
    answer: &Value,
) {
    let in_cookies = section.has_cookies();
    let operation = |summary, good, bad| {
        let operation = Operation::new(summary).reads_token("token", in_cookies);
        operation.reply(200, good, answer.clone()).reply(400, bad, non_field_errors())
    };
    let verified = operation("Whether a JWT is good", "It is: the same one.", "It is not.").asks_the_database();
    section.endpoint(verify_at, verify, verified);
    let not_refreshed = "The old one is not good, or cannot be refreshed any more.";
    let refreshed = operation("Another JWT for one that is good", "The new one.", not_refreshed);
    let refreshed = refreshed.throttled("The session was refreshed too often.").asks_the_database();
    section.endpoint(refresh_at, refresh, refreshed);
}

/// The schema of [`pair`].
fn pair_schema(token: &Value) -> Value {
    object([("refresh", token.clone()), ("access", token.clone())])
}

/// The schemas of [`refreshed`].
fn refreshed_schema(token: &Value) -> Value {
    let with_rotation = object([("access", token.clone()), ("refresh", token.clone())]);
    json!({ "anyOf": [object([("access", token.clone())]), with_rotation] })
}

/// The schema of [`pair_refusal`].
fn pair_refusal_schema() -> Value {
    json!({ "anyOf": [coded_detail(), detail()] })
}

/// Serves an endpoint at both of its paths: a redirect from one to the other would lose the body of a
/// POST. Each path is a separate resource, because actix compares a single fixed path as text, but
/// several paths with regular expressions, for each resource before the right one.
pub(super) fn serve<F>(config: &mut web::ServiceConfig, prefix: &str, name: &str, handler: &F)
where
    F: Handler<(Incoming,), Output = HttpResponse>,
{
    for slash in ["/", ""] {
        config.service(web::resource(format!("{prefix}/{name}{slash}")).to(handler.clone()));
    }
}

/// The denial of djangorestframework-jwt, which `access_token` also uses.
fn deny_single(context: &RequestContext<'_>, denial: LoginDenial) -> HttpResponse {
    context.replies().non_field_error(denial.message("Unable to login with provided credentials."))
}

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

/// The endpoints that take the refresh token of a dialect, below its prefix.
pub(super) const fn refresh_paths(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Simplejwt => &simplejwt::REFRESH_PATHS,
        Dialect::Djoser => &djoser::REFRESH_PATHS,
        Dialect::Knox | Dialect::DrfJwt | Dialect::AccessToken => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{forward_auth, oauth};

    const fn paths(dialect: Dialect) -> &'static [&'static str] {
        match dialect {
            Dialect::Knox => &knox::PATHS,
            Dialect::DrfJwt => &drf_jwt::PATHS,
            Dialect::Simplejwt => &simplejwt::PATHS,
            Dialect::AccessToken => &access_token::PATHS,
            Dialect::Djoser => &djoser::PATHS,
        }
    }

    /// So the settings need not reject prefixes that would make two dialects share a path.
    #[test]
    fn no_prefix_makes_two_dialects_meet() {
        const RESERVED: [&str; 4] =
            [".well-known/jwks.json", ".well-known/oauth-authorization-server", "healthz", "readyz"];
        let all = || {
            let all = Dialect::ALL.into_iter().flat_map(paths).copied().chain(account::PATHS);
            let all = all
                .chain(events::PATHS)
                .chain(self_service::PATHS)
                .chain(RESERVED)
                .chain(forward_auth::PATHS)
                .chain(oauth::PATHS);
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
