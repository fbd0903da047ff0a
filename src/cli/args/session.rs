//! The arguments after `session`.

use clap::{ArgGroup, Args, Subcommand};
use ipnet::IpNet;

use crate::domain::dialect::Dialect;
use crate::domain::session::{SessionId, SessionKind};
use crate::domain::time::Timestamp;

/// Actions on sessions.
#[derive(Subcommand)]
pub(in crate::cli) enum Session {
    /// List live sessions, or ended ones too
    #[command(after_help = "\
A session is listed if it meets all conditions.

Examples:
  knoxide session list alice
  knoxide session list --address 192.0.2.0/24 --since 2026-11-26
  knoxide session list --device firefox --unused-since 2026-11-01T12:00:00Z --all")]
    List {
        /// Only sessions of this user: the name, or id: and the number
        user: Option<String>,
        #[command(flatten)]
        filter: SessionConditions,
        /// Also list ended sessions, with the reason
        #[arg(long)]
        all: bool,
        /// The maximum number of sessions, the latest first
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Only sessions opened before this time; or, for the next page, before the session with this id
        #[arg(long, value_name = "TIME|ID", value_parser = parse_bound)]
        before: Option<Bound>,
    },
    /// End a session, all sessions of a user, or all that meet conditions; from then on every check refuses their
    /// tokens
    #[command(after_help = "\
With several conditions, the sessions that meet all of them end. They are counted first, and the command asks before \
it ends them; without a terminal it needs --yes. It ends no session that was opened after it counted. It returns when \
all are ended: from then on no check accepts a token of any of them. If it fails before that, some of them are ended, \
and running it again ends the rest.

Three forms end any number of sessions at once: --user alone, which does not ask, ends those of a user; --all ends \
those of all users; --before alone ends all that were opened before a time. Those of administrators and of scripts \
end too.

Examples:
  knoxide session revoke 018cc251-f400-7000-8000-000000000000
  knoxide session revoke --user alice
  knoxide session revoke --user alice --device android
  knoxide session revoke --address 192.0.2.0/24 --since 2026-11-26 --dry-run
  knoxide session revoke --before 2026-11-26T12:00:00Z
  knoxide session revoke --all --yes")]
    #[command(group = ArgGroup::new("which").required(true).multiple(true).args([
        "id", "user", "all", "before", "address", "since", "unused_since", "dialect", "device", "name",
    ]))]
    Revoke {
        /// The session's id, as `session list` shows it
        #[arg(conflicts_with_all = [
            "user", "all", "before", "address", "since", "unused_since", "dialect", "device", "name", "dry_run",
        ])]
        id: Option<String>,
        /// Sessions of this user: the name, or id: and the number
        #[arg(long)]
        user: Option<String>,
        /// The sessions of all users
        #[arg(long, conflicts_with_all = [
            "user", "before", "address", "since", "unused_since", "dialect", "device", "name",
        ])]
        all: bool,
        /// Only sessions opened before this time
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        before: Option<Timestamp>,
        #[command(flatten)]
        filter: SessionConditions,
        /// Count the sessions and show some of them, but end none
        #[arg(long)]
        dry_run: bool,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

/// Conditions on sessions.
#[derive(Args)]
pub(in crate::cli) struct SessionConditions {
    /// Only sessions opened from this address or network, such as 192.0.2.7 or 192.0.2.0/24
    #[arg(long, value_name = "ADDRESS", value_parser = parse_network)]
    pub(in crate::cli) address: Option<IpNet>,
    /// Only sessions opened at this time or later, such as 2026-11-26 or 2026-11-26T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(in crate::cli) since: Option<Timestamp>,
    /// Only sessions that were last used before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(in crate::cli) unused_since: Option<Timestamp>,
    /// Only sessions of this dialect; or `admin` or `admin_script`, for those of administrators, or `admin_page` or
    /// `account_page`, for those of pages
    #[arg(long, value_name = "DIALECT", value_parser = parse_kind)]
    pub(in crate::cli) dialect: Option<SessionKind>,
    /// Only sessions of clients whose User-Agent contains this text; the case of A to Z does not matter
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(in crate::cli) device: Option<String>,
    /// Only sessions whose name contains this text; the case of A to Z does not matter
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(in crate::cli) name: Option<String>,
}

/// A time, or a session, before which the listed sessions were opened.
#[derive(Clone)]
pub(in crate::cli) enum Bound {
    /// A time.
    Time(Timestamp),
    /// The session with this id.
    Session(SessionId),
}

fn parse_bound(text: &str) -> Result<Bound, String> {
    match SessionId::parse(text) {
        Some(id) => Ok(Bound::Session(id)),
        None => parse_time(text).map(Bound::Time).map_err(|problem| format!("{problem}, nor the id of a session")),
    }
}

/// A time; or a date, which stands for its first moment in UTC.
fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
    time.ok_or_else(|| "it is neither a time such as 2026-11-26T12:00:00Z nor a date such as 2026-11-26".to_owned())
}

/// An address, which is a network of one, or a network.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<std::net::IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let network = address.or_else(|_| text.parse::<IpNet>().map(|network| network.trunc()));
    network.map_err(|_| "it is neither an address such as 192.0.2.7 nor a network such as 192.0.2.0/24".to_owned())
}

fn parse_kind(text: &str) -> Result<SessionKind, String> {
    let names = || Dialect::ALL.map(Dialect::as_str).join(", ");
    SessionKind::from_name(text)
        .ok_or_else(|| format!("it is none of {}, admin, admin_script, admin_page, account_page", names()))
}
