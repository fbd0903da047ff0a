//! Knoxide: log in, check, log out. A check costs next to nothing, and a revoked token is
//! never accepted again.

pub mod cause;
pub mod dialect;
pub mod import;
pub mod random;
pub mod session;
pub mod store;
pub mod time;
pub mod token;
pub mod user;
