//! The arguments after `key`.

#![expect(clippy::doc_markdown, reason = "these comments are the program's help, where backticks would show")]

use clap::Subcommand;

use crate::domain::jwt::Algorithm;

/// Actions on signing keys.
#[derive(Subcommand)]
pub(in crate::cli) enum Key {
    /// List all keys with their current use; secrets are never shown
    List,
    /// Add a key that takes over signing, 30 s after it is published; the old one stays published
    /// until its tokens have expired
    #[command(after_help = "\
Running servers load it by themselves. If the secret of HS256 is in the settings, change KNOXIDE_JWT_SECRET, run \
this with it, and restart every node with it.

Examples:
  knoxide key rotate           a new key of KNOXIDE_JWT_ALGORITHM
  knoxide key rotate HS256     a new key for refresh tokens too")]
    Rotate {
        /// HS256, EdDSA or RS256, instead of KNOXIDE_JWT_ALGORITHM
        #[arg(value_parser = crate::cli::key::parse_algorithm)]
        algorithm: Option<Algorithm>,
    },
    /// Stop using a key at once, if it has leaked
    #[command(after_help = "\
Forged tokens are refused here even with a leaked key, since every token is looked up in the database; services that \
verify offline would accept them. Rotate first; the last key of an algorithm cannot be retired (code 4).")]
    Retire {
        /// The key's number, as `key list` shows it
        id: i64,
    },
}
