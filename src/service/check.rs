//! From a token to a verified user and session, or to a refusal.

mod many;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::cache::{Find, Found};
use super::workers::OnDisconnect;
use super::{Auth, ChangedMeanwhile, Unavailable, within};
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::session::{Refusal, TokenRecord, Verified, judge};
use crate::domain::token::{Token, TokenKind};
use crate::store::Connection;

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckError {
    /// The token is bad.
    Refused(Refusal),
    /// The check could not be made. Never treat this as a refusal.
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
    /// A request of the client: the session is in use.
    Counts,
    /// An inspection, such as by a page for administrators.
    Ignored,
}

/// A running check: ready at once, or a future. It stays on the thread on which it began.
pub struct Check(State);

enum State {
    Ready(Option<Result<Verified, CheckError>>),
    Looking { auth: Auth, find: Find, activity: Activity },
    Waiting(Pin<Box<dyn Future<Output = Result<Verified, CheckError>>>>),
}

impl Check {
    /// A check that has its answer.
    pub const fn ready(answer: Result<Verified, CheckError>) -> Self {
        Self(State::Ready(Some(answer)))
    }

    /// A check that has to wait for its answer.
    pub fn waiting(answer: impl Future<Output = Result<Verified, CheckError>> + 'static) -> Self {
        Self(State::Waiting(Box::pin(answer)))
    }
}

impl Future for Check {
    type Output = Result<Verified, CheckError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self(state) = self.get_mut();
        if let State::Looking { auth, find, activity } = state {
            let found = match Pin::new(find).poll(context) {
                Poll::Ready(found) => found,
                Poll::Pending => return Poll::Pending,
            };
            *state = match found.map_err(CheckError::from).and_then(|found| auth.conclude(found, *activity)) {
                Ok(Conclusion::Doubtful(found)) => {
                    let (auth, activity) = (auth.clone(), *activity);
                    State::Waiting(Box::pin(async move { auth.conclude_again(found, activity).await }))
                }
                Ok(Conclusion::Verified(verified)) => State::Ready(Some(Ok(verified))),
                Err(error) => State::Ready(Some(Err(error))),
            };
        }
        match state {
            State::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            State::Waiting(future) => future.as_mut().poll(context),
            State::Looking { .. } => Poll::Pending,
        }
    }
}

/// Decides whether a token is good. The middleware and every endpoint ask a resolver, and therefore
/// agree.
pub trait Resolver: 'static {
    /// Checks an access token: the answer reflects every revocation that was acknowledged
    /// before this call.
    fn resolve(&self, token: Token, activity: Activity) -> Check;
}

impl Resolver for Auth {
    fn resolve(&self, token: Token, activity: Activity) -> Check {
        Check(State::Looking { auth: self.clone(), find: self.inner.cache.find(token), activity })
    }
}

/// What a lookup leads to.
enum Conclusion {
    Verified(Verified),
    /// Idle according to what was found, which may not know of the last use; or refused by a record from
    /// the cache.
    Doubtful(Found),
}

impl Auth {
    /// Checks an access token; see [`Resolver::resolve`].
    ///
    /// # Errors
    /// Why the token is bad, or that the check could not be made.
    pub async fn check(&self, token: &Token, activity: Activity) -> Result<Verified, CheckError> {
        self.resolve(token.copied(), activity).await
    }

    fn conclude(&self, found: Found, activity: Activity) -> Result<Conclusion, CheckError> {
        let idle_after = self.inner.policy.idle_verdict_after();
        let now = self.now();
        match judge(found.record.as_ref(), Some(TokenKind::Access), now, idle_after) {
            Ok(verified) => {
                if activity == Activity::Counts
                    && self.inner.last_seen_writer.touch(&verified.session, now)
                    && let Some(key) = found.remembered
                {
                    self.inner.cache.note_use(key, now);
                }
                Ok(Conclusion::Verified(verified))
            }
            Err(refusal) if found.is_in_doubt(refusal) => Ok(Conclusion::Doubtful(found)),
            Err(refusal) => Err(CheckError::Refused(refusal)),
        }
    }

    /// Judges a doubtful refusal again by the row, and idleness also by uses that this node has not written yet.
    async fn conclude_again(&self, found: Found, activity: Activity) -> Result<Verified, CheckError> {
        let record = self.reread(&found.token).await?;
        match (self.judge_row(&found, record.as_ref(), activity), record) {
            (Ok(verified), _) => Ok(verified),
            (Err(Refusal::Idle), Some(record)) => Err(self.refuse_for_idleness(&record).await),
            (Err(refusal), _) => Err(CheckError::Refused(refusal)),
        }
    }

    /// Judges what was found by the row. A session that is idle has to be ended before it is refused.
    fn judge_row(&self, found: &Found, row: Option<&TokenRecord>, activity: Activity) -> Result<Verified, Refusal> {
        let idle_after = self.inner.policy.idle_verdict_after();
        let now = self.now();
        let verified = judge(row, Some(TokenKind::Access), now, idle_after)?;
        let mut seen = verified.session.last_seen;
        if activity == Activity::Counts {
            self.inner.last_seen_writer.touch(&verified.session, now);
            seen = now;
        }
        if let Some(key) = found.remembered {
            self.inner.cache.note_use(key, seen);
        }
        Ok(verified)
    }

    /// The current row of a token, with a use that this node has not written yet.
    pub(super) async fn reread(&self, token: &Token) -> Result<Option<TokenRecord>, Unavailable> {
        let found = self.inner.checks.find(token.digest());
        let record = within(self.inner.timeouts.check, "checks", found).await?;
        Ok(record.map(|record| self.with_pending_use(record)))
    }

    /// A use that this node has not written yet counts too.
    fn with_pending_use(&self, mut record: TokenRecord) -> TokenRecord {
        if let Some(seen) = self.inner.last_seen_writer.pending(record.session.id) {
            record.session.last_seen = record.session.last_seen.max(seen);
        }
        record
    }

    /// Ends the idle session before it is refused, so that a use which another node has not
    /// written yet cannot revive it. If such a use was written meanwhile, the session lives.
    pub(super) async fn refuse_for_idleness(&self, record: &TokenRecord) -> CheckError {
        let (id, last_seen) = (record.session.id, record.session.last_seen);
        let audit = self.audit(Event::Idle, Actor::System, Origin::default());
        let end = move |connection: &mut dyn Connection| connection.end_idle_session(id, last_seen, &audit);
        match self.write(OnDisconnect::Finish, end).await {
            Ok(true) => CheckError::Refused(Refusal::Idle),
            // Meanwhile it was used on another node, or ended by another request: when the client tries again, it gets
            // the verdict.
            Ok(false) => Unavailable::from(ChangedMeanwhile::Check).into(),
            Err(error) => error.into(),
        }
    }
}
