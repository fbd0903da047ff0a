//! The table of settings as documents. Tests require the committed files to equal these.

use std::fmt::Write as _;

use super::setting::{Fallback, Setting};
use super::table::groups;

/// The text of `.env.example`: every setting with its default, commented out.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Settings of Knoxide: copy this file to .env and remove the # before each setting that you change.\n\
         # The environment overrides this file, and flags of the command line override both.\n\
         # Put values that contain spaces, # or $ in single quotes.\n",
    );
    for group in groups() {
        let _ = write!(text, "\n# --- {} ---\n", group.title);
        for setting in &group.settings {
            let _ = write!(text, "\n{}# ({}.)\n", comment(setting.meaning), setting.form);
            let value = match &setting.fallback {
                Fallback::Value(value) => value,
                Fallback::Computed(words) => {
                    let _ = writeln!(text, "# Default: {words}.");
                    ""
                }
                Fallback::Unset => "",
            };
            let _ = writeln!(text, "#{}={value}", setting.name);
            if let Some(name) = setting.file_name() {
                let _ = writeln!(text, "#{name}=");
            }
        }
    }
    text
}

/// The text of `docs/configuration.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         Knoxide reads its settings from environment variables. They can also be in a file `.env` in the working directory \
         (or the one that `--env-file` names), one `NAME=value` per line; values that contain spaces, `#` or `$` need single \
         quotes; a `$` elsewhere is refused. The environment overrides the file, and flags of the command line override both.\n\n\
         All mistakes are reported together before anything starts: invalid values, combinations that are not allowed, and \
         names that begin with `KNOXIDE_` and are not settings, except those with which Kubernetes and Docker describe \
         services (`…_SERVICE_HOST`). `knoxide settings` prints this list, and \
         `knoxide doctor` checks the settings.\n\n\
         A secret can be in a file: its path is the value of the variable with `_FILE` after its name. If all users of the \
         machine can read the file, it is read with a warning (`chmod o=`, or a mount with mode 0400); a byte order mark \
         before the secret and a line end after it are ignored. Giving both forms is a mistake.\n\n\
         Durations are whole numbers with a unit: `500ms`, `90s`, `15m`, `12h`, `30d`, `1h30m`.\n",
    );
    for group in groups() {
        let _ = write!(text, "\n## {}\n", group.title);
        for setting in &group.settings {
            let _ = write!(text, "\n### `{}`\n\n{}\n\n", setting.name, setting.meaning);
            let _ = writeln!(text, "- Value: {}", setting.form);
            let _ = writeln!(text, "- Default: {}", shown_default(setting));
            if let Some(name) = setting.file_name() {
                let _ = writeln!(text, "- From a file: `{name}`");
            }
        }
    }
    text
}

/// A setting's default, in words or as code.
fn shown_default(setting: &Setting) -> String {
    match &setting.fallback {
        Fallback::Value(value) if value.is_empty() => "empty".to_owned(),
        Fallback::Value(value) => format!("`{value}`"),
        Fallback::Computed(words) => (*words).to_owned(),
        Fallback::Unset => "not set".to_owned(),
    }
}

/// Text as comment lines of at most 100 characters.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > 100 {
            lines.push_str(&line);
            lines.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}
