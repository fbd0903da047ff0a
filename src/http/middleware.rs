//! The layers between a request and a handler: the guard that checks tokens, its extractors, and
//! the request log.

pub mod extract;
pub mod guard;
pub mod request_log;
