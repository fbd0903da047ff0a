//! The sources of settings: flags override the environment, which overrides the `.env` file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::env_file::{self, EnvFile, Found};
use super::service_link::ServiceLinks;
use super::setting::{Fallback, Group, Setting};
use super::{Settings, read_secret_file, table};

/// Names with this prefix belong to the test suite.
const TEST_PREFIX: &str = "KNOXIDE_TEST_";

/// A mistake in the settings, which prevents the start, with its remedy.
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

/// All mistakes at once, so that one start finds them all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are wrong:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// A setting's text, or the file that contains it.
enum Given {
    Text(Zeroizing<String>),
    File(PathBuf),
}

/// A variable in one source.
struct Entry {
    variable: String,
    source: String,
    given: Given,
}

impl Entry {
    fn read_into(&self, settings: &mut Settings, setting: &Setting) -> Result<(), String> {
        let text = match &self.given {
            Given::Text(text) => text.clone(),
            Given::File(path) => {
                let text = read_secret_file(path)?;
                settings.secret_files.push(path.clone());
                text
            }
        };
        // Spaces around a secret may be part of it.
        let text = if setting.secret { text.as_str() } else { text.trim() };
        if text.is_empty() && setting.fallback != Fallback::Value(String::new()) {
            return Err("is empty: give it a value, or remove it".to_owned());
        }
        let read = (setting.read)(settings, text);
        read.map_err(|problem| if setting.secret { problem } else { format!("{text:?} {problem}") })
    }
}

/// What was given, with later sources overriding earlier ones.
pub struct Input {
    groups: Vec<Group>,
    /// By the name of the setting.
    entries: BTreeMap<String, Entry>,
    mistakes: Vec<Mistake>,
    closed_folder: bool,
}

impl Input {
    /// Without any source: every setting has its default.
    #[expect(clippy::new_without_default, reason = "an input that nothing is added to is of no use")]
    pub fn new() -> Self {
        Self { groups: table::groups(), entries: BTreeMap::new(), mistakes: Vec::new(), closed_folder: false }
    }

    /// Adds the variables of a `.env` file: the requested one, which must exist, or
    /// the one in the working directory, if there is one. Returns which one was read.
    pub fn add_env_file(&mut self, asked_for: Option<&Path>) -> Option<EnvFile> {
        let path = asked_for.unwrap_or(Path::new(".env"));
        let mut contents = match env_file::read(path, asked_for.is_some(), |name| self.is_ours(name)) {
            Ok(Found::File(contents)) => contents,
            Ok(Found::Nothing) => return None,
            Ok(Found::ClosedFolder) => {
                self.closed_folder = true;
                return None;
            }
            Err(problem) => {
                self.report(path.display(), problem);
                return None;
            }
        };
        for problem in contents.problems {
            self.report(path.display(), problem);
        }
        for (line, name) in contents.dollars {
            contents.variables.retain(|(other, _)| *other != name);
            let problem = format!(
                "line {line}: the $ in {name} would be replaced by the value of another variable: put the value in \
                 single quotes, or write \\$"
            );
            self.report(path.display(), problem);
        }
        let has_secrets = contents.variables.iter().any(|(name, value)| self.is_secret(name, value));
        self.add_layer(&path.display().to_string(), contents.variables);
        Some(EnvFile { path: path.to_owned(), has_secrets })
    }

    /// Whether this user has no permission to enter the working directory, so that a `.env` file there is not found.
    pub fn is_in_closed_folder(&self) -> bool {
        self.closed_folder
    }

    /// Reports a working directory that this user may not enter as a mistake.
    pub fn refuse_closed_folder(&mut self) {
        if self.closed_folder {
            let problem = "cannot be looked for, since this user has no permission to enter the working directory: \
                           start in another one, or name a file with --env-file";
            self.report(".env", problem.to_owned());
        }
    }

    /// Adds environment variables. Those that are not settings are ignored, and so are those with which Kubernetes and
    /// Docker describe services.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let variables = variables.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let variables: Vec<_> = variables.collect();
        let links = ServiceLinks::of(&variables);
        let ours = variables.into_iter().filter(|(name, value)| !links.contain(name, &value.to_string_lossy()));
        self.add_layer("environment", ours.collect());
    }

    /// Adds the value of a command-line flag.
    pub fn add_flag(&mut self, flag: &str, setting: &str, value: &str) {
        let given = Given::Text(Zeroizing::new(value.to_owned()));
        let entry = Entry { variable: setting.to_owned(), source: flag.to_owned(), given };
        self.entries.insert(setting.to_owned(), entry);
    }

    /// Adds a source that overrides all earlier ones: a secret in either of its two forms
    /// replaces both forms of an earlier source.
    fn add_layer(&mut self, source: &str, variables: Vec<(String, OsString)>) {
        let mut layer: BTreeMap<String, Entry> = BTreeMap::new();
        for (variable, value) in variables {
            let Some((setting, is_file)) = self.find(&variable) else {
                if self.is_ours(&variable) {
                    self.report(format_args!("{variable} ({source})"), self.unknown_name(&variable));
                }
                continue;
            };
            let name = setting.name.clone();
            let given = match (layer.get(&name), is_file, value.into_string()) {
                (Some(other), ..) => Err(format!("is given together with {}: remove one of them", other.variable)),
                (None, true, path) => Ok(Given::File(path.map_or_else(PathBuf::from, PathBuf::from))),
                (None, false, Ok(text)) => Ok(Given::Text(Zeroizing::new(text))),
                (None, false, Err(_)) => Err("is not UTF-8: convert it".to_owned()),
            };
            match given {
                Ok(given) => {
                    layer.insert(name, Entry { variable, source: source.to_owned(), given });
                }
                Err(problem) => self.report(format_args!("{variable} ({source})"), problem),
            }
        }
        self.entries.extend(layer);
    }

    /// Reads everything that was given, in the order of the table. A value that cannot be read is a mistake and
    /// counts as not given.
    pub(super) fn read_into(&mut self, settings: &mut Settings) {
        for setting in std::mem::take(&mut self.groups).iter().flat_map(|group| &group.settings) {
            let Some(entry) = self.entries.get(&setting.name) else { continue };
            if let Err(problem) = entry.read_into(settings, setting) {
                let subject = format!("{} ({})", entry.variable, entry.source);
                self.entries.remove(&setting.name);
                self.report(subject, problem);
            }
        }
    }

    /// Whether the setting with this name was given and could be read.
    pub(super) fn gives(&self, setting: &str) -> bool {
        self.entries.contains_key(setting)
    }

    /// Adds a mistake.
    pub(super) fn report(&mut self, subject: impl fmt::Display, problem: String) {
        self.mistakes.push(Mistake { subject: subject.to_string(), problem });
    }

    /// The mistakes, if there are any.
    pub(super) fn finish(self) -> Result<(), Mistakes> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(Mistakes(self.mistakes)) }
    }

    fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.groups.iter().flat_map(|group| &group.settings)
    }

    /// Whether a variable is a setting, or looks like one.
    fn is_ours(&self, variable: &str) -> bool {
        let looks_like_one = variable.starts_with("KNOXIDE_") && !variable.starts_with(TEST_PREFIX);
        looks_like_one || self.find(variable).is_some()
    }

    /// The setting that a variable gives, and whether the variable names a file with the secret.
    fn find(&self, variable: &str) -> Option<(&Setting, bool)> {
        let exact = |setting: &&Setting| setting.name == variable;
        let of_file = |setting: &&Setting| setting.file_name().is_some_and(|name| name == variable);
        let by_file = || self.settings().find(of_file).map(|setting| (setting, true));
        self.settings().find(exact).map(|setting| (setting, false)).or_else(by_file)
    }

    /// Whether a variable contains a secret itself. Most database URLs do not.
    fn is_secret(&self, variable: &str, value: &OsString) -> bool {
        let Some((setting, false)) = self.find(variable) else { return false };
        let with_password = || value.to_string_lossy().contains(['@', '?']);
        setting.secret && (setting.name != "DATABASE_URL" || with_password())
    }

    /// The message about a variable that looks like one of ours.
    fn unknown_name(&self, variable: &str) -> String {
        let names =
            self.settings().flat_map(|setting| std::iter::once(setting.name.clone()).chain(setting.file_name()));
        match names.min_by_key(|name| strsim::damerau_levenshtein(name, variable)) {
            Some(name) => format!("is not a setting: did you mean {name}? `knoxide settings` lists all of them"),
            None => "is not a setting".to_owned(),
        }
    }
}
