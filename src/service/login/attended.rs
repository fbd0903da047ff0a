//! Sessions of people at a screen: those of administrators, and of the pages. Each has one opaque token and no refresh
//! token, and ends after some hours. Their number is not limited.

use std::time::Duration;

use super::Proven;
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::session::{SessionId, SessionKind};
use crate::domain::token::{Token, TokenKind};
use crate::service::workers::OnDisconnect;
use crate::service::{Auth, ChangedMeanwhile, Issued, IssuedToken, Unavailable};
use crate::store::{Connection, NewSession, NewToken, Opening, StoreResult};

/// The longest time that such a session lasts.
const LONGEST: Duration = Duration::from_secs(8 * 3600);

type Open = Box<dyn FnOnce(&mut dyn Connection) -> StoreResult<Opening> + Send>;

impl Auth {
    /// Opens a session of this kind.
    pub(super) async fn open_attended(
        &self,
        kind: SessionKind,
        proven: Proven,
        origin: Origin,
    ) -> Result<Issued, Unavailable> {
        let Proven { user, upgrade, shadow, network } = proven;
        let event = if kind.is_for_administration() { Event::AdminLogin } else { Event::Login };
        let audit = self.audit(event, Actor::User(user.id), origin);
        let opened_at = audit.at;
        // A prefix may have characters that the value of a cookie cannot have, and scanners do not find cookies anyway.
        let prefix = if kind.is_of_pages() { "" } else { &self.inner.policy.token_prefix };
        let token = Token::generate(&*self.inner.random, prefix)?;
        let mut unique = [0; 10];
        self.inner.random.fill(&mut unique)?;
        let session = SessionId::new(opened_at, &unique);
        let expires = Some(opened_at.saturating_add(LONGEST));
        let new = NewSession {
            id: session,
            user: user.id,
            epoch: user.epoch,
            kind,
            name: None,
            tokens: vec![NewToken { digest: token.digest(), kind: TokenKind::Access, expires, key: None }],
            limit: None,
            network: network.map(|network| network.to_string()),
            with_event: true,
            audit: audit.clone(),
        };
        let open: Open = if kind.is_for_administration() {
            // The event always has a row of its own: logins of administrators are throttled, so there are few.
            Box::new(move |connection| connection.open_session(&new))
        } else {
            Box::new(self.opening(new))
        };
        let opened = self.write(OnDisconnect::Cancel, move |connection| {
            if let Some(shadow) = shadow {
                connection.put_shadow_user(&shadow, &audit)?;
            }
            open(connection)
        });
        match opened.await? {
            Opening::Opened => {}
            // The user has changed since the password was verified; the next attempt decides.
            Opening::Denied | Opening::LimitReached => return Err(ChangedMeanwhile::Login.into()),
        }
        if let Some((old, better)) = upgrade {
            self.upgrade_hash(user.id, old, better);
        }
        Ok(Issued { user, session, opened: opened_at, access: IssuedToken { token, expires }, refresh: None })
    }
}
