//! Who may read and write the file with the settings, and what is next to a SQLite database, whose
//! own file the store judges.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::cli::permissions::{Exposure, Risk, beside_database, of_env_file, of_secret_file};
use crate::config::EnvFile;

/// Looks at the companions and the folder of the database's file.
pub(super) fn examine(file: &Path, findings: &mut Vec<Finding>) {
    let exposures = beside_database(file);
    if exposures.is_empty() {
        findings.push(Finding::fine("files", "nobody else can look at what is next to the database"));
    }
    findings.extend(exposures.into_iter().map(finding));
}

/// Looks at the file with the settings and its folder, unless `database` lies there too.
pub(super) fn examine_settings(env_file: &EnvFile, database: Option<&Path>, findings: &mut Vec<Finding>) {
    let exposures = of_env_file(env_file, database);
    if exposures.is_empty() {
        findings.push(Finding::fine("files", format!("nobody else can change {}", env_file.path.display())));
    }
    findings.extend(exposures.into_iter().map(finding));
}

/// Looks at the files that secrets were read from.
pub(super) fn examine_secrets(files: &[PathBuf], findings: &mut Vec<Finding>) {
    findings.extend(files.iter().filter_map(|file| of_secret_file(file)).map(finding));
}

fn finding(exposure: Exposure) -> Finding {
    let Exposure { path, mode, risk, problem, cure } = exposure;
    let fact = format!("{} {problem} (mode {mode:04o})", path.display());
    match risk {
        Risk::Everybody | Risk::Group => Finding::wrong("files", fact, cure),
        Risk::Mounted | Risk::Slight => Finding::advice("files", fact, cure),
    }
}
