//! Signing keys: read from the database at the start, and again when they change there, so that all
//! nodes agree.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::periodic::PeriodicTask;
use crate::config::JwtSettings;
use crate::domain::jwt::{KeyRing, StoredKey};
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::service::Auth;
use crate::store::diesel::DieselStore;
use crate::store::{AdminStore, KeyError};

/// The interval of reloads: far shorter than the time between the publication of a new key and its first signature
/// ([`PUBLISHED_FIRST`](crate::domain::jwt::PUBLISHED_FIRST)).
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Reloads the signing keys of a database.
pub struct KeyReloader {
    store: Arc<DieselStore>,
    settings: JwtSettings,
    /// The numbers of the keys in use: nothing else about a key ever changes.
    known: Vec<i64>,
    /// The last error, so that it is logged once.
    last_error: Option<String>,
}

/// The result of a reload, for the log.
#[derive(Debug, PartialEq, Eq)]
enum ReloadOutcome {
    /// Nothing new.
    Quiet,
    /// The keys have changed.
    Changed,
    /// The last error is gone.
    Recovered,
    /// The keys cannot be used, for this reason.
    Failed(String),
}

impl KeyReloader {
    /// Reads the keys, and creates missing ones.
    ///
    /// # Errors
    /// When the database fails, a key cannot be created or read, or the other nodes have a different
    /// secret.
    pub fn open(
        store: Arc<DieselStore>,
        settings: JwtSettings,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<(Self, KeyRing), KeyError> {
        let stored = store.ensure_keys(settings.algorithm, settings.secret.as_ref(), random, now)?;
        let ring = KeyRing::new(&stored, settings.algorithm)?;
        Ok((Self { store, settings, known: numbers(&stored), last_error: None }, ring))
    }

    /// Reads the keys again and passes them to `auth` if they have changed. If they cannot be used,
    /// `auth` keeps its keys, and the error is logged once.
    pub fn reload(&mut self, auth: &Auth) {
        match self.try_reload(auth) {
            ReloadOutcome::Quiet => {}
            ReloadOutcome::Changed => log::info!("the signing keys have changed"),
            ReloadOutcome::Recovered => log::info!("the signing keys can be read again"),
            ReloadOutcome::Failed(why) => {
                log::warn!("the signing keys cannot be reloaded, and stay as they were: {why}");
            }
        }
    }

    fn try_reload(&mut self, auth: &Auth) -> ReloadOutcome {
        match self.load() {
            Ok(Some(ring)) => {
                auth.set_keys(ring);
                self.last_error = None;
                ReloadOutcome::Changed
            }
            Ok(None) if self.last_error.take().is_some() => ReloadOutcome::Recovered,
            Ok(None) => ReloadOutcome::Quiet,
            Err(error) => {
                let text = error.to_string();
                if self.last_error.as_ref() == Some(&text) {
                    return ReloadOutcome::Quiet;
                }
                self.last_error = Some(text.clone());
                ReloadOutcome::Failed(text)
            }
        }
    }

    /// A new ring, if the keys have changed.
    fn load(&mut self) -> Result<Option<KeyRing>, KeyError> {
        let stored = self.store.load_keys(self.settings.secret.as_ref())?;
        let found = numbers(&stored);
        if found == self.known {
            return Ok(None);
        }
        let ring = KeyRing::new(&stored, self.settings.algorithm)?;
        self.known = found;
        Ok(Some(ring))
    }

    /// Reloads at intervals, until the returned value is dropped.
    pub(super) fn follow(mut self, auth: Auth) -> io::Result<PeriodicTask> {
        PeriodicTask::start("keys", RELOAD_INTERVAL, move |_| self.reload(&auth))
    }
}

fn numbers(keys: &[StoredKey]) -> Vec<i64> {
    keys.iter().map(|key| key.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Actor, AuditContext, Event, Origin};
    use crate::domain::jwt::Algorithm;
    use crate::domain::random::SystemRandom;
    use crate::store::diesel::StoreOptions;

    fn act(at: Timestamp) -> AuditContext {
        let (event, actor, origin) = (Event::KeyRotated, Actor::CommandLine, Origin::default());
        AuditContext { event, actor, origin, at, detail: None }
    }

    #[test]
    fn what_is_wrong_is_said_once_and_again_when_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("knoxide.db").display());
        let store = Arc::new(DieselStore::open(&url, StoreOptions::default()).expect("a store"));
        store.migrate().expect("tables");
        let now = Timestamp::EPOCH;
        let secret = |byte: u8| Some(crate::domain::jwt::KeySecret::new(vec![byte; 32]));
        let settings = JwtSettings { algorithm: Algorithm::EdDsa, secret: secret(1) };
        let opened = KeyReloader::open(Arc::clone(&store), settings, &SystemRandom, now);
        let (mut keys, ring) = opened.expect("keys");
        let auth = Auth::builder(Arc::clone(&store)).keys(ring).build().expect("a service");
        assert_eq!(keys.try_reload(&auth), ReloadOutcome::Quiet);
        store.rotate_key(Algorithm::EdDsa, None, &SystemRandom, &act(now)).expect("a key");
        assert_eq!((keys.try_reload(&auth), keys.try_reload(&auth)), (ReloadOutcome::Changed, ReloadOutcome::Quiet));

        store.rotate_key(Algorithm::Hs256, secret(2).as_ref(), &SystemRandom, &act(now)).expect("a key");
        let published = auth.published_keys();
        assert_eq!(keys.try_reload(&auth), ReloadOutcome::Failed(KeyError::OtherSecret.to_string()));
        assert_eq!((keys.try_reload(&auth), auth.published_keys()), (ReloadOutcome::Quiet, published));
        let newest = store.list_keys().expect("keys").last().expect("a key").id;
        store.retire_key(newest, &act(now)).expect("a write");
        assert_eq!((keys.try_reload(&auth), keys.try_reload(&auth)), (ReloadOutcome::Recovered, ReloadOutcome::Quiet));
    }
}
