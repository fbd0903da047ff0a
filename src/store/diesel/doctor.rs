//! Facts about a database, and what is wrong with them.

use std::time::Duration;

#[cfg(feature = "postgres")]
use diesel::sql_types::Bool;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryResult, RunQueryDsl};

#[cfg(feature = "sqlite")]
use super::any::Ending;
use super::any::{AnyConnection, on_each};
use super::hot::statement;
#[cfg(feature = "sqlite")]
use super::reserve::{LOW, Reserve, SIZE};
use super::url::DatabaseUrl;
use super::{DieselStore, triggers};
use crate::domain::time::Timestamp;
#[cfg(feature = "sqlite")]
use crate::store::StoreError;
use crate::store::StoreResult;

#[cfg(feature = "postgres")]
pub(super) mod language;
#[cfg(feature = "postgres")]
mod statement_log;

/// Clocks may differ by this much before a warning.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// The name of the [`Fact`] about the triggers that write the revocation log.
pub const TRIGGERS: &str = "revocation triggers";

/// One fact about the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What was checked.
    pub name: &'static str,
    /// The result.
    pub value: String,
    /// What is wrong with it, or how to fix it; `None`: nothing.
    pub complaint: Option<String>,
}

impl Fact {
    #[cfg(feature = "sqlite")]
    fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), complaint: None }
    }

    /// A fact with an expectation, and the complaint if it is not met.
    fn wanted(name: &'static str, value: String, fits: bool, complaint: &str) -> Self {
        let complaint = (!fits).then(|| complaint.to_owned());
        Self { name, value, complaint }
    }
}

#[cfg(feature = "sqlite")]
statement! {
    /// SQLite's clock is this machine's.
    SqliteClock {} -> BigInt,
    ["SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)"]
}

#[cfg(feature = "postgres")]
statement! {
    /// The server's clock, at the time of the statement.
    PostgresClock {} -> BigInt,
    ["SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"]
}

#[cfg(feature = "sqlite")]
statement! {
    /// The settings of a connection to a file.
    SqliteFacts {} -> (Text, Text, BigInt, BigInt, BigInt),
    [
        "SELECT sqlite_version(), j.journal_mode, s.synchronous, f.foreign_keys, b.timeout FROM \
         pragma_journal_mode j, pragma_synchronous s, pragma_foreign_keys f, pragma_busy_timeout b",
    ]
}

#[cfg(feature = "sqlite")]
statement! {
    /// Reads every page.
    QuickCheck {} -> Text,
    ["SELECT quick_check FROM pragma_quick_check LIMIT 3"]
}

#[cfg(feature = "postgres")]
statement! {
    /// A setting as it applies to this connection.
    Setting { name: String as Text } -> Text,
    ["SELECT current_setting(", name, ")"]
}

#[cfg(feature = "postgres")]
statement! {
    /// The server and the role of this connection.
    PostgresFacts {} -> (Bool, Bool, BigInt),
    [
        "SELECT pg_is_in_recovery(), (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), \
         (SELECT count(*) FROM pg_stat_replication)",
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// Privileges that a server needs on the existing tables and this role does not have.
    MissingRights {} -> Text,
    [
        "SELECT p.privilege || ' on ' || t.name FROM \
         unnest(ARRAY['users', 'sessions', 'tokens', 'signing_keys', 'audit_events', 'revocation_log', \
         'login_networks']) AS t(name), \
         unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p(privilege) \
         WHERE to_regclass(t.name) IS NOT NULL AND NOT has_table_privilege(to_regclass(t.name), p.privilege) \
         UNION ALL SELECT p.privilege || ' on ' || t.name FROM \
         unnest(ARRAY['revocation_horizon', 'sweep_state', 'sweep_clock', 'session_cutoff']) AS t(name), \
         unnest(ARRAY['SELECT', 'UPDATE']) AS p(privilege) \
         WHERE to_regclass(t.name) IS NOT NULL AND NOT has_table_privilege(to_regclass(t.name), p.privilege) \
         UNION ALL SELECT 'SELECT on ' || t.name FROM \
         unnest(ARRAY['schema_info', 'revocation_triggers', 'revocation_trigger_states', \
         'revocation_trigger_stamp', '__diesel_schema_migrations']) AS t(name) \
         WHERE to_regclass(t.name) IS NOT NULL AND NOT has_table_privilege(to_regclass(t.name), 'SELECT') \
         UNION ALL SELECT p.privilege || ' on users_id_seq' FROM unnest(ARRAY['SELECT', 'UPDATE']) AS p(privilege) \
         WHERE to_regclass('users_id_seq') IS NOT NULL \
         AND NOT has_sequence_privilege(to_regclass('users_id_seq'), p.privilege)",
    ]
}

impl DieselStore {
    /// How far the database's clock is ahead of `now`, in microseconds; negative: behind. The
    /// time of the round trip is part of it.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub fn clock_difference(&self, now: Timestamp) -> StoreResult<i64> {
        let theirs: i64 = self.read(|any| {
            on_each!(any,
                sqlite(c) => SqliteClock {}.get_result(c),
                postgres(c) => PostgresClock {}.get_result(c),
            )
        })?;
        Ok(theirs.saturating_sub(now.as_micros()))
    }

    /// Which settings make Postgres write values of statements to its log, including password hashes and
    /// signing keys, and the SQL with which a superuser stops that; `None` if there are none.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub fn statement_log_exposure(&self) -> StoreResult<Option<(String, String)>> {
        self.read(|any| on_each!(any, sqlite(_c) => Ok(None), postgres(c) => statement_log::exposure(c)))
    }

    /// The language in which Postgres words its errors, if it is not English, and the SQL with which a superuser
    /// changes it. Some errors are recognised by their words only: in another language a server does less well.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub fn foreign_messages(&self) -> StoreResult<Option<(String, String)>> {
        self.read(|any| on_each!(any, sqlite(_c) => Ok(None), postgres(c) => language::other_than_english(c)))
    }

    /// Checks everything that the server's promises depend on. Reads a whole SQLite file.
    ///
    /// # Errors
    /// When the database cannot be reached, or must not be used (a standby, commits that
    /// are not synchronous to disk).
    pub fn diagnose(&self) -> StoreResult<Vec<Fact>> {
        let status = self.migration_status()?;
        let mut facts = self.read(database_facts)?;
        facts.push(Fact::wanted(
            "pending migrations",
            if status.pending.is_empty() { "none".to_owned() } else { status.pending.join(", ") },
            status.pending.is_empty(),
            "run `knoxide migrate`",
        ));
        // With pending migrations, there may be no triggers to compare with.
        if status.pending.is_empty() {
            facts.push(self.read(trigger_fact)?);
        }
        match &self.target.url {
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(path) => {
                facts.push(self.try_write());
                facts.push(file_mode(path));
                facts.extend(self.target.reserve.as_ref().and_then(free_space));
            }
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => facts.push(Fact::wanted(
                "start-up options",
                if self.target.has_pooler() { "refused by a pooler" } else { "accepted" }.to_owned(),
                !self.target.has_pooler(),
                "set statement_timeout, lock_timeout, idle_in_transaction_session_timeout, enable_seqscan=off and jit=off with \
                 ALTER ROLE",
            )),
        }
        Ok(facts)
    }
}

#[cfg(feature = "sqlite")]
impl DieselStore {
    /// Whether a write can begin; nothing is written.
    fn try_write(&self) -> Fact {
        let tried = self.admin(|connection| connection.write_or_undo(|_| Ok(Ending::Undo(()))));
        let value = match &tried {
            Ok(()) | Err(StoreError::Busy(_)) => "possible".to_owned(),
            Err(error) => error.to_string(),
        };
        let complaint = "the file and its folder have to be writable for the user of the server";
        Fact::wanted("writing", value.clone(), value == "possible", complaint)
    }
}

/// Whether manual changes are noticed.
fn trigger_fact(any: &mut AnyConnection) -> QueryResult<Fact> {
    let differences = triggers::differences(any)?;
    if differences.is_empty() {
        return Ok(Fact::wanted(TRIGGERS, "as expected".to_owned(), true, ""));
    }
    let names: Vec<&str> = differences.iter().map(|difference| difference.name.as_str()).collect();
    let repairs: Vec<&str> = differences.iter().map(|difference| difference.repair.as_str()).collect();
    let value = format!("different from those of the migrations: {}", names.join(", "));
    Ok(Fact::wanted(TRIGGERS, value, false, &format!("run in the database: {}", repairs.join(" "))))
}

fn database_facts(any: &mut AnyConnection) -> QueryResult<Vec<Fact>> {
    on_each!(any, sqlite(c) => sqlite_facts(c), postgres(c) => postgres_facts(c))
}

#[cfg(feature = "sqlite")]
fn sqlite_facts(connection: &mut diesel::SqliteConnection) -> QueryResult<Vec<Fact>> {
    let (version, journal, synchronous, foreign_keys, busy): (String, String, i64, i64, i64) =
        SqliteFacts {}.get_result(connection)?;
    let checked: Vec<String> = QuickCheck {}.load(connection)?;
    let checked = checked.join("; ");
    let sound = checked == "ok";
    Ok(vec![
        Fact::new("SQLite", version),
        Fact::wanted(
            "journal_mode",
            journal.clone(),
            journal == "wal",
            "`knoxide serve` sets it to wal, if no other program has the file open and it is on a local disk",
        ),
        Fact::wanted(
            "synchronous",
            synchronous.to_string(),
            synchronous >= 2,
            "a power cut could bring logged-out tokens back to life",
        ),
        Fact::wanted("foreign_keys", foreign_keys.to_string(), foreign_keys == 1, "foreign keys have to be enforced"),
        Fact::new("busy_timeout in ms", busy.to_string()),
        Fact::wanted("quick_check", checked, sound, "the file is damaged: restore a backup"),
    ])
}

#[cfg(feature = "postgres")]
fn postgres_facts(connection: &mut diesel::PgConnection) -> QueryResult<Vec<Fact>> {
    let mut setting =
        |name: &str| -> QueryResult<String> { Setting { name: name.to_owned() }.get_result(&mut *connection) };
    let number = setting("server_version_num")?;
    let mut facts = vec![Fact::wanted(
        "PostgreSQL",
        setting("server_version")?,
        number.parse::<u32>().is_ok_and(|number| number >= 130_000),
        "version 13 or newer is needed",
    )];
    let lost = "set it to on: a crash could bring logged-out tokens back to life";
    for name in ["fsync", "full_page_writes"] {
        let value = setting(name)?;
        let fits = value == "on";
        facts.push(Fact::wanted(name, value, fits, lost));
    }
    let commit = setting("synchronous_commit")?;
    let fits = commit != "off";
    facts.push(Fact::wanted("synchronous_commit", commit, fits, lost));
    for name in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        let value = setting(name)?;
        let fits = value != "0";
        facts.push(Fact::wanted(name, value, fits, "set it with ALTER ROLE"));
    }
    let names = setting("synchronous_standby_names")?;
    let (standby, superuser, standbys): (bool, bool, i64) = PostgresFacts {}.get_result(connection)?;
    facts.push(Fact::wanted("standby", standby.to_string(), !standby, "use the URL of the primary"));
    let missing: Vec<String> = MissingRights {}.load(connection)?;
    facts.push(Fact::wanted(
        "rights",
        if missing.is_empty() { "enough to serve".to_owned() } else { format!("missing: {}", missing.join(", ")) },
        missing.is_empty(),
        "grant them, as docs/operations.md says",
    ));
    facts.push(Fact::wanted("superuser", superuser.to_string(), !superuser, "use a separate role"));
    facts.push(Fact::wanted(
        "synchronous_standby_names",
        names.clone(),
        standbys == 0 || !names.is_empty(),
        "there are standbys but none is synchronous: a failover could bring logged-out tokens back to life",
    ));
    Ok(facts)
}

/// The free space on the disk; `None` if it is unknown.
#[cfg(feature = "sqlite")]
fn free_space(reserve: &Reserve) -> Option<Fact> {
    let free = reserve.free().ok()?;
    // A server creates the reserve only if this much is left afterwards.
    let (needed, kept) = if reserve.is_in_place() { (LOW, "kept") } else { (LOW + SIZE, "missing") };
    let value = format!("{} MiB, the reserve for ending sessions is {kept}", free >> 20);
    let complaint = "until there is more, sessions can only be ended: free some space";
    Some(Fact::wanted("free space", value, free >= needed, complaint))
}

#[cfg(all(feature = "sqlite", unix))]
fn file_mode(path: &std::path::Path) -> Fact {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    Fact::wanted("file mode", format!("{mode:04o}"), mode & 0o077 == 0, "other users can read it: run chmod 600")
}

#[cfg(all(feature = "sqlite", not(unix)))]
fn file_mode(path: &std::path::Path) -> Fact {
    Fact::new("file", if path.exists() { "present" } else { "missing" })
}
