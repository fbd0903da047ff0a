//! The arguments after `audit`.

use clap::{Args, Subcommand};

use crate::domain::audit::Event;
use crate::domain::time::Timestamp;

/// Actions on audit events.
#[derive(Subcommand)]
pub(in crate::cli) enum Audit {
    /// List events, the newest first
    #[command(after_help = "\
Examples:
  knoxide audit list --user alice
  knoxide audit list --event login_failed --event throttled --from 2026-11-01T00:00:00Z
  knoxide audit list --user id:17            also after the user was deleted")]
    List {
        #[command(flatten)]
        filter: EventConditions,
        /// The maximum number of events
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Only events older than the one at this cursor, for the next page
        #[arg(long, value_name = "CURSOR")]
        before: Option<String>,
    },
    /// Write all events to standard output as lines of JSON, the oldest first
    #[command(after_help = "\
An event whose transaction is still open, and those after it, are left to the next export: it goes on where this one \
ended, after the cursor of the last line.

Example:
  knoxide audit export --after 2f1-40 >> events.jsonl")]
    Export {
        #[command(flatten)]
        filter: EventConditions,
        /// Only events after the one at this cursor
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
    },
    /// Show the latest events and then new ones as they come, until SIGINT or SIGTERM
    Tail {
        #[command(flatten)]
        filter: EventConditions,
        /// How many earlier events to show first
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        lines: u32,
    },
}

/// Which events.
#[derive(Args)]
pub(in crate::cli) struct EventConditions {
    /// Only events about this user: the name, or id: and the number
    #[arg(long)]
    pub(in crate::cli) user: Option<String>,
    /// Only events of this kind; may be given several times
    #[arg(long, value_name = "EVENT", value_parser = parse_event)]
    pub(in crate::cli) event: Vec<Event>,
    /// Only events of this actor: user: and a number, client: and an id, cli, system or anonymous
    #[arg(long)]
    pub(in crate::cli) actor: Option<String>,
    /// Only events from this address
    #[arg(long)]
    pub(in crate::cli) address: Option<std::net::IpAddr>,
    /// Only events about this session
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) session: Option<String>,
    /// Only events of this time and later, such as 2026-11-26T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(in crate::cli) from: Option<Timestamp>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(in crate::cli) to: Option<Timestamp>,
}

fn parse_event(text: &str) -> Result<Event, String> {
    let names = || Event::ALL.map(Event::as_str).join(", ");
    Event::from_name(text).ok_or_else(|| format!("write one of {}", names()))
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write a date, a time and an offset, as in 2026-11-26T08:00:00Z".to_owned())
}
