//! Randomness as an argument.

use std::sync::Arc;

use rand::TryRng;

/// The operating system could not deliver random bytes.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes: {0}")]
pub struct RandomError(pub String);

/// Where secret random bytes come from.
pub trait Random: Send + Sync + 'static {
    /// Fills all of `bytes` with unpredictable bytes, or fails.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

impl<R: Random + ?Sized> Random for Arc<R> {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        (**self).fill(bytes)
    }
}

/// The operating system's generator: the only source of secrets in production.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        // The one place that makes random bytes.
        rand::rngs::SysRng.try_fill_bytes(bytes).map_err(|e| RandomError(e.to_string()))
    }
}
