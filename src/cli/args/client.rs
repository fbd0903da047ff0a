//! The arguments after `client`.

use std::time::Duration;

use clap::Subcommand;

use crate::domain::client::{ClientId, Rights};

/// Actions on registered clients.
#[derive(Subcommand)]
pub(in crate::cli) enum Client {
    /// Register a client, and show its id and its secret once
    #[command(after_help = "\
Rights: introspect (ask about one token), batch (ask about up to 1,000 in one request), revoke (end the session of a \
token).

Examples:
  knoxide client add shop
  knoxide client add gateway --rights introspect,batch --limit 5000
  knoxide --json client add ci | jq -r .secret")]
    Add {
        /// A name that identifies the client, at most 150 characters; no two clients can have the same name
        name: String,
        /// What it may do: introspect, batch or revoke, with commas between
        #[arg(long, value_name = "RIGHTS", default_value = "introspect", value_parser = crate::cli::client::parse_rights)]
        rights: Rights,
        /// How many requests a second it may make on each node, up to 1000000, or none for any number
        #[arg(long, value_name = "N", default_value = "1000", value_parser = crate::cli::client::parse_limit)]
        limit: Limit,
    },
    /// List all clients with their rights, limits and last uses; secrets are never shown
    List,
    /// Give a client a new secret, shown once
    #[command(after_help = "\
The old secret stays good for a while, so that the client can switch. One that was kept by an earlier rotation is \
refused at once. If the secret has leaked, say --keep-old 0s.")]
    Rotate {
        /// The client's id, as `client list` shows it
        #[arg(value_parser = crate::cli::client::parse_id)]
        id: ClientId,
        /// How long the old secret stays good, such as 24h or 0s, at most 30d
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = crate::cli::client::parse_keep_old)]
        keep_old: Duration,
    },
    /// Delete a client: its secrets are refused at once, on every node
    Delete {
        /// The client's id, as `client list` shows it
        #[arg(value_parser = crate::cli::client::parse_id)]
        id: ClientId,
    },
}

/// A number of requests a second; `None`: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Limit(pub(in crate::cli) Option<u32>);
