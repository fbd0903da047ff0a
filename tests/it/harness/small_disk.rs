//! A disk of a few MiB that a test can fill.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::setting;

/// A file system in memory, unmounted when this is dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// A disk of this many MiB. `None`, with a message, if this user is not allowed to mount one; in CI that is a
    /// failure.
    pub(crate) fn of(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={mib}m,mode=0755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        if Self::quietly(&mut mount) {
            return Some(Self { folder });
        }
        let in_ci = setting("CI").is_some_and(|ci| ci == "true");
        assert!(!in_ci, "the tests of full disks cannot be skipped in CI: they mount a tmpfs");
        eprintln!("NOT RUN: a test of a full disk, which mounts a tmpfs: run it as root");
        None
    }

    fn quietly(command: &mut Command) -> bool {
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// Remounts it read-only.
    pub(crate) fn forbid_writing(&self) {
        let mut mount = Command::new("mount");
        assert!(Self::quietly(mount.args(["-o", "remount,ro"]).arg(self.path())), "the disk is mounted again");
    }

    /// Its mount point.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Fills it to the last byte.
    pub(crate) fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler()).expect("a file");
        // Most of it at once; other processes may write meanwhile.
        let disk = rustix::fs::statvfs(self.path()).expect("a disk");
        let free = (disk.f_bavail * disk.f_frsize).saturating_sub(1 << 20);
        if free > 0 {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, free).ok();
        }
        let page = [1; 4096];
        while file.write_all(&page).is_ok() {}
    }

    /// Frees this many bytes of what [`SmallDisk::fill`] took.
    pub(crate) fn spare(&self, bytes: u64) {
        let file = File::options().write(true).open(self.filler()).expect("a file");
        let length = file.metadata().expect("a length").len();
        file.set_len(length.saturating_sub(bytes)).expect("a shorter file");
    }

    /// Undoes [`SmallDisk::fill`].
    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.filler()).expect("a file is removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a program that a test has killed may still be running.
        Self::quietly(Command::new("umount").arg("-l").arg(self.path()));
    }
}
