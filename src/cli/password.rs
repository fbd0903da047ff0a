//! Where a new password comes from.

use super::answer::{Code, Failure};
use super::args::NewPassword;
use super::{Context, ask, permissions};
use crate::config::{read_secret_file, unwrapped};
use crate::password::{Hasher, Unverifiable, is_verifiable};
use crate::password_rules::{Owner, judge_new_password};
use crate::user::{Password, PasswordHash};

/// Reads the new password of `owner`, judges it, and hashes it at the configured cost.
pub(super) fn new_hash(
    typed: &NewPassword,
    owner: &Owner<'_>,
    context: &mut Context<'_>,
) -> Result<PasswordHash, Failure> {
    if let Some(hash) = &typed.password_hash {
        return stored_hash(hash);
    }
    let password = read(typed, context)?;
    judge_new_password(&password, owner).map_err(|weak| Failure::new(Code::Refused, weak.to_string()))?;
    let hasher = Hasher::new(context.settings.passwords.bcrypt_cost)
        .map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
    Ok(hasher.hash(&password, context.random.as_ref())?)
}

/// A hash from elsewhere, which must be one that a login can be checked against.
fn stored_hash(text: &str) -> Result<PasswordHash, Failure> {
    let hash = PasswordHash::from_stored(text.to_owned());
    if text.starts_with('!') {
        return Ok(PasswordHash::unusable());
    }
    match is_verifiable(&hash) {
        Ok(_) => Ok(hash),
        Err(reason) => Err(Failure::new(Code::Refused, format!("no password fits the hash: {reason}"))),
    }
}

/// Why no password fits a stored hash, unless that is on purpose.
pub(super) fn why_useless(stored: &PasswordHash) -> Option<String> {
    match is_verifiable(stored) {
        Ok(_) | Err(Unverifiable::Empty | Unverifiable::Unusable) => None,
        Err(reason) => Some(reason.to_string()),
    }
}

fn read(typed: &NewPassword, context: &mut Context<'_>) -> Result<Password, Failure> {
    if let Some(path) = &typed.password_file {
        let code = if path.exists() { Code::Usage } else { Code::NotFound };
        let text =
            read_secret_file(path).map_err(|problem| Failure::new(code, format!("--password-file {problem}")))?;
        if let Some(exposure) = permissions::of_secret_file(path) {
            // There is nobody left to tell when this fails.
            let _ = writeln!(context.err, "knoxide: {} {}: {}", path.display(), exposure.problem, exposure.cure);
        }
        return Ok(Password::new(text.to_string()));
    }
    if typed.password_stdin {
        let text = context.terminal.read_input().map_err(|error| unreadable(&error))?;
        return Ok(Password::new(unwrapped(&text).to_owned()));
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

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(Code::Failed, format!("standard input cannot be read: {error}"))
}
