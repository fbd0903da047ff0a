//! The first staff user: without one, nobody could log in to a new database.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use self::draft::{ALPHABET, Draft, Leftover, PASSWORD_LENGTH};
use super::StartError;
use crate::cause::{Actor, Cause, Origin, Reason};
use crate::password::{Hasher, Verification};
use crate::random::{Random, RandomError};
use crate::store::diesel::DatabaseUrl;
use crate::store::{AdminStore, Connection, StoreError, UserCreation};
use crate::time::Timestamp;
pub use crate::user::ADMIN;
use crate::user::{LoginName, NewUser, Password};

mod draft;

/// How many drafts of earlier starts one start looks into: each may cost a hash.
const MOST_LEFTOVERS: usize = 8;

/// Where a random first password goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// To a person who watches.
    Shown,
    /// To a new file in this folder that only its owner can read.
    File(PathBuf),
}

impl Handover {
    /// The folder for the file: beside the SQLite file, or the working directory.
    pub fn folder(url: &DatabaseUrl) -> PathBuf {
        let folder = url.sqlite_file().and_then(Path::parent);
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The log says where it is, to somebody who may not know the working directory.
        std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
    }
}

/// How the first staff user got its password.
#[derive(Debug)]
pub enum FirstUser {
    /// By the settings.
    Given,
    /// It is random, and this is the only time it is seen.
    Shown(Password),
    /// It is random, and in this file.
    Written(PathBuf),
}

/// What came of making the first user.
pub(super) enum Made {
    /// It is made.
    Here(FirstUser),
    /// Somebody else was quicker: when two nodes start at once, one makes it, and the other finds
    /// it made.
    Elsewhere,
    /// Nobody knows: it may have been stored before the answer was lost. So the password is handed
    /// over all the same.
    Perhaps(FirstUser, StoreError),
}

/// What the first user is made with.
pub(super) struct Making<'a> {
    pub(super) given: Option<Password>,
    pub(super) handover: &'a Handover,
    pub(super) hasher: &'a Hasher,
    pub(super) random: &'a dyn Random,
    pub(super) now: Timestamp,
}

/// Makes the staff user `admin`.
pub(super) fn make_admin(store: &dyn AdminStore, making: Making<'_>) -> Result<Made, StartError> {
    let Making { given, handover, hasher, random, now } = making;
    // The file comes before the user: a password that cannot be handed over is of no use.
    let (password, shown, draft) = match (given, handover) {
        (Some(password), _) => (password, None, None),
        (None, Handover::Shown) => {
            let text = random_password(random)?;
            (Password::new(text.to_string()), Some(Password::new(text.to_string())), None)
        }
        (None, Handover::File(folder)) => {
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
        created: now,
    };
    let cause = Cause { reason: Reason::UserCreated, actor: Actor::System, origin: Origin::default(), at: now };
    Ok(match store.create_user(&new, &cause) {
        Ok(UserCreation::Created(_)) => Made::Here(first(draft.map(Draft::publish))),
        // Whether the draft's password is the stored one all the same, `settle` finds out.
        Ok(UserCreation::Taken | UserCreation::Lookalike(_)) => Made::Elsewhere,
        // The file keeps its own name: the one of another start may be the right one.
        Err(error) => Made::Perhaps(first(draft.map(|draft| draft.path().to_owned())), error),
    })
}

/// A random password and its file. A start that failed may have left both, and may even have stored
/// the user with an answer that never came; so they are taken up again, and starts that fail in a row
/// leave one file between them.
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

/// Settles, when there are users, what becomes of the drafts that earlier starts left in `folder`: one
/// whose password is that of the first user was never handed over, and gets its final name; the
/// others open nothing, and are removed.
pub(super) fn settle(
    folder: &Path,
    connection: &mut dyn Connection,
    hasher: &Hasher,
) -> Result<Option<FirstUser>, StoreError> {
    let mut leftovers = draft::leftovers(folder).take(MOST_LEFTOVERS).peekable();
    if leftovers.peek().is_none() {
        return Ok(None);
    }
    let account = connection.find_account(&LoginName::Username(ADMIN.to_owned()))?;
    let stored = account.map(|account| account.password);
    let mut published = None;
    for Leftover { draft, password } in leftovers {
        // The cost of hashing may have been changed since.
        let fits = |password| {
            matches!(hasher.verify(&password, stored.as_ref()), Verification::Right | Verification::RightButOutdated)
        };
        if password.is_some_and(fits) {
            published = Some(FirstUser::Written(draft.publish()));
            continue;
        }
        let file = draft.path().display().to_string();
        match draft.discard() {
            Ok(()) => log::info!(file; "removed what an earlier start left behind: its password opens nothing"),
            Err(error) => {
                log::warn!(file, error = error.to_string(); "cannot remove what an earlier start left behind");
            }
        }
    }
    Ok(published)
}

/// 100 random bits in 20 letters and digits.
fn random_password(random: &dyn Random) -> Result<Zeroizing<String>, RandomError> {
    let mut bytes = Zeroizing::new([0_u8; PASSWORD_LENGTH]);
    random.fill(bytes.as_mut())?;
    let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    Ok(Zeroizing::new(letters.map(|letter| char::from(*letter)).collect()))
}
