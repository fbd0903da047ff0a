//! Where settings are given: flags before the environment before the `.env` file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::table::{self, Fallback, Setting};

/// Names that begin like this belong to the test suite.
const TEST_PREFIX: &str = "KNOXIDE_TEST_";

/// Something that stands in the way of starting, with its cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable or file concerned.
    pub subject: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)
    }
}

/// All mistakes at once, so that nobody mends them one start at a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are wrong:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// A setting's text, or where it is to be read.
enum Given {
    Text(Zeroizing<String>),
    File(PathBuf),
}

/// A variable as it stands in one source.
struct Entry {
    variable: String,
    source: String,
    given: Given,
}

/// A `.env` file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether there are secrets in it, and not only the names of files with some.
    pub has_secrets: bool,
}

/// What was given, gathered from the least to the most important source.
#[derive(Default)]
pub struct Input {
    entries: BTreeMap<&'static str, Entry>,
    mistakes: Vec<Mistake>,
}

impl Input {
    /// Nothing given: every setting falls back.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the variables of a `.env` file: the one that was asked for, which must exist, or
    /// the one in the working directory, if there is one. Says which one was read.
    pub fn add_env_file(&mut self, asked_for: Option<&Path>) -> Option<EnvFile> {
        let path = asked_for.unwrap_or(Path::new(".env"));
        let text = match std::fs::read(path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound && asked_for.is_none() => return None,
            Err(error) => {
                self.complain(path.display(), format!("cannot be read ({error}): check its path and permissions"));
                return None;
            }
        };
        let text = text.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(&text);
        let source = path.display().to_string();
        let mut pairs: Vec<(String, OsString)> = Vec::new();
        for item in dotenvy::Iter::new(text) {
            match item {
                Ok((name, _)) if pairs.iter().any(|(earlier, _)| *earlier == name) => {
                    self.complain(&source, format!("gives {name} twice: take one of the two lines out"));
                }
                Ok((name, value)) => pairs.push((name, value.into())),
                Err(error) => self.complain(&source, env_file_problem(text, &error)),
            }
        }
        let has_secrets = pairs.iter().any(|(name, value)| is_secret(name, value));
        self.add_layer(&source, pairs);
        Some(EnvFile { path: path.to_owned(), has_secrets })
    }

    /// Adds environment variables; those that are none of ours are passed over.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let ours = |name: &OsString| name.to_str().map(str::to_owned);
        let pairs = variables.into_iter().filter_map(|(name, value)| Some((ours(&name)?, value)));
        self.add_layer("environment", pairs.collect());
    }

    /// Adds what a flag of the command line says.
    pub fn add_flag(&mut self, flag: &str, setting: &'static Setting, value: &str) {
        let given = Given::Text(Zeroizing::new(value.to_owned()));
        let entry = Entry { variable: setting.name.to_owned(), source: flag.to_owned(), given };
        self.entries.insert(setting.name, entry);
    }

    /// Adds a source that overrides all before it: in either of its two forms, a secret
    /// replaces both forms of an earlier source.
    fn add_layer(&mut self, source: &str, pairs: Vec<(String, OsString)>) {
        let mut layer: BTreeMap<&'static str, Entry> = BTreeMap::new();
        for (variable, value) in pairs {
            let Some((setting, is_file)) = find(&variable) else {
                if variable.starts_with("KNOXIDE_") && !variable.starts_with(TEST_PREFIX) {
                    self.complain_of(&variable, source, unknown_name(&variable));
                }
                continue;
            };
            if let Some(other) = layer.get(setting.name) {
                let problem = format!("is given together with {}: take one of them out", other.variable);
                self.complain_of(&variable, source, problem);
                continue;
            }
            let given = if is_file {
                Given::File(PathBuf::from(value))
            } else if let Ok(text) = value.into_string() {
                Given::Text(Zeroizing::new(text))
            } else {
                self.complain_of(&variable, source, "is not UTF-8: write it anew".to_owned());
                continue;
            };
            layer.insert(setting.name, Entry { variable, source: source.to_owned(), given });
        }
        self.entries.extend(layer);
    }

    /// Sets `field` to what was given for `setting`, if anything was.
    pub(super) fn set<T>(
        &mut self,
        setting: &'static Setting,
        field: &mut T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) {
        let Some(entry) = self.entries.get(setting.name) else { return };
        let text = match &entry.given {
            Given::Text(text) => Ok(text.clone()),
            Given::File(path) => read_secret_file(path),
        };
        let parsed = text.and_then(|text| {
            // Spaces around a secret may be part of it.
            let text = if setting.secret { text.as_str() } else { text.trim() };
            if text.is_empty() && setting.fallback != Fallback::Value("") {
                return Err("is empty: give it a value, or take it out".to_owned());
            }
            parse(text).map_err(|problem| if setting.secret { problem } else { format!("{text:?} {problem}") })
        });
        match parsed {
            Ok(value) => *field = value,
            Err(problem) => {
                let (variable, source) = (entry.variable.clone(), entry.source.clone());
                self.complain_of(&variable, &source, problem);
            }
        }
    }

    /// Notes a mistake.
    pub(super) fn complain(&mut self, subject: impl fmt::Display, problem: String) {
        self.mistakes.push(Mistake { subject: subject.to_string(), problem });
    }

    fn complain_of(&mut self, variable: &str, source: &str, problem: String) {
        self.complain(format_args!("{variable} ({source})"), problem);
    }

    /// The mistakes, if there are any.
    pub(super) fn finish(self) -> Result<(), Mistakes> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(Mistakes(self.mistakes)) }
    }
}

/// Whether a variable holds a secret itself. Most addresses of databases do not.
fn is_secret(variable: &str, value: &OsString) -> bool {
    let Some((setting, false)) = find(variable) else { return false };
    let with_password = || value.to_string_lossy().contains(['@', '?']);
    setting.secret && (setting.name != table::DATABASE_URL.name || with_password())
}

/// The setting that a variable gives, and whether it names a secret's file.
fn find(variable: &str) -> Option<(&'static Setting, bool)> {
    table::all().find_map(|setting| {
        if setting.name == variable {
            Some((setting, false))
        } else if setting.file_name().is_some_and(|name| name == variable) {
            Some((setting, true))
        } else {
            None
        }
    })
}

/// What to say of a variable that looks like ours.
fn unknown_name(variable: &str) -> String {
    let names = table::all().flat_map(|setting| std::iter::once(setting.name.to_owned()).chain(setting.file_name()));
    let nearest = names.min_by_key(|name| strsim::damerau_levenshtein(name, variable));
    match nearest {
        Some(name) => format!("is no setting: did you mean {name}? `knoxide settings` lists all of them"),
        None => "is no setting".to_owned(),
    }
}

/// Says where a `.env` file is broken. The line itself may hold a secret.
fn env_file_problem(text: &[u8], error: &dotenvy::Error) -> String {
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

/// Reads the file that a secret stands in, without the line's end after it.
///
/// # Errors
/// When it cannot be read, is open to everybody, empty, or longer than 64 KiB: words to go
/// on after the name of what named the file.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, String> {
    /// No secret is longer, so nothing is read to the end that has none.
    const MOST: u64 = 64 * 1024;
    let shown = path.display();
    let unreadable =
        |error: std::io::Error| format!("names {shown}, which cannot be read ({error}): check path and permissions");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode();
        if mode & 0o007 != 0 {
            return Err(format!("names {shown}, which everybody on this machine can open: run chmod o= on it"));
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MOST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MOST {
        return Err(format!("names {shown}, which is longer than any secret: name the right file"));
    }
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() {
        return Err(format!("names {shown}, which is empty: write the secret into it"));
    }
    Ok(Zeroizing::new(secret.to_owned()))
}
