//! Signing keys: listing, rotating and retiring them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{Admin, AdminError};
use crate::domain::audit::Event;
use crate::domain::jwt::{Algorithm, KeyPurpose, KeySecret, PUBLISHED_FIRST};
use crate::domain::time::Timestamp;
use crate::store::{KeyEntry, KeyError, Retiring};

/// What a key does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It signs.
    Signs,
    /// It is published, and signs from [`ListedKey::signs_from`] on.
    #[schemars(description = "It is published, and signs a little later.")]
    Waits,
    /// A newer one signs; what this one signed stays good.
    Replaced,
    /// It was taken out of use.
    Retired,
    /// It makes the successors of refresh tokens.
    MakesSuccessors,
}

/// A key as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ListedKey {
    /// Its number: newer keys have greater ones.
    pub id: i64,
    /// How it signs; `None`: it does not.
    pub algorithm: Option<&'static str>,
    /// Where its secret is: in the `settings` or in the `database`.
    pub secret_in: &'static str,
    /// When it was made.
    pub created: Timestamp,
    /// When it was taken out of use before its time.
    pub retired: Option<Timestamp>,
    /// What it does now.
    pub state: KeyState,
}

/// A key that takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RotatedKey {
    /// How it signs.
    #[schemars(extend("enum" = Algorithm::ALL.map(Algorithm::as_str)))]
    pub algorithm: &'static str,
    /// From when.
    pub signs_from: Timestamp,
}

impl ListedKey {
    /// When it begins to sign, if an older key can sign until then.
    pub fn signs_from(&self) -> Timestamp {
        signs_from(self.created)
    }
}

impl Admin {
    /// Lists all signing keys, oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub fn list_keys(&self) -> Result<Vec<ListedKey>, AdminError> {
        let (entries, now) = (self.store.list_keys()?, self.clock.now());
        Ok(entries.iter().map(|entry| listed(entry, &entries, now)).collect())
    }

    /// Adds a key that takes over signing. `given` is the HS256
    /// secret of the settings.
    ///
    /// # Errors
    /// The secret of the settings is already that of the newest key; or the store failed.
    pub fn rotate_key(&self, algorithm: Algorithm, given: Option<&KeySecret>) -> Result<RotatedKey, AdminError> {
        self.recording_refusal(Event::KeyRotated, None, || {
            if algorithm == Algorithm::Hs256 && given.is_some() && self.is_in_use(given)? {
                return Err(AdminError::SecretInUse);
            }
            let audit = self.audit(Event::KeyRotated).with_detail(json!({ "algorithm": algorithm.as_str() }));
            self.store.rotate_key(algorithm, given, &*self.random, &audit)?;
            Ok(RotatedKey { algorithm: algorithm.as_str(), signs_from: signs_from(audit.at) })
        })
    }

    /// Takes a key out of use at once.
    ///
    /// # Errors
    /// There is no such key in use, or nothing could be made without it; or the store failed.
    pub fn retire_key(&self, id: i64) -> Result<(), AdminError> {
        self.recording_refusal(Event::KeyRetired, None, || {
            match self.store.retire_key(id, &self.audit(Event::KeyRetired).with_detail(json!({ "key": id })))? {
                Retiring::Done => Ok(()),
                Retiring::Unknown => Err(AdminError::NoSuchKey(id)),
                Retiring::StillNeeded => Err(AdminError::LastKey(id)),
            }
        })
    }

    /// Whether the secret of the settings is that of the newest HS256 key.
    fn is_in_use(&self, given: Option<&KeySecret>) -> Result<bool, AdminError> {
        match self.store.load_keys(given) {
            Ok(keys) => Ok(keys.iter().any(|key| key.purpose == KeyPurpose::Sign(Algorithm::Hs256))),
            Err(KeyError::OtherSecret | KeyError::SecretNotGiven) => Ok(false),
            Err(error @ (KeyError::Store(_) | KeyError::Bad(_))) => Err(error.into()),
        }
    }
}

fn signs_from(created: Timestamp) -> Timestamp {
    created.saturating_add(PUBLISHED_FIRST)
}

fn listed(entry: &KeyEntry, all: &[KeyEntry], now: Timestamp) -> ListedKey {
    let KeyEntry { id, purpose, in_settings, created, retired } = *entry;
    let (algorithm, state) = match (purpose, retired) {
        (KeyPurpose::Sign(algorithm), Some(_)) => (Some(algorithm.as_str()), KeyState::Retired),
        (KeyPurpose::Sign(algorithm), None) => (Some(algorithm.as_str()), state_in_use(entry, all, now)),
        (KeyPurpose::Successors, Some(_)) => (None, KeyState::Retired),
        (KeyPurpose::Successors, None) => (None, KeyState::MakesSuccessors),
    };
    let secret_in = if in_settings { "settings" } else { "database" };
    ListedKey { id, algorithm, secret_in, created, retired, state }
}

/// Among `all`, which are oldest first, the newest key that has existed for long enough signs, or else the oldest.
fn state_in_use(entry: &KeyEntry, all: &[KeyEntry], now: Timestamp) -> KeyState {
    let mut like_it = all.iter().filter(|other| other.purpose == entry.purpose && other.retired.is_none()).peekable();
    let oldest = like_it.peek().map(|oldest| oldest.id);
    let signing = like_it.rfind(|other| signs_from(other.created) <= now).map(|newest| newest.id).or(oldest);
    match signing {
        Some(id) if id == entry.id => KeyState::Signs,
        Some(id) if id > entry.id => KeyState::Replaced,
        Some(_) | None => KeyState::Waits,
    }
}
