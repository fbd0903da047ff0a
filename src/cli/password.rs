//! Where a new password comes from.

use zeroize::Zeroizing;

use super::answer::{Code, Failure};
use super::args::NewPassword as NewPasswordOptions;
use super::{Context, ask};
use crate::config::read_secret_file;
use crate::service::admin::NewPassword;
use crate::user::{Password, PasswordHash};

/// Reads a new password, or the hash that stands for one.
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
        return Ok(Password::new(text.to_string()));
    }
    if typed.password_stdin {
        let text = context.terminal.read_input().map_err(|error| unreadable(&error))?;
        return Ok(Password::new(without_line_end(&text).to_owned()));
    }
    if !context.terminal.is_interactive() {
        let message = "nobody can be asked for the password: use --password-stdin, --password-file or --password-hash";
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

/// `echo` and editors end a line that is no part of the password.
fn without_line_end(text: &Zeroizing<String>) -> &str {
    text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line))
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(Code::Failed, format!("standard input cannot be read: {error}"))
}
