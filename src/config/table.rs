//! All settings, each declared once: its name, its field, the form of its values and its meaning. The
//! type and the default are those of the field.
//!
//! Parsing, `knoxide settings`, `.env.example` and `docs/configuration.md` all use this table.

use std::time::Duration;

use super::form::{
    self, MAX_DURATION, boolean, duration, jwt_secret, log_filter, number, one_of, optional, size, token_prefix,
};
use super::setting::{Group, Table};
use super::{ListenAddress, LogFormat, admin, browser, dialects};
use crate::domain::dialect::Dialect;
use crate::domain::jwt::Algorithm;
use crate::domain::password::Hasher;
use crate::domain::policy::ExemptNetworks;
use crate::http::Compat;
use crate::http::address::Proxies;
use crate::store::LimitPolicy;

/// Adds settings to a table. The comment above each is its meaning in the documents.
macro_rules! settings {
    ($table:ident; $($(#[doc = $meaning:literal])+ $name:ident = $($field:ident).+, $form:expr;)+) => {
        $($table.add(stringify!($name), $form, concat!($($meaning),+), |settings| Some(&mut settings.$($field).+));)+
    };
}

mod services;

const PROCESSORS: &str = "as many as there are processors";
const NETWORKS: &str = "comma list of networks such as 10.0.0.0/8, addresses, and `unix`";

/// All settings, in the order in which they are documented.
pub fn groups() -> Vec<Group> {
    let mut table = Table::default();
    database(&mut table);
    http(&mut table);
    connections(&mut table);
    services::forward_auth(&mut table);
    services::introspection(&mut table);
    browser::settings(&mut table);
    services::pages(&mut table);
    administration(&mut table);
    sessions(&mut table);
    refreshing(&mut table);
    jwts(&mut table);
    for dialect in Dialect::ALL {
        dialects::settings(&mut table, dialect);
    }
    passwords(&mut table);
    throttle(&mut table);
    audit(&mut table);
    log(&mut table);
    table.groups
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

fn database(table: &mut Table) {
    table.group("Database");
    settings! { table;
        /// The database. A path after `sqlite://` is relative to the working directory (`sqlite://knoxide.db`) or
        /// absolute (`sqlite:///var/lib/knoxide/knoxide.db`). In the user and the password of Postgres, write `%40` for
        /// `@`, `%2F` for `/`, `%3F` for `?`, `%25` for `%` and `%20` for a space.
        DATABASE_URL = database.url, form::database_url();

        /// Whether a new database is created: a missing SQLite file, and the tables where there are none. Use `false`
        /// in production, so that a wrong URL, an empty file or an unmounted disk is an error instead of an empty
        /// database with a new `admin`.
        KNOXIDE_CREATE = database.create, boolean();
    }
}

fn http(table: &mut Table) {
    let compat = [("documented", Compat::Documented), ("package", Compat::Package)];
    table.group("HTTP server");
    settings! { table;
        /// The addresses to listen on. `[::]:port` accepts IPv4 connections too, unless an IPv4 address with the same
        /// port is listed as well. `0.0.0.0:port` is every IPv4 address: another one with the same port is refused.
        KNOXIDE_LISTEN = http.listen, form::list(
            "comma list of ip:port, [ipv6]:port, unix:/path", str::parse, |a: &ListenAddress, b| a == b, ToString::to_string,
        );

        /// The file mode of Unix sockets in `KNOXIDE_LISTEN`. Accounts that may write to a socket can connect to it:
        /// with 660, the server's user and group.
        KNOXIDE_SOCKET_MODE = http.socket_mode, form::of("three octal digits, such as 660 or 666");

        /// Which replies are given where the documented contracts (docs/dialects) and the Django packages differ:
        /// `documented` follows the contracts (logging out answers 200, verifying with simplejwt `[]`, refusals of
        /// djoser are 400), `package` the packages (204, `{}`, 401).
        KNOXIDE_COMPAT = http.options.compat, one_of(compat);

        /// Whether the OpenAPI document is served at `/openapi.json`, with a page to read it at `/docs/`
        /// (docs/openapi.md).
        KNOXIDE_API_DOCS = http.options.api_docs, boolean();

        /// The proxies whose `X-Forwarded-For` is trusted; `unix` stands for all clients that connect through a Unix
        /// socket. Empty: no proxy is trusted, and a client's address is that of its connection.
        KNOXIDE_TRUSTED_PROXIES = http.options.proxies, form::of(NETWORKS);

        /// How many threads serve requests.
        KNOXIDE_WORKERS = http.workers, number(1..=256).computed(PROCESSORS);

        /// The longest request body that is read; the answer to a longer one is 413.
        KNOXIDE_BODY_LIMIT = http.options.body_limit, size(1024..=16 * 1024 * 1024);

        /// The largest head of a request, its first line and its headers; the answer to a larger one is 431.
        KNOXIDE_HEAD_LIMIT = http.head_limit, size(4 * 1024..=96 * 1024);
    }
}

/// Continues the group before it: how long a client or the server may take.
fn connections(table: &mut Table) {
    settings! { table;
        /// How long a client may take to send a request's head, and again its body; the answer to a slower one is 408.
        /// This applies to each request of a connection.
        KNOXIDE_READ_TIMEOUT = http.options.read_timeout, duration(ms(100)..=secs(600));

        /// How long a connection may stay idle between two requests before the server closes it. Behind a load
        /// balancer, set this higher than the balancer's own idle timeout; otherwise it may send requests over
        /// connections that are being closed. AWS network load balancers use 350s, Google's use 600s.
        KNOXIDE_KEEP_ALIVE = http.keep_alive, duration(secs(1)..=secs(3600));

        /// How long a check of a token may wait for the database; after that the answer is 503.
        KNOXIDE_CHECK_TIMEOUT = http.check_timeout, duration(ms(10)..=secs(60));

        /// How many live tokens are cached. A check of a cached token reads no row as long as nothing was revoked. A
        /// token takes about 200 bytes, or twice that if each belongs to a different user; on SQLite each worker has
        /// its own cache. With 0 every check reads a row. A revoked token is refused at once either way.
        KNOXIDE_CACHE_TOKENS = http.cache_tokens, number(0..=100_000_000);

        /// How long the server still accepts requests and connections after it is told to stop, while `/readyz` answers
        /// 503 and each reply closes its connection. Set this higher than your load balancer's health check interval
        /// times its failure threshold: until then it keeps sending clients here.
        KNOXIDE_SHUTDOWN_DELAY = http.shutdown_delay, duration(Duration::ZERO..=secs(600));

        /// How long open requests may take to finish once `KNOXIDE_SHUTDOWN_DELAY` is over.
        KNOXIDE_SHUTDOWN_TIMEOUT = http.shutdown_timeout, duration(Duration::ZERO..=secs(3600));
    }
}

fn administration(table: &mut Table) {
    table.group("Administration API");
    settings! { table;
        /// The address of the administration API (docs/admin-api.md), or `off`. Reach it through a tunnel such as `ssh
        /// -L 8081:127.0.0.1:8081`, or through a proxy with TLS. To serve it beside everything else, repeat an address
        /// of `KNOXIDE_LISTEN` here. An address that is merely covered by one of them, as `127.0.0.1:80` is by
        /// `[::]:80`, is refused.
        KNOXIDE_ADMIN_LISTEN = admin.listen, admin::listen();

        /// The hosts that requests to the administration API may name in `Host`, whatever the port; the answer to
        /// others is 421. This prevents web pages from reaching it under names of their own.
        KNOXIDE_ADMIN_HOSTS = admin.hosts, admin::hosts();
    }
}

fn sessions(table: &mut Table) {
    let limit_policies = [("reject", LimitPolicy::Reject), ("evict_oldest", LimitPolicy::EvictOldest)];
    table.group("Tokens and sessions");
    settings! { table;
        /// A session that is unused for longer than this ends.
        KNOXIDE_IDLE_LIMIT = tokens.policy.idle_limit, optional(duration(secs(10)..=MAX_DURATION));

        /// Whether `GET /auth/user/` counts as use of the session, against the idle limit. Use `true` if your services
        /// check tokens only there: otherwise a session that is in use ends as idle.
        KNOXIDE_USER_COUNTS_AS_USE = tokens.policy.user_counts_as_use, boolean();

        /// How often the time of last use is written to the database: at most a tenth of the idle limit, which is
        /// accurate to two of these intervals.
        KNOXIDE_TOUCH_INTERVAL = tokens.policy.touch_interval,
            duration(secs(1)..=secs(3600)).computed("60s, or a tenth of the idle limit if that is less");

        /// How many live sessions a user may have.
        KNOXIDE_TOKEN_LIMIT = tokens.policy.token_limit, optional(number(1..=1_000_000));

        /// What happens when a login exceeds the limit: it is refused, or it ends the user's oldest sessions.
        KNOXIDE_TOKEN_LIMIT_POLICY = tokens.policy.limit_policy, one_of(limit_policies);

        /// The prefix of every new opaque token, by which scanners find leaked ones. Older tokens stay good.
        KNOXIDE_TOKEN_PREFIX = tokens.policy.token_prefix, token_prefix();
    }
}

/// Continues the group before it: what refreshing returns, and how long rows are kept.
fn refreshing(table: &mut Table) {
    settings! { table;
        /// With rotation: how long a consumed token can still be exchanged for the same successor, so that a client
        /// that lost the reply, or sent two requests at once, is not logged out. After that, using it again ends the
        /// session.
        KNOXIDE_REFRESH_GRACE = tokens.policy.refresh_grace, duration(Duration::ZERO..=secs(3600));

        /// How many access tokens a session keeps when it is refreshed. Beyond that, expired ones are deleted first,
        /// then the oldest. Refresh tokens and consumed tokens are never deleted because of this limit.
        KNOXIDE_SESSION_ACCESS_TOKENS = tokens.policy.access_tokens, optional(number(1..=10_000));

        /// How many times a session may be refreshed in a burst. Beyond that the answer to a refresh is 429 with
        /// `Retry-After`, and the session stays live. Each node counts separately. With `none` there is no limit.
        KNOXIDE_REFRESH_BURST = tokens.policy.refresh_rate.burst, optional(number(1..=1_000_000));

        /// Once a session has used up `KNOXIDE_REFRESH_BURST`, it may be refreshed once per interval of this length.
        KNOXIDE_REFRESH_INTERVAL = tokens.policy.refresh_rate.interval, duration(ms(1)..=secs(3600));

        /// How long an ended session stays listed, with the reason why it ended. Its tokens are refused from the moment
        /// it ends, and deleted soon after.
        KNOXIDE_SESSION_RETENTION = tokens.session_retention, duration(Duration::ZERO..=MAX_DURATION);

        /// How often expired tokens, and ended sessions after their retention, are deleted from the database.
        KNOXIDE_SWEEP_INTERVAL = tokens.sweep_interval, duration(secs(10)..=days(7));
    }
}

fn jwts(table: &mut Table) {
    table.group("JWTs");
    settings! { table;
        /// The algorithm for access tokens. HS256: only a service that has the secret can verify them. EdDSA and RS256:
        /// every service can, with the keys at `/.well-known/jwks.json`. Refresh tokens are always signed with HS256.
        /// Keys are generated at the first start and stored in the database; `knoxide key` lists and changes them.
        KNOXIDE_JWT_ALGORITHM = jwt.algorithm, one_of(Algorithm::ALL.map(|one| (one.as_str(), one)));

        /// The secret of HS256: the UTF-8 bytes of this text, the same on every node; it is not stored. Texts that are
        /// easily guessed are refused: use the output of `openssl rand -base64 48`. Not given: 32 random bytes,
        /// generated at the first start and stored in the database. To change it, set another one and run `knoxide key
        /// rotate HS256`.
        KNOXIDE_JWT_SECRET = jwt.secret, jwt_secret();
    }
    table.group("Dialects");
    settings! { table;
        /// The enabled dialects. The paths of the others do not exist, and their tokens are refused everywhere.
        /// `/auth/user/`, `/auth/logout/` and `/auth/logoutall/` belong to knox and take access tokens of all of these.
        KNOXIDE_DIALECTS = http.options.dialects, form::dialects();
    }
}

fn passwords(table: &mut Table) {
    table.group("Passwords");
    settings! { table;
        /// The password of the administrator `admin`, which `knoxide serve` creates if there are no users. Not given: a
        /// random one, shown once on the terminal, or, without a terminal, written to a file that only the server's
        /// user can read. Changing this setting later changes no password; use `knoxide user passwd admin`.
        KNOXIDE_ADMIN_PASSWORD = passwords.admin, form::admin_password();

        /// Whether letter case in the domain of the e-mail address may differ at a login by e-mail. An exact match
        /// comes first. If there is none, the case of A to Z in the domain is ignored, provided that exactly one user
        /// matches.
        KNOXIDE_EMAIL_DOMAIN_ANY_CASE = tokens.policy.email_domain_any_case, boolean();

        /// The cost of new password hashes: each step doubles the time that a guess takes. Older hashes are replaced
        /// when their users log in.
        KNOXIDE_BCRYPT_COST = passwords.bcrypt_cost, number(Hasher::LEAST_COST..=Hasher::MOST_COST);

        /// How many threads hash passwords, at low priority. While checks leave them no processor time, another thread
        /// helps at ordinary priority, and takes at most a fifth of one core.
        KNOXIDE_PASSWORD_THREADS = passwords.threads, number(1..=256).computed(PROCESSORS);
    }
}

fn throttle(table: &mut Table) {
    let burst = || number(1..=1_000_000);
    let interval = || duration(ms(100)..=days(1));
    let exempt = form::of(NETWORKS).map(
        |Proxies { networks, unix }| ExemptNetworks { networks, unix },
        |exempt: &ExemptNetworks| Proxies { networks: exempt.networks.clone(), unix: exempt.unix },
    );
    table.group("Login throttling");
    settings! { table;
        /// Whether wrong passwords are counted, and logins refused with 429 after too many (docs/throttling.md).
        /// With `false`, only the time that a hash takes limits guessing.
        KNOXIDE_THROTTLE = throttle.enabled, boolean();

        /// How many wrong passwords for one account are accepted in a burst from one address (IPv6: one /64 network).
        KNOXIDE_THROTTLE_PAIR_BURST = throttle.pair.burst, burst();

        /// After that, one more is accepted from there per interval of this length.
        KNOXIDE_THROTTLE_PAIR_INTERVAL = throttle.pair.interval, interval();

        /// How many wrong passwords for one account are accepted in a burst from all unknown addresses together: those
        /// from which it has not logged in lately.
        KNOXIDE_THROTTLE_ACCOUNT_BURST = throttle.account.burst, burst();

        /// After that, one more is accepted from all of them together per interval of this length.
        KNOXIDE_THROTTLE_ACCOUNT_INTERVAL = throttle.account.interval, interval();

        /// How many wrong passwords for all accounts together are accepted in a burst from one address.
        KNOXIDE_THROTTLE_ADDRESS_BURST = throttle.address.burst, burst();

        /// After that, one more is accepted from there per interval of this length.
        KNOXIDE_THROTTLE_ADDRESS_INTERVAL = throttle.address.interval, interval();

        /// How long an address stays known to an account after a login from it. Wrong passwords from other addresses do
        /// not count against logins from a known one.
        KNOXIDE_THROTTLE_KNOWN_FOR = throttle.known_for, duration(secs(3600)..=days(3650));

        /// Networks for which wrong passwords for all accounts together are not counted, such as that of a backend that
        /// posts its users' logins. Wrong passwords for one account are counted as everywhere else. `unix` stands for
        /// all clients that connect through a Unix socket.
        KNOXIDE_THROTTLE_EXEMPT = throttle.exempt, exempt;
    }
}

fn audit(table: &mut Table) {
    table.group("Audit");
    settings! { table;
        /// How long audit events are kept (docs/audit.md).
        KNOXIDE_AUDIT_RETENTION = audit.retention, optional(duration(days(1)..=MAX_DURATION));

        /// How many audit events are kept. Beyond that, the oldest are deleted: those of logins and logouts first, and
        /// of the others all but a tenth of this number. 0: any number.
        KNOXIDE_AUDIT_MAX_ROWS = audit.max_rows, number(0..=1_000_000_000_000);

        /// How long audit events keep addresses, devices and, in the filter of a mass end, a session's name.
        KNOXIDE_AUDIT_ADDRESS_RETENTION = audit.address_retention, optional(duration(days(1)..=MAX_DURATION));
    }
}

fn log(table: &mut Table) {
    table.group("Log");
    settings! { table;
        /// What is logged. `knoxide=debug` also shows each successful check. Libraries are never logged below `info`,
        /// because there they repeat what clients sent.
        KNOXIDE_LOG = log.filter, log_filter();

        /// The form of log lines: plain text, or one JSON object per line.
        KNOXIDE_LOG_FORMAT = log.format, one_of([("plain", LogFormat::Plain), ("json", LogFormat::Json)]);
    }
}
