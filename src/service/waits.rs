//! Waiting for the worker pools: each wait has a limit.

use std::time::Duration;

use tokio::sync::oneshot;

use super::workers::OnDisconnect;
use super::{Auth, Unavailable};
use crate::store::{Connection, StoreError, StoreResult};

/// Waits for a pool's answer, but not for longer than `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    pool: &'static str,
    answer: oneshot::Receiver<StoreResult<T>>,
) -> Result<T, Unavailable> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(result)) => Ok(result?),
        // The sender is gone only if its job panicked.
        Ok(Err(_)) => Err(Unavailable::Store(StoreError::Failed(format!("a job of the {pool} pool was lost")))),
        Err(_) => Err(Unavailable::TimedOut(pool)),
    }
}

impl Auth {
    /// Runs a read in the pool of checks, unless the client hangs up first.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Connection) -> StoreResult<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let found = self.inner.checks.run(OnDisconnect::Cancel, work);
        within(self.inner.timeouts.check, "checks", found).await
    }

    /// Runs a write.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        on_disconnect: OnDisconnect,
        work: impl FnOnce(&mut dyn Connection) -> StoreResult<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let done = self.inner.writes.run(on_disconnect, work);
        within(self.inner.timeouts.write, "writes", done).await
    }
}
