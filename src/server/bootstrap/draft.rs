//! Files with a random first password, until it is certain that the password is in use.
//!
//! A start that is killed, or does not learn whether the user was stored, leaves its draft behind. A later start finds
//! it, and decides by the stored hash. While a process works on a draft, it holds a lock on the file, so that no other
//! process uses or removes a draft that is about to be published. The lock ends with the process.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::domain::random::Random;
use crate::domain::user::Password;

/// The final name of the file with a random first password.
const PASSWORD_FILE: &str = "knoxide-admin-password";

/// 32 letters and digits that are not easily confused: 5 bits each.
pub(super) const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";

/// The number of characters of a random password.
pub(super) const PASSWORD_LENGTH: usize = 20;

/// How many names are tried for a new file. Another start may take a file over between its creation and its
/// locking.
const ATTEMPTS: usize = 4;

/// A password file with its own name, which no other start touches while this value exists.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    /// Kept open for its lock.
    _file: File,
}

/// A draft of an earlier start that no process works on any more.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) draft: Draft,
    /// `None` if that start was killed while it wrote the file.
    pub(super) password: Option<Password>,
}

impl Draft {
    /// Writes a password to a new file that only its owner can read. The name is random: another
    /// node may be creating the same user with the same folder, and only one of the two passwords will
    /// be stored.
    ///
    /// # Errors
    /// When the file cannot be written, or there are no random bytes. Then there is no file.
    pub(super) fn write(folder: &Path, password: &Password, random: &dyn Random) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut suffix = [0; 4];
            random.fill(&mut suffix).map_err(io::Error::other)?;
            let path = folder.join(format!("{PASSWORD_FILE}-{}", hex::encode(suffix)));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            if !takes_lock(&file) || file.metadata()?.nlink() == 0 {
                continue;
            }
            return match writeln!(file, "{}", password.expose()).and_then(|()| file.sync_all()) {
                Ok(()) => Ok(Self { path, _file: file }),
                Err(error) => {
                    // An incomplete file is useless; the first error is reported.
                    std::fs::remove_file(&path).ok();
                    Err(error)
                }
            };
        }
        Err(io::Error::other("other starts keep taking over new files"))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its final name, now that its password is in use. An older file with that name
    /// belonged to a database that is gone. If this fails, the file keeps its draft name.
    pub(super) fn publish(self) -> PathBuf {
        let path = self.path.with_file_name(PASSWORD_FILE);
        match std::fs::rename(&self.path, &path) {
            Ok(()) => path,
            Err(_) => self.path,
        }
    }

    /// Removes the file: its password is not in use.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn discard(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// The drafts of earlier starts in `folder`, in no particular order. Files that cannot be read are skipped, and so are
/// those whose name, owner, mode, type or content is not that of a draft.
pub(super) fn leftovers(folder: &Path) -> impl Iterator<Item = Leftover> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_draft_name));
    named.filter_map(|entry| take_over(entry.path()))
}

fn is_draft_name(name: &str) -> bool {
    let suffix = name.strip_prefix(PASSWORD_FILE).and_then(|rest| rest.strip_prefix('-'));
    suffix.is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// Locks and reads the file if it is a draft of ours.
fn take_over(path: PathBuf) -> Option<Leftover> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).ok()?;
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path).ok()?;
    let found = file.metadata().ok()?;
    if !is_ours(&found) || !takes_lock(&file) {
        return None;
    }
    // It may have been published or removed before it was locked.
    let now = std::fs::symlink_metadata(&path).ok()?;
    if (now.dev(), now.ino()) != (found.dev(), found.ino()) {
        return None;
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).ok()?;
    let letters = text.strip_suffix('\n').unwrap_or(&text);
    if letters.len() > PASSWORD_LENGTH || !letters.bytes().all(|byte| ALPHABET.contains(&byte)) {
        return None;
    }
    let is_whole = letters.len() == PASSWORD_LENGTH && letters.len() < text.len();
    let password = is_whole.then(|| Password::new(letters.to_owned()));
    Some(Leftover { draft: Draft { path, _file: file }, password })
}

/// Whether a file can be from [`Draft::write`]: it belongs to this user, only the owner can read it, and it
/// has no other hard links.
fn is_ours(metadata: &Metadata) -> bool {
    metadata.is_file()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o7777 == 0o600
        && metadata.nlink() == 1
        && metadata.len() <= PASSWORD_LENGTH as u64 + 1
}

/// Takes the lock; `false` if another process has it. A file system without locks counts as locked:
/// the lock is only for starts at the same time.
fn takes_lock(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}
