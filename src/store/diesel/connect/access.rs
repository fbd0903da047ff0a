//! Whether this user can work with the file of a SQLite database: SQLite itself only says that it cannot.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

/// What is in the way of working with the database at `path`, with its owner and a cure; `None` if nothing is.
/// Opens no file: closing it would drop the locks that this process holds on it.
pub(super) fn obstacle(path: &Path) -> Option<String> {
    // SQLite follows links, and makes its other files beside the target.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if path.is_dir() {
        let inside = path.join("knoxide.db");
        return Some(format!(
            "{} is a folder: name a file in it, such as sqlite://{}",
            path.display(),
            inside.display()
        ));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    if !folder.exists() {
        return Some(format!("there is no folder {}: make it, or check DATABASE_URL", shown(folder).display()));
    }
    if !folder.is_dir() {
        return Some(format!("{} is no folder: check DATABASE_URL", shown(folder).display()));
    }
    // SQLite makes files beside the database.
    let all = Access::READ_OK | Access::WRITE_OK;
    denied("folder", folder, all | Access::EXEC_OK).or_else(|| {
        ["", "-wal", "-shm"].iter().find_map(|ending| {
            let mut file = path.as_os_str().to_owned();
            file.push(ending);
            denied("file", Path::new(&file), all)
        })
    })
}

/// What is denied, and by whom.
fn denied(what: &str, path: &Path, wanted: Access) -> Option<String> {
    let (error, place) = (access(path, wanted).err()?, shown(path));
    match error {
        Errno::NOENT => None,
        Errno::ROFS => Some(format!(
            "the {what} {} is on a disk that is mounted for reading only: mount it with rw",
            place.display()
        )),
        _ => {
            let user = rustix::process::geteuid().as_raw();
            let owner =
                owner_of(path).map(|(owner, mode)| format!(" It belongs to user {owner}, with mode {mode:04o}."));
            let cure = format!("run this as that user, or run: chown {user} {}", place.display());
            Some(format!(
                "user {user} may not read and write the {what} {}.{} To mend it, {cure}",
                place.display(),
                owner.unwrap_or_default()
            ))
        }
    }
}

fn owner_of(path: &Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.uid(), metadata.mode() & 0o7777))
}

/// From the root, because the message may be read in another folder.
fn shown(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
