//! The audit events of logins: a login is recorded in its own transaction, and a refusal in a transaction before its
//! answer.

use std::sync::Arc;

use serde_json::json;

use super::{LoginError, LoginRefusal};
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::policy::Network;
use crate::service::events::Subject;
use crate::service::throttle::AccountLabel;
use crate::service::workers::OnDisconnect;
use crate::service::{Auth, Unavailable};
use crate::store::{Connection, NewEvent, NewSession, Opening, StoreResult};

impl Auth {
    /// Records the refusal of an act that takes a password, as the event `refused`. If it cannot be recorded, the
    /// answer is "unavailable", as for every act whose event cannot be written. Throttled attempts are only counted.
    pub(in crate::service) async fn tell_refusal(
        &self,
        refused: Event,
        error: LoginError,
        origin: Origin,
    ) -> LoginError {
        let (why, account) = match &error {
            LoginError::Refused { why, account } => (*why, *account),
            LoginError::Unavailable(_) => return error,
        };
        let (user, of_account) = match account {
            AccountLabel::User(user) => (Some(user), Subject::User(user)),
            AccountLabel::Name(hash) => (None, Subject::Name(hash)),
        };
        let of_network = Subject::Network(Network::of(origin.address));
        let counted = if user.is_some() { of_account } else { of_network };
        let (now, limiter) = (self.now(), self.inner.events.limiter());
        if let LoginRefusal::Throttled { .. } = why {
            limiter.count(Event::Throttled, counted, "", now);
            return error;
        }
        let reason = why.as_str();
        if !limiter.admits(refused, &[of_account, of_network], now) {
            limiter.count(refused, counted, reason, now);
            return error;
        }
        let audit = self.audit(refused, Actor::Anonymous, origin).with_detail(json!({ "reason": reason }));
        match self.record(NewEvent { audit, user, session: None, count: 1 }).await {
            Ok(()) => error,
            Err(unavailable) => LoginError::Unavailable(unavailable),
        }
    }

    /// Records an event in a transaction of its own.
    async fn record(&self, event: NewEvent) -> Result<(), Unavailable> {
        self.write(OnDisconnect::Finish, move |connection| connection.record_events(&[event])).await
    }

    /// The step that opens a session, and records the event or counts it.
    pub(super) fn opening(
        &self,
        mut new: NewSession,
    ) -> impl FnOnce(&mut dyn Connection) -> StoreResult<Opening> + Send + use<> {
        let limiter = Arc::clone(self.inner.events.limiter());
        let (event, of_user, at) = (new.audit.event, Subject::User(new.user), new.audit.at);
        new.with_event = limiter.admits(event, &[of_user], at);
        move |connection| {
            let opening = connection.open_session(&new)?;
            if opening == Opening::Opened && !new.with_event {
                limiter.count(event, of_user, "", at);
            }
            Ok(opening)
        }
    }
}
