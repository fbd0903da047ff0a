//! Registered clients: adding, listing, rotating and deleting them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::tokens::is_name;
use super::{Admin, AdminError};
use crate::domain::audit::Event;
use crate::domain::client::{ClientEntry, ClientId, ClientSecret, MAX_LIMIT, Rights};
use crate::domain::time::Timestamp;
use crate::store::{ClientCreation, ClientRotation, NewClient};

/// How long a secret stays good after a rotation by default.
pub const KEEP_OLD_SECRET: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time that it may stay good: 30 days.
pub const MAX_KEEP_OLD_SECRET: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A client that was registered, as the answer shows it once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AddedClient {
    /// Its id.
    pub id: ClientId,
    /// Its name.
    pub name: String,
    /// Its secret; it is stored nowhere.
    #[serde(serialize_with = "shown")]
    #[schemars(with = "String")]
    pub secret: ClientSecret,
    /// What it may do.
    pub rights: Rights,
    /// How many requests a second it may make on each node; `None`: any number.
    #[schemars(range(min = 1))]
    pub limit: Option<u32>,
}

/// A client's new secret, as the answer shows it once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RotatedClient {
    /// The client.
    pub id: ClientId,
    /// The secret; it is stored nowhere.
    #[serde(serialize_with = "shown")]
    #[schemars(with = "String")]
    pub secret: ClientSecret,
    /// Until when the secret that it replaces is good; `None`: it is refused already.
    pub old_secret_until: Option<Timestamp>,
}

fn shown<S: Serializer>(secret: &ClientSecret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

impl Admin {
    /// Lists clients in the order in which they were registered, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    pub fn list_clients(&self, after: Option<ClientId>, limit: u32) -> Result<Vec<ClientEntry>, AdminError> {
        Ok(self.store.list_clients(after, limit)?)
    }

    /// Registers a client that may make `limit` requests a second on each node; `None`: any number.
    ///
    /// # Errors
    /// The name is not allowed or is taken, there is no right, the limit is out of range, or the store failed.
    pub fn add_client(&self, name: String, rights: Rights, limit: Option<u32>) -> Result<AddedClient, AdminError> {
        self.recording_refusal(Event::ClientAdded, None, || {
            if !is_name(&name) {
                return Err(AdminError::BadClientName);
            }
            if rights.is_empty() {
                return Err(AdminError::NoRights);
            }
            if limit.is_some_and(|limit| limit == 0 || limit > MAX_LIMIT) {
                return Err(AdminError::BadLimit);
            }
            let audit = self.audit(Event::ClientAdded);
            let secret = ClientSecret::generate(&*self.random)?;
            let mut unique = [0; 10];
            self.random.fill(&mut unique)?;
            let id = ClientId::new(audit.at, &unique);
            let new = NewClient { id, name, secret: secret.digest(), rights, limit };
            let audit = audit.with_detail(json!({ "client": id, "rights": rights, "limit": limit }));
            match self.store.add_client(&new, &audit)? {
                ClientCreation::Created => Ok(AddedClient { id, name: new.name, secret, rights, limit }),
                ClientCreation::NameTaken => Err(AdminError::ClientNameTaken(new.name)),
            }
        })
    }

    /// Gives a client a new secret. The one that it replaces stays good for `keep_old`, and the one before that is
    /// refused at once.
    ///
    /// # Errors
    /// There is no such client, or `keep_old` is more than [`MAX_KEEP_OLD_SECRET`]; or the
    /// store failed.
    pub fn rotate_client(&self, client: ClientId, keep_old: Duration) -> Result<RotatedClient, AdminError> {
        self.recording_refusal(Event::ClientRotated, None, || {
            if keep_old > MAX_KEEP_OLD_SECRET {
                return Err(AdminError::KeptTooLong);
            }
            let audit = self.audit(Event::ClientRotated);
            let secret = ClientSecret::generate(&*self.random)?;
            let keep_old_until = (!keep_old.is_zero()).then(|| audit.at.saturating_add(keep_old));
            let rotation = ClientRotation { client, secret: secret.digest(), keep_old_until };
            let audit = audit.with_detail(json!({ "client": client, "old_secret_until": keep_old_until }));
            if self.store.rotate_client(&rotation, &audit)? {
                return Ok(RotatedClient { id: client, secret, old_secret_until: keep_old_until });
            }
            Err(AdminError::NoSuchClient(client))
        })
    }

    /// Deletes a client: its secrets are refused at once, and for good.
    ///
    /// # Errors
    /// There is no such client, or the store failed.
    pub fn delete_client(&self, client: ClientId) -> Result<(), AdminError> {
        self.recording_refusal(Event::ClientDeleted, None, || {
            let audit = self.audit(Event::ClientDeleted).with_detail(json!({ "client": client }));
            if self.store.delete_client(client, &audit)? {
                return Ok(());
            }
            Err(AdminError::NoSuchClient(client))
        })
    }
}
