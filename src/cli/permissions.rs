//! Which other users can read or change files with settings or secrets. It opens no file:
//! closing any descriptor of a database file drops the locks that this process holds on it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{EnvFile, Settings};

/// The files next to a SQLite database that hold the same secrets.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Permission bits (`chmod(1)`).
const WORLD: u32 = 0o007;
const WORLD_READS: u32 = 0o004;
const WORLD_WRITES: u32 = 0o002;
const WORLD_ENTERS: u32 = 0o001;
const GROUP_WRITES: u32 = 0o020;
const OTHERS: u32 = 0o077;
const STICKY: u32 = 0o1000;

/// How serious an exposure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Risk {
    /// All users of the machine can read a secret or change settings: logged at each start.
    World,
    /// All users can read a secret in a file whose mode the operator may be unable to change, as with secrets that
    /// Docker mounts: logged at each start, and reported by the doctor as advice.
    Mounted,
    /// A group has access, which may be intended, but rarely is: only the doctor reports it, as wrong.
    Group,
    /// Could be stricter.
    Slight,
}

/// A file or folder to which other users have access.
#[derive(Debug)]
pub(super) struct Exposure {
    pub(super) path: PathBuf,
    /// Its permission bits.
    pub(super) mode: u32,
    pub(super) risk: Risk,
    /// What others can do; continues a sentence after the path.
    pub(super) problem: &'static str,
    /// What to do about it.
    pub(super) remedy: String,
}

/// Everything to which all users of the machine have access, for the log at the start. Paths are absolute, since
/// readers of the log may not know the working directory.
pub(super) fn open_to_all_users(settings: &Settings, env_file: Option<&EnvFile>) -> Vec<Exposure> {
    let database = settings.database.url.sqlite_file().map(absolute);
    let mut found = Vec::new();
    if let Some(file) = &database {
        found.extend(secret_file(file.clone()));
        found.extend(beside_database(file));
    }
    if let Some(env_file) = env_file {
        let env_file = EnvFile { path: absolute(&env_file.path), ..*env_file };
        found.extend(of_env_file(&env_file, database.as_deref()));
    }
    found.extend(settings.secret_files.iter().filter_map(|path| of_secret_file(&absolute(path))));
    found.retain(|exposure| matches!(exposure.risk, Risk::World | Risk::Mounted));
    found
}

/// A file that contains one secret, unless a folder above it can only be entered by its owner or group.
pub(super) fn of_secret_file(path: &Path) -> Option<Exposure> {
    let mode = mode(path).filter(|mode| mode & (WORLD_READS | WORLD_WRITES) != 0)?;
    // Kubernetes mounts links to the files.
    let file = std::fs::canonicalize(path).unwrap_or_else(|_| absolute(path));
    let is_closed = |folder: &Path| self::mode(folder).is_some_and(|mode| mode & WORLD_ENTERS == 0);
    if file.ancestors().skip(1).any(is_closed) {
        return None;
    }
    let (risk, problem) = if mode & WORLD_WRITES != 0 {
        (Risk::World, "holds a secret, and all users can change it")
    } else {
        (Risk::Mounted, "holds a secret, and all users can read it")
    };
    let remedy = format!("chmod o= {}, or have it mounted with mode 0400", path.display());
    Some(Exposure { path: path.to_owned(), mode, risk, problem, remedy })
}

/// The companions and the folder of a database file; the store checks the file itself.
pub(super) fn beside_database(file: &Path) -> Vec<Exposure> {
    let companions = COMPANIONS.iter().map(|ending| {
        let mut path = file.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    });
    let mut found: Vec<Exposure> = companions.filter_map(secret_file).collect();
    found.extend(database_folder(folder_of(file)));
    found
}

/// A file of settings and its folder, unless that is the database's, for which the rules are stricter.
pub(super) fn of_env_file(env_file: &EnvFile, database: Option<&Path>) -> Vec<Exposure> {
    let path = env_file.path.clone();
    let file = mode(&path).and_then(|mode| {
        let (problem, risk, change) = if mode & WORLD_WRITES != 0 {
            ("can be changed by all users", Risk::World, "o=")
        } else if mode & WORLD_READS != 0 && env_file.has_secrets {
            ("holds secrets, and all users can read it", Risk::World, "o=")
        } else if mode & GROUP_WRITES != 0 {
            ("can be changed by its group", Risk::Slight, "g-w")
        } else {
            return None;
        };
        let remedy = format!("chmod {change} {}", path.display());
        Some(Exposure { path, mode, risk, problem, remedy })
    });
    let folder = folder_of(&env_file.path);
    let is_judged = database.is_some_and(|file| absolute(folder_of(file)) == absolute(folder));
    // In a sticky folder, users cannot replace the files of others.
    let folder_mode = mode(folder).filter(|mode| !is_judged && mode & WORLD_WRITES != 0 && mode & STICKY == 0);
    let folder = folder_mode.map(|mode| Exposure {
        path: folder.to_owned(),
        mode,
        risk: Risk::World,
        problem: "lets all users replace the file with the settings",
        remedy: format!("chmod o-w {}", folder.display()),
    });
    file.into_iter().chain(folder).collect()
}

/// A file with hashes and keys, if it exists. A missing file is not reported here.
fn secret_file(path: PathBuf) -> Option<Exposure> {
    let mode = mode(&path).filter(|mode| mode & OTHERS != 0)?;
    let risk = if mode & WORLD != 0 { Risk::World } else { Risk::Group };
    let remedy = format!("chmod 600 {}", path.display());
    Some(Exposure { path, mode, risk, problem: "holds password hashes, and others can open it", remedy })
}

fn database_folder(folder: &Path) -> Option<Exposure> {
    let mode = mode(folder)?;
    let (risk, problem) = if mode & WORLD_WRITES != 0 {
        (Risk::World, "lets others replace the database and its log")
    } else if mode & GROUP_WRITES != 0 {
        (Risk::Group, "lets its group replace the database and its log")
    } else if mode & OTHERS != 0 {
        (Risk::Slight, "can be read by others")
    } else {
        return None;
    };
    let remedy = format!("chmod 700 {}, or keep the database in a folder of its own", folder.display());
    Some(Exposure { path: folder.to_owned(), mode, risk, problem, remedy })
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o7777)
}
