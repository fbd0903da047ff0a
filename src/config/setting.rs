//! What a setting is, and how the table of settings is built.

use super::Settings;
use super::form::{Form, Parsed};

type ReadInto = Box<dyn Fn(&mut Settings, &str) -> Parsed<()>>;

/// A setting: its documentation and its parser.
pub struct Setting {
    /// The environment variable.
    pub name: String,
    /// Its default.
    pub fallback: Fallback,
    /// What a value looks like, for the documents.
    pub form: String,
    /// Its meaning, in sentences.
    pub meaning: &'static str,
    /// Whether its value must never be shown, and can be read from a file named by `…_FILE`.
    pub secret: bool,
    /// Parses a text into the field of the setting.
    pub(super) read: ReadInto,
}

impl Setting {
    /// The variable that names the file with the secret.
    pub fn file_name(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.name))
    }
}

/// What applies when a setting is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// This text, as if it had been given.
    Value(String),
    /// A value that is computed at the start, described in these words.
    Computed(&'static str),
    /// Nothing.
    Unset,
}

/// Settings that are documented together.
pub struct Group {
    /// The heading.
    pub title: String,
    /// The settings under it.
    pub settings: Vec<Setting>,
}

/// The table while it is being built.
#[derive(Default)]
pub(super) struct Table {
    pub(super) groups: Vec<Group>,
    /// The source of the documented defaults.
    pub(super) defaults: Settings,
}

impl Table {
    /// Begins a group with this heading for the settings that follow.
    pub(super) fn group(&mut self, title: impl Into<String>) {
        self.groups.push(Group { title: title.into(), settings: Vec::new() });
    }

    /// Adds the setting of this field. Does nothing where there is no such field, as with the lifetime of
    /// refresh tokens in a dialect that has none.
    pub(super) fn add<T: 'static>(
        &mut self,
        name: impl Into<String>,
        form: Form<T>,
        meaning: &'static str,
        field: impl Fn(&mut Settings) -> Option<&mut T> + 'static,
    ) {
        let Some(default) = field(&mut self.defaults) else { return };
        let fallback = form.fallback(default);
        let Form { text, secret, parse, .. } = form;
        let read = move |settings: &mut Settings, text: &str| {
            let value = parse(text)?;
            if let Some(field) = field(settings) {
                *field = value;
            }
            Ok(())
        };
        let (name, meaning) = (name.into(), meaning.trim());
        let setting = Setting { name, fallback, form: text, meaning, secret, read: Box::new(read) };
        if let Some(group) = self.groups.last_mut() {
            group.settings.push(setting);
        }
    }
}
