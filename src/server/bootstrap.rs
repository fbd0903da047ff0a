//! The first user, who is an administrator: without one, no login to a new database would be possible.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use self::draft::{ALPHABET, Draft, Leftover, PASSWORD_LENGTH};
use super::StartError;
use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::password::{Hasher, Verification};
use crate::domain::random::{Random, RandomError};
use crate::domain::time::Timestamp;
pub use crate::domain::user::ADMIN;
use crate::domain::user::{LoginName, NewUser, Password};
use crate::store::diesel::DatabaseUrl;
use crate::store::{AdminStore, Connection, SharedEmail, StoreError, UserCreation};

mod draft;

/// At most this many drafts of earlier starts are checked: each may cost a hash.
const MAX_LEFTOVERS: usize = 8;

/// Where a random first password is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordDelivery {
    /// To the terminal.
    Shown,
    /// To a new file in this folder that only its owner can read.
    File(PathBuf),
}

impl PasswordDelivery {
    /// The folder for the file: that of the SQLite file, or the working directory.
    pub fn folder(url: &DatabaseUrl) -> PathBuf {
        let folder = url.sqlite_file().and_then(Path::parent);
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Absolute, because readers of the log may not know the working directory.
        std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
    }
}

/// Where the first user's password comes from.
#[derive(Debug)]
pub enum FirstUser {
    /// From the settings.
    Given,
    /// It is random, and shown only now.
    Shown(Password),
    /// It is random, and in this file.
    Written(PathBuf),
}

/// The result of creating the first user.
pub(super) enum Made {
    /// It was created.
    Here(FirstUser),
    /// It exists already: when two nodes start at once, one of them creates it.
    ByAnother,
    /// Unknown: it may have been stored before the answer was lost. So the password is delivered anyway.
    Perhaps(FirstUser, StoreError),
}

/// The parameters for creating the first user.
pub(super) struct Making<'a> {
    pub(super) given: Option<Password>,
    pub(super) delivery: &'a PasswordDelivery,
    pub(super) hasher: &'a Hasher,
    pub(super) random: &'a dyn Random,
    pub(super) now: Timestamp,
}

/// Creates the administrator `admin`.
pub(super) fn make_admin(store: &dyn AdminStore, making: Making<'_>) -> Result<Made, StartError> {
    let Making { given, delivery, hasher, random, now } = making;
    // The file is written before the user: a password that cannot be delivered is useless.
    let (password, shown, draft) = match (given, delivery) {
        (Some(password), _) => (password, None, None),
        (None, PasswordDelivery::Shown) => {
            let text = random_password(random)?;
            (Password::new(text.to_string()), Some(Password::new(text.to_string())), None)
        }
        (None, PasswordDelivery::File(folder)) => {
            let (password, draft) = draft_in(folder, random)?;
            (password, None, Some(draft))
        }
    };
    let first = |draft: Option<PathBuf>| match (draft, shown) {
        (Some(path), _) => FirstUser::Written(path),
        (None, Some(password)) => FirstUser::Shown(password),
        (None, None) => FirstUser::Given,
    };
    let new = NewUser {
        id: None,
        username: ADMIN.to_owned(),
        email: String::new(),
        password: hasher.hash(&password, random)?,
        is_active: true,
        is_staff: true,
        is_admin: true,
        created: now,
    };
    let audit = AuditContext {
        event: Event::UserCreated,
        actor: Actor::System,
        origin: Origin::default(),
        at: now,
        detail: None,
    };
    Ok(match store.create_user(&new, SharedEmail::Allow, &audit) {
        Ok(UserCreation::Created(_)) => Made::Here(first(draft.map(Draft::publish))),
        // `settle` finds out whether the draft's password is the stored one after all.
        Ok(UserCreation::Taken | UserCreation::Lookalike(_) | UserCreation::EmailTaken(_)) => Made::ByAnother,
        // The file keeps its draft name: the draft of another start may be the right one.
        Err(error) => Made::Perhaps(first(draft.map(|draft| draft.path().to_owned())), error),
    })
}

/// A random password and its file. A start that failed may have left both, and may have stored the user although it got
/// no answer. So both are reused, and several failed starts leave only one file.
fn draft_in(folder: &Path, random: &dyn Random) -> Result<(Password, Draft), StartError> {
    let found = draft::leftovers(folder).find_map(|Leftover { draft, password }| Some((password?, draft)));
    if let Some(found) = found {
        return Ok(found);
    }
    let password = Password::new(random_password(random)?.to_string());
    let failed = |error| StartError::PasswordFile { folder: folder.to_owned(), error };
    let draft = Draft::write(folder, &password, random).map_err(failed)?;
    Ok((password, draft))
}

/// Once there are users, publishes or removes the drafts that earlier starts left in `folder`. A draft
/// with the password of the first user was never delivered, and gets its final name. The others are
/// useless, and are removed.
pub(super) fn settle(
    folder: &Path,
    connection: &mut dyn Connection,
    hasher: &Hasher,
) -> Result<Option<FirstUser>, StoreError> {
    let mut leftovers = draft::leftovers(folder).take(MAX_LEFTOVERS).peekable();
    if leftovers.peek().is_none() {
        return Ok(None);
    }
    let account = connection.find_account(&LoginName::Username(ADMIN.to_owned()))?;
    let stored = account.map(|account| account.password);
    let mut published = None;
    for Leftover { draft, password } in leftovers {
        // The hashing cost may have been changed since.
        let fits = |password| {
            matches!(hasher.verify(&password, stored.as_ref()), Verification::Right | Verification::RightButOutdated)
        };
        if password.is_some_and(fits) {
            published = Some(FirstUser::Written(draft.publish()));
            continue;
        }
        let file = draft.path().display().to_string();
        match draft.discard() {
            Ok(()) => log::info!(file; "removed the password file of an earlier start: its password is not in use"),
            Err(error) => {
                log::warn!(file, error = error.to_string(); "cannot remove the password file of an earlier start");
            }
        }
    }
    Ok(published)
}

/// Warns an operator who changed the password in the settings that it is not that of the first user, or that the first
/// user cannot log in.
pub(super) fn tell_if_useless(
    given: &Password,
    connection: &mut dyn Connection,
    hasher: &Hasher,
) -> Result<(), StoreError> {
    let account = connection.find_account(&LoginName::Username(ADMIN.to_owned()))?;
    let Some(account) = account else {
        log::warn!("KNOXIDE_ADMIN_PASSWORD is not used: there are users, and none of them is called {ADMIN}");
        return Ok(());
    };
    match hasher.verify(given, Some(&account.password)) {
        Verification::Wrong => log::warn!(
            "KNOXIDE_ADMIN_PASSWORD is not the password of {ADMIN}, and is not used: it counts only while there is no \
             user; remove it, or run `knoxide user passwd {ADMIN}`"
        ),
        Verification::Right | Verification::RightButOutdated if !account.user.is_active => log::warn!(
            "KNOXIDE_ADMIN_PASSWORD is the password of {ADMIN}, who is not active and cannot log in: run `knoxide user \
             activate {ADMIN}`"
        ),
        Verification::Right | Verification::RightButOutdated | Verification::OutOfMemory => {}
    }
    Ok(())
}

/// 100 random bits in 20 letters and digits.
fn random_password(random: &dyn Random) -> Result<Zeroizing<String>, RandomError> {
    let mut bytes = Zeroizing::new([0_u8; PASSWORD_LENGTH]);
    random.fill(bytes.as_mut())?;
    let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    Ok(Zeroizing::new(letters.map(|letter| char::from(*letter)).collect()))
}
