//! The settings that each dialect has of its own.

use super::{Setting, plain};
use crate::dialect::{Dialect, PerDialect};

/// What every dialect has.
#[derive(Debug)]
pub struct Rows {
    /// What its paths begin with.
    pub prefix: Setting,
    /// The words before its tokens.
    pub keywords: Setting,
    /// What its tokens look like.
    pub form: Setting,
    /// How long its access tokens are good.
    pub ttl: Setting,
}

/// What every dialect has whose tokens can be refreshed.
#[derive(Debug)]
pub struct RefreshRows {
    /// For how long after the login tokens can be refreshed.
    pub window: Setting,
    /// Whether refreshing consumes.
    pub rotate: Setting,
}

const PREFIX_FORM: &str = "a path such as /v1, without a final slash; or empty";
const PREFIX: &str = "What the paths of this dialect begin with.";
const KEYWORDS_FORM: &str = "comma list of words of letters, digits and !#$%&'*+-.^_`|~";
const KEYWORDS: &str = "The words before the tokens of this dialect in the `Authorization` header; compared without \
                        regard to case.";
const FORM_FORM: &str = "opaque or jwt";
const FORM: &str = "What new tokens look like: 40 hexadecimal digits that say nothing, or signed JWTs, which others can \
                    verify offline. A JWT needs an end, so the lifetime must not be `none` then.";
const TTL_FORM: &str = "duration from 1s, or none";
const TTL: &str = "How long an access token is good. `none`: until its session is ended. A JWT ends on a whole second.";

macro_rules! rows {
    ($name:literal, $keywords:literal, $form:literal, $ttl:literal) => {
        Rows {
            prefix: plain(concat!("KNOXIDE_", $name, "_PREFIX"), "", PREFIX_FORM, PREFIX),
            keywords: plain(concat!("KNOXIDE_", $name, "_KEYWORDS"), $keywords, KEYWORDS_FORM, KEYWORDS),
            form: plain(concat!("KNOXIDE_", $name, "_FORM"), $form, FORM_FORM, FORM),
            ttl: plain(concat!("KNOXIDE_", $name, "_TTL"), $ttl, TTL_FORM, TTL),
        }
    };
}

/// What every dialect has.
pub static COMMON: PerDialect<Rows> = PerDialect {
    knox: rows!("KNOX", "Token", "opaque", "none"),
    drf_jwt: rows!("DRF_JWT", "JWT", "jwt", "8000000s"),
    simplejwt: rows!("SIMPLEJWT", "Bearer", "jwt", "5m"),
    access_token: rows!("ACCESS_TOKEN", "Token", "jwt", "5d"),
    djoser: rows!("DJOSER", "JWT,Bearer", "jwt", "5m"),
};

macro_rules! refresh_rows {
    ($name:literal, $window:literal, $form:literal) => {
        RefreshRows {
            window: plain(
                concat!("KNOXIDE_", $name, "_REFRESH_WINDOW"),
                $window,
                $form,
                "For how long after the login tokens can be refreshed, counted in whole seconds. Then the user has to \
                 log in again.",
            ),
            rotate: plain(
                concat!("KNOXIDE_", $name, "_ROTATE"),
                "false",
                "true or false",
                "Whether refreshing consumes the token that was presented and gives another one for it. Whoever uses a \
                 consumed token after KNOXIDE_REFRESH_GRACE ends the session.",
            ),
        }
    };
}

/// Of `drf_jwt`.
pub static DRF_JWT: RefreshRows = refresh_rows!("DRF_JWT", "7d", "duration from 1s");
/// Of simplejwt.
pub static SIMPLEJWT: RefreshRows = refresh_rows!("SIMPLEJWT", "none", "duration from 1s, or none");
/// Of `access_token`.
pub static ACCESS_TOKEN: RefreshRows = refresh_rows!("ACCESS_TOKEN", "10d", "duration from 1s");
/// Of djoser.
pub static DJOSER: RefreshRows = refresh_rows!("DJOSER", "none", "duration from 1s, or none");

const fn refresh_ttl_row(name: &'static str) -> Setting {
    let meaning = "How long a refresh token is good; at least as long as an access token.";
    plain(name, "1d", "duration from 1s", meaning)
}

/// How long refresh tokens of simplejwt are good.
pub static SIMPLEJWT_REFRESH_TTL: Setting = refresh_ttl_row("KNOXIDE_SIMPLEJWT_REFRESH_TTL");
/// How long refresh tokens of djoser are good.
pub static DJOSER_REFRESH_TTL: Setting = refresh_ttl_row("KNOXIDE_DJOSER_REFRESH_TTL");

/// What a dialect has whose tokens can be refreshed.
pub const fn refresh(dialect: Dialect) -> Option<&'static RefreshRows> {
    match dialect {
        Dialect::Knox => None,
        Dialect::DrfJwt => Some(&DRF_JWT),
        Dialect::Simplejwt => Some(&SIMPLEJWT),
        Dialect::AccessToken => Some(&ACCESS_TOKEN),
        Dialect::Djoser => Some(&DJOSER),
    }
}

/// What a dialect has that gives refresh tokens of their own.
pub const fn refresh_ttl(dialect: Dialect) -> Option<&'static Setting> {
    match dialect {
        Dialect::Simplejwt => Some(&SIMPLEJWT_REFRESH_TTL),
        Dialect::Djoser => Some(&DJOSER_REFRESH_TTL),
        Dialect::Knox | Dialect::DrfJwt | Dialect::AccessToken => None,
    }
}
