//! The arguments of `knoxide explain`.

use clap::Args;

/// How it is used.
pub(super) const USAGE: &str = "knoxide explain [OPTIONS] <SESSION_ID|--token>";

/// The end of its help.
pub(super) const HELP: &str = "\
It only reads, and works whether the server runs or not. The token is read from standard input, or asked for at a \
terminal: an argument would be seen by others on this machine. docs/explain.md lists all answers.

Examples:
  knoxide explain 018cc251-f400-7000-8000-000000000000
  knoxide explain --token                            asks for the token
  knoxide --json explain --token < token.txt";

/// What to explain. The types accept more than is allowed, because clap's error message would show a token that was
/// typed here.
#[derive(Args)]
pub(in crate::cli) struct Explain {
    /// The session's id, as `session list` shows it; or --token, for the token on standard input
    #[arg(value_name = "SESSION_ID", allow_hyphen_values = true)]
    pub(in crate::cli) session: Vec<String>,
    // Hidden, because the help would show its value as if that were allowed.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    pub(in crate::cli) token: Option<Option<String>>,
}
