//! Who may read and write what is next to a SQLite database, whose own file the store judges. Nothing is opened: closing any
//! descriptor of a database file drops the locks that this process holds on it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Finding;

/// The files next to the database that hold the same secrets.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Looks at the companions and the folder of the database's file.
pub(super) fn examine(file: &Path, findings: &mut Vec<Finding>) {
    let before = findings.len();
    let companions = COMPANIONS.iter().map(|ending| {
        let mut path = file.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    });
    for path in companions {
        // What does not exist is the database's own concern.
        if let Ok(mode) = mode(&path) {
            judge_file(&path, mode, findings);
        }
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(mode) = mode(folder) {
        judge_folder(folder, mode, findings);
    }
    if findings.len() == before {
        findings.push(Finding::fine("files", "nobody else can look at what is next to the database"));
    }
}

fn mode(path: &Path) -> io::Result<u32> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o7777)
}

fn judge_file(path: &Path, mode: u32, findings: &mut Vec<Finding>) {
    if mode & 0o077 != 0 {
        let path = path.display();
        let fact = format!("{path} holds password hashes, and others can open it (mode {mode:04o})");
        findings.push(Finding::wrong("files", fact, format!("chmod 600 {path}")));
    }
}

fn judge_folder(folder: &Path, mode: u32, findings: &mut Vec<Finding>) {
    let path = folder.display();
    let cure = format!("chmod 700 {path}, or keep the database in a folder of its own");
    if mode & 0o022 != 0 {
        let fact = format!("others can replace files in {path} (mode {mode:04o})");
        findings.push(Finding::wrong("files", fact, cure));
    } else if mode & 0o077 != 0 {
        let fact = format!("others can look into {path} (mode {mode:04o})");
        findings.push(Finding::advice("files", fact, cure));
    }
}
