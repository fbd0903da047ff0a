//! The connection to a server, and its settings.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::header::HeaderValue;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::address::Address;
use crate::background::{self, Manner};
use crate::connection::Connection;
use crate::queue::{Asker, Check, Token};

/// A server that is asked about tokens. Clones share its connections, which end with the last
/// clone and the last of its checks.
#[derive(Clone)]
pub struct Remote {
    asker: Arc<Asker>,
    timeout: Duration,
}

/// The settings of a [`Remote`].
pub struct RemoteBuilder {
    at: At,
    id: String,
    secret: Zeroizing<String>,
    manner: Manner,
    insecure_http: bool,
    #[cfg(feature = "tls")]
    ca: Option<Vec<u8>>,
}

enum At {
    Unix(PathBuf),
    Url(String),
}

/// Why no [`Remote`] could be made. A server that cannot be reached is no reason: it may start later.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Not an address such as `http://127.0.0.1:8080`.
    #[error("the address has to be a URL with http or https, a host, and no user, password or query")]
    Address,
    /// Only a server on the same machine can be asked without the feature.
    #[error("a server that is not at a Unix socket or at http:// and a loopback address needs the feature `tls`")]
    NeedsTls,
    /// Anyone on the network path could read tokens and the secret.
    #[error("http:// to another machine sends tokens in the clear: use https://, or consent by insecure_http(true)")]
    InsecureHttp,
    /// Knoxide does not issue ids or secrets like these.
    #[error("the id and the secret of a client have letters, digits and -._~ alone, and are not empty")]
    Credentials,
    /// The authorities that verify certificates cannot be read, or there are none.
    #[error("the certificate authorities cannot be used: {0}")]
    Authorities(String),
    /// The system cannot start the thread that makes the calls.
    #[error("the thread that makes the calls cannot be started: {0}")]
    Thread(#[from] io::Error),
}

impl Remote {
    /// The server that listens on this Unix socket, for the client with this id and secret.
    pub fn unix(path: impl Into<PathBuf>, id: &str, secret: &str) -> RemoteBuilder {
        RemoteBuilder::new(At::Unix(path.into()), id, secret)
    }

    /// The server at this URL, such as `http://127.0.0.1:8080`, for the client with this id and secret. Addresses other
    /// than `http://` and a loopback address need the feature `tls`. `unix:/run/knoxide.sock` is a Unix socket, so that
    /// an application needs only one setting for the address.
    pub fn at(url: &str, id: &str, secret: &str) -> RemoteBuilder {
        let socket = url.strip_prefix("unix:").filter(|path| path.starts_with('/'));
        let at = socket.map_or_else(|| At::Url(url.to_owned()), |path| At::Unix(PathBuf::from(path)));
        RemoteBuilder::new(at, id, secret)
    }

    /// Begins to check a token, which is passed without its keyword: the result is its user and session, or `None` if
    /// it is not a live access token. This is for everything but HTTP requests, such as messages on a WebSocket; for
    /// requests there is [`TokenAuth`](crate::TokenAuth).
    pub fn check(&self, token: &str) -> Check {
        Token::parse(token.as_bytes()).map_or_else(|| Check::known(Ok(None)), |token| self.ask(token))
    }

    pub(crate) fn ask(&self, token: Token) -> Check {
        self.asker.ask(token, self.timeout)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl RemoteBuilder {
    fn new(at: At, id: &str, secret: &str) -> Self {
        Self {
            at,
            id: id.to_owned(),
            secret: Zeroizing::new(secret.to_owned()),
            manner: Manner { calls: 2, counts_as_use: true, limit: Duration::from_secs(5) },
            insecure_http: false,
            #[cfg(feature = "tls")]
            ca: None,
        }
    }

    /// How long a check may take before it is answered 503; five seconds by default.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { manner: Manner { limit: timeout, ..self.manner }, ..self }
    }

    /// How many calls can run at once, each on a connection of its own; two by default, and at least one. Checks that
    /// begin meanwhile share the next call.
    #[must_use]
    pub fn calls(self, calls: usize) -> Self {
        Self { manner: Manner { calls: calls.max(1), ..self.manner }, ..self }
    }

    /// Whether checks count as use of the sessions, against the server's idle limit; they do by default.
    #[must_use]
    pub fn counts_as_use(self, counts: bool) -> Self {
        Self { manner: Manner { counts_as_use: counts, ..self.manner }, ..self }
    }

    /// Allows `http://` to another machine, where tokens and the secret are sent in the clear: for networks with their
    /// own encryption.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn insecure_http(self, consents: bool) -> Self {
        Self { insecure_http: consents, ..self }
    }

    /// Trusts the certificate authorities in this PEM text instead of those of the system.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca(self, pem: impl Into<Vec<u8>>) -> Self {
        Self { ca: Some(pem.into()), ..self }
    }

    /// Starts the thread that makes the calls. The server need not be running yet.
    ///
    /// # Errors
    /// When a setting is wrong, or the thread cannot be started.
    pub fn build(self) -> Result<Remote, SetupError> {
        let address = match &self.at {
            At::Unix(path) => Address::unix(path.clone()),
            At::Url(url) => Address::of_url(url, self.insecure_http)?,
        };
        let credentials = self.credentials()?;
        #[cfg(feature = "tls")]
        let tls = match address.tls_name {
            Some(_) => Some(crate::tls::config(self.ca.as_deref())?),
            None => None,
        };
        let queue = Arc::default();
        let connection = Connection::new(
            address,
            credentials,
            #[cfg(feature = "tls")]
            tls,
        );
        background::start(&queue, connection, self.manner)?;
        Ok(Remote { asker: Arc::new(Asker::new(queue)), timeout: self.manner.limit })
    }

    /// The `Authorization` header. RFC 6749, section 2.3.1, encodes id and secret; those of Knoxide need no encoding.
    fn credentials(&self) -> Result<HeaderValue, SetupError> {
        let is_plain = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !text.is_empty() && text.bytes().all(plain)
        };
        if !is_plain(&self.id) || !is_plain(&self.secret) {
            return Err(SetupError::Credentials);
        }
        let pair = Zeroizing::new([self.id.as_str(), self.secret.as_str()].join(":"));
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()));
        let header = Zeroizing::new(["Basic ", encoded.as_str()].concat());
        let mut header = HeaderValue::from_str(&header).map_err(|_| SetupError::Credentials)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl fmt::Debug for RemoteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteBuilder").field("manner", &self.manner).finish_non_exhaustive()
    }
}
