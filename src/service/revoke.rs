//! Logging out. Once this returns, the end of the session is durable, and no check that begins
//! afterwards accepts its tokens.

use super::{Auth, Unavailable, lanes::Wanted, within};
use crate::cause::{Actor, Origin, Reason};
use crate::session::Verified;

impl Auth {
    /// Ends the session of `who`. It is no error if the session has already ended.
    ///
    /// # Errors
    /// When the outcome is not known.
    pub async fn logout(&self, who: &Verified, origin: Origin) -> Result<(), Unavailable> {
        let cause = self.cause(Reason::Logout, Actor::User(who.user.id), origin);
        let session = who.session.id;
        let ended = self.inner.writes.run(Wanted::Always, move |connection| connection.end_session(session, &cause));
        within(self.inner.timeouts.write, "writes", ended).await.map(drop)
    }

    /// Ends all sessions of the user `who`, in all dialects.
    ///
    /// # Errors
    /// When the outcome is not known.
    pub async fn logout_all(&self, who: &Verified, origin: Origin) -> Result<(), Unavailable> {
        let cause = self.cause(Reason::LogoutAll, Actor::User(who.user.id), origin);
        let user = who.user.id;
        let ended = self.inner.writes.run(Wanted::Always, move |connection| connection.end_all_sessions(user, &cause));
        within(self.inner.timeouts.write, "writes", ended).await.map(drop)
    }
}
