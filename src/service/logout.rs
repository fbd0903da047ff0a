//! Logging out. Once this returns, the end of the session is durable, and no check that begins
//! afterwards accepts its tokens.

use super::{Auth, Unavailable, within, workers::OnDisconnect};
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::session::Verified;

impl Auth {
    /// Ends the session of `who`. It is no error if the session has already ended.
    ///
    /// # Errors
    /// When the outcome is not known.
    pub async fn logout(&self, who: &Verified, origin: Origin) -> Result<(), Unavailable> {
        let audit = self.audit(Event::Logout, Actor::User(who.user.id), origin);
        let session = who.session.id;
        let ended =
            self.inner.writes.run(OnDisconnect::Finish, move |connection| connection.end_session(session, &audit));
        within(self.inner.timeouts.write, "writes", ended).await.map(drop)
    }

    /// Ends all sessions of the user `who`, in all dialects.
    ///
    /// # Errors
    /// When the outcome is not known.
    pub async fn logout_all(&self, who: &Verified, origin: Origin) -> Result<(), Unavailable> {
        let audit = self.audit(Event::LogoutAll, Actor::User(who.user.id), origin);
        let user = who.user.id;
        let ended =
            self.inner.writes.run(OnDisconnect::Finish, move |connection| connection.end_all_sessions(user, &audit));
        within(self.inner.timeouts.write, "writes", ended).await.map(drop)
    }
}
