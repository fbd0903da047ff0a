//! What is said to browsers alone and by browsers alone: cookies with tokens, the page that a request comes from, and
//! CORS (`docs/browsers.md`).

pub(in crate::http) mod cookie;
pub mod cors;
pub(in crate::http) mod credentials;
pub(in crate::http) mod jar;
pub mod origins;
pub(in crate::http) mod site;

pub use self::cookie::CookieName;
pub use self::origins::Origins;
