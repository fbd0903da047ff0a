//! Whether this user can work with the file of a SQLite database: SQLite itself only says that it cannot.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

/// What is in the way of working with the database at `path`, with its owner and a cure; `None` if nothing is.
/// Opens no file: closing it would drop the locks that this process holds on it.
pub(super) fn obstacle(path: &Path) -> Option<String> {
    let found = path.try_exists();
    if found.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        return Some(closed(path));
    }
    if let (Ok(false), Ok(target)) = (&found, std::fs::read_link(path)) {
        return Some(format!(
            "{} is a link to {}, where there is no file: put the file there, or remove the link",
            shown(path).display(),
            target.display()
        ));
    }
    obstacle_at(path).or_else(|| Some(format!("{} cannot be looked for: {}", shown(path).display(), found.err()?)))
}

/// As [`obstacle`], of a path to which no folder is closed.
fn obstacle_at(path: &Path) -> Option<String> {
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

/// The first folder on the way to `path` that this user may not enter, behind which nothing can be seen.
fn closed(path: &Path) -> String {
    let user = this_user();
    let Some(folder) = first_closed(&shown(path), 0) else {
        return format!("user {user} may not look for {}", shown(path).display());
    };
    // The last folder is for the database alone; others may be everybody's.
    let is_last = path.parent().is_some_and(|parent| shown(parent) == folder);
    let mend = if is_last { Mend::Own("rwx", 0o700) } else { Mend::Enter };
    format!("user {user} may not enter the folder {}.{}", folder.display(), told(&folder, mend))
}

/// The first folder that this user may not enter, through links.
fn first_closed(path: &Path, depth: usize) -> Option<PathBuf> {
    // As many links as Linux itself follows.
    const MOST_LINKS: usize = 40;
    let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.reverse();
    let is_denied = |folder: &&Path| access(*folder, Access::EXEC_OK) == Err(Errno::ACCESS);
    let denied = folders.into_iter().find(is_denied);
    let at = denied.unwrap_or(path);
    match std::fs::read_link(at) {
        Ok(target) if depth < MOST_LINKS => first_closed(&at.parent()?.join(target), depth + 1),
        Ok(_) | Err(_) => denied.map(Path::to_owned),
    }
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
            let mend = if what == "folder" { Mend::Own("rwx", 0o700) } else { Mend::Own("rw", 0o600) };
            let told = told(path, mend);
            Some(format!("user {} may not read and write the {what} {}.{told}", this_user(), place.display()))
        }
    }
}

/// What this user needs.
#[derive(Clone, Copy)]
enum Mend {
    /// To be the owner, with these rights.
    Own(&'static str, u32),
    /// To go through.
    Enter,
}

/// Who owns what is denied, and the cure.
fn told(path: &Path, mend: Mend) -> String {
    let (user, place) = (this_user(), shown(path));
    let place = place.display();
    let owned = owner_of(path);
    let is_own = owned.is_some_and(|(owner, _)| owner == user);
    let cure = match mend {
        Mend::Own(rights, _) if is_own => format!("chmod u+{rights} {place}"),
        Mend::Own(_, bits) if owned.is_none_or(|(_, mode)| mode & bits == bits) => format!("chown {user} {place}"),
        Mend::Own(rights, _) => format!("chown {user} {place} && chmod u+{rights} {place}"),
        Mend::Enter => format!("chmod {}+x {place}", if is_own { "u" } else { "o" }),
    };
    let owner = owned.map(|(owner, mode)| format!(" It belongs to user {owner}, with mode {mode:04o}."));
    let otherwise = match mend {
        _ if is_own => "",
        Mend::Own(..) => "run this as that user, or ",
        Mend::Enter => "run this as that user, choose another place, or ",
    };
    format!("{} To mend it, {otherwise}run: {cure}", owner.unwrap_or_default())
}

fn this_user() -> u32 {
    rustix::process::geteuid().as_raw()
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
