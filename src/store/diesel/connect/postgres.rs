//! Connections to a Postgres server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::result::ConnectionError;
use diesel::sql_types::{Bool, Text};
use diesel::{Connection, RunQueryDsl};

use super::super::any::AnyConnection;
use super::super::error::{has_lost_statements, store_error, text_of};
use super::super::hot::statement;
use super::super::url::PostgresUrl;
use super::Role;
use crate::store::{StoreError, StoreResult};

/// Opens a connection. `pooler` records that settings cannot be sent at the start.
pub(super) fn connect(
    url: &PostgresUrl,
    role: Role,
    lock_timeout: Duration,
    pooler: &AtomicBool,
) -> StoreResult<AnyConnection> {
    let settings = server_settings(role, lock_timeout);
    let connection = if pooler.load(Ordering::Relaxed) {
        establish(url, None)
    } else {
        establish(url, Some(&settings)).or_else(|error| {
            if !error.contains("startup parameter") {
                return Err(error);
            }
            let connection = establish(url, None)?;
            if !pooler.swap(true, Ordering::Relaxed) {
                log::warn!(
                    "the pooler refuses settings as start-up options; set statement_timeout, lock_timeout, \
                         idle_in_transaction_session_timeout and enable_seqscan=off with ALTER ROLE"
                );
            }
            Ok(connection)
        })
    };
    let connection = connection.map_err(|error| {
        let text = url.without_secrets(&error);
        if is_final(&error, url) { StoreError::Failed(text) } else { StoreError::Unavailable(text) }
    })?;
    refuse_unfit(AnyConnection::Postgres(connection))
}

/// Whether a connection fails for a reason that waiting does not mend.
fn is_final(error: &str, url: &PostgresUrl) -> bool {
    // What the server says, what PgBouncer says, and what libpq says of the URL.
    const FINAL: [&str; 16] = [
        "authentication failed",
        "no password supplied",
        "pg_hba.conf",
        "does not exist",
        "is not permitted to log in",
        "permission denied for database",
        "no such database",
        "no such user",
        "invalid URI",
        "URI query parameter",
        "invalid port number",
        "invalid integer value",
        "invalid sslmode",
        "invalid connection option",
        "definition of service",
        "SSL support is not compiled in",
    ];
    // With several hosts, another one may come back.
    let mut attempts = error.split("connection to server ").filter(|attempt| !attempt.trim().is_empty());
    attempts.all(|attempt| FINAL.iter().any(|words| attempt.contains(words)) || is_refused(attempt, url))
}

/// Whether a server that does not speak English refuses the user or the database, which it then quotes: what says that
/// it is starting or shutting down names neither. Only what libpq says of itself stands before `failed:`.
fn is_refused(attempt: &str, url: &PostgresUrl) -> bool {
    // A limit of connections, of the role or of the database, in the languages of Postgres 15: that passes.
    const LIMITS: [&str; 16] = [
        "too many",
        "not currently accepting",
        "zu viele",
        "demasiad",
        "trop de",
        "tropp",
        "多すぎ",
        "ბევრი",
        "초과",
        "zbyt wiele",
        "muitas",
        "слишком много",
        "för många",
        "fazla",
        "багато",
        "太多",
    ];
    let said = attempt.split_once(" failed: ").map_or("", |(_, said)| said);
    url.is_quoted_in(said) && !LIMITS.iter().any(|words| said.to_lowercase().contains(words))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other errors have the same message")]
fn establish(url: &PostgresUrl, settings: Option<&[String]>) -> Result<diesel::PgConnection, String> {
    diesel::PgConnection::establish(&url.with_time_outs(settings)).map_err(|error| match error {
        ConnectionError::BadConnection(text) => text,
        ConnectionError::InvalidCString(_) => "the database URL contains a NUL".to_owned(),
        // The remaining variants are about queries, and their messages may contain values.
        _ => "the connection could not be set up".to_owned(),
    })
}

/// Settings that make the server end what our side no longer waits for.
fn server_settings(role: Role, lock_timeout: Duration) -> Vec<String> {
    let statement = match role {
        Role::DbPool | Role::RevocationFeed => 2_000,
        Role::Admin => 60_000,
    };
    let lock = lock_timeout.as_millis();
    let mut settings = vec![
        format!("statement_timeout={statement}"),
        format!("lock_timeout={lock}"),
        "idle_in_transaction_session_timeout=5000".to_owned(),
    ];
    settings.extend(PLANNING.map(str::to_owned));
    match role {
        Role::RevocationFeed => settings.extend(FEED_PLANNING.map(str::to_owned)),
        Role::DbPool | Role::Admin => {}
    }
    settings
}

/// Settings that make all statements use indexes, whatever the planner estimates. Where one session has most
/// of the tokens, the planner believes that any session has many, and would search the whole table for the
/// few of another one: a logout took 0.1 s beside a million tokens. Without these settings (a pooler may refuse
/// them) statements are slower, but correct.
const PLANNING: [&str; 2] = ["enable_seqscan=off", "jit=off"];

/// Further settings for a revocation feed, whose statements are planned once: planning takes longer than
/// running them.
const FEED_PLANNING: [&str; 4] =
    ["plan_cache_mode=force_generic_plan", "enable_bitmapscan=off", "enable_hashjoin=off", "enable_mergejoin=off"];

statement! {
    /// The settings that decide whether a server can lose an acknowledged logout, and whether it can store every
    /// name.
    Fitness {} -> (Bool, Text, Text, Text),
    [
        "SELECT pg_is_in_recovery(), current_setting('synchronous_commit'), current_setting('fsync'), \
         current_setting('server_encoding')",
    ]
}

fn refuse_unfit(mut connection: AnyConnection) -> StoreResult<AnyConnection> {
    let facts = Fitness {}.get_result(&mut connection);
    let (standby, commit, fsync, encoding): (bool, String, String, String) = facts.map_err(|error| {
        // The first statement of a connection has a name that nothing can have taken yet.
        let in_use = has_lost_statements(&error.to_string());
        let error = store_error(&error, &mut connection);
        if in_use { StoreError::Failed(text_of(error)) } else { error }
    })?;
    if standby {
        // Not permanent: this host may become the primary, or another host may be found.
        return Err(StoreError::Unavailable(
            "this server is a standby, whose answers may be old; use the URL of the primary, or add \
             target_session_attrs=read-write to a URL with several hosts"
                .to_owned(),
        ));
    }
    let unfit = |setting: &str| {
        Err(StoreError::Failed(format!(
            "the server has {setting}=off, so a crash would bring logged-out tokens back to life; \
             set {setting}=on in postgresql.conf (or with ALTER ROLE, ALTER DATABASE)"
        )))
    };
    if commit == "off" {
        return unfit("synchronous_commit");
    }
    if fsync == "off" {
        return unfit("fsync");
    }
    if encoding != "UTF8" {
        return Err(StoreError::Failed(format!(
            "the database has the encoding {encoding}, in which not every name can be stored; make another one: CREATE \
             DATABASE … ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0"
        )));
    }
    Ok(connection)
}
