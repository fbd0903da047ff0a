//! The command line: `knoxide user add`, `knoxide doctor` and the rest.
//!
//! [`run`] takes everything that it uses as an argument, so that tests call it as a shell
//! does. Commands return an `Answer`, which is printed in one place, as a table or sentence
//! for people or as JSON for programs.

mod answer;
mod args;
mod audit;
mod client;
mod database;
mod doctor;
mod explain;
mod import;
mod key;
mod migrate;
mod password;
mod permissions;
mod progress;
mod running;
mod serve;
mod session;
mod terminal;
#[cfg(test)]
mod tests;
mod token;
mod user;

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;

use clap::{ArgAction, CommandFactory, Parser};
use serde_json::json;

use self::answer::{Answer, Answered, Code, Failure};
use self::args::{Arguments, Command};
use self::database::Missing;
use self::running::Readiness;
pub use self::terminal::{ProcessTerminal, Terminal};
use crate::config::{self, EnvFile, Fallback, Input, Settings};
use crate::domain::escape::visible_lines;
use crate::domain::random::Random;
use crate::domain::time::Clock;

/// Everything that a run of the program uses.
pub struct Process<'a> {
    /// The program's name and its arguments.
    pub arguments: Vec<OsString>,
    /// The environment's variables.
    pub environment: Vec<(OsString, OsString)>,
    /// The user's terminal, if there is one.
    pub terminal: &'a mut dyn Terminal,
    /// Standard output, for answers.
    pub out: &'a mut dyn Write,
    /// Standard error, for errors and warnings.
    pub err: &'a mut dyn Write,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of random bytes.
    pub random: Arc<dyn Random>,
}

/// What a command works with.
struct Context<'a> {
    settings: Settings,
    /// The `.env` file that some settings come from.
    env_file: Option<EnvFile>,
    terminal: &'a mut dyn Terminal,
    /// For answers that are too long to be kept in memory.
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Whether tables were created in a database that had none.
    made_tables: Cell<bool>,
}

/// Runs the program and returns its exit code.
pub fn run(process: Process<'_>) -> u8 {
    let Process { arguments, environment, terminal, out, err, clock, random } = process;
    let typed = match Arguments::try_parse_from(arguments) {
        Ok(typed) => typed,
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                // If this fails, there is no other place to report it.
                let _ = write!(err, "{}", visible_lines(&text));
                return u8::try_from(error.exit_code()).unwrap_or(Code::Usage as u8);
            }
            return print(Ok(Answer::new(text.trim_end(), serde_json::Value::Null)), false, out, err);
        }
    };
    let as_json = typed.global.json;
    let (settings, env_file) = read_settings(&typed, environment, &mut *err);
    let command = typed.command.unwrap_or(Command::Serve(args::Serve::default()));
    let answered = match (command, settings) {
        (Command::Settings, _) => Ok(list_settings()),
        (Command::Doctor, settings) => Ok(doctor::examine(settings, env_file.as_ref(), clock.as_ref())),
        (_, Err(mistakes)) => Err(Failure::new(Code::Usage, mistakes.to_string())),
        (command, Ok(settings)) => {
            let (out, err) = (&mut *out, &mut *err);
            let made_tables = Cell::new(false);
            dispatch(command, as_json, Context { settings, env_file, terminal, out, err, clock, random, made_tables })
        }
    };
    print(answered, as_json, out, err)
}

fn dispatch(command: Command, as_json: bool, mut context: Context<'_>) -> Answered {
    let missing = context.missing_file();
    let mut answered = match command {
        Command::Serve(_) => return serve::run(context),
        Command::Doctor => {
            return Ok(doctor::examine(Ok(context.settings), context.env_file.as_ref(), context.clock.as_ref()));
        }
        Command::Settings => return Ok(list_settings()),
        Command::Migrate { direction } => migrate::run(direction, &mut context),
        Command::User { action } => user::run(action, &mut context),
        Command::Session { action } => session::run(action, &mut context),
        Command::Token { action } => token::run(action, &context),
        Command::Client { action } => client::run(action, &context),
        Command::Key { action } => key::run(&action, &context),
        Command::Audit { action } => audit::run(action, as_json, &mut context),
        Command::Sweep { trust_clock } => session::sweep(trust_clock, &context),
        Command::Import { file } => import::run(&file, &mut context),
        Command::Explain(typed) => explain::run(typed, &mut context),
    };
    if let Some(words) = context.made(missing.as_deref()) {
        match &mut answered {
            // If this fails, there is no other place to report it.
            Ok(_) => drop(writeln!(context.err, "knoxide: {words}")),
            Err(failure) => failure.message.push_str(&format!("; {words}")),
        }
    }
    if answered.is_ok() {
        warn_if_server_is_not_ready(&mut context);
    }
    answered
}

/// Warns if a running server is not ready: it may have lost the files of its database, so that this command
/// changed other files. Such a server answers 503 to every request, so it accepts no revoked token.
fn warn_if_server_is_not_ready(context: &mut Context<'_>) {
    let Settings { database, http, .. } = &context.settings;
    if database.url.sqlite_file().is_some() && running::readiness(&http.listen) == Some(Readiness::NotReady) {
        // If this fails, there is no other place to report it.
        let _ = writeln!(
            context.err,
            "knoxide: this is done, but the running server is not ready and may have lost the files of its database: \
             see its log and `knoxide doctor`"
        );
    }
}

/// Reads the settings: flags override the environment, which overrides the `.env` file, which is returned too.
fn read_settings(
    typed: &Arguments,
    environment: Vec<(OsString, OsString)>,
    err: &mut dyn Write,
) -> (Result<Settings, config::Mistakes>, Option<EnvFile>) {
    let mut input = Input::new();
    let env_file = input.add_env_file(typed.global.env_file.as_deref());
    if matches!(typed.command, None | Some(Command::Serve(_))) {
        input.refuse_closed_folder();
    } else if input.is_in_closed_folder() {
        // If this fails, there is no other place to report it.
        let _ = writeln!(
            err,
            "knoxide: this user has no permission to enter the working directory: a .env file there is not read"
        );
    }
    input.add_environment(environment);
    let listen = match &typed.command {
        Some(Command::Serve(serve)) => serve.listen.as_deref(),
        _ => None,
    };
    let flags = [
        ("--listen", "KNOXIDE_LISTEN", listen),
        ("--database-url", "DATABASE_URL", typed.global.database_url.as_deref()),
        ("--log", "KNOXIDE_LOG", typed.global.log.as_deref()),
    ];
    for (flag, setting, value) in flags {
        if let Some(value) = value {
            input.add_flag(flag, setting, value);
        }
    }
    (Settings::read(input), env_file)
}

fn list_settings() -> Answer {
    let settings = config::groups().into_iter().flat_map(|group| group.settings).map(|setting| {
        let default = match &setting.fallback {
            Fallback::Value(value) => Some(value.as_str()),
            Fallback::Computed(words) => Some(*words),
            Fallback::Unset => None,
        };
        json!({ "name": setting.name, "default": default, "value": setting.form, "meaning": setting.meaning,
                "file": setting.file_name() })
    });
    Answer::new(config::env_example().trim_end(), settings.collect())
}

/// Prints the answer and returns the exit code, which is that of a failure if the output cannot be written. Control
/// characters in names are escaped in JSON too, since it is often shown on a terminal.
fn print(answered: Answered, as_json: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let (answer, text, code) = match (answered, as_json) {
        (Ok(answer), true) if answer.json.is_null() => (true, String::new(), answer.code),
        (Ok(answer), true) => (true, format!("{:#}\n", answer.json), answer.code),
        (Ok(answer), false) => (true, answer.text, answer.code),
        (Err(failure), true) => (false, format!("{:#}\n", failure.json()), failure.code),
        (Err(failure), false) => (false, format!("knoxide: {}\n", failure.message), failure.code),
    };
    let text = visible_lines(&text);
    let printed = if answer { out.write_all(text.as_bytes()) } else { err.write_all(text.as_bytes()) };
    match printed.and_then(|()| out.flush()) {
        Ok(()) => code as u8,
        Err(error) => {
            let done = if answer { "the command was carried out, but its answer" } else { "the message" };
            // If this fails, there is no other place to report it.
            let _ = writeln!(err, "knoxide: {done} could not be written: {error}");
            Code::Failed as u8
        }
    }
}

/// The answer from the terminal, or the error.
fn ask<T>(answered: io::Result<T>) -> Result<T, Failure> {
    answered.map_err(|error| Failure::new(Code::Failed, format!("the terminal cannot be read: {error}")))
}

/// Asks for confirmation before data is deleted for good.
fn insist(terminal: &mut dyn Terminal, question: &str, what: &str) -> Result<(), Failure> {
    insist_or(terminal, question, what, "nothing was deleted")
}

/// Asks for confirmation. `else_so` says what the outcome is if it is refused.
fn insist_or(terminal: &mut dyn Terminal, question: &str, what: &str, else_so: &str) -> Result<(), Failure> {
    if !terminal.is_interactive() {
        return Err(Failure::new(Code::Usage, format!("there is no terminal to ask whether {what}: use --yes")));
    }
    if ask(terminal.confirm(question))? {
        return Ok(());
    }
    Err(Failure::new(Code::Refused, else_so))
}

/// The text of `docs/command-line.md`. A test requires the committed file to equal it.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Command line\n\n`--help` after any command shows its help. The options of every command, and `--help` \
         itself, are listed here once,\nbelow `knoxide`; they can be given before or after the command.\n",
    );
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    add_help(&root, "##", &mut text);
    for child in root.get_subcommands() {
        add_help_of_all(child, "##", &mut text);
    }
    text
}

/// The help of a command and of those below it, without the options that every command has.
fn add_help_of_all(command: &clap::Command, heading: &str, text: &mut String) {
    let own = command.clone().mut_args(|argument| {
        let is_shared = argument.is_global_set() || matches!(argument.get_action(), ArgAction::Help);
        argument.hide_long_help(is_shared)
    });
    add_help(&own, heading, text);
    for child in command.get_subcommands() {
        add_help_of_all(child, "###", text);
    }
}

fn add_help(command: &clap::Command, heading: &str, text: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let help = command.clone().term_width(100).render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    text.push_str(&format!("\n{heading} `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
}
