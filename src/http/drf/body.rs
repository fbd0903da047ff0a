//! The body of a request: read completely, up to a limit and a deadline, and parsed as JSON, a form or a multipart
//! form (`docs/contract.md#content-type` and the sections after it).

pub mod value;

mod json;
mod multipart;

use std::borrow::Cow;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap};
use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use futures_util::{Stream, StreamExt as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::http::drf::body::value::{Document, Text, Value};
use crate::http::drf::media::{covers, parameter};

/// How much of a body is read, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes.
    pub size: usize,
    /// How long the whole body may take to arrive.
    pub patience: Duration,
}

/// 16 KiB, 10 seconds.
impl Default for Limits {
    fn default() -> Self {
        Self { size: 16 * 1024, patience: Duration::from_secs(10) }
    }
}

/// Why a body cannot be used. The texts are the `detail`s of the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The content type, as it was sent, is neither JSON nor a form.
    #[error("Unsupported media type \"{0}\" in request.")]
    UnsupportedMediaType(String),
    /// The body is larger than this many bytes.
    #[error("Request body exceeds {0} bytes.")]
    TooLarge(usize),
    /// The body did not arrive in time.
    #[error("Request body did not arrive in time.")]
    Slow,
    /// The connection broke, or its framing did.
    #[error("Request body is incomplete.")]
    Broken,
    /// The bytes are not text in the declared charset.
    #[error("JSON parse error - invalid bytes for the character set")]
    Undecodable,
    /// The text is not JSON.
    #[error("JSON parse error - {0}")]
    Json(String),
    /// The multipart form is malformed.
    #[error("Multipart form parse error - {0}")]
    Multipart(&'static str),
}

impl BodyError {
    /// The status that goes with the text.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::Undecodable | Self::Json(_) | Self::Multipart(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether a part of the request may still arrive, so that the connection cannot be used for another
    /// request.
    pub const fn ends_connection(&self) -> bool {
        match self {
            Self::TooLarge(_) | Self::Slow | Self::Broken => true,
            Self::UnsupportedMediaType(_) | Self::Undecodable | Self::Json(_) | Self::Multipart(_) => false,
        }
    }
}

/// Parses a whole body. An empty one is an empty object, whatever the content type.
///
/// # Errors
/// When the content type is unknown, or the body does not match it.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Document, BodyError> {
    if body.is_empty() {
        return Ok(Document::EMPTY);
    }
    Format::of(content_type)?.parse(content_type, body)
}

/// Reads and parses a body. `declared` is its length according to the headers.
///
/// # Errors
/// As [`parse`]; also when the body is too large, too slow or incomplete. The content type is checked
/// first, then the size.
pub async fn read<S>(content_type: &str, declared: Option<u64>, body: S, limits: Limits) -> Result<Document, BodyError>
where
    S: Stream<Item = Result<Bytes, PayloadError>>,
{
    // The buffer of a longer body grows, whatever length was declared.
    let bytes = read_bytes(Limits::default().size, content_type, declared, body, limits).await?;
    parse(content_type, &bytes)
}

/// The length that a request declares for its body.
pub(in crate::http) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// As [`read`], but does not parse it. The buffer has this capacity from the beginning, unless no body can be as long.
///
/// # Errors
/// When the content type is unknown, or the body is too large, too slow or incomplete.
pub(in crate::http) async fn read_bytes<S>(
    capacity: usize,
    content_type: &str,
    declared: Option<u64>,
    body: S,
    limits: Limits,
) -> Result<Zeroizing<Vec<u8>>, BodyError>
where
    S: Stream<Item = Result<Bytes, PayloadError>>,
{
    if declared.is_some_and(|length| length > 0) {
        Format::of(content_type)?;
    }
    if declared.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limits.size)) {
        return Err(BodyError::TooLarge(limits.size));
    }
    // The body may contain passwords, and a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits.size.min(capacity)));
    let whole = async {
        let mut body = std::pin::pin!(body);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|_| BodyError::Broken)?;
            if bytes.is_empty() && !chunk.is_empty() {
                // A chunked body declares no length, so this is the first sign that it is not empty.
                Format::of(content_type)?;
            }
            if bytes.len() + chunk.len() > limits.size {
                return Err(BodyError::TooLarge(limits.size));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    };
    tokio::time::timeout(limits.patience, whole).await.map_err(|_| BodyError::Slow)??;
    Ok(bytes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Form,
    Multipart,
}

impl Format {
    fn of(content_type: &str) -> Result<Self, BodyError> {
        let known = [
            (Self::Json, "application", "json"),
            (Self::Form, "application", "x-www-form-urlencoded"),
            (Self::Multipart, "multipart", "form-data"),
        ];
        let format = known.into_iter().find(|(_, main, sub)| covers(content_type, main, sub));
        format.map(|(format, ..)| format).ok_or_else(|| BodyError::UnsupportedMediaType(content_type.to_owned()))
    }

    fn parse(self, content_type: &str, body: &[u8]) -> Result<Document, BodyError> {
        match self {
            Self::Json => {
                let text = decode(content_type, body).ok_or(BodyError::Undecodable)?;
                let document = json::parse(&text).map_err(|error| BodyError::Json(error.to_string()));
                if let Cow::Owned(mut copy) = text {
                    copy.zeroize();
                }
                document
            }
            Self::Form => {
                let fields = form_urlencoded::parse(body).into_owned();
                let fields = fields.map(|(name, value)| (Text::new(name), Value::Text(Text::new(value))));
                Ok(Document::Object(fields.collect()))
            }
            Self::Multipart => multipart::parse(content_type, body).map_err(BodyError::Multipart),
        }
    }
}

/// The text of a body in the charset of its content type; UTF-8 if there is none or an unknown one.
/// `None` if it is not well-formed.
fn decode<'b>(content_type: &str, body: &'b [u8]) -> Option<Cow<'b, str>> {
    let charset = parameter(content_type, "charset").and_then(|name| Encoding::for_label(name.as_bytes()));
    match charset {
        Some(charset) if charset != UTF_8 => {
            // Of the charsets, only UTF-16 has a byte order mark: a mark of another one decides nothing.
            let marked = Encoding::for_bom(body).filter(|(marked, _)| is_utf_16(marked) && is_utf_16(charset));
            let (charset, mark) = marked.unwrap_or((charset, 0));
            charset.decode_without_bom_handling_and_without_replacement(body.get(mark..)?)
        }
        // A byte order mark stays in the text, and no JSON begins with one.
        Some(_) | None => std::str::from_utf8(body).ok().map(Cow::Borrowed),
    }
}

fn is_utf_16(charset: &Encoding) -> bool {
    charset == UTF_16LE || charset == UTF_16BE
}

#[cfg(test)]
mod tests;
