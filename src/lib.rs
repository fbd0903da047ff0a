//! Knoxide: log in, check, log out. A check costs next to nothing, and a revoked token is
//! never accepted again.

#![cfg_attr(test, expect(clippy::duplicate_mod, reason = "a scheduler runs the shipped text of some files"))]

pub mod cause;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod config;
pub mod dialect;
pub mod http;
pub mod import;
pub mod jwt;
pub mod password;
pub mod password_rules;
pub mod policy;
pub mod random;
#[cfg(feature = "server")]
pub mod server;
pub mod service;
pub mod session;
pub mod store;
#[cfg(feature = "server")]
pub mod telemetry;
mod threads;
pub mod time;
pub mod token;
pub mod user;
pub(crate) mod visible;
