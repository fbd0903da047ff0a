//! Signing keys: read from the database at the start, and again whenever they change there, so
//! that every node agrees.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::repeating::Repeating;
use crate::config::JwtSettings;
use crate::jwt::{KeyRing, StoredKey};
use crate::random::Random;
use crate::service::Auth;
use crate::store::diesel::DieselStore;
use crate::store::{AdminStore, KeyError};
use crate::time::Timestamp;

/// How often the keys are looked at. Far shorter than the time for which a new key is published
/// before it signs ([`PUBLISHED_FIRST`](crate::jwt::PUBLISHED_FIRST)).
const RELOAD: Duration = Duration::from_secs(5);

/// The keys of a database, as a server follows them.
pub struct LiveKeys {
    store: Arc<DieselStore>,
    settings: JwtSettings,
    /// The numbers of the keys in use: nothing else about a key ever changes.
    known: Vec<i64>,
    /// What was last wrong, so that it is said once.
    complaint: Option<String>,
}

/// What the log should say of a reload.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing that it has not said.
    Quiet,
    /// There are other keys now.
    Changed,
    /// What was wrong is not any more.
    Mended,
    /// The keys cannot be used, and why.
    Failed(String),
}

impl LiveKeys {
    /// Reads the keys, and makes those that are missing.
    ///
    /// # Errors
    /// When the database fails, a key cannot be made or read, or the other nodes have another
    /// secret.
    pub fn open(
        store: Arc<DieselStore>,
        settings: JwtSettings,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<(Self, KeyRing), KeyError> {
        let stored = store.ensure_keys(settings.algorithm, settings.secret.as_ref(), random, now)?;
        let ring = KeyRing::new(&stored, settings.algorithm)?;
        Ok((Self { store, settings, known: numbers(&stored), complaint: None }, ring))
    }

    /// Reads the keys again and hands them to `auth` if they are others now. If they cannot be
    /// used, `auth` keeps those that it has, and the log says why, once.
    pub fn reload(&mut self, auth: &Auth) {
        match self.turn(auth) {
            Turn::Quiet => {}
            Turn::Changed => log::info!("the signing keys are others now"),
            Turn::Mended => log::info!("the signing keys can be read again"),
            Turn::Failed(why) => log::warn!("the signing keys stay as they were: {why}"),
        }
    }

    fn turn(&mut self, auth: &Auth) -> Turn {
        match self.load() {
            Ok(Some(ring)) => {
                auth.set_keys(ring);
                self.complaint = None;
                Turn::Changed
            }
            Ok(None) if self.complaint.take().is_some() => Turn::Mended,
            Ok(None) => Turn::Quiet,
            Err(error) => {
                let text = error.to_string();
                if self.complaint.as_ref() == Some(&text) {
                    return Turn::Quiet;
                }
                self.complaint = Some(text.clone());
                Turn::Failed(text)
            }
        }
    }

    /// A new ring, if the keys are not those that are known.
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

    /// Reloads now and then, until the value is dropped.
    pub(super) fn follow(mut self, auth: Auth) -> io::Result<Repeating> {
        Repeating::start("keys", RELOAD, move |_| self.reload(&auth))
    }
}

fn numbers(keys: &[StoredKey]) -> Vec<i64> {
    keys.iter().map(|key| key.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Algorithm;
    use crate::random::SystemRandom;
    use crate::store::diesel::StoreOptions;

    #[test]
    fn what_is_wrong_is_said_once_and_again_when_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("knoxide.db").display());
        let store = Arc::new(DieselStore::open(&url, StoreOptions::default()).expect("a store"));
        store.migrate().expect("tables");
        let now = Timestamp::EPOCH;
        let secret = |byte: u8| Some(crate::jwt::KeySecret::new(vec![byte; 32]));
        let settings = JwtSettings { algorithm: Algorithm::EdDsa, secret: secret(1) };
        let opened = LiveKeys::open(Arc::clone(&store), settings, &SystemRandom, now);
        let (mut keys, ring) = opened.expect("keys");
        let auth = Auth::builder(Arc::clone(&store)).keys(ring).build().expect("a service");
        assert_eq!(keys.turn(&auth), Turn::Quiet);
        store.rotate_key(Algorithm::EdDsa, None, &SystemRandom, now).expect("a key");
        assert_eq!((keys.turn(&auth), keys.turn(&auth)), (Turn::Changed, Turn::Quiet));

        store.rotate_key(Algorithm::Hs256, secret(2).as_ref(), &SystemRandom, now).expect("a key");
        let published = auth.published_keys();
        assert_eq!(keys.turn(&auth), Turn::Failed(KeyError::OtherSecret.to_string()));
        assert_eq!((keys.turn(&auth), auth.published_keys()), (Turn::Quiet, published));
        let newest = store.list_keys().expect("keys").last().expect("a key").id;
        store.retire_key(newest, now).expect("a write");
        assert_eq!((keys.turn(&auth), keys.turn(&auth)), (Turn::Mended, Turn::Quiet));
    }
}
