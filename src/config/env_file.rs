//! The `.env` file.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// A `.env` file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether there are secrets in it, and not only the names of files with some.
    pub has_secrets: bool,
}

/// The variables of a `.env` file, and what is wrong with the file.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) variables: Vec<(String, OsString)>,
    pub(super) problems: Vec<String>,
}

/// Reads the file that was asked for, which must exist, or the one in the working directory, if there
/// is one.
///
/// # Errors
/// Why it cannot be read, and what to do.
pub(super) fn read(path: &Path, asked_for: bool) -> Result<Option<Contents>, String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(parse(&Zeroizing::new(bytes)))),
        Err(error) if error.kind() == ErrorKind::NotFound && !asked_for => Ok(None),
        Err(error) => Err(format!("cannot be read ({error}): check its path and permissions")),
    }
}

fn parse(bytes: &[u8]) -> Contents {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut contents = Contents::default();
    for item in dotenvy::Iter::new(text) {
        match item {
            Ok((name, _)) if contents.variables.iter().any(|(earlier, _)| *earlier == name) => {
                contents.problems.push(format!("gives {name} twice: take one of the two lines out"));
            }
            Ok((name, value)) => contents.variables.push((name, value.into())),
            Err(error) => contents.problems.push(syntax_problem(text, &error)),
        }
    }
    contents
}

/// Says where the file is broken. The line itself may hold a secret.
fn syntax_problem(text: &[u8], error: &dotenvy::Error) -> String {
    let dotenvy::Error::LineParse(broken, _) = error else {
        return "is not UTF-8 text: write it anew".to_owned();
    };
    let text = String::from_utf8_lossy(text);
    // The parser hands back the line or the end of it.
    let first = broken.lines().next().filter(|line| !line.is_empty());
    match first.and_then(|first| text.lines().position(|line| line.ends_with(first))) {
        Some(index) => {
            format!(
                "line {} cannot be read: write NAME=value, and put values with spaces, # or $ in single quotes",
                index + 1
            )
        }
        None => "has a line that cannot be read: write NAME=value".to_owned(),
    }
}
