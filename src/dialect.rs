//! The wire contracts that sessions are opened and ended under.

/// A wire contract over the shared users, sessions and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// django-rest-knox: opaque tokens, `POST /auth/login/`.
    Knox,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 1] = [Self::Knox];

    /// The name under which the dialect is stored, logged and configured.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Knox => "knox",
        }
    }

    /// The dialect with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }
}
