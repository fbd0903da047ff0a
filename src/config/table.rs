//! The one table of settings: parsing, `knoxide settings`, `.env.example` and
//! `docs/configuration.md` all take names, defaults and meanings from here.

pub mod connections;
pub mod dialects;
pub mod sessions;
pub mod throttle;

/// A setting, as it is documented and looked up.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What holds when it is not given.
    pub fallback: Fallback,
    /// What a value looks like, for people.
    pub form: &'static str,
    /// What it does, in sentences.
    pub meaning: &'static str,
    /// Whether its value must never be shown, and can come from a file named by `…_FILE`.
    pub secret: bool,
}

impl Setting {
    /// The variable that names the file a secret stands in.
    pub fn file_name(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.name))
    }
}

/// What holds when a setting is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// As if this text had been given.
    Value(&'static str),
    /// Worked out at the start, as these words say.
    Computed(&'static str),
    /// Nothing.
    Unset,
}

/// Settings that are documented together.
#[derive(Debug)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The settings under it.
    pub settings: &'static [&'static Setting],
}

/// All settings, in the order in which they are documented.
pub const GROUPS: &[Group] = &[
    Group { title: "Database", settings: &[&DATABASE_URL, &CREATE] },
    Group {
        title: "HTTP server",
        settings: &[
            &LISTEN,
            &connections::SOCKET_MODE,
            &CONTRACT,
            &TRUSTED_PROXIES,
            &WORKERS,
            &BODY_LIMIT,
            &connections::HEAD_LIMIT,
            &READ_TIMEOUT,
            &connections::KEEP_ALIVE,
            &CHECK_TIMEOUT,
            &CACHE_TOKENS,
            &connections::SHUTDOWN_DELAY,
            &SHUTDOWN_TIMEOUT,
        ],
    },
    Group {
        title: "Tokens and sessions",
        settings: &[
            &IDLE_LIMIT,
            &USER_COUNTS_AS_USE,
            &TOUCH_INTERVAL,
            &TOKEN_LIMIT,
            &TOKEN_LIMIT_POLICY,
            &TOKEN_PREFIX,
            &REFRESH_GRACE,
            &sessions::SESSION_ACCESS_TOKENS,
            &sessions::REFRESH_BURST,
            &sessions::REFRESH_INTERVAL,
            &SESSION_RETENTION,
            &SWEEP_INTERVAL,
        ],
    },
    Group { title: "JWTs", settings: &[&JWT_ALGORITHM, &JWT_SECRET] },
    Group { title: "Dialects", settings: &[&DIALECTS] },
    Group {
        title: "Dialect knox",
        settings: &[
            &dialects::COMMON.knox.prefix,
            &dialects::COMMON.knox.keywords,
            &dialects::COMMON.knox.form,
            &dialects::COMMON.knox.ttl,
        ],
    },
    Group {
        title: "Dialect drf_jwt",
        settings: &[
            &dialects::COMMON.drf_jwt.prefix,
            &dialects::COMMON.drf_jwt.keywords,
            &dialects::COMMON.drf_jwt.form,
            &dialects::COMMON.drf_jwt.ttl,
            &dialects::DRF_JWT.window,
            &dialects::DRF_JWT.rotate,
        ],
    },
    Group {
        title: "Dialect simplejwt",
        settings: &[
            &dialects::COMMON.simplejwt.prefix,
            &dialects::COMMON.simplejwt.keywords,
            &dialects::COMMON.simplejwt.form,
            &dialects::COMMON.simplejwt.ttl,
            &dialects::SIMPLEJWT_REFRESH_TTL,
            &dialects::SIMPLEJWT.window,
            &dialects::SIMPLEJWT.rotate,
        ],
    },
    Group {
        title: "Dialect access_token",
        settings: &[
            &dialects::COMMON.access_token.prefix,
            &dialects::COMMON.access_token.keywords,
            &dialects::COMMON.access_token.form,
            &dialects::COMMON.access_token.ttl,
            &dialects::ACCESS_TOKEN.window,
            &dialects::ACCESS_TOKEN.rotate,
        ],
    },
    Group {
        title: "Dialect djoser",
        settings: &[
            &dialects::COMMON.djoser.prefix,
            &dialects::COMMON.djoser.keywords,
            &dialects::COMMON.djoser.form,
            &dialects::COMMON.djoser.ttl,
            &dialects::DJOSER_REFRESH_TTL,
            &dialects::DJOSER.window,
            &dialects::DJOSER.rotate,
        ],
    },
    Group { title: "Passwords", settings: &[&ADMIN_PASSWORD, &BCRYPT_COST, &PASSWORD_THREADS] },
    Group {
        title: "Login throttling",
        settings: &[
            &throttle::THROTTLE,
            &throttle::PAIR[0],
            &throttle::PAIR[1],
            &throttle::ACCOUNT[0],
            &throttle::ACCOUNT[1],
            &throttle::ADDRESS[0],
            &throttle::ADDRESS[1],
            &throttle::KNOWN_FOR,
            &throttle::EXEMPT,
        ],
    },
    Group { title: "Log", settings: &[&LOG, &LOG_FORMAT] },
];

/// All settings.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings.iter().copied())
}

/// Most settings: no secret, and a text to fall back to.
const fn plain(name: &'static str, fallback: &'static str, form: &'static str, meaning: &'static str) -> Setting {
    Setting { name, fallback: Fallback::Value(fallback), form, meaning, secret: false }
}

/// Where the database is.
pub static DATABASE_URL: Setting = Setting {
    name: "DATABASE_URL",
    fallback: Fallback::Value("sqlite://knoxide.db"),
    form: "sqlite://path or postgres://user:password@host/database",
    meaning: "The database. A path after `sqlite://` is relative to the working directory \
              (`sqlite://knoxide.db`) or absolute (`sqlite:///var/lib/knoxide/knoxide.db`).",
    secret: true,
};
/// Whether a new database may be made.
pub static CREATE: Setting = plain(
    "KNOXIDE_CREATE",
    "true",
    "true or false",
    "Whether a new database is made: a missing SQLite file, and the tables where there are none. Say `false` in \
     production, so that a wrong URL, an empty file or an unmounted disk is an error instead of an empty database with \
     a new `admin`.",
);
/// Where to listen.
pub static LISTEN: Setting = plain(
    "KNOXIDE_LISTEN",
    "127.0.0.1:8080",
    "comma list of ip:port, [ipv6]:port, unix:/path",
    "The addresses to listen on. `[::]:port` takes IPv4 connections too, unless an IPv4 address with the same port is \
     listed as well.",
);
/// Which replies to give.
pub static CONTRACT: Setting = plain(
    "KNOXIDE_CONTRACT",
    "seed",
    "seed or package",
    "Which replies are given where the written contracts and the Django packages differ: `seed` follows the written ones \
     (logging out answers 200, verifying with simplejwt `[]`, refusals of djoser are 400), `package` the packages (204, \
     `{}`, 401).",
);
/// Whose word about a client's address counts.
pub static TRUSTED_PROXIES: Setting = plain(
    "KNOXIDE_TRUSTED_PROXIES",
    "",
    "comma list of networks such as 10.0.0.0/8, addresses, and `unix`",
    "The proxies whose `X-Forwarded-For` is believed; `unix` stands for whoever connects through a Unix socket. Empty: \
     nobody is believed, and a client's address is that of its connection.",
);
/// How many threads serve requests.
pub static WORKERS: Setting = Setting {
    name: "KNOXIDE_WORKERS",
    fallback: Fallback::Computed("as many as there are processors"),
    form: "number, 1 to 256",
    meaning: "How many threads serve requests.",
    secret: false,
};
/// How long a request's body may be.
pub static BODY_LIMIT: Setting = plain(
    "KNOXIDE_BODY_LIMIT",
    "16KiB",
    "bytes, KiB or MiB; 1KiB to 16MiB",
    "The longest request body that is read; a longer one is answered with 413.",
);
/// How slowly a request may arrive.
pub static READ_TIMEOUT: Setting = plain(
    "KNOXIDE_READ_TIMEOUT",
    "5s",
    "duration, 100ms to 10m",
    "How long a client may take to send a request's head, and again its body; a slower one is answered with 408. This \
     holds for each request of a connection.",
);
/// How long a check may wait.
pub static CHECK_TIMEOUT: Setting = plain(
    "KNOXIDE_CHECK_TIMEOUT",
    "1s",
    "duration, 10ms to 1m",
    "How long a check of a token may wait for the database before it is answered with 503.",
);
/// How many live tokens are remembered.
pub static CACHE_TOKENS: Setting = plain(
    "KNOXIDE_CACHE_TOKENS",
    "1000000",
    "number, 0 to 100000000",
    "How many live tokens are remembered, so that a check of one of them reads no row while nothing was revoked; \
     about 200 bytes each, or twice that where each is another user's, and on SQLite for each worker. With 0 every \
     check reads. A revoked token is refused at once either way.",
);
/// How long the server waits for open requests when it stops.
pub static SHUTDOWN_TIMEOUT: Setting = plain(
    "KNOXIDE_SHUTDOWN_TIMEOUT",
    "30s",
    "duration, 0s to 1h",
    "How long open requests may go on after the server was told to stop and `KNOXIDE_SHUTDOWN_DELAY` has passed.",
);
/// How long a session may be unused.
pub static IDLE_LIMIT: Setting = plain(
    "KNOXIDE_IDLE_LIMIT",
    "none",
    "duration from 10s, or none",
    "A session that is unused for longer than this is over.",
);
/// Whether asking who one is counts as use.
pub static USER_COUNTS_AS_USE: Setting = plain(
    "KNOXIDE_USER_COUNTS_AS_USE",
    "false",
    "true or false",
    "Whether `GET /auth/user/` counts as use of the session, against the idle limit. Say `true` if your services check \
     tokens there and nowhere else: otherwise a session in use ends as idle.",
);
/// How often the time of last use is written.
pub static TOUCH_INTERVAL: Setting = Setting {
    name: "KNOXIDE_TOUCH_INTERVAL",
    fallback: Fallback::Computed("60s, or a tenth of the idle limit if that is less"),
    form: "duration, 1s to 1h",
    meaning: "How often the time of last use is written to the database. At most a tenth of the idle limit, which is \
              exact to two of these intervals.",
    secret: false,
};
/// How many sessions a user may have.
pub static TOKEN_LIMIT: Setting =
    plain("KNOXIDE_TOKEN_LIMIT", "none", "number from 1, or none", "How many live sessions a user may have.");
/// What gives way at the limit.
pub static TOKEN_LIMIT_POLICY: Setting = plain(
    "KNOXIDE_TOKEN_LIMIT_POLICY",
    "reject",
    "reject or evict_oldest",
    "What happens to a login beyond the limit: it is refused, or it ends the user's oldest sessions.",
);
/// What tokens begin with.
pub static TOKEN_PREFIX: Setting = plain(
    "KNOXIDE_TOKEN_PREFIX",
    "",
    "up to 10 printable ASCII characters without spaces",
    "What every new opaque token begins with, so that scanners find leaked ones. Tokens made before stay good.",
);
/// For how long a consumed token still gets its successor.
pub static REFRESH_GRACE: Setting = plain(
    "KNOXIDE_REFRESH_GRACE",
    "30s",
    "duration, 0s to 1h",
    "With rotation: for how long a consumed token still gets the same successor, so that a client that lost the reply, or \
     asked twice at once, is not logged out. After that, using it again ends the session.",
);
/// What access tokens are signed with.
pub static JWT_ALGORITHM: Setting = plain(
    "KNOXIDE_JWT_ALGORITHM",
    "HS256",
    "HS256, EdDSA or RS256",
    "What access tokens are signed with. HS256: only who has the secret can verify them. EdDSA and RS256: anybody can, \
     with the keys at `/.well-known/jwks.json`. Refresh tokens are always signed with HS256. Keys are made at the first \
     start and kept in the database; `knoxide key` lists and changes them.",
);
/// The secret of HS256.
pub static JWT_SECRET: Setting = Setting {
    name: "KNOXIDE_JWT_SECRET",
    fallback: Fallback::Unset,
    form: "at least 32 bytes of text",
    meaning: "The secret of HS256: the UTF-8 bytes of this text, the same on every node; it is not stored. Texts that are \
              easily guessed are refused: take what `openssl rand -base64 48` prints. Not given: 32 random bytes, made at \
              the first start and kept in the database. `knoxide key rotate HS256` with another one here changes it.",
    secret: true,
};
/// Which dialects are spoken.
pub static DIALECTS: Setting = plain(
    "KNOXIDE_DIALECTS",
    "knox,drf_jwt,simplejwt,access_token,djoser",
    "comma list of knox, drf_jwt, simplejwt, access_token, djoser",
    "The dialects that are spoken; the paths of the others do not exist, and their tokens count nowhere. `/auth/user/`, \
     `/auth/logout/` and `/auth/logoutall/` belong to knox and take access tokens of all of these.",
);
/// How long ended sessions are remembered.
pub static SESSION_RETENTION: Setting = plain(
    "KNOXIDE_SESSION_RETENTION",
    "30d",
    "duration",
    "How long an ended session stays listed, with the reason why it ended. Its tokens are good for nothing from then on, \
     and soon deleted.",
);
/// How often the database is swept.
pub static SWEEP_INTERVAL: Setting = plain(
    "KNOXIDE_SWEEP_INTERVAL",
    "10m",
    "duration, 10s to 7d",
    "How often expired tokens and forgotten sessions are deleted from the database.",
);
/// The first staff user's password.
pub static ADMIN_PASSWORD: Setting = Setting {
    name: "KNOXIDE_ADMIN_PASSWORD",
    fallback: Fallback::Unset,
    form: "at least 8 characters, neither a common password nor like the name `admin`",
    meaning: "The password of the staff user `admin`, whom `knoxide serve` makes when there is no user at all. Not \
              given: a random one, shown once on a terminal, else written to a file that only the server's user can \
              read.",
    secret: true,
};
/// How costly password hashes are.
pub static BCRYPT_COST: Setting = plain(
    "KNOXIDE_BCRYPT_COST",
    "12",
    "number, 10 to 16",
    "The cost of new password hashes: one more doubles the time that a guess takes. Older hashes are brought to it when \
     their users log in.",
);
/// How many threads hash passwords.
pub static PASSWORD_THREADS: Setting = Setting {
    name: "KNOXIDE_PASSWORD_THREADS",
    fallback: Fallback::Computed("as many as there are processors"),
    form: "number, 1 to 256",
    meaning: "How many threads hash passwords, at low priority. One more steps in at ordinary priority while checks \
              leave these nothing, and takes at most a fifth of one core.",
    secret: false,
};
/// What is logged.
pub static LOG: Setting = plain(
    "KNOXIDE_LOG",
    "info",
    "error, warn, info, debug, trace, off; or a list such as info,knoxide=debug",
    "What is logged. `knoxide=debug` also shows each good check. Other people's code is never heard below `info`, where \
     it repeats what clients sent.",
);
/// How it is logged.
pub static LOG_FORMAT: Setting = plain(
    "KNOXIDE_LOG_FORMAT",
    "plain",
    "plain or json",
    "How log lines are written: for people, or one JSON object a line.",
);
