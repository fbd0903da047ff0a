//! Registered clients: each request of one is judged by its secret, its rights and its limit.
//!
//! What is known of a client is remembered, and used again only after a poll that began with the request and brought
//! nothing that invalidates it. So the end of a secret is as strict as that of a token, and costs no read while nothing
//! changes (`docs/adr/0042-clients-are-remembered-like-tokens.md`).

use std::sync::Arc;
use std::time::Duration;

use super::events::Subject;
use super::workers::OnDisconnect;
use super::{Auth, Unavailable, within};
use crate::domain::audit::{Event, Origin};
use crate::domain::client::{ClientId, ClientRecord, ClientSecret, Right, SecretDigest, accepts};
use crate::domain::policy::Network;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

mod limit;
mod uses;

pub(super) use limit::RequestLimits;
pub(super) use uses::ClientUses;

/// A client that has proved who it is, and may do what it asked for.
#[derive(Debug, Clone)]
pub struct Client(Arc<ClientRecord>);

impl Client {
    /// Its id.
    pub fn id(&self) -> ClientId {
        self.0.id
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it may do this, too.
    pub fn may(&self, right: Right) -> bool {
        self.0.rights.has(right)
    }
}

/// Why a request of a client is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientError {
    /// There is no such client, or this is no good secret of it. Which, does not show.
    Unknown,
    /// The client is known, and lacks the right.
    Forbidden,
    /// The client makes more requests than its limit allows.
    TooManyRequests {
        /// When the next one is allowed.
        retry_after: Duration,
    },
    /// It could not be found out. Never treat this as a refusal.
    Unavailable(Unavailable),
}

impl From<Unavailable> for ClientError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

/// Why a request that takes a client or an administrator was refused, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallRefusal {
    /// Neither credentials nor anything that could be some.
    NoCredentials,
    /// There is no such client, or the secret is not good.
    UnknownClient,
    /// The token is no good one of an administrator.
    NotAdmin,
    /// The client lacks the right.
    MissingRight,
    /// The client made more requests than its limit allows.
    TooManyRequests,
}

impl CallRefusal {
    /// The name under which it is counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::UnknownClient => "unknown_client",
            Self::NotAdmin => "not_an_administrator",
            Self::MissingRight => "missing_right",
            Self::TooManyRequests => "too_many_requests",
        }
    }
}

impl Auth {
    /// Judges a request of a client that needs a right. The answer reflects every change of the client that was
    /// acknowledged before this call. The request is counted, whether it is refused or not.
    ///
    /// For an id that no client has, and for a wrong secret, the work is the same. The future stays on the thread on which
    /// it began.
    ///
    /// # Errors
    /// Why it is refused, or that it could not be judged.
    pub async fn client(
        &self,
        id: &str,
        secret: &ClientSecret,
        right: Right,
        origin: &Origin,
    ) -> Result<Client, ClientError> {
        let refused = |why: CallRefusal| self.count_refused_call(why, origin);
        let known = match ClientId::parse(id) {
            Some(id) => self.authenticate_client(id, &secret.digest()).await?,
            None => None,
        };
        let Some(record) = known else {
            refused(CallRefusal::UnknownClient);
            return Err(ClientError::Unknown);
        };
        let (id, now) = (record.id, self.now());
        self.inner.events.client_uses().note(id, now);
        if let Err(retry_after) = self.inner.request_limits.admit(id, record.limit, now) {
            self.count_refusal_of(id, CallRefusal::TooManyRequests, now);
            return Err(ClientError::TooManyRequests { retry_after });
        }
        if !record.rights.has(right) {
            self.count_refusal_of(id, CallRefusal::MissingRight, now);
            return Err(ClientError::Forbidden);
        }
        self.inner.events.limiter().count(Event::ClientCalled, Subject::Client(id), right.as_str(), now);
        Ok(Client(record))
    }

    /// Counts a request that an administrator's token was accepted for in the place of a client.
    pub fn count_call_of_admin(&self, admin: UserId, right: Right) {
        let limiter = self.inner.events.limiter();
        limiter.count(Event::ClientCalled, Subject::User(admin), right.as_str(), self.now());
    }

    /// Counts a refused request of somebody who has not proved who it is. [`Auth::client`] counts by itself.
    pub fn count_refused_call(&self, why: CallRefusal, origin: &Origin) {
        let network = Subject::Network(Network::of(origin.address));
        self.inner.events.limiter().count(Event::ClientRefused, network, why.as_str(), self.now());
    }

    fn count_refusal_of(&self, client: ClientId, why: CallRefusal, now: Timestamp) {
        self.inner.events.limiter().count(Event::ClientRefused, Subject::Client(client), why.as_str(), now);
    }

    /// The client, if this is a good secret of it.
    async fn authenticate_client(
        &self,
        id: ClientId,
        presented: &SecretDigest,
    ) -> Result<Option<Arc<ClientRecord>>, Unavailable> {
        let inner = &self.inner;
        let generation = inner.cache.prove().await?;
        let remembered = generation.and_then(|generation| inner.cache.client(generation, id));
        if let Some(record) = remembered.filter(|record| accepts(Some(record), presented, self.now())) {
            return Ok(Some(record));
        }
        // Also where a remembered client has another secret, so that this costs as much as an unknown client.
        let found = inner.checks.run(OnDisconnect::Cancel, move |connection| connection.find_client(id));
        let found = within(inner.timeouts.check, "checks", found).await?;
        if !accepts(found.as_ref(), presented, self.now()) {
            return Ok(None);
        }
        Ok(found.map(|record| {
            let record = Arc::new(record);
            if let Some(generation) = generation {
                inner.cache.keep_client(generation, Arc::clone(&record));
            }
            record
        }))
    }
}
