//! Reading of bodies that may hold passwords.

use actix_web::dev::Payload;
use futures_util::StreamExt as _;
use zeroize::Zeroizing;

use crate::http::HttpOptions;
use crate::http::admin::error::ApiError;
use crate::http::drf::body::BodyError;

/// Reads a body to its end.
///
/// # Errors
/// If it is too large or too slow.
pub(in crate::http) async fn read_body(
    declared: Option<u64>,
    payload: Payload,
    options: &HttpOptions,
) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let limit = options.body_limit;
    if declared.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        return Err(BodyError::TooLarge(limit).into());
    }
    let body = tokio::time::timeout(options.read_timeout, collect(payload, limit));
    Ok(Zeroizing::new(body.await.map_err(|_| BodyError::Slow)??))
}

async fn collect(mut payload: Payload, limit: usize) -> Result<Vec<u8>, BodyError> {
    // Allocated once: a buffer that grows would leave copies of passwords behind.
    let mut bytes = Vec::with_capacity(limit);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        if bytes.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
