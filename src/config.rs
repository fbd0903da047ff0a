//! Settings: what an operator can configure, read from an environment that is passed in.
//!
//! This module and its children are the only place that reads environment variables, and
//! `table` is the only list of them. All mistakes are reported at once, each with its remedy, and
//! nothing starts before all are corrected.

mod admin;
mod browser;
mod dialects;
mod env_file;
mod form;
mod input;
mod render;
mod secret_file;
mod service_link;
mod setting;
mod socket_mode;
mod table;
#[cfg(test)]
mod tests;
mod weak_secret;

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use self::admin::AdminSettings;
pub use self::env_file::EnvFile;
pub use self::form::{parse_duration, parse_time_to_live, show_duration};
pub use self::input::{Input, Mistake, Mistakes};
pub use self::render::{env_example, markdown};
pub use self::secret_file::{read_secret_file, unwrapped};
pub use self::setting::{Fallback, Group, Setting};
pub use self::socket_mode::SocketMode;
pub use self::table::groups;
use crate::domain::jwt::{Algorithm, KeySecret};
use crate::domain::password::Hasher;
use crate::domain::policy::{Policy, ThrottlePolicy};
use crate::domain::user::Password;
use crate::http::HttpOptions;
use crate::http::address::Proxies;
use crate::service::AuthBuilder;
use crate::store::SweepPolicy;
use crate::store::diesel::DatabaseUrl;

/// The longest path that fits into a Unix socket's address, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// Everything an operator can configure. [`Default`] has the values of settings that are not given.
#[derive(Debug, Default)]
pub struct Settings {
    /// Where users, sessions and tokens are stored.
    pub database: DatabaseSettings,
    /// How requests are served.
    pub http: HttpSettings,
    /// Where administrators are served.
    pub admin: AdminSettings,
    /// Lifetimes of tokens, and retention of sessions.
    pub tokens: TokenSettings,
    /// How JWTs are signed.
    pub jwt: JwtSettings,
    /// How passwords are hashed.
    pub passwords: PasswordSettings,
    /// How many wrong passwords are accepted.
    pub throttle: ThrottlePolicy,
    /// How long audit events are kept.
    pub audit: AuditSettings,
    /// What is logged.
    pub log: LogSettings,
    /// The files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
}

/// Where users, sessions and tokens are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// The database's address.
    pub url: DatabaseUrl,
    /// Whether a missing SQLite file is created.
    pub create: bool,
}

/// How requests are served.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The addresses to listen on: at least one, without duplicates.
    pub listen: Vec<ListenAddress>,
    /// The file mode of Unix sockets.
    pub socket_mode: SocketMode,
    /// How requests are read and answered.
    pub options: HttpOptions,
    /// How many threads serve requests.
    pub workers: usize,
    /// The largest head of a request, in bytes.
    pub head_limit: usize,
    /// How long a connection may be unused between two requests.
    pub keep_alive: Duration,
    /// How long a client may leave a waiting reply unread. Not a setting: tests shorten it.
    pub write_timeout: Duration,
    /// How long a client may go on sending a body after its answer. Not a setting: tests shorten it.
    pub drain_timeout: Duration,
    /// How long a check may wait for the database.
    pub check_timeout: Duration,
    /// How many live tokens are cached; 0: none.
    pub cache_tokens: usize,
    /// How long the server still accepts requests after it is told to stop.
    pub shutdown_delay: Duration,
    /// How long open requests may go on after that.
    pub shutdown_timeout: Duration,
}

/// Lifetimes of tokens, and retention of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// Lifetimes and limits.
    pub policy: Policy,
    /// How long an ended session stays listed.
    pub session_retention: Duration,
    /// The interval between deletions of expired rows.
    pub sweep_interval: Duration,
}

/// How JWTs are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtSettings {
    /// The algorithm for access tokens; refresh tokens are always signed with HS256.
    pub algorithm: Algorithm,
    /// The secret of HS256; `None`: the one in the database.
    pub secret: Option<KeySecret>,
}

/// How passwords are hashed.
#[derive(Debug)]
pub struct PasswordSettings {
    /// The first staff user's password; `None`: a random one.
    pub admin: Option<Password>,
    /// The bcrypt cost of new hashes.
    pub bcrypt_cost: u32,
    /// How many threads compute hashes.
    pub threads: usize,
}

/// How long audit events are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// For how long; `None`: permanently.
    pub retention: Option<Duration>,
    /// How many at most; 0: any number.
    pub max_rows: u64,
    /// How long they keep addresses and devices; `None`: as long as the event.
    pub address_retention: Option<Duration>,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// A filter in the syntax of `env_logger`.
    pub filter: String,
    /// How lines are written.
    pub format: LogFormat,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port; port 0 is any free one.
    Tcp(SocketAddr),
    /// A Unix socket's absolute path.
    Unix(PathBuf),
}

/// As it is written in `KNOXIDE_LISTEN`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An error continues a sentence after "which".
impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.starts_with('/') && path.len() <= MAX_SOCKET_PATH && !path.contains('\0') {
                return Ok(Self::Unix(PathBuf::from(path)));
            }
            return Err(format!(
                "is not a socket: write unix: and an absolute path of at most {MAX_SOCKET_PATH} bytes"
            ));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            "is not an address: write ip:port, [ipv6]:port or unix:/path, such as 127.0.0.1:8080, 0.0.0.0:8080 (every IPv4 \
             address) or [::]:8080"
                .to_owned()
        })
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Plain,
    /// One JSON object a line.
    Json,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self { url: DatabaseUrl::Sqlite(PathBuf::from("knoxide.db")), create: true }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: vec![ListenAddress::Tcp((Ipv4Addr::LOCALHOST, 8080).into())],
            socket_mode: SocketMode(0o660),
            options: HttpOptions::default(),
            workers: processors(),
            head_limit: 32 * 1024,
            keep_alive: Duration::from_secs(75),
            write_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(1),
            check_timeout: AuthBuilder::CHECK_TIMEOUT,
            cache_tokens: AuthBuilder::CACHED_TOKENS,
            shutdown_delay: Duration::from_millis(500),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            session_retention: Duration::from_secs(30 * 86_400),
            sweep_interval: Duration::from_secs(600),
        }
    }
}

impl Default for JwtSettings {
    fn default() -> Self {
        Self { algorithm: Algorithm::Hs256, secret: None }
    }
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self { admin: None, bcrypt_cost: Hasher::DEFAULT_COST, threads: processors() }
    }
}

impl Default for AuditSettings {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            retention: Some(Duration::from_secs(90 * DAY)),
            max_rows: 10_000_000,
            address_retention: Some(Duration::from_secs(30 * DAY)),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Plain }
    }
}

impl Settings {
    /// Reads all settings from the input.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn read(mut input: Input) -> Result<Self, Mistakes> {
        let mut settings = Self::default();
        input.read_into(&mut settings);
        settings.fit_touch_interval(&mut input);
        dialects::check(&settings.tokens.policy.dialects, &mut input);
        settings.check_cookie(&mut input);
        admin::check_overlap(&settings, &mut input);
        browser::check(&settings, &mut input);
        input.finish()?;
        Ok(settings)
    }

    /// What a sweep deletes.
    pub fn sweep_policy(&self) -> SweepPolicy {
        SweepPolicy {
            session_retention: self.tokens.session_retention,
            network_retention: self.throttle.known_for,
            audit_retention: self.audit.retention,
            audit_max_rows: self.audit.max_rows,
            audit_address_retention: self.audit.address_retention,
            ..SweepPolicy::default()
        }
    }

    /// Reports a cookie that would never be accepted.
    fn check_cookie(&self, input: &mut Input) {
        let options = &self.http.options;
        if options.forward_auth.cookie.is_some() && options.proxies == Proxies::default() {
            let problem = "counts only for requests from a trusted proxy, and there is none: name the proxy in \
                           KNOXIDE_TRUSTED_PROXIES, or write none";
            input.report("KNOXIDE_FORWARD_AUTH_COOKIE", problem.to_owned());
        }
    }

    /// Lowers the default interval between writes of the time of last use to a tenth of the idle limit.
    fn fit_touch_interval(&mut self, input: &mut Input) {
        let policy = &mut self.tokens.policy;
        let Some(most) = policy.idle_limit.map(|limit| limit / 10).filter(|most| policy.touch_interval > *most) else {
            return;
        };
        if input.gives("KNOXIDE_TOUCH_INTERVAL") {
            let most = show_duration(most);
            let problem = format!("is more than a tenth of KNOXIDE_IDLE_LIMIT: write at most {most}, or remove it");
            input.report("KNOXIDE_TOUCH_INTERVAL", problem);
        } else {
            policy.touch_interval = most;
        }
    }
}

/// The environment of this process. Nothing else reads it.
pub fn process_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// How many processors this process may use, within the limits of its control group.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
