//! The dialects: the wire contracts under which sessions are opened and ended.

use serde::{Serialize, Serializer};

/// A wire contract. All dialects share users, sessions and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// django-rest-knox: opaque tokens, `POST /auth/login/`.
    Knox,
    /// djangorestframework-jwt: one JWT, `POST /api-token-auth/`.
    DrfJwt,
    /// djangorestframework-simplejwt by e-mail: an access and a refresh JWT, `POST /api/token/`.
    Simplejwt,
    /// One JWT for five days, refreshable for ten, `POST /auth/access_token/`.
    AccessToken,
    /// djoser over simplejwt: an access and a refresh JWT, `POST /jwt/create/`.
    Djoser,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 5] = [Self::Knox, Self::DrfJwt, Self::Simplejwt, Self::AccessToken, Self::Djoser];

    /// The name under which the dialect is stored, logged and configured.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Knox => "knox",
            Self::DrfJwt => "drf_jwt",
            Self::Simplejwt => "simplejwt",
            Self::AccessToken => "access_token",
            Self::Djoser => "djoser",
        }
    }

    /// The dialect with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }
}

/// Its name.
impl Serialize for Dialect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Where browsers keep the tokens of a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieMode {
    /// Nowhere: replies have the tokens in their bodies, for the client to keep.
    Off,
    /// In cookies with `SameSite=Lax`, which browsers also send when the user follows a link on another site.
    Lax,
    /// In cookies with `SameSite=Strict`.
    Strict,
}

/// Where a dialect is mounted, and how its tokens are presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Whether it is mounted.
    pub enabled: bool,
    /// The prefix of its paths: empty, or a path without a final slash.
    pub prefix: String,
    /// The keywords before its tokens in the `Authorization` header, compared without case.
    pub keywords: Vec<String>,
    /// Whether logins set cookies instead of returning tokens in their replies.
    pub cookie: CookieMode,
}

impl Mount {
    /// At its own paths, with the keywords of its package.
    pub fn default_of(dialect: Dialect) -> Self {
        let keywords: &[&str] = match dialect {
            Dialect::Knox | Dialect::AccessToken => &["Token"],
            Dialect::DrfJwt => &["JWT"],
            Dialect::Simplejwt => &["Bearer"],
            Dialect::Djoser => &["JWT", "Bearer"],
        };
        let keywords = keywords.iter().map(|keyword| (*keyword).to_owned()).collect();
        Self { enabled: true, prefix: String::new(), keywords, cookie: CookieMode::Off }
    }
}

/// One value for each dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerDialect<T> {
    /// For [`Dialect::Knox`].
    pub knox: T,
    /// For [`Dialect::DrfJwt`].
    pub drf_jwt: T,
    /// For [`Dialect::Simplejwt`].
    pub simplejwt: T,
    /// For [`Dialect::AccessToken`].
    pub access_token: T,
    /// For [`Dialect::Djoser`].
    pub djoser: T,
}

impl<T> PerDialect<T> {
    /// Makes the value for each dialect with `of`.
    pub fn from_fn(mut of: impl FnMut(Dialect) -> T) -> Self {
        Self {
            knox: of(Dialect::Knox),
            drf_jwt: of(Dialect::DrfJwt),
            simplejwt: of(Dialect::Simplejwt),
            access_token: of(Dialect::AccessToken),
            djoser: of(Dialect::Djoser),
        }
    }

    /// The value for this dialect.
    pub const fn get(&self, dialect: Dialect) -> &T {
        match dialect {
            Dialect::Knox => &self.knox,
            Dialect::DrfJwt => &self.drf_jwt,
            Dialect::Simplejwt => &self.simplejwt,
            Dialect::AccessToken => &self.access_token,
            Dialect::Djoser => &self.djoser,
        }
    }

    /// The value for this dialect, mutable.
    pub const fn get_mut(&mut self, dialect: Dialect) -> &mut T {
        match dialect {
            Dialect::Knox => &mut self.knox,
            Dialect::DrfJwt => &mut self.drf_jwt,
            Dialect::Simplejwt => &mut self.simplejwt,
            Dialect::AccessToken => &mut self.access_token,
            Dialect::Djoser => &mut self.djoser,
        }
    }
}
