//! The first staff user: without one, nobody could log in to a new database.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::StartError;
use crate::cause::{Actor, Cause, Origin, Reason};
use crate::password::Hasher;
use crate::random::{Random, RandomError};
use crate::store::{Connection, StoreError, UserCreation};
use crate::time::Timestamp;
use crate::user::{NewUser, Password};

/// The name of the first staff user.
pub const ADMIN: &str = "admin";

/// The file with a random first password.
const PASSWORD_FILE: &str = "knoxide-admin-password";

/// Where a random first password goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// To a person who watches.
    Shown,
    /// To a new file in this folder that only its owner can read.
    File(PathBuf),
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
pub(super) fn make_admin(connection: &mut dyn Connection, making: Making<'_>) -> Result<Made, StartError> {
    let Making { given, handover, hasher, random, now } = making;
    // The file comes before the user: a password that cannot be handed over is of no use.
    let (password, first) = match (given, handover) {
        (Some(password), _) => (password, FirstUser::Given),
        (None, Handover::Shown) => {
            let text = random_password(random)?;
            (Password::new(text.to_string()), FirstUser::Shown(Password::new(text.to_string())))
        }
        (None, Handover::File(folder)) => {
            let password = Password::new(random_password(random)?.to_string());
            let draft = write_draft(folder, &password, random)?;
            (password, FirstUser::Written(draft))
        }
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
    match (connection.create_user(&new, &cause), first) {
        (Ok(UserCreation::Created(_)), FirstUser::Written(draft)) => Ok(Made::Here(FirstUser::Written(publish(draft)))),
        (Ok(UserCreation::Created(_)), first) => Ok(Made::Here(first)),
        (Ok(UserCreation::Taken | UserCreation::Lookalike(_)), first) => {
            if let FirstUser::Written(draft) = first {
                // A password that opens nothing must not lie about.
                std::fs::remove_file(draft)?;
            }
            Ok(Made::Elsewhere)
        }
        // The file keeps its own name: the one of another start may be the right one.
        (Err(error), first) => Ok(Made::Perhaps(first, error)),
    }
}

/// 100 random bits in 20 letters and digits that nobody mistakes for each other.
fn random_password(random: &dyn Random) -> Result<Zeroizing<String>, RandomError> {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
    let mut bytes = Zeroizing::new([0_u8; 20]);
    random.fill(bytes.as_mut())?;
    let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    Ok(Zeroizing::new(letters.map(|letter| char::from(*letter)).collect()))
}

/// Writes the password to a file under a name that nobody else uses: another node may be making
/// the same user in the same folder, and only one of the two passwords will open anything.
fn write_draft(folder: &Path, password: &Password, random: &dyn Random) -> Result<PathBuf, StartError> {
    let mut suffix = [0; 4];
    random.fill(&mut suffix)?;
    let path = folder.join(format!("{PASSWORD_FILE}-{}", hex::encode(suffix)));
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        writeln!(file, "{}", password.expose())?;
        file.sync_all()
    };
    write().map_err(|error| StartError::PasswordFile { folder: folder.to_owned(), error })?;
    Ok(path)
}

/// Gives the file its final name, now that its password opens something. What had that name
/// belonged to a database that is gone. If that fails, the file stays where it is.
fn publish(draft: PathBuf) -> PathBuf {
    let path = draft.with_file_name(PASSWORD_FILE);
    match std::fs::rename(&draft, &path) {
        Ok(()) => path,
        Err(_) => draft,
    }
}
