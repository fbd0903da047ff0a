//! The dialects of Knoxide, as far as a service that uses it has to know them.

use serde::{Serialize, Serializer};

/// A dialect: the package whose endpoints opened the session, and whose wording refusals have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// django-rest-knox: `Authorization: Token …`.
    Knox,
    /// djangorestframework-jwt: `Authorization: JWT …`.
    DrfJwt,
    /// djangorestframework-simplejwt: `Authorization: Bearer …`.
    Simplejwt,
    /// The `access_token` contract over djangorestframework-jwt: `Authorization: Token …`.
    AccessToken,
    /// djoser over djangorestframework-simplejwt: `Authorization: JWT …` or `Bearer …`.
    Djoser,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 5] = [Self::Knox, Self::DrfJwt, Self::Simplejwt, Self::AccessToken, Self::Djoser];

    /// The name, as the server writes it.
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

    /// The usual keywords before its tokens.
    pub(crate) const fn keywords(self) -> &'static [&'static str] {
        match self {
            Self::Knox | Self::AccessToken => &["Token"],
            Self::DrfJwt => &["JWT"],
            Self::Simplejwt => &["Bearer"],
            Self::Djoser => &["JWT", "Bearer"],
        }
    }
}

/// Serialised as its name.
impl Serialize for Dialect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
