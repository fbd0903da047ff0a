//! Calls on a connection that is kept open.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::address::{Address, Place};

/// The largest answer that is read, in bytes: a thousand users with the longest names need less.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A stream of bytes to the server.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to the server, made when it is needed.
pub(crate) struct Connection {
    address: Address,
    credentials: HeaderValue,
    #[cfg(feature = "tls")]
    tls: Option<tokio_rustls::TlsConnector>,
    kept: Option<SendRequest<Full<Bytes>>>,
}

/// Why a call was not answered. Never contains anything that was sent.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    #[error("the connection to the server was lost: {0}")]
    Lost(#[from] hyper::Error),
    #[error("the server did not answer in time")]
    Slow,
    #[error("the server refused the id or the secret of this client (401)")]
    Unauthenticated,
    #[error("this client does not have the right `batch` (403)")]
    Forbidden,
    #[error("there is no /check/ at this address, or it is switched off (404)")]
    NotFound,
    #[error("the limit of requests of this client is reached (429)")]
    TooMany,
    #[error("the server could not look (503)")]
    Unavailable,
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("the answer of the server is too large or incomplete")]
    Incomplete,
    #[error("the server's answer does not fit the question")]
    Meaningless,
}

impl Connection {
    /// A connection that is not open yet.
    pub(crate) fn new(
        address: Address,
        credentials: HeaderValue,
        #[cfg(feature = "tls")] tls: Option<tokio_rustls::TlsConnector>,
    ) -> Self {
        Self {
            address,
            credentials,
            #[cfg(feature = "tls")]
            tls,
            kept: None,
        }
    }

    /// Another connection to the same server, not open yet.
    pub(crate) fn another(&self) -> Self {
        Self {
            address: self.address.clone(),
            credentials: self.credentials.clone(),
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
            kept: None,
        }
    }

    /// Sends this body and reads the answer.
    ///
    /// A server closes connections that were idle for long, and all of them when it restarts. If that happens to the
    /// kept connection, the question is sent again on a new one: checks change nothing, and the second question is sent
    /// later than the first, so its answer is good for all checks of the batch.
    pub(crate) async fn call(&mut self, body: &Bytes) -> Result<Bytes, CallError> {
        if let Some(kept) = self.kept.take() {
            match self.exchange(kept, body.clone()).await {
                Err(CallError::Lost(_)) => {}
                answered => return answered,
            }
        }
        let fresh = self.connect().await?;
        self.exchange(fresh, body.clone()).await
    }

    async fn exchange(&mut self, mut sender: SendRequest<Full<Bytes>>, body: Bytes) -> Result<Bytes, CallError> {
        sender.ready().await?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.address.host.clone());
        headers.insert(AUTHORIZATION, self.credentials.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let answer = answer.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => CallError::Lost(*error),
            Err(_) => CallError::Incomplete,
        })?;
        self.kept = Some(sender);
        match status {
            StatusCode::OK => Ok(answer.to_bytes()),
            StatusCode::UNAUTHORIZED => Err(CallError::Unauthenticated),
            StatusCode::FORBIDDEN => Err(CallError::Forbidden),
            StatusCode::NOT_FOUND => Err(CallError::NotFound),
            StatusCode::TOO_MANY_REQUESTS => Err(CallError::TooMany),
            StatusCode::SERVICE_UNAVAILABLE => Err(CallError::Unavailable),
            other => Err(CallError::Status(other.as_u16())),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, CallError> {
        let stream = self.open().await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; an error reaches the call that waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    async fn open(&self) -> io::Result<Box<dyn Stream>> {
        let stream = match &self.address.place {
            Place::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
            Place::Addresses(addresses) => TcpStream::connect(addresses.as_slice()).await?,
            #[cfg(feature = "tls")]
            Place::Named(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
        };
        stream.set_nodelay(true)?;
        #[cfg(feature = "tls")]
        if let (Some(tls), Some(name)) = (&self.tls, &self.address.tls_name) {
            return Ok(Box::new(crate::tls::connect(tls, name, stream).await?));
        }
        Ok(Box::new(stream))
    }
}
