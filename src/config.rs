//! Settings: what an operator may choose, read from an environment that is passed in.
//!
//! This module and its children are the only place that reads environment variables, and
//! [`table`] is the only list of them. Whatever is wrong is reported at once, each mistake with
//! its cure, and nothing starts before all are mended.

mod database_url;
mod dialects;
mod input;
mod parse;
mod render;
pub mod table;
#[cfg(test)]
mod tests;
mod throttle;
mod weak_secret;

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use self::database_url::DatabaseUrl;
pub use self::input::{EnvFile, Input, Mistake, Mistakes, read_secret_file};
pub use self::parse::{duration as parse_duration, show_duration, time_to_live as parse_time_to_live};
pub use self::render::{env_example, markdown};
use crate::dialect::{Mount, PerDialect};
use crate::jwt::{Algorithm, KeySecret};
use crate::password_rules::{Owner, judge_new_password};
use crate::policy::{DialectPolicy, Policy, RefreshRate, ThrottlePolicy};
use crate::store::LimitPolicy;
use crate::user::{ADMIN, Password};

/// Everything an operator may choose. [`Default`] is what holds when nothing is given.
#[derive(Debug, Default)]
pub struct Settings {
    /// Where users, sessions and tokens are kept.
    pub database: DatabaseSettings,
    /// How requests are served.
    pub http: HttpSettings,
    /// How long tokens live, and what they look like.
    pub tokens: TokenSettings,
    /// How JWTs are signed.
    pub jwt: JwtSettings,
    /// How passwords are hashed.
    pub passwords: PasswordSettings,
    /// How many wrong passwords are taken.
    pub throttle: ThrottlePolicy,
    /// What is logged.
    pub log: LogSettings,
}

/// Where users, sessions and tokens are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// The database's address.
    pub url: DatabaseUrl,
    /// Whether a missing SQLite file is made.
    pub create: bool,
}

/// How requests are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// The addresses to listen on; at least one, none twice.
    pub listen: Vec<ListenAddress>,
    /// The mode of Unix sockets, as of files.
    pub socket_mode: u32,
    /// Where each dialect is, and how its tokens are announced.
    pub dialects: PerDialect<Mount>,
    /// Which replies are given where the written contract and the package differ.
    pub contract: ContractMode,
    /// Whose word about a client's address counts.
    pub trusted_proxies: TrustedProxies,
    /// How many threads serve requests.
    pub workers: usize,
    /// The longest request body, in bytes.
    pub body_limit: usize,
    /// The largest head of a request, in bytes.
    pub head_limit: usize,
    /// How long a client may take to send a request's head, and again its body.
    pub read_timeout: Duration,
    /// How long a connection may be unused between two requests.
    pub keep_alive: Duration,
    /// How long a client may take nothing of what waits to be written. No setting: tests shorten it.
    pub write_timeout: Duration,
    /// How long a client may go on sending a body that was answered already. No setting: tests shorten it.
    pub drain_timeout: Duration,
    /// How long a check may wait for the database.
    pub check_timeout: Duration,
    /// How many live tokens are remembered; 0: none.
    pub cache_tokens: usize,
    /// How long the server takes requests after the order to stop.
    pub shutdown_delay: Duration,
    /// How long open requests may go on after that.
    pub shutdown_timeout: Duration,
}

/// How long tokens live, and what they look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// What tokens of each dialect are, and how long they live.
    pub dialects: PerDialect<DialectPolicy>,
    /// For how long a consumed token still gets the same successor.
    pub refresh_grace: Duration,
    /// How many access tokens a session keeps; `None`: any number.
    pub access_tokens: Option<u32>,
    /// How many times a session may be refreshed at once; `None`: there is no limit.
    pub refresh_burst: Option<u32>,
    /// How long it takes until once more is allowed.
    pub refresh_interval: Duration,
    /// A session unused for longer than this is over; `None`: never for that reason.
    pub idle_limit: Option<Duration>,
    /// Whether asking who one is counts as use of the session.
    pub user_counts_as_use: bool,
    /// How often the time of last use is written; at most a tenth of the idle limit.
    pub touch_interval: Duration,
    /// How many live sessions a user may have, at least 1; `None`: any number.
    pub limit: Option<u32>,
    /// What gives way at the limit.
    pub limit_policy: LimitPolicy,
    /// What every new opaque token begins with: at most 10 printable ASCII characters.
    pub prefix: String,
    /// How long an ended session stays listed.
    pub session_retention: Duration,
    /// How often what is over is deleted.
    pub sweep_interval: Duration,
}

/// How JWTs are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtSettings {
    /// What access tokens are signed with; refresh tokens are always signed with HS256.
    pub algorithm: Algorithm,
    /// The secret of HS256; `None`: the one in the database.
    pub secret: Option<KeySecret>,
}

/// How passwords are hashed.
#[derive(Debug)]
pub struct PasswordSettings {
    /// The first staff user's password; `None`: a random one.
    pub admin: Option<Password>,
    /// The bcrypt cost of new hashes, 10 to 16.
    pub bcrypt_cost: u32,
    /// How many threads hash.
    pub threads: usize,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// A filter that `env_logger` understands.
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

/// Which replies are given where the written contract and the Django package differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractMode {
    /// As the contract is written: logging out answers 200.
    Seed,
    /// As the package does: logging out answers 204.
    Package,
}

/// Whose word about a client's address counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Connections from here may say whom they speak for.
    pub networks: Vec<IpNet>,
    /// So may connections through a Unix socket.
    pub unix: bool,
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
        Self { url: DatabaseUrl::default(), create: true }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: vec![ListenAddress::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080))],
            socket_mode: 0o660,
            dialects: PerDialect::from_fn(Mount::default_of),
            contract: ContractMode::Seed,
            trusted_proxies: TrustedProxies::default(),
            workers: processors(),
            body_limit: 16 * 1024,
            head_limit: 32 * 1024,
            read_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            write_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(1),
            check_timeout: Duration::from_secs(1),
            cache_tokens: 1_000_000,
            shutdown_delay: Duration::from_millis(500),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for TokenSettings {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            dialects: policy.dialects,
            refresh_grace: policy.refresh_grace,
            access_tokens: policy.access_tokens,
            refresh_burst: Some(RefreshRate::default().burst),
            refresh_interval: RefreshRate::default().interval,
            idle_limit: policy.idle_limit,
            user_counts_as_use: policy.user_counts_as_use,
            touch_interval: policy.touch_interval,
            limit: policy.token_limit,
            limit_policy: policy.limit_policy,
            prefix: policy.token_prefix,
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
        Self { admin: None, bcrypt_cost: 12, threads: processors() }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Plain }
    }
}

impl TokenSettings {
    /// Lifetimes and limits as the service wants them.
    pub fn policy(&self) -> Policy {
        Policy {
            dialects: self.dialects.clone(),
            idle_limit: self.idle_limit,
            user_counts_as_use: self.user_counts_as_use,
            touch_interval: self.touch_interval,
            token_limit: self.limit,
            limit_policy: self.limit_policy,
            token_prefix: self.prefix.clone(),
            refresh_grace: self.refresh_grace,
            access_tokens: self.access_tokens,
            refresh_rate: self.refresh_burst.map(|burst| RefreshRate { burst, interval: self.refresh_interval }),
        }
    }
}

impl Settings {
    /// Reads all settings from what was given.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn read(mut input: Input) -> Result<Self, Mistakes> {
        let mut settings = Self::default();
        settings.read_database_and_log(&mut input);
        settings.read_http(&mut input);
        settings.read_tokens(&mut input);
        settings.read_dialects(&mut input);
        settings.read_passwords(&mut input);
        throttle::read(&mut settings.throttle, &mut input);
        input.finish()?;
        Ok(settings)
    }

    fn read_database_and_log(&mut self, input: &mut Input) {
        input.set(&table::DATABASE_URL, &mut self.database.url, DatabaseUrl::parse);
        input.set(&table::CREATE, &mut self.database.create, parse::boolean);
        input.set(&table::LOG, &mut self.log.filter, parse::log_filter);
        input.set(&table::LOG_FORMAT, &mut self.log.format, parse::log_format);
    }

    fn read_http(&mut self, input: &mut Input) {
        let http = &mut self.http;
        input.set(&table::LISTEN, &mut http.listen, parse::listen);
        input.set(&table::connections::SOCKET_MODE, &mut http.socket_mode, parse::socket_mode);
        input.set(&table::CONTRACT, &mut http.contract, parse::contract);
        input.set(&table::TRUSTED_PROXIES, &mut http.trusted_proxies, parse::trusted_proxies);
        input.set(&table::WORKERS, &mut http.workers, |text| parse::number(text, 1..=256));
        input.set(&table::BODY_LIMIT, &mut http.body_limit, parse::body_limit);
        input.set(&table::connections::HEAD_LIMIT, &mut http.head_limit, parse::head_limit);
        let within = |least, most| move |text: &str| parse::duration_in(text, least..=most);
        let (ms, secs) = (Duration::from_millis, Duration::from_secs);
        input.set(&table::READ_TIMEOUT, &mut http.read_timeout, within(ms(100), secs(600)));
        input.set(&table::connections::KEEP_ALIVE, &mut http.keep_alive, within(secs(1), secs(3600)));
        input.set(&table::CHECK_TIMEOUT, &mut http.check_timeout, within(ms(10), secs(60)));
        input.set(&table::CACHE_TOKENS, &mut http.cache_tokens, |text| parse::number(text, 0..=100_000_000));
        input.set(&table::connections::SHUTDOWN_DELAY, &mut http.shutdown_delay, within(Duration::ZERO, secs(600)));
        input.set(&table::SHUTDOWN_TIMEOUT, &mut http.shutdown_timeout, within(Duration::ZERO, secs(3600)));
    }

    fn read_tokens(&mut self, input: &mut Input) {
        let tokens = &mut self.tokens;
        let secs = Duration::from_secs;
        input.set(&table::IDLE_LIMIT, &mut tokens.idle_limit, |text| {
            parse::optional(text, |text| parse::duration_in(text, secs(10)..=secs(36_500 * 86_400)))
        });
        if let Some(limit) = tokens.idle_limit {
            tokens.touch_interval = tokens.touch_interval.min(limit / 10);
        }
        input.set(&table::USER_COUNTS_AS_USE, &mut tokens.user_counts_as_use, parse::boolean);
        input.set(&table::TOUCH_INTERVAL, &mut tokens.touch_interval, |text| {
            parse::duration_in(text, secs(1)..=secs(3600))
        });
        if let Some(limit) = tokens.idle_limit.filter(|limit| tokens.touch_interval > *limit / 10) {
            let most = show_duration(limit / 10);
            let problem = format!("is more than a tenth of KNOXIDE_IDLE_LIMIT: write at most {most}, or take it out");
            input.complain(table::TOUCH_INTERVAL.name, problem);
        }
        input.set(&table::TOKEN_LIMIT, &mut tokens.limit, |text| {
            parse::optional(text, |text| parse::number(text, 1..=1_000_000))
        });
        input.set(&table::TOKEN_LIMIT_POLICY, &mut tokens.limit_policy, parse::limit_policy);
        input.set(&table::TOKEN_PREFIX, &mut tokens.prefix, parse::token_prefix);
        input.set(&table::REFRESH_GRACE, &mut tokens.refresh_grace, |text| {
            parse::duration_in(text, Duration::ZERO..=secs(3600))
        });
        input.set(&table::sessions::SESSION_ACCESS_TOKENS, &mut tokens.access_tokens, |text| {
            parse::optional(text, |text| parse::number(text, 1..=10_000))
        });
        input.set(&table::sessions::REFRESH_BURST, &mut tokens.refresh_burst, |text| {
            parse::optional(text, |text| parse::number(text, 1..=1_000_000))
        });
        input.set(&table::sessions::REFRESH_INTERVAL, &mut tokens.refresh_interval, |text| {
            parse::duration_in(text, Duration::from_millis(1)..=secs(3600))
        });
        input.set(&table::SESSION_RETENTION, &mut tokens.session_retention, parse::duration);
        input.set(&table::SWEEP_INTERVAL, &mut tokens.sweep_interval, |text| {
            parse::duration_in(text, secs(10)..=secs(7 * 86_400))
        });
    }

    fn read_passwords(&mut self, input: &mut Input) {
        let passwords = &mut self.passwords;
        input.set(&table::ADMIN_PASSWORD, &mut passwords.admin, |text| {
            let password = Password::new(text.to_owned());
            let owner = Owner { username: ADMIN, email: "" };
            judge_new_password(&password, &owner)
                .map_err(|weak| format!("is refused, since {weak}: choose another one"))?;
            Ok(Some(password))
        });
        input.set(&table::BCRYPT_COST, &mut passwords.bcrypt_cost, |text| parse::number(text, 10..=16));
        input.set(&table::PASSWORD_THREADS, &mut passwords.threads, |text| parse::number(text, 1..=256));
    }
}

/// The environment of this process. Nothing else reads it.
pub fn process_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// As many processors as this process may use, limits of its control group included.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
