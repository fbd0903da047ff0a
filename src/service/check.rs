//! Turning a token into a verified user and session, or a reason why not.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Auth, Unavailable, lanes::Wanted, within};
use crate::cause::{Actor, Origin, Reason};
use crate::session::{Refusal, TokenRecord, Verified, judge};
use crate::store::StoreResult;
use crate::token::{Token, TokenKind};

/// Why a check did not say yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckError {
    /// The token is not good.
    Refused(Refusal),
    /// Nothing can be said now. Never to be taken for a refusal.
    Unavailable(Unavailable),
}

impl From<Unavailable> for CheckError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

/// Whether a check counts as use of the session, against its idle limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// A request of the client's: the session is in use.
    Counts,
    /// Somebody only looks.
    Ignored,
}

/// A check under way: ready at once, or a future.
pub enum Check {
    /// The answer is there.
    Ready(Option<Result<Verified, CheckError>>),
    /// The answer needs the store.
    Waiting(Pin<Box<dyn Future<Output = Result<Verified, CheckError>>>>),
}

impl Check {
    /// A check whose answer is there.
    pub const fn ready(answer: Result<Verified, CheckError>) -> Self {
        Self::Ready(Some(answer))
    }
}

impl Future for Check {
    type Output = Result<Verified, CheckError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Self::Waiting(future) => future.as_mut().poll(context),
        }
    }
}

/// Whoever can tell whether a token is good. The middleware and every endpoint ask one of
/// these, and therefore agree.
pub trait Resolver: 'static {
    /// Checks an access token: the answer reflects every revocation that was acknowledged
    /// before this call.
    fn resolve(&self, token: &Token, activity: Activity) -> Check;
}

impl Resolver for Auth {
    fn resolve(&self, token: &Token, activity: Activity) -> Check {
        let found = self.inner.checks.find(token.digest());
        let auth = self.clone();
        Check::Waiting(Box::pin(async move { auth.finish_check(found, activity).await }))
    }
}

impl Auth {
    /// Checks an access token; see [`Resolver::resolve`].
    ///
    /// # Errors
    /// Why the token is not good, or that nothing can be said.
    pub async fn check(&self, token: &Token, activity: Activity) -> Result<Verified, CheckError> {
        self.resolve(token, activity).await
    }

    async fn finish_check(
        &self,
        found: tokio::sync::oneshot::Receiver<StoreResult<Option<TokenRecord>>>,
        activity: Activity,
    ) -> Result<Verified, CheckError> {
        let inner = &self.inner;
        let record = within(inner.timeouts.check, "checks", found).await?;
        let record = record.map(|record| self.with_pending_use(record));
        let now = self.now();
        let idle_after = inner.policy.idle_verdict_after();
        match judge(record.as_ref(), Some(TokenKind::Access), now, idle_after) {
            Ok(verified) => {
                if activity == Activity::Counts {
                    inner.upkeep.touch(verified.session.id, verified.session.last_seen, now);
                }
                Ok(verified)
            }
            Err(refusal) => match record {
                Some(record) if refusal == Refusal::Idle => Err(self.refuse_for_idleness(&record).await),
                Some(_) | None => Err(CheckError::Refused(refusal)),
            },
        }
    }

    /// A use that this node has not written down yet is a use all the same.
    pub(super) fn with_pending_use(&self, mut record: TokenRecord) -> TokenRecord {
        if let Some(seen) = self.inner.upkeep.pending(record.session.id) {
            record.session.last_seen = record.session.last_seen.max(seen);
        }
        record
    }

    /// Ends the idle session before it is refused, so that a use which another node has still
    /// to write down cannot revive it. If such a use arrived meanwhile, the session lives.
    pub(super) async fn refuse_for_idleness(&self, record: &TokenRecord) -> CheckError {
        let inner = &self.inner;
        let (id, last_seen) = (record.session.id, record.session.last_seen);
        let cause = self.cause(Reason::Idle, Actor::System, Origin::default());
        let ended =
            inner.writes.run(Wanted::Always, move |connection| connection.end_idle_session(id, last_seen, &cause));
        match within(inner.timeouts.write, "writes", ended).await {
            Ok(true) => CheckError::Refused(Refusal::Idle),
            // Used elsewhere since, or ended by somebody else: the client's next try tells which.
            Ok(false) => Unavailable::Elsewhere("the session changed during the check").into(),
            Err(error) => error.into(),
        }
    }
}
