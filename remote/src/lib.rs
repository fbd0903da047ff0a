//! Middleware with which actix-web applications check their clients' tokens at a
//! Knoxide server. From the moment a revocation is answered, the token is never
//! accepted again.
//!
//! A [`Remote`] is the connection to the server, at which the application is a registered client with the right
//! `batch`. [`TokenAuth`] is the middleware that lets only verified requests through; [`Authenticated`] passes the user
//! to a handler.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use knoxide_remote::{Authenticated, Remote, TokenAuth};
//!
//! async fn notes(Authenticated(who): Authenticated) -> String {
//!     format!("the notes of {}", who.user.username)
//! }
//!
//! #[actix_web::main]
//! async fn main() -> std::io::Result<()> {
//!     let (id, secret) = ("the id of the client", "its secret, from a file");
//!     let remote = Remote::unix("/run/knoxide.sock", id, secret).build().map_err(std::io::Error::other)?;
//!     HttpServer::new(move || {
//!         App::new().service(web::resource("/notes").wrap(TokenAuth::new(remote.clone())).get(notes))
//!     })
//!     .bind("127.0.0.1:8081")?
//!     .run()
//!     .await
//! }
//! ```
//!
//! # What it promises
//!
//! * Each check is answered by a call to the server that was sent after the check began. Nothing is cached. Checks that
//!   begin while a call is running share the next one; they never get the answer to a call that was already sent.
//! * A check that could not be made is answered 503 with `Retry-After`, and never 401.
//! * When a request is dropped, for example because its client closed the connection, its check is withdrawn if the
//!   call was not sent yet.
//! * Tokens and the client's secret are in no log, no error and no `Debug` output.
//!
//! # Features
//!
//! Without features this crate compiles no cryptography, and the server must be on the same machine: on a Unix socket,
//! or at a loopback address. With the feature `tls` the server can be anywhere: at `https://` addresses, whose
//! certificates are verified against the authorities of the system or a given one, and at `http://` addresses if the
//! application consents with `RemoteBuilder::insecure_http`.

mod address;
mod answer;
mod authorization;
mod background;
mod challenge;
mod connection;
mod dialect;
mod extract;
mod guard;
mod middleware;
mod queue;
mod remote;
#[cfg(feature = "tls")]
mod tls;
mod verified;

pub use crate::dialect::Dialect;
pub use crate::extract::{Authenticated, Extracting, MaybeAuthenticated};
pub use crate::guard::{AuthFailure, Guard};
pub use crate::middleware::{Guarded, TokenAuth, TokenAuthService};
pub use crate::queue::{Check, Unavailable};
pub use crate::remote::{Remote, RemoteBuilder, SetupError};
pub use crate::verified::{Session, SessionId, User, UserId, Verified};
