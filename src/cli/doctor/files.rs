//! Permissions of the file with the settings, and of the files next to that of a SQLite database. The database's own
//! file is checked by the store.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::cli::permissions::{Exposure, Risk, beside_database, of_env_file, of_secret_file};
use crate::config::EnvFile;

/// Examines the companions and the folder of the database's file.
pub(super) fn examine(file: &Path, findings: &mut Vec<Finding>) {
    let exposures = beside_database(file);
    if exposures.is_empty() {
        findings.push(Finding::fine("files", "no other user can read the files next to the database"));
    }
    findings.extend(exposures.into_iter().map(finding));
}

/// Examines the file with the settings and its folder, unless `database` is in the same folder.
pub(super) fn examine_settings(env_file: &EnvFile, database: Option<&Path>, findings: &mut Vec<Finding>) {
    let exposures = of_env_file(env_file, database);
    if exposures.is_empty() {
        findings.push(Finding::fine("files", format!("no other user can change {}", env_file.path.display())));
    }
    findings.extend(exposures.into_iter().map(finding));
}

/// Examines the files that secrets were read from.
pub(super) fn examine_secrets(files: &[PathBuf], findings: &mut Vec<Finding>) {
    findings.extend(files.iter().filter_map(|file| of_secret_file(file)).map(finding));
}

fn finding(exposure: Exposure) -> Finding {
    let Exposure { path, mode, risk, problem, remedy } = exposure;
    let fact = format!("{} {problem} (mode {mode:04o})", path.display());
    match risk {
        Risk::World | Risk::Group => Finding::wrong("files", fact, remedy),
        Risk::Mounted | Risk::Slight => Finding::advice("files", fact, remedy),
    }
}
