//! The settings for browsers: cookies and CORS.

use super::dialects::name_of;
use super::form::{boolean, of};
use super::setting::Table;
use super::{Input, Settings};
use crate::domain::dialect::{CookieMode, Dialect};
use crate::http::browser::cors::CorsOrigins;

/// Characters that a token prefix may have, but the value of a cookie may not (RFC 6265, section 4.1.1).
const NOT_IN_COOKIES: [char; 4] = ['"', ',', ';', '\\'];

/// Adds the settings that do not belong to one dialect.
pub(super) fn settings(table: &mut Table) {
    table.group("Browsers");
    let meaning = "The origins, besides that of `KNOXIDE_PUBLIC_URL`, whose pages may log in with cookies, and send \
                   requests other than GET and HEAD with them (docs/browsers.md). They are compared exactly.";
    let origins = || of("comma list of origins such as https://app.example.com");
    table.add("KNOXIDE_ORIGINS", origins(), meaning, |settings| Some(&mut settings.http.options.origins));
    let meaning = "The origins whose pages may read replies (CORS). They are compared exactly. `*`: any page, without \
                   cookies. Empty: only the server's own pages. Replies of the administration API can never be read.";
    let readers = of("comma list of origins, or *");
    table.add("KNOXIDE_CORS_ORIGINS", readers, meaning, |settings| Some(&mut settings.http.options.cors.origins));
    let meaning = "Whether pages of `KNOXIDE_CORS_ORIGINS` may send cookies with their requests and read the replies. \
                   Browsers send them only for pages of the same site, such as those of a sibling domain.";
    table.add("KNOXIDE_CORS_CREDENTIALS", boolean(), meaning, |settings| {
        Some(&mut settings.http.options.cors.credentials)
    });
}

/// Reports what is not allowed, or could never work.
pub(super) fn check(settings: &Settings, input: &mut Input) {
    let options = &settings.http.options;
    if options.cors.credentials && options.cors.origins == CorsOrigins::Any {
        let problem = "cannot be true for the pages of all origins: list the origins in KNOXIDE_CORS_ORIGINS, or write \
                       false";
        input.report("KNOXIDE_CORS_CREDENTIALS", problem.to_owned());
    }
    let has_cookies = |dialect: &Dialect| {
        let mount = options.dialects.get(*dialect);
        mount.enabled && mount.cookie != CookieMode::Off
    };
    let Some(dialect) = Dialect::ALL.into_iter().find(has_cookies) else { return };
    if options.origins.is_empty() && options.public_url.is_none() {
        let problem = "sets cookies that no page could log out with: name the origin of your pages in KNOXIDE_ORIGINS, or \
                       in KNOXIDE_PUBLIC_URL if it is that of the server, or write off";
        input.report(name_of(dialect, "COOKIE"), problem.to_owned());
    }
    if settings.tokens.policy.token_prefix.contains(NOT_IN_COOKIES) {
        let problem = format!(
            "has a character that the value of a cookie cannot have: write none of \" , ; and \\, or set {} to off",
            name_of(dialect, "COOKIE")
        );
        input.report("KNOXIDE_TOKEN_PREFIX", problem);
    }
}
