//! The first staff user: without one, nobody could log in to a new database.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cause::{Actor, Cause, Origin, Reason};
use crate::password::Hasher;
use crate::random::Random;
use crate::store::{Connection, StoreError, UserCreation};
use crate::time::Timestamp;
use crate::user::{NewUser, Password};

/// The name of the first staff user.
pub const ADMIN: &str = "admin";

/// What the first start did.
#[derive(Debug)]
pub enum FirstStart {
    /// There are users already.
    NotFirst,
    /// The staff user was made with the password that the settings name.
    GivenPassword,
    /// The staff user was made with a random password, to be shown once.
    RandomPassword(Password),
}

/// Why the first staff user could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] crate::random::RandomError),
}

/// Makes the staff user `admin` in a database without users. When two nodes start at once,
/// one of them does it, and the other finds it done.
pub(super) fn make_admin(
    connection: &mut dyn Connection,
    given: Option<Password>,
    hasher: &Hasher,
    random: &dyn Random,
    now: Timestamp,
) -> Result<FirstStart, FirstStartError> {
    let (password, outcome) = match given {
        Some(password) => (password, None),
        None => {
            let text = random_password(random)?;
            (Password::new(text.to_string()), Some(Password::new(text.to_string())))
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
    match connection.create_user(&new, &cause)? {
        UserCreation::Created(_) => Ok(outcome.map_or(FirstStart::GivenPassword, FirstStart::RandomPassword)),
        UserCreation::Taken | UserCreation::Lookalike(_) => Ok(FirstStart::NotFirst),
    }
}

/// 100 random bits in 20 letters and digits that nobody mistakes for each other.
fn random_password(random: &dyn Random) -> Result<Zeroizing<String>, crate::random::RandomError> {
    const ALPHABET: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y',
        'z', '2', '3', '4', '5', '6', '7', '8', '9', 'A',
    ];
    let mut bytes = Zeroizing::new([0_u8; 20]);
    random.fill(bytes.as_mut())?;
    let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    Ok(Zeroizing::new(letters.collect()))
}

/// Writes the password to a new file in `folder` that only its owner can read.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn write_password_file(folder: &Path, password: &Password) -> std::io::Result<PathBuf> {
    let path = folder.join("knoxide-admin-password");
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(file, "{}", password.expose())?;
    file.sync_all()?;
    Ok(path)
}
