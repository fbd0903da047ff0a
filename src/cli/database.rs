//! The database that a command works on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Context;
use super::answer::{Code, Failure};
use crate::config::DatabaseSettings;
use crate::domain::audit::{Actor, Origin};
use crate::domain::password::Hasher;
use crate::service::admin::Admin;
use crate::store::LastAdmin;
use crate::store::diesel::{DieselStore, FoundFile, StoreOptions};

/// What to do if the SQLite file does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Create it, if the settings allow that.
    Make,
    /// Fail: the command needs an existing database.
    Refuse,
}

/// The absolute form of a path.
fn from_root(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// How to create a missing file, or why that is not possible.
pub(super) fn how_to_make(database: &DatabaseSettings, obstacle: Option<String>) -> String {
    let switched_off = if database.create { "" } else { " where KNOXIDE_CREATE is true" };
    match obstacle {
        Some(obstacle) => format!("none can be created there, since {obstacle}"),
        None => format!("`knoxide migrate` creates one{switched_off}"),
    }
}

impl Context<'_> {
    /// The database, whatever tables it has.
    pub(super) fn open_any(&self, missing: Missing) -> Result<DieselStore, Failure> {
        let database = &self.settings.database;
        self.find_file(database.create && missing == Missing::Make)?;
        let options = StoreOptions { create: database.create, ..StoreOptions::default() };
        Ok(DieselStore::open_url(database.url.clone(), options)?)
    }

    /// The database, for reading only.
    pub(super) fn look(&self) -> Result<DieselStore, Failure> {
        self.find_file(false)?;
        Ok(DieselStore::open_as_found(self.settings.database.url.clone()))
    }

    /// Refuses a missing SQLite file that must not be created.
    fn find_file(&self, create: bool) -> Result<(), Failure> {
        let database = &self.settings.database;
        let Some(file) = database.url.sqlite_file().filter(|_| !create) else { return Ok(()) };
        match DieselStore::look_for_file(&database.url)? {
            FoundFile::Present => Ok(()),
            FoundFile::Missing { obstacle } => {
                let (file, cure) = (from_root(file), how_to_make(database, obstacle));
                Err(Failure::new(Code::Unavailable, format!("there is no database {}: {cure}", file.display())))
            }
        }
    }

    /// The SQLite file that a command would have to create.
    pub(super) fn missing_file(&self) -> Option<PathBuf> {
        let file = self.settings.database.url.sqlite_file()?;
        file.try_exists().is_ok_and(|found| !found).then(|| from_root(file))
    }

    /// What a command has created besides its own work, in words.
    pub(super) fn made(&self, missing: Option<&Path>) -> Option<String> {
        if let Some(file) = missing.filter(|file| file.exists()) {
            return Some(format!("there was no database, so a new one was created: {}", file.display()));
        }
        let place = self.settings.database.url.redacted();
        self.made_tables.get().then(|| format!("the database had no tables of Knoxide, so they were created: {place}"))
    }

    /// The database, with the tables that this program needs; in a new database they are created.
    fn open(&self, missing: Missing) -> Result<DieselStore, Failure> {
        let store = self.open_any(missing)?;
        let status = store.migration_status()?;
        if status.applied.is_empty() && missing == Missing::Make {
            // Another process may have been faster.
            self.made_tables.set(!store.migrate()?.is_empty());
        } else if !status.pending.is_empty() {
            return Err(Failure::new(Code::Failed, "the database's tables are not up to date: run `knoxide migrate`"));
        }
        Ok(store)
    }

    /// The administrative use cases on the database.
    pub(super) fn admin(&self, missing: Missing) -> Result<Admin, Failure> {
        let hasher = Hasher::new(self.settings.passwords.bcrypt_cost)
            .map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
        Ok(Admin {
            store: Arc::new(self.open(missing)?),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            hasher,
            policy: self.settings.tokens.policy.clone(),
            actor: Actor::CommandLine,
            origin: Origin::default(),
            last_admin: LastAdmin::Keep,
        })
    }
}
