//! What a session was opened for, which decides where its tokens are good.

use serde::{Serialize, Serializer};

use crate::domain::dialect::Dialect;
use crate::domain::token::TokenKind;

/// What a session was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// By a login, or for a script: its tokens are good in this dialect.
    Dialect(Dialect),
    /// By an administrator's login: its token is good only at the administration API.
    Admin,
    /// For a script of an administrator: its token is good at the administration API, and at the endpoints where
    /// registered clients ask about tokens.
    AdminScript,
    /// By an administrator's sign-in at the pages: its token is good only as the cookie of the administrators' pages.
    AdminPage,
    /// By a user's sign-in at the pages: its token is good only as the cookie of the users' own pages.
    AccountPage,
}

impl SessionKind {
    /// The kinds that belong to no dialect.
    pub const APART: [Self; 4] = [Self::Admin, Self::AdminScript, Self::AdminPage, Self::AccountPage];

    /// The name under which the kind is stored and shown: the dialect's, or one of `admin`, `admin_script`,
    /// `admin_page` and `account_page`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dialect(dialect) => dialect.as_str(),
            Self::Admin => "admin",
            Self::AdminScript => "admin_script",
            Self::AdminPage => "admin_page",
            Self::AccountPage => "account_page",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match Dialect::from_name(name) {
            Some(dialect) => Some(Self::Dialect(dialect)),
            None => Self::APART.into_iter().find(|kind| kind.as_str() == name),
        }
    }

    /// What a token of such a session can be used for, if it is stored under this kind.
    pub const fn use_of(self, stored: TokenKind) -> TokenKind {
        match (self, stored) {
            (Self::Admin | Self::AdminScript, TokenKind::Access) => TokenKind::Admin,
            (Self::AdminPage | Self::AccountPage, TokenKind::Access) => TokenKind::Page,
            (_, stored) => stored,
        }
    }

    /// Whether only administrators can have such a session: it ends when the user stops being one.
    pub const fn is_for_administration(self) -> bool {
        match self {
            Self::Admin | Self::AdminScript | Self::AdminPage => true,
            Self::AccountPage | Self::Dialect(_) => false,
        }
    }

    /// Whether its token is the cookie of pages.
    pub const fn is_of_pages(self) -> bool {
        match self {
            Self::AdminPage | Self::AccountPage => true,
            Self::Admin | Self::AdminScript | Self::Dialect(_) => false,
        }
    }

    /// Whether a person opened it at a screen that may be left unattended: it ends soon when it is not used, whatever
    /// the settings say about other sessions.
    pub const fn is_attended(self) -> bool {
        match self {
            Self::Admin | Self::AdminPage | Self::AccountPage => true,
            Self::AdminScript | Self::Dialect(_) => false,
        }
    }

    /// The dialect, if it has one.
    pub const fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Dialect(dialect) => Some(dialect),
            Self::Admin | Self::AdminScript | Self::AdminPage | Self::AccountPage => None,
        }
    }
}

impl From<Dialect> for SessionKind {
    fn from(dialect: Dialect) -> Self {
        Self::Dialect(dialect)
    }
}

/// Its name.
impl Serialize for SessionKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
