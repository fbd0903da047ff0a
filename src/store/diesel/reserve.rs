//! Disk space next to a SQLite file that is reserved for ending sessions.
//!
//! A full disk refuses every write, and a token that cannot be revoked stays good. So a file next to the
//! database takes up some MiB. Once the disk is nearly full, the first write that ends sessions removes
//! it. From then on, until there is room for the file again, writes that only add data are refused.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use crate::store::{StoreError, StoreResult};

/// The size of the file, in bytes. Ending a session whose tokens stay takes some 30 KiB of the write-ahead log,
/// which is reused once it has 4 MiB; the database itself hardly grows.
pub(super) const SIZE: u64 = 8 * 1024 * 1024;

/// With fewer free bytes than this the disk counts as full. They are enough for any one commit.
pub(super) const LOW: u64 = 4 * 1024 * 1024;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// Whether this process maintains the reserve. If not, it only removes it.
    kept: AtomicBool,
    /// Whether it was in place when this process last looked.
    was_in_place: AtomicBool,
    /// Whether it was removed, or could not be created, because the disk is full.
    spent: AtomicBool,
}

impl Reserve {
    /// The reserve for the database in this file. Does not create it yet.
    pub(super) fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-reserve");
        let no = || AtomicBool::new(false);
        Self { path: PathBuf::from(path), kept: no(), was_in_place: no(), spent: no() }
    }

    /// Creates the reserve if it is missing and there is room. From now on, writes are checked against it.
    ///
    /// # Errors
    /// When the file cannot be created for another reason than a full disk.
    pub(super) fn keep(&self) -> io::Result<()> {
        self.kept.store(true, Ordering::Relaxed);
        if self.is_in_place() {
            self.was_in_place.store(true, Ordering::Relaxed);
            self.spent.store(false, Ordering::Relaxed);
            return Ok(());
        }
        self.was_in_place.store(false, Ordering::Relaxed);
        let made = if self.free()? >= SIZE + LOW { self.make() } else { Err(Errno::NOSPC.into()) };
        match made {
            Ok(()) => {
                // Some file systems, such as ZFS, allocate nothing for it: then it is never in place, and never missed.
                self.was_in_place.store(self.is_in_place(), Ordering::Relaxed);
                if self.spent.swap(false, Ordering::Relaxed) {
                    log::info!("the disk of the database has room again, including room for the reserve");
                }
                Ok(())
            }
            Err(error) if is_full(&error) => {
                if !self.spent.swap(true, Ordering::Relaxed) {
                    log::error!("{}", self.complaint());
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that there is room for more data.
    ///
    /// # Errors
    /// When there is not: the rest is reserved for ending sessions.
    pub(super) fn admit(&self) -> StoreResult<()> {
        let is_full = self.kept.load(Ordering::Relaxed) && (self.is_spent() || self.is_low());
        if is_full { Err(StoreError::Full(self.complaint())) } else { Ok(()) }
    }

    /// Removes the reserve if the disk is nearly full; whether there is room for more than ending sessions.
    pub(super) fn make_room(&self) -> bool {
        let is_low = self.is_low();
        if is_low {
            self.give_up();
        }
        !is_low && !self.is_spent()
    }

    /// Whether the reserve was given up: by this process, or by another one since this one last looked.
    fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed) || self.was_in_place.load(Ordering::Relaxed) && !self.is_in_place()
    }

    /// Removes the reserve; returns whether there was one.
    pub(super) fn give_up(&self) -> bool {
        let was_there = std::fs::remove_file(&self.path).is_ok();
        if was_there {
            self.spent.store(true, Ordering::Relaxed);
            let why = if self.is_low() { self.complaint() } else { "the database cannot write to its disk".to_owned() };
            log::error!("{why}; the reserve {} was removed to make room", self.path.display());
        }
        was_there
    }

    /// Whether the file exists with its full size, and this space is allocated.
    pub(super) fn is_in_place(&self) -> bool {
        let found = std::fs::symlink_metadata(&self.path);
        found.is_ok_and(|found| found.is_file() && found.len() >= SIZE && found.blocks().saturating_mul(512) >= SIZE)
    }

    /// How many bytes on the disk are free.
    ///
    /// # Errors
    /// When the system does not report it.
    pub(super) fn free(&self) -> io::Result<u64> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let disk = rustix::fs::statvfs(folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn is_low(&self) -> bool {
        self.free().is_ok_and(|free| free < LOW)
    }

    fn complaint(&self) -> String {
        format!(
            "less than {} MiB are free on the disk of {}: sessions can only be ended",
            LOW >> 20,
            self.path.display()
        )
    }

    /// Creates the file. An incomplete one is removed.
    fn make(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        // Do not follow a link to another file.
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(&self.path)?;
        fill(&mut file).inspect_err(|_| {
            let _ = std::fs::remove_file(&self.path);
        })
    }
}

/// Allocates the space, on every file system.
fn fill(file: &mut File) -> io::Result<()> {
    match fallocate(&*file, FallocateFlags::empty(), 0, SIZE) {
        Ok(()) => {}
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            let block = [0; 64 * 1024];
            for _ in 0..SIZE / block.len() as u64 {
                file.write_all(&block)?;
            }
        }
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
