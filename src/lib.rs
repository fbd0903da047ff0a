//! Knoxide is a token server, and a library for actix-web applications: log in, check, log out. A token that was
//! revoked is never accepted again, from the moment the revocation was answered.
//!
//! An application needs the names below. [`Auth`] is the service over a store; [`TokenAuth`] is the middleware that
//! lets only verified requests through; [`Authenticated`] hands the user to a handler; [`mount`] adds the endpoints of
//! the [dialects](Dialect).
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use knoxide::{Auth, Authenticated, HttpOptions, HttpState, MemoryStore, TokenAuth};
//!
//! async fn notes(Authenticated(who): Authenticated) -> String {
//!     format!("the notes of {}", who.user.username)
//! }
//!
//! #[actix_web::main]
//! async fn main() -> std::io::Result<()> {
//!     let auth = Auth::builder(MemoryStore::new()).build().map_err(std::io::Error::other)?;
//!     let endpoints = HttpState::new(HttpOptions::default(), auth.clone());
//!     let server = HttpServer::new(move || {
//!         App::new()
//!             .service(web::resource("/notes").wrap(TokenAuth::new(auth.clone())).get(notes))
//!             .configure(|config| knoxide::mount(config, &endpoints))
//!     });
//!     server.bind("127.0.0.1:8080")?.run().await
//! }
//! ```
//!
//! The store in memory forgets everything at the end of the process. With the feature `sqlite` or `postgres`,
//! `DieselStore` keeps users, sessions and digests of tokens in a database. An application with users of its own
//! implements [`UserProvider`]. The program `knoxide` is built from the same parts.

#![cfg_attr(test, expect(clippy::duplicate_mod, reason = "a scheduler runs the shipped text of some files"))]

#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod config;
pub mod domain;
pub mod http;
#[cfg(feature = "server")]
pub mod server;
pub mod service;
pub mod store;
#[cfg(feature = "server")]
pub mod telemetry;
mod threads;

pub use crate::domain::dialect::{CookieMode, Dialect};
pub use crate::domain::session::Verified;
pub use crate::domain::user::{LoginName, Password, UserId};
pub use crate::http::browser::Origins;
pub use crate::http::middleware::extract::{Authenticated, MaybeAuthenticated};
pub use crate::http::middleware::guard::{Guard, TokenAuth};
pub use crate::http::{HttpOptions, HttpState, mount};
pub use crate::service::{Auth, CheckError, ExternalUser, UserProvider, UserProviderError};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use crate::store::diesel::DieselStore;
pub use crate::store::memory::MemoryStore;
