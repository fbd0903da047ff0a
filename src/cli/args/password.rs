//! The arguments of passwords.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::UserName;

/// Where a new password comes from; without an option, from the terminal.
#[derive(Args)]
#[command(group = ArgGroup::new("password source").multiple(false))]
pub(in crate::cli) struct NewPassword {
    /// Read the password from standard input
    #[arg(long, group = "password source")]
    pub(in crate::cli) password_stdin: bool,
    /// Read the password from a file, which should not be readable by all users
    #[arg(long, value_name = "FILE", group = "password source")]
    pub(in crate::cli) password_file: Option<PathBuf>,
    /// Store this hash, in one of Django's formats; '!' for no password at all
    #[arg(long, value_name = "HASH", group = "password source")]
    pub(in crate::cli) password_hash: Option<String>,
}

/// Whose password is replaced by a one-time password.
#[derive(Args)]
#[command(after_help = "\
The user exchanges it within 24 hours for a new password, with POST /auth/password/change/. It is good for nothing \
else: at a login it is a wrong password. The last active administrator needs a password: use `user passwd`.

Example:
  knoxide user reset-password alice")]
pub(in crate::cli) struct ResetPassword {
    #[command(flatten)]
    pub(in crate::cli) user: UserName,
}
