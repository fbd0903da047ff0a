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
    /// Whether it contains secrets, and not only the names of files that do.
    pub has_secrets: bool,
}

/// The variables of a `.env` file, and what is wrong with the file.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) variables: Vec<(String, OsString)>,
    pub(super) problems: Vec<String>,
    /// Values of our settings in which the parser took a `$` for the name of another variable: the first line of
    /// each value, and its variable.
    pub(super) dollars: Vec<(usize, String)>,
}

/// The result of looking for the file.
pub(super) enum Found {
    Nothing,
    /// This user has no permission to enter the folder.
    ClosedFolder,
    File(Contents),
}

/// Reads the requested file, which must exist, or the one in the working directory, if there
/// is one. `is_ours` says which variables are settings, or look like one.
///
/// # Errors
/// Why it cannot be read, and what to do.
pub(super) fn read(path: &Path, asked_for: bool, is_ours: impl Fn(&str) -> bool) -> Result<Found, String> {
    let denied = |error: &std::io::Error| error.kind() == ErrorKind::PermissionDenied;
    match std::fs::read(path) {
        Ok(bytes) => Ok(Found::File(parse(&Zeroizing::new(bytes), is_ours))),
        Err(error) if error.kind() == ErrorKind::NotFound && !asked_for => match std::fs::read_link(path) {
            Ok(target) => Err(format!(
                "is a link to {}, where there is no file: put the file there, or remove the link",
                target.display()
            )),
            Err(_) => Ok(Found::Nothing),
        },
        // An existing file would at least be visible.
        Err(error)
            if denied(&error) && !asked_for && std::fs::symlink_metadata(path).is_err_and(|error| denied(&error)) =>
        {
            Ok(Found::ClosedFolder)
        }
        Err(error) => Err(format!("cannot be read ({error}): check its path and permissions")),
    }
}

fn parse(bytes: &[u8], is_ours: impl Fn(&str) -> bool) -> Contents {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut dollars = dollars(&String::from_utf8_lossy(text));
    dollars.retain(|(_, name)| is_ours(name));
    let mut contents = Contents { dollars, ..Contents::default() };
    for item in dotenvy::Iter::new(text) {
        match item {
            Ok((name, _)) if contents.variables.iter().any(|(earlier, _)| *earlier == name) => {
                contents.problems.push(format!("gives {name} twice: remove one of the two lines"));
            }
            Ok((name, value)) => contents.variables.push((name, value.into())),
            Err(error) => contents.problems.extend(syntax_problem(text, &error, &contents.dollars)),
        }
    }
    contents
}

/// Where the parser takes a `$` for the name of another variable: outside of single quotes, without a
/// backslash.
fn dollars(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut first, mut name, mut quote) = (0, "", None);
    for (index, line) in text.lines().enumerate() {
        let mut value = line;
        if quote.is_none() {
            let Some((left, right)) = line.split_once('=').filter(|(left, _)| !left.contains('#')) else { continue };
            first = index + 1;
            name = left.trim().strip_prefix("export ").unwrap_or(left).trim();
            value = right.trim();
        }
        let mut characters = value.chars();
        while let Some(character) = characters.next() {
            match (quote, character) {
                (None | Some('"'), '\\') => {
                    characters.next();
                }
                (None | Some('"'), '$') => found.push((first, name.to_owned())),
                (None, '\'' | '"') => quote = Some(character),
                (Some(open), _) if open == character => quote = None,
                // A comment follows, or the line is malformed.
                (None, ' ' | '\t') => break,
                (None | Some(_), _) => {}
            }
        }
    }
    found.dedup();
    found
}

/// Says which line is malformed, without showing it, since it may contain a secret. `None` if a `$` is the
/// cause, which has a better message.
fn syntax_problem(text: &[u8], error: &dotenvy::Error, dollars: &[(usize, String)]) -> Option<String> {
    let dotenvy::Error::LineParse(broken, _) = error else {
        return Some("is not UTF-8 text: convert it".to_owned());
    };
    let text = String::from_utf8_lossy(text);
    // The parser returns the line, or the end of it.
    let first = broken.lines().next().filter(|line| !line.is_empty());
    let line = first.and_then(|first| text.lines().position(|line| line.ends_with(first))).map(|index| index + 1);
    match line {
        Some(line) if dollars.iter().any(|(first, _)| *first == line) => None,
        Some(line) => Some(format!(
            "line {line} cannot be read: write NAME=value, and put values with spaces, # or $ in single quotes"
        )),
        None => Some("has a line that cannot be read: write NAME=value".to_owned()),
    }
}
