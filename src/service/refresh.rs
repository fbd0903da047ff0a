//! Verifying and refreshing tokens at the endpoints of their own dialect.
//!
//! A refresh never logs a user out by accident. If several requests refresh the same token, one of them wins. During
//! the grace time, the others get the same successor, made again from the token that they present. After that, using
//! the token again ends the session: it may be stolen.

use std::time::Duration;

use super::mint::{IssuedToken, Subject};
use super::{Auth, ChangedMeanwhile, CheckError, Unavailable, within, workers::OnDisconnect};
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::policy::{DialectPolicy, RefreshPolicy};
use crate::domain::session::{Refusal, TokenRecord, Verified, judge};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenKind};
use crate::store::{AccessLimit, NewToken, Refresh, Refreshed};

mod refusal;

pub(super) use refusal::bad;
pub use refusal::{BadToken, TokenError, TokenRefusal};
use refusal::{refused, token_error};

/// The result of a refresh.
#[derive(Debug)]
pub struct RefreshedTokens {
    /// The user and the session.
    pub who: Verified,
    /// The new access token.
    pub access: IssuedToken,
    /// The refresh token that replaces the presented one, if that was consumed.
    pub refresh: Option<IssuedToken>,
    /// When it happened.
    pub at: Timestamp,
}

impl Auth {
    /// Verifies a token at an endpoint of its own dialect: an access token, or a refresh token if the
    /// dialect has them.
    ///
    /// # Errors
    /// Why the token is not good, or why that is unknown.
    pub async fn verify(&self, dialect: Dialect, presented: &str) -> Result<Verified, TokenError> {
        let has_refresh_tokens = self.policy().dialects.get(dialect).refresh.token_ttl().is_some();
        let wanted = (!has_refresh_tokens).then_some(TokenKind::Access);
        let Some(token) = Token::parse(presented.as_bytes()) else { return Err(bad(Refusal::Malformed)) };
        let found = self.inner.cache.find(token).await?;
        let judge = |record: &TokenRecord| judge(Some(record), wanted, self.now(), self.policy().idle_verdict_after());
        let mut record = self.of_dialect(dialect, &found.token, found.record.clone())?;
        let mut judged = judge(&record);
        if let Err(refusal) = judged
            && found.is_in_doubt(refusal)
        {
            record = self.find_for(dialect, &found.token).await?;
            judged = judge(&record);
        }
        match judged {
            Ok(who) => Ok(who),
            Err(refusal) => Err(self.refusal(refusal, &found.token, &record).await),
        }
    }

    /// Issues new tokens: for the refresh token of a pair, or for the access token itself
    /// if the dialect has no refresh tokens.
    ///
    /// # Errors
    /// Why there are no new tokens.
    pub async fn refresh(
        &self,
        dialect: Dialect,
        presented: &str,
        origin: Origin,
    ) -> Result<RefreshedTokens, TokenError> {
        let Some(token) = Token::parse(presented.as_bytes()) else { return Err(bad(Refusal::Malformed)) };
        let plan = RefreshPlan::of(dialect, self.policy().dialects.get(dialect));
        // If another request wins, the second attempt finds the token consumed.
        for _ in 0..2 {
            let record = self.find_for(dialect, &token).await?;
            let now = self.now();
            let Some(plan) = plan else { return Err(refused(BadToken::NotRefreshable)) };
            match judge(Some(&record), Some(plan.exchanged()), now, self.policy().idle_verdict_after()) {
                Ok(who) => {
                    plan.check_window(&who, now)?;
                    self.check_rate(&who, now)?;
                    let session = who.session.id;
                    let outcome = self.issue_successors(plan, &token, who, now).await;
                    if !matches!(outcome, Ok(Some(_))) {
                        self.inner.refreshes.give_back(session);
                    }
                    if let Some(refreshed) = outcome? {
                        return Ok(refreshed);
                    }
                }
                Err(Refusal::Consumed) => return self.repeat(plan, &token, record, origin).await,
                Err(refusal) => return Err(self.refusal(refusal, &token, &record).await),
            }
        }
        Err(Unavailable::from(ChangedMeanwhile::Refresh).into())
    }

    /// The refusal as an error. An idle session is ended first, as in a check. Tokens of ended sessions are
    /// refused as if they were deleted.
    pub(super) async fn refusal(&self, refusal: Refusal, token: &Token, record: &TokenRecord) -> TokenError {
        if matches!(refusal, Refusal::SessionEnded | Refusal::OldEpoch) {
            return self.gone(token, refusal);
        }
        if refusal != Refusal::Idle {
            return token_error(refusal);
        }
        match self.refuse_for_idleness(record).await {
            CheckError::Refused(refusal) => token_error(refusal),
            CheckError::Unavailable(error) => TokenError::Unavailable(error),
        }
    }

    pub(super) async fn find_for(&self, dialect: Dialect, token: &Token) -> Result<TokenRecord, TokenError> {
        let record = self.reread(token).await?;
        self.of_dialect(dialect, token, record)
    }

    /// The record of a token, if that is of this dialect. Tokens of other dialects are refused. A token without a
    /// record may still have been issued here.
    fn of_dialect(
        &self,
        dialect: Dialect,
        token: &Token,
        record: Option<TokenRecord>,
    ) -> Result<TokenRecord, TokenError> {
        match record {
            Some(record) if record.session.kind == dialect.into() => Ok(record),
            Some(_) => Err(refused(BadToken::OtherDialect)),
            None => Err(self.gone(token, Refusal::Unknown)),
        }
    }

    /// The refusal of a token without a live record: "expired" if its signature and `exp` prove that.
    fn gone(&self, token: &Token, refusal: Refusal) -> TokenError {
        if self.keys().once_was_ours(token.expose(), self.now()) {
            return TokenError::Refused(TokenRefusal::Expired);
        }
        bad(refusal)
    }

    /// Only refreshes that add tokens are counted: a reuse after the grace time ends the session, however often it was
    /// refreshed before. A refresh is counted before it is carried out, so that a client gains nothing by
    /// disconnecting. If it fails, the count is taken back.
    fn check_rate(&self, who: &Verified, now: Timestamp) -> Result<(), TokenError> {
        self.inner.refreshes.admit(who.session.id, now).map_err(TokenError::Throttled)
    }

    fn access_limit(&self, now: Timestamp) -> Option<AccessLimit> {
        let policy = self.policy();
        let successors_from = now.saturating_sub(policy.refresh_grace);
        policy.access_tokens.map(|max| AccessLimit { max, successors_from })
    }

    /// Issues new tokens for a good one; `None` if another request consumed it first.
    async fn issue_successors(
        &self,
        plan: RefreshPlan,
        token: &Token,
        who: Verified,
        now: Timestamp,
    ) -> Result<Option<RefreshedTokens>, TokenError> {
        let subject = plan.subject(&who);
        let replaced = plan.rotates.then_some(token);
        let (access, new_access) = match plan.refresh_ttl {
            // As in simplejwt, `iat` of an access token is that of its refresh token.
            Some(_) => self.mint_access(&subject, None, who.issued, now)?,
            None => self.mint_access(&subject, replaced, now, now)?,
        };
        let refresh = plan.refresh_ttl.filter(|_| plan.rotates);
        let refresh = refresh.map(|ttl| self.mint_refresh(&subject, replaced, ttl, now)).transpose()?;
        let (refresh, new_refresh) = refresh.unzip();
        let successor = plan.rotates.then_some(new_refresh.unwrap_or(new_access).digest);
        let tokens = std::iter::once(new_access).chain(new_refresh).collect();
        let limit = self.access_limit(now);
        match self.write_refresh(Refresh { presented: token.digest(), tokens, successor, at: now, limit }).await? {
            Refreshed::Done => {
                self.inner.last_seen_writer.touch(&who.session, now);
                Ok(Some(RefreshedTokens { who, access, refresh, at: now }))
            }
            Refreshed::Consumed => Ok(None),
            Refreshed::Gone => Err(bad(Refusal::SessionEnded)),
        }
    }

    async fn write_refresh(&self, refresh: Refresh) -> Result<Refreshed, TokenError> {
        Ok(self.write(OnDisconnect::Cancel, move |connection| connection.refresh(&refresh)).await?)
    }

    /// Whether a consumed token may still be presented.
    pub(super) fn within_grace(&self, record: &TokenRecord, now: Timestamp) -> bool {
        let since = record.consumed.map_or(Duration::ZERO, |consumed| now.since(consumed));
        since <= self.policy().refresh_grace
    }

    /// Refreshes a consumed token: within the grace time it gets the same successor.
    async fn repeat(
        &self,
        plan: RefreshPlan,
        token: &Token,
        record: TokenRecord,
        origin: Origin,
    ) -> Result<RefreshedTokens, TokenError> {
        let now = self.now();
        if !self.within_grace(&record, now) {
            return Err(self.end_reused(&record, origin).await);
        }
        let who = Verified::of(&record);
        // The end of the window also applies to repeats.
        plan.check_window(&who, now)?;
        self.check_rate(&who, now)?;
        let session = who.session.id;
        let again = self.exchange_again(plan, token, who, now).await;
        if again.is_err() {
            self.inner.refreshes.give_back(session);
        }
        again
    }

    /// Returns the existing successor.
    async fn exchange_again(
        &self,
        plan: RefreshPlan,
        token: &Token,
        who: Verified,
        now: Timestamp,
    ) -> Result<RefreshedTokens, TokenError> {
        let digest = token.digest();
        let found = self.inner.checks.run(OnDisconnect::Cancel, move |connection| connection.find_successor(&digest));
        let row = within(self.inner.timeouts.check, "checks", found).await?;
        let row = row.ok_or(Unavailable::NoSuccessor)?;
        let subject = plan.subject(&who);
        let mut tokens = Vec::new();
        let mut keep = |(issued, new): (IssuedToken, NewToken)| {
            tokens.push(new);
            issued
        };
        let again = match (self.mint_again(&subject, token, plan.exchanged(), &row)?, plan.refresh_ttl) {
            (Some(again), _) => again,
            // Its key is gone, or its user was renamed since: issue another token of the same session, so that the user
            // is not logged out.
            (None, Some(ttl)) => keep(self.mint_refresh(&subject, None, ttl, now)?),
            (None, None) => keep(self.mint_access(&subject, None, now, now)?),
        };
        let (access, refresh) = match plan.refresh_ttl {
            Some(_) => (keep(self.mint_access(&subject, None, who.issued, now)?), Some(again)),
            None => (again, None),
        };
        if !tokens.is_empty() {
            let limit = self.access_limit(now);
            let more = Refresh { presented: row.digest, tokens, successor: None, at: now, limit };
            match self.write_refresh(more).await? {
                Refreshed::Done => {}
                Refreshed::Consumed | Refreshed::Gone => return Err(bad(Refusal::SessionEnded)),
            }
        }
        Ok(RefreshedTokens { who, access, refresh, at: now })
    }

    pub(super) async fn end_reused(&self, record: &TokenRecord, origin: Origin) -> TokenError {
        let audit = self.audit(Event::RefreshReused, Actor::User(record.user.id), origin);
        let session = record.session.id;
        log::warn!(session = session.to_string().as_str(), user = record.user.id.0;
            "a refresh token was used again after the grace time; its session is ended");
        match self.write(OnDisconnect::Finish, move |connection| connection.end_session(session, &audit)).await {
            Ok(_) => refused(BadToken::Reused),
            Err(error) => TokenError::Unavailable(error),
        }
    }
}

/// What can be exchanged at the endpoints of a dialect, and for what.
#[derive(Clone, Copy)]
struct RefreshPlan {
    dialect: Dialect,
    /// The lifetime of refresh tokens; `None`: access tokens are exchanged themselves.
    refresh_ttl: Option<Duration>,
    /// How long after the login this is possible.
    window: Option<Duration>,
    /// Whether a refresh consumes the presented token and issues a successor.
    rotates: bool,
}

impl RefreshPlan {
    /// `None`: nothing can be exchanged.
    fn of(dialect: Dialect, policy: &DialectPolicy) -> Option<Self> {
        let window = match policy.refresh {
            RefreshPolicy::None => return None,
            RefreshPolicy::Access { window } => Some(window),
            RefreshPolicy::Pair { window, .. } => window,
        };
        Some(Self { dialect, refresh_ttl: policy.refresh.token_ttl(), window, rotates: policy.rotate })
    }

    /// The kind of token that is exchanged.
    const fn exchanged(self) -> TokenKind {
        if self.refresh_ttl.is_some() { TokenKind::Refresh } else { TokenKind::Access }
    }

    /// Compared in whole seconds, as the Django packages do: the last second still counts.
    fn check_window(self, who: &Verified, now: Timestamp) -> Result<(), TokenError> {
        let opened = who.session.created.whole_seconds();
        let over = self.window.is_some_and(|window| now.whole_seconds() > opened.saturating_add(window));
        if over { Err(TokenError::Refused(TokenRefusal::WindowOver)) } else { Ok(()) }
    }

    fn subject(self, who: &Verified) -> Subject<'_> {
        Subject { dialect: self.dialect, user: &who.user, opened: who.session.created }
    }
}
