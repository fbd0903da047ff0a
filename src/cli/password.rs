//! Reading a new password from its source.

use super::answer::{Code, Failure};
use super::args::NewPassword as NewPasswordOptions;
use super::{Context, ask, permissions};
use crate::config::{read_secret_file, unwrapped};
use crate::domain::user::{Password, PasswordHash};
use crate::service::admin::NewPassword;

/// Reads a new password, or a hash.
pub(super) fn read(typed: &NewPasswordOptions, context: &mut Context<'_>) -> Result<NewPassword, Failure> {
    match &typed.password_hash {
        Some(hash) => Ok(NewPassword::Hash(PasswordHash::from_stored(hash.clone()))),
        None => read_text(typed, context).map(NewPassword::Text),
    }
}

fn read_text(typed: &NewPasswordOptions, context: &mut Context<'_>) -> Result<Password, Failure> {
    if let Some(path) = &typed.password_file {
        let code = if path.exists() { Code::Usage } else { Code::NotFound };
        let text =
            read_secret_file(path).map_err(|problem| Failure::new(code, format!("--password-file {problem}")))?;
        if let Some(exposure) = permissions::of_secret_file(path) {
            // If this fails, there is no other place to report it.
            let _ = writeln!(context.err, "knoxide: {} {}: {}", path.display(), exposure.problem, exposure.remedy);
        }
        return Ok(Password::new(text.to_string()));
    }
    if typed.password_stdin {
        let text = context.terminal.read_input().map_err(|error| unreadable(&error))?;
        return Ok(Password::new(unwrapped(&text).to_owned()));
    }
    if !context.terminal.is_interactive() {
        let message =
            "there is no terminal to ask for the password: use --password-stdin, --password-file or --password-hash";
        return Err(Failure::new(Code::Usage, message));
    }
    let first = ask(context.terminal.ask_password("New password: "))?;
    let second = ask(context.terminal.ask_password("The same again: "))?;
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(Failure::new(Code::Refused, "the two passwords differ"))
    }
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(Code::Failed, format!("standard input cannot be read: {error}"))
}
