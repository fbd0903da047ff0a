//! The settings that each dialect has, and combinations of them that are not allowed.

use super::form::{boolean, keywords, lifetime, one_of, optional, path_prefix};
use super::setting::Table;
use super::{Input, Settings, show_duration};
use crate::domain::dialect::{CookieMode, Dialect, Mount, PerDialect};
use crate::domain::policy::{DialectPolicy, RefreshPolicy, TokenForm};

fn mount(settings: &mut Settings, dialect: Dialect) -> &mut Mount {
    settings.http.options.dialects.get_mut(dialect)
}

fn policy(settings: &mut Settings, dialect: Dialect) -> &mut DialectPolicy {
    settings.tokens.policy.dialects.get_mut(dialect)
}

/// The name of a setting that each dialect has.
pub(super) fn name_of(dialect: Dialect, setting: &str) -> String {
    format!("KNOXIDE_{}_{setting}", dialect.as_str().to_uppercase())
}

/// The settings that each dialect has.
pub(super) fn settings(table: &mut Table, dialect: Dialect) {
    let name = |setting| name_of(dialect, setting);
    table.group(format!("Dialect {}", dialect.as_str()));
    let meaning = "The prefix of this dialect's paths.";
    table.add(name("PREFIX"), path_prefix(), meaning, move |settings| Some(&mut mount(settings, dialect).prefix));
    let meaning = "The keywords before the tokens of this dialect in the `Authorization` header; case does not matter.";
    table.add(name("KEYWORDS"), keywords(), meaning, move |settings| Some(&mut mount(settings, dialect).keywords));
    let meaning = "Whether browsers keep this dialect's tokens in cookies that no script can read (docs/browsers.md): \
                   logins set them, with this `SameSite`, and answer null in place of each token. `off`: tokens are in \
                   the replies.";
    let cookies = one_of([("off", CookieMode::Off), ("lax", CookieMode::Lax), ("strict", CookieMode::Strict)]);
    table.add(name("COOKIE"), cookies, meaning, move |settings| Some(&mut mount(settings, dialect).cookie));
    let meaning = "The form of new tokens: opaque strings of 40 hexadecimal digits, or signed JWTs, which other \
                   services can verify offline. A JWT must expire, so its lifetime cannot be `none`.";
    let forms = one_of([("opaque", TokenForm::Opaque), ("jwt", TokenForm::Jwt)]);
    table.add(name("FORM"), forms, meaning, move |settings| Some(&mut policy(settings, dialect).form));
    let meaning = "The lifetime of an access token. `none`: until its session is ended. A JWT expires on a whole \
                   second.";
    table.add(name("TTL"), optional(lifetime()), meaning, move |settings| {
        Some(&mut policy(settings, dialect).access_ttl)
    });
    let meaning = "The lifetime of a refresh token; at least that of an access token.";
    table.add(name("REFRESH_TTL"), lifetime(), meaning, move |settings| match &mut policy(settings, dialect).refresh {
        RefreshPolicy::Pair { ttl, .. } => Some(ttl),
        RefreshPolicy::None | RefreshPolicy::Access { .. } => None,
    });
    let meaning = "How long tokens can be refreshed, counted from the login in whole seconds. After that, the user has \
                   to log in again.";
    table.add(name("REFRESH_WINDOW"), lifetime(), meaning, move |settings| {
        match &mut policy(settings, dialect).refresh {
            RefreshPolicy::Access { window } => Some(window),
            RefreshPolicy::None | RefreshPolicy::Pair { .. } => None,
        }
    });
    table.add(name("REFRESH_WINDOW"), optional(lifetime()), meaning, move |settings| {
        match &mut policy(settings, dialect).refresh {
            RefreshPolicy::Pair { window, .. } => Some(window),
            RefreshPolicy::None | RefreshPolicy::Access { .. } => None,
        }
    });
    let meaning = "Whether refreshing consumes the token that was presented and returns another one in its place. A \
                   consumed token that is used after KNOXIDE_REFRESH_GRACE ends the session.";
    table.add(name("ROTATE"), boolean(), meaning, move |settings| {
        let DialectPolicy { refresh, rotate, .. } = policy(settings, dialect);
        (*refresh != RefreshPolicy::None).then_some(rotate)
    });
}

/// Reports the combinations that are not allowed.
pub(super) fn check(policies: &PerDialect<DialectPolicy>, input: &mut Input) {
    for dialect in Dialect::ALL {
        let policy = policies.get(dialect);
        let name = |setting| name_of(dialect, setting);
        if policy.form == TokenForm::Jwt && policy.access_ttl.is_none() {
            let problem = format!(
                "is none, but a JWT must expire, since a service that verifies it offline cannot learn that it was \
                 revoked: write a duration, or set {} to opaque",
                name("FORM")
            );
            input.report(name("TTL"), problem);
        } else if let RefreshPolicy::Pair { ttl, .. } = policy.refresh
            && policy.access_ttl.is_none_or(|access| access > ttl)
        {
            let access = policy.access_ttl.map_or_else(|| "none".to_owned(), show_duration);
            let problem = format!(
                "is {}, less than the access token's {access}: write more, or set {} to less",
                show_duration(ttl),
                name("TTL")
            );
            input.report(name("REFRESH_TTL"), problem);
        }
    }
}
