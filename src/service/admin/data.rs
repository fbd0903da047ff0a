//! The data as a whole: importing and sweeping.

use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::audit::Event;
use crate::domain::import::ImportData;
use crate::domain::password::{Unverifiable, is_verifiable};
use crate::domain::time::Timestamp;
use crate::domain::user::{PasswordHash, UserId, check_reachable, check_reachable_email};
use crate::store::{ClockTrust, ImportReport, SweepPolicy, SweepReport};

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// What was added.
    #[serde(flatten)]
    pub report: ImportReport,
    /// Imported users who cannot log in by password, unless their hashes say that this is on purpose.
    pub unverifiable: Vec<UnverifiableUser>,
    /// Imported users who cannot log in with their names.
    pub unreachable: Vec<UnreachableUser>,
    /// Imported users who cannot log in with their e-mail addresses, though these are not empty.
    pub unreachable_emails: Vec<UnreachableEmail>,
}

/// A user who cannot log in with the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreachableUser {
    /// The user's number.
    pub id: UserId,
    /// The user's name.
    pub username: String,
    /// Why no login with the name can succeed.
    pub reason: String,
}

/// A user who cannot log in with the e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreachableEmail {
    /// The user's number.
    pub id: UserId,
    /// The user's name.
    pub username: String,
    /// The address.
    pub email: String,
    /// Why no login with the address can succeed.
    pub reason: String,
}

/// A user whose stored hash fits no password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnverifiableUser {
    /// The user's name.
    pub username: String,
    /// Why no password fits.
    pub reason: String,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// What was deleted.
    #[serde(flatten)]
    pub report: SweepReport,
    /// What was over before this time could be deleted; `None`: nothing was deleted because of its age.
    pub until: Option<Timestamp>,
    /// Whether the clock was believed.
    pub clock_believed: bool,
}

/// Why no password fits a stored hash, unless that is on purpose.
pub fn why_unverifiable(stored: &PasswordHash) -> Option<String> {
    match is_verifiable(stored) {
        Ok(_) | Err(Unverifiable::Empty | Unverifiable::Unusable) => None,
        Err(reason) => Some(reason.to_string()),
    }
}

impl Admin {
    /// Imports users and knox tokens: all of them, or nothing.
    ///
    /// # Errors
    /// All conflicts with existing rows; or the store failed.
    pub fn import(&self, data: &ImportData) -> Result<Imported, AdminError> {
        self.recording_refusal(Event::Imported, None, || {
            let report = self.store.import(data, &self.audit(Event::Imported))?;
            let unverifiable = data.users.iter().filter_map(|user| {
                let reason = why_unverifiable(&user.password)?;
                Some(UnverifiableUser { username: user.username.clone(), reason })
            });
            let unreachable = data.users.iter().filter_map(|user| {
                let reason = check_reachable(&user.username).err()?.to_string();
                Some(UnreachableUser { id: user.id, username: user.username.clone(), reason })
            });
            let unreachable_emails = data.users.iter().filter_map(|user| {
                let reason = check_reachable_email(&user.email).err()?.to_string();
                Some(UnreachableEmail {
                    id: user.id,
                    username: user.username.clone(),
                    email: user.email.clone(),
                    reason,
                })
            });
            Ok(Imported {
                report,
                unverifiable: unverifiable.collect(),
                unreachable: unreachable.collect(),
                unreachable_emails: unreachable_emails.collect(),
            })
        })
    }

    /// Deletes what has been over for long enough.
    ///
    /// # Errors
    /// The store failed. What was deleted stays deleted.
    pub fn sweep(&self, trust: ClockTrust, policy: &SweepPolicy) -> Result<Swept, AdminError> {
        let (moment, report) = self.store.sweep_once(self.clock.now(), trust, policy)?;
        Ok(Swept { report, until: moment.until, clock_believed: !moment.is_held })
    }
}
