//! Who else can read or change the files that the program trusts or keeps secret. Nothing is opened:
//! closing any descriptor of a database file drops the locks that this process holds on it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{EnvFile, Settings};

/// The files next to a SQLite database that hold the same secrets.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Permission bits (`chmod(1)`).
const EVERYBODY: u32 = 0o007;
const EVERYBODY_READS: u32 = 0o004;
const EVERYBODY_WRITES: u32 = 0o002;
const EVERYBODY_ENTERS: u32 = 0o001;
const GROUP_WRITES: u32 = 0o020;
const OTHERS: u32 = 0o077;
const STICKY: u32 = 0o1000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Risk {
    /// Everybody on the machine can read a secret or change what is trusted: said at each start.
    Everybody,
    /// Everybody can read a secret in a file whose mode the operator may not choose, as with secrets that Docker
    /// mounts: said at each start, and advice of the doctor.
    Mounted,
    /// A group can, which may be on purpose, but is seldom: wrong in the eyes of the doctor alone.
    Group,
    /// Could be stricter.
    Slight,
}

/// A file or folder that others get at.
#[derive(Debug)]
pub(super) struct Exposure {
    pub(super) path: PathBuf,
    /// Its permission bits.
    pub(super) mode: u32,
    pub(super) risk: Risk,
    /// What others can do, in words that go on after the path.
    pub(super) problem: &'static str,
    /// What to do about it.
    pub(super) cure: String,
}

/// All that everybody on the machine can get at, for the log of a start: with whole paths, since
/// who reads it may not know the working directory.
pub(super) fn open_to_everybody(settings: &Settings, env_file: Option<&EnvFile>) -> Vec<Exposure> {
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
    found.retain(|exposure| matches!(exposure.risk, Risk::Everybody | Risk::Mounted));
    found
}

/// A file that one secret stands in, unless a folder above it keeps everybody else out.
pub(super) fn of_secret_file(path: &Path) -> Option<Exposure> {
    let mode = mode(path).filter(|mode| mode & (EVERYBODY_READS | EVERYBODY_WRITES) != 0)?;
    // Kubernetes mounts links to the files.
    let file = std::fs::canonicalize(path).unwrap_or_else(|_| absolute(path));
    let is_closed = |folder: &Path| self::mode(folder).is_some_and(|mode| mode & EVERYBODY_ENTERS == 0);
    if file.ancestors().skip(1).any(is_closed) {
        return None;
    }
    let (risk, problem) = if mode & EVERYBODY_WRITES != 0 {
        (Risk::Everybody, "holds a secret, and everybody can change it")
    } else {
        (Risk::Mounted, "holds a secret, and everybody can read it")
    };
    let cure = format!("chmod o= {}, or have it mounted with mode 0400", path.display());
    Some(Exposure { path: path.to_owned(), mode, risk, problem, cure })
}

/// The companions and the folder of a database file, which the store itself judges.
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

/// A file of settings and its folder, unless that is the database's, which is judged more strictly.
pub(super) fn of_env_file(env_file: &EnvFile, database: Option<&Path>) -> Vec<Exposure> {
    let path = env_file.path.clone();
    let file = mode(&path).and_then(|mode| {
        let (problem, risk, change) = if mode & EVERYBODY_WRITES != 0 {
            ("can be changed by everybody", Risk::Everybody, "o=")
        } else if mode & EVERYBODY_READS != 0 && env_file.has_secrets {
            ("holds secrets, and everybody can read it", Risk::Everybody, "o=")
        } else if mode & GROUP_WRITES != 0 {
            ("can be changed by its group", Risk::Slight, "g-w")
        } else {
            return None;
        };
        let cure = format!("chmod {change} {}", path.display());
        Some(Exposure { path, mode, risk, problem, cure })
    });
    let folder = folder_of(&env_file.path);
    let is_judged = database.is_some_and(|file| absolute(folder_of(file)) == absolute(folder));
    // In a sticky folder nobody can replace the files of others.
    let folder_mode = mode(folder).filter(|mode| !is_judged && mode & EVERYBODY_WRITES != 0 && mode & STICKY == 0);
    let folder = folder_mode.map(|mode| Exposure {
        path: folder.to_owned(),
        mode,
        risk: Risk::Everybody,
        problem: "lets everybody replace the file with the settings",
        cure: format!("chmod o-w {}", folder.display()),
    });
    file.into_iter().chain(folder).collect()
}

/// A file with hashes and keys, if it is there: what is not is the database's own concern.
fn secret_file(path: PathBuf) -> Option<Exposure> {
    let mode = mode(&path).filter(|mode| mode & OTHERS != 0)?;
    let risk = if mode & EVERYBODY != 0 { Risk::Everybody } else { Risk::Group };
    let cure = format!("chmod 600 {}", path.display());
    Some(Exposure { path, mode, risk, problem: "holds password hashes, and others can open it", cure })
}

fn database_folder(folder: &Path) -> Option<Exposure> {
    let mode = mode(folder)?;
    let (risk, problem) = if mode & EVERYBODY_WRITES != 0 {
        (Risk::Everybody, "lets others replace the database and its log")
    } else if mode & GROUP_WRITES != 0 {
        (Risk::Group, "lets its group replace the database and its log")
    } else if mode & OTHERS != 0 {
        (Risk::Slight, "can be looked into by others")
    } else {
        return None;
    };
    let cure = format!("chmod 700 {}, or keep the database in a folder of its own", folder.display());
    Some(Exposure { path: folder.to_owned(), mode, risk, problem, cure })
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
