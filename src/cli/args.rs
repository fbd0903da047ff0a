//! The arguments of the command line; other modules give them their meaning. They include URLs and hashes, so
//! none of these types implements `Debug`.

#![expect(clippy::doc_markdown, reason = "these comments are the program's help, where backticks would show")]

mod audit;
mod client;
mod explain;
mod key;

use std::path::PathBuf;

pub(super) use self::audit::{Audit, EventConditions};
pub(super) use self::client::{Client, Limit};
pub(super) use self::explain::Explain;
pub(super) use self::key::Key;
use clap::{Args, Parser, Subcommand, ValueEnum};

mod password;
mod session;

pub(super) use password::{NewPassword, ResetPassword};
pub(super) use session::{Bound, Session, SessionConditions};

/// The end of the program's help.
const EXAMPLES: &str = "\
First steps:
  knoxide                                    serve on 127.0.0.1:8080, with ./knoxide.db
  knoxide user add alice --email a@x.org     add a user; the password is asked for
  knoxide token create alice --name backup   a token for a script, shown once
  knoxide doctor                             look for problems

Settings are environment variables, or lines of a file .env; `knoxide settings` lists them.

Exit codes:
  0  done
  1  failed, or `doctor` found a problem
  2  wrong arguments, or wrong settings
  3  no such user, session, client or file
  4  refused: a name that is taken, a weak password, a conflict with existing data
  5  the database is not available";

/// A token server: log in, check, log out.
#[derive(Parser)]
#[command(name = "knoxide", version, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Read settings from this file instead of ./.env
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,
    /// The database, instead of DATABASE_URL. Other users of this machine can see arguments: put a URL with a password
    /// into the file that DATABASE_URL_FILE names
    #[arg(long, global = true, value_name = "URL")]
    pub(super) database_url: Option<String>,
    /// What to log, instead of KNOXIDE_LOG
    #[arg(long, global = true, value_name = "FILTER")]
    pub(super) log: Option<String>,
}

/// The commands.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Serve requests until SIGTERM or SIGINT (the default)
    Serve(Serve),
    /// Bring the database's tables up to date, or revert one step
    #[command(after_help = "\
`serve` brings the tables up to date by itself. `migrate status` fails with code 1 while anything is pending, so that \
it can guard a roll-out.

Examples:
  knoxide migrate             bring everything up to date
  knoxide migrate status      show what has been done and what is pending")]
    Migrate {
        #[command(subcommand)]
        direction: Option<Migrate>,
    },
    /// Add, list and change users
    #[command(subcommand_required = true, arg_required_else_help = true)]
    User {
        #[command(subcommand)]
        action: User,
    },
    /// List and end sessions
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Session {
        #[command(subcommand)]
        action: Session,
    },
    /// Make tokens for scripts and services
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Token {
        #[command(subcommand)]
        action: Token,
    },
    /// Register, list, change and delete services that ask about tokens
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Client {
        #[command(subcommand)]
        action: Client,
    },
    /// List and change the keys that sign JWTs
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Key {
        #[command(subcommand)]
        action: Key,
    },
    /// List, export and follow audit events: who did what, when and from where
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Audit {
        #[command(subcommand)]
        action: Audit,
    },
    /// Delete expired tokens and old ended sessions now
    #[command(after_help = "\
A running server does this by itself every KNOXIDE_SWEEP_INTERVAL. Checks and logins continue meanwhile. Age is \
measured from the time of the previous sweep, so that a clock that happens to be wrong now deletes nothing.")]
    Sweep {
        /// Trust this machine's clock, even if the last sweep was more than a day ago
        #[arg(long)]
        trust_clock: bool,
    },
    /// Look for problems with settings, database and files, and say how to fix them
    #[command(after_help = "\
Fails with code 1 if anything is wrong. Run it after an installation, an upgrade or a restored backup.")]
    Doctor,
    /// Import users and tokens from a Django server
    #[command(after_help = "\
All or nothing: if anything conflicts with existing rows, all conflicts are listed and nothing is changed (code 4). \
Ids, password hashes and tokens are kept, so that no user has to log in again. The first start of a server creates the \
administrator `admin` with number 1: if the file has such a user too, import before the first start, or run \
`knoxide user delete admin --force` before the import. If no user in the file is a superuser, make an administrator \
with `knoxide user set-admin`.

The file is one JSON object: {\"format\": 1, \"users\": [{\"id\": 1, \"username\": \"alice\", …}], \"knox_tokens\": […]}. \
docs/contract.md#the-import-file describes all keys, and contrib/django/export.py writes such a file.

Examples:
  knoxide import users.json
  ssh old-server cat users.json | knoxide import -")]
    Import {
        /// The JSON file with users and token digests, or - for standard input
        file: PathBuf,
    },
    /// Say what became of a token or a session: when it ended, why, by whom and from where
    #[command(override_usage = explain::USAGE, after_help = explain::HELP)]
    Explain(Explain),
    /// List all settings, as a .env file
    #[command(after_help = "\
Example:
  knoxide settings > .env      begin with every default, commented out")]
    Settings,
}

/// The arguments after `serve`.
#[derive(Default, Args)]
pub(super) struct Serve {
    /// Addresses to listen on, instead of KNOXIDE_LISTEN: ip:port, [ipv6]:port or unix:/path, with
    /// commas between
    #[arg(long, value_name = "ADDRESSES")]
    pub(super) listen: Option<String>,
}

/// Directions of migration.
#[derive(Clone, Copy, Subcommand)]
pub(super) enum Migrate {
    /// Bring the tables up to date (the default)
    Up,
    /// Revert the latest step, and delete all data in the tables and columns that it added
    Down {
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Show what has been done and what is pending
    Status,
}

/// A user on the command line.
#[derive(Args)]
pub(super) struct UserName {
    /// The user's name, exactly as it is stored; or id: and the user's number
    #[arg(value_name = "USER")]
    pub(super) user: String,
}

/// Help for changes that an external user system overwrites.
const FROM_PROVIDER: &str = "\
Change users of an external user system there: at their next login, its data overwrites the change.";

/// Help for the staff flag.
const STAFF: &str = "\
Applications see this flag, and forward authentication can require it (docs/forward-auth.md); it gives no rights here. \
`set-admin` makes administrators. Change users of an external user system there.";

/// An answer on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum YesOrNo {
    /// Yes
    Yes,
    /// No
    No,
}

/// Actions on users.
#[derive(Subcommand)]
pub(super) enum User {
    /// Add a user
    #[command(after_help = "\
Without an option, the password is asked for twice. It is never an argument, since other users of this machine can see \
those. It must have at least 8 characters and no white space at its ends, and must not be a common password or like \
the name of its user.

Examples:
  knoxide user add alice --email alice@example.org
  knoxide user add root --staff --password-file /run/secrets/root
  pass show robot | knoxide user add robot --password-stdin
  knoxide user add service --password-hash '!'      no password: only tokens made by `token create`")]
    Add {
        /// The name: up to 150 characters, stored in Unicode's form NFKC and compared exactly; a name that looks like
        /// that of another user is refused
        name: String,
        /// The e-mail address
        #[arg(long, default_value = "", hide_default_value = true)]
        email: String,
        /// Accept an e-mail address that another user has; neither of them can then log in with it
        #[arg(long)]
        shared_email: bool,
        /// Make the user a staff user
        #[arg(long)]
        staff: bool,
        /// Make the user an administrator, who may administer others
        #[arg(long)]
        admin: bool,
        /// Do not let the user log in yet
        #[arg(long)]
        inactive: bool,
        #[command(flatten)]
        password: NewPassword,
    },
    /// List users
    List {
        /// Only users whose name or e-mail address contains this text, or text that looks like it
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only users whose name begins with this text, or text that looks like it; this search uses an index
        #[arg(long, value_name = "TEXT")]
        begins: Option<String>,
        /// Only users with this e-mail address; the case of A to Z does not matter
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// Only users who may log in, or only others
        #[arg(long, value_name = "YES|NO")]
        active: Option<YesOrNo>,
        /// Only staff users, or only others
        #[arg(long, value_name = "YES|NO")]
        staff: Option<YesOrNo>,
        /// Only administrators, or only others
        #[arg(long, value_name = "YES|NO")]
        admin: Option<YesOrNo>,
        /// The maximum number of users
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Only users after this number, for the next page
        #[arg(long, value_name = "NUMBER")]
        after: Option<i64>,
    },
    /// Show a user with the live sessions
    Show(UserName),
    /// Set a user's password, which ends all of the user's sessions
    Passwd {
        #[command(flatten)]
        user: UserName,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Replace a forgotten password with a one-time password, shown once; all of the user's sessions end
    ResetPassword(ResetPassword),
    /// Rename a user; no session ends
    #[command(after_help = FROM_PROVIDER)]
    Rename {
        #[command(flatten)]
        user: UserName,
        /// The new name: up to 150 characters, compared exactly; a name that looks like that of another user is refused
        #[arg(value_name = "NEW_NAME")]
        name: String,
    },
    /// Change a user's e-mail address; no session ends
    #[command(after_help = FROM_PROVIDER)]
    SetEmail {
        #[command(flatten)]
        user: UserName,
        /// The new e-mail address; an empty one, '', removes it
        email: String,
        /// Accept an e-mail address that another user has; neither of them can then log in with it
        #[arg(long)]
        shared_email: bool,
    },
    /// Set or clear a user's staff flag; no session ends
    #[command(after_help = STAFF)]
    SetStaff {
        #[command(flatten)]
        user: UserName,
        /// Whether the user is a staff user
        staff: YesOrNo,
    },
    /// Make a user an administrator, or take that away, which ends the user's sessions for administration
    SetAdmin {
        #[command(flatten)]
        user: UserName,
        /// Whether the user may administer others
        admin: YesOrNo,
        /// Do so even if no active administrator with a password is left
        #[arg(long)]
        force: bool,
    },
    /// Let a user log in again; old tokens stay revoked
    Activate(UserName),
    /// Lock a user out at once: all logins and all tokens are refused
    Deactivate {
        #[command(flatten)]
        user: UserName,
        /// Do so even if no active administrator with a password is left
        #[arg(long)]
        force: bool,
    },
    /// Delete a user and all of the user's sessions
    Delete {
        #[command(flatten)]
        user: UserName,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        /// Do so even if no active administrator with a password is left
        #[arg(long)]
        force: bool,
    },
}

/// Actions on tokens.
#[derive(Subcommand)]
pub(super) enum Token {
    /// Make a token, and show it once
    #[command(after_help = "\
Limits on the number of sessions do not apply.

Examples:
  knoxide token create alice --name backup --ttl 90d
  TOKEN=$(knoxide --json token create robot --name ci | jq -r .token)")]
    Create {
        #[command(flatten)]
        user: UserName,
        /// A name that identifies the token, at most 150 characters
        #[arg(long)]
        name: String,
        /// Its lifetime, such as 12h or 90d, or none; instead of KNOXIDE_KNOX_TTL
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
        /// Make a token for the administration API and for asking about tokens (docs/introspection.md), good only there.
        /// It must expire, and its user must be an administrator
        #[arg(long)]
        admin: bool,
    },
}
