//! What the operator decides about forward authentication.

use crate::http::browser::{CookieName, Origins};

/// Whether the endpoints are there, and whether a cookie can hold the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardAuthOptions {
    /// Whether the endpoints are mounted.
    pub enabled: bool,
    /// The cookie that can hold the token; `None`: no cookie is read.
    pub cookie: Option<CookieName>,
    /// From where requests that change something may come with the cookie.
    pub origins: Origins,
}

impl Default for ForwardAuthOptions {
    fn default() -> Self {
        Self { enabled: true, cookie: None, origins: Origins::default() }
    }
}
