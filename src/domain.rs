//! Values and the judgements about them. Nothing here reads, writes or waits, and nothing here
//! names the layers above: store, service, HTTP, program.

pub mod audit;
pub mod client;
pub mod dialect;
pub(crate) mod escape;
pub mod import;
pub mod jwt;
pub mod password;
pub mod password_rules;
pub mod policy;
pub mod random;
pub mod session;
pub mod session_name;
pub mod time;
pub mod token;
pub mod user;
