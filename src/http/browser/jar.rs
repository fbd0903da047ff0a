//! Tokens that browsers keep in cookies: written by logins and refreshes, cleared when their session ends.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, SET_COOKIE};

use super::credentials::{TokenCookies, access_cookie, refresh_cookie};
use crate::domain::dialect::{CookieMode, Dialect, PerDialect};
use crate::domain::time::Timestamp;
use crate::http::HttpOptions;
use crate::service::IssuedToken;

/// The longest that browsers keep a cookie, in seconds: 400 days (RFC 6265bis, section 5.5). Tokens without an end are
/// kept as long.
const LONGEST: u64 = 400 * 86_400;

/// New tokens for a client.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct NewTokens<'a> {
    pub(in crate::http) access: &'a IssuedToken,
    /// The refresh token, if there is a new one.
    pub(in crate::http) refresh: Option<&'a IssuedToken>,
    /// When they were made.
    pub(in crate::http) at: Timestamp,
}

/// Which token of a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Slot {
    /// The access token.
    Access,
    /// The token that can be refreshed: the refresh token where the dialect has one, else the access token.
    Refreshable,
}

/// The cookies of the dialects whose tokens browsers keep.
#[derive(Debug)]
pub(in crate::http) struct Jar {
    cookies: TokenCookies,
    dialects: PerDialect<Option<Kept>>,
}

/// The cookies of a dialect.
#[derive(Debug)]
struct Kept {
    access: Place,
    /// One for each endpoint that takes the refresh token; none if the dialect has no refresh tokens.
    refresh: Vec<Place>,
}

/// A cookie, but for its value and its age.
#[derive(Debug)]
struct Place {
    name: String,
    path: String,
    same_site: &'static str,
}

impl Jar {
    /// The jar for these options. `refresh_paths` has the paths that take the refresh token of a dialect, without
    /// its prefix and without outer slashes. `None` if no dialect has cookies.
    pub(in crate::http) fn of<P>(options: &HttpOptions, refresh_paths: fn(Dialect) -> P) -> Option<Self>
    where
        P: Iterator<Item = &'static str>,
    {
        let dialects = PerDialect::from_fn(|dialect| {
            let mount = options.dialects.get(dialect);
            let same_site = match mount.cookie {
                CookieMode::Off => return None,
                CookieMode::Lax => "Lax",
                CookieMode::Strict => "Strict",
            };
            let place = |name, path| Place { name, path, same_site };
            // A cookie for a path also comes to the path with a slash behind it.
            let paths = refresh_paths(dialect).map(|path| format!("{}/{path}", mount.prefix));
            mount.enabled.then(|| Kept {
                access: place(access_cookie(dialect), "/".to_owned()),
                refresh: paths.map(|path| place(refresh_cookie(dialect), path)).collect(),
            })
        });
        let has = PerDialect::from_fn(|dialect| dialects.get(dialect).is_some());
        let any = Dialect::ALL.into_iter().any(|dialect| *has.get(dialect));
        any.then(|| Self { cookies: TokenCookies::new(has, options.page_origins()), dialects })
    }

    /// The cookies, as they are read.
    pub(in crate::http) const fn cookies(&self) -> &TokenCookies {
        &self.cookies
    }

    /// Whether the tokens of a dialect are kept in cookies.
    pub(in crate::http) const fn keeps(&self, dialect: Dialect) -> bool {
        self.cookies.has(dialect)
    }

    /// The name of this cookie of a dialect.
    pub(in crate::http) fn cookie(&self, dialect: Dialect, slot: Slot) -> String {
        let has_refresh = self.dialects.get(dialect).as_ref().is_some_and(|kept| !kept.refresh.is_empty());
        match slot {
            Slot::Refreshable if has_refresh => refresh_cookie(dialect),
            Slot::Refreshable | Slot::Access => access_cookie(dialect),
        }
    }

    /// Gives the browser new tokens. The cookies of other dialects are cleared: a request with two tokens is refused,
    /// and a page could take back neither.
    pub(in crate::http) fn put(&self, reply: &mut HttpResponse, dialect: Dialect, new: NewTokens<'_>) {
        for other in Dialect::ALL.into_iter().filter(|other| *other != dialect) {
            self.clear(reply, other);
        }
        let Some(kept) = self.dialects.get(dialect) else { return };
        kept.access.put(reply, new.access, new.at);
        if let Some(refresh) = new.refresh {
            kept.refresh.iter().for_each(|place| place.put(reply, refresh, new.at));
        }
    }

    /// Takes the tokens of a dialect back.
    pub(in crate::http) fn clear(&self, reply: &mut HttpResponse, dialect: Dialect) {
        let kept = self.dialects.get(dialect).iter();
        kept.flat_map(|kept| std::iter::once(&kept.access).chain(&kept.refresh))
            .for_each(|place| place.write(reply, "", 0));
    }
}

impl Place {
    /// The cookie lives as long as the token.
    fn put(&self, reply: &mut HttpResponse, token: &IssuedToken, at: Timestamp) {
        let age = token.expires.map_or(LONGEST, |end| end.since(at).as_secs());
        self.write(reply, token.token.expose(), age.min(LONGEST));
    }

    fn write(&self, reply: &mut HttpResponse, value: &str, age: u64) {
        let Self { name, path, same_site } = self;
        let line = format!("{name}={value}; Path={path}; Max-Age={age}; Secure; HttpOnly; SameSite={same_site}");
        // Names, paths and tokens are visible ASCII.
        if let Ok(mut line) = HeaderValue::try_from(line) {
            line.set_sensitive(true);
            reply.headers_mut().append(SET_COOKIE, line);
        }
    }
}
