//! Postgres servers whose error messages are not in English.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::{Connection as _, RunQueryDsl as _};
use knoxide::domain::audit::Event;
use knoxide::domain::time::Clock as _;
use knoxide::domain::user::LoginName;
use knoxide::store::diesel::{DieselStore, StoreOptions};
use knoxide::store::{AdminStore as _, Connection, Effort, SessionFilter, SessionMatch, Store as _, StoreError};
use serde_json::Value;

use crate::harness::app::{App, Backend, Database, Setup};
use crate::harness::postgres::cluster::Cluster;
use crate::harness::postgres::{connect, shared};
use crate::harness::program::Program;

/// The name of the harness's user, and the password.
const USER: (&str, &str) = ("alice", "correct horse");

/// A word in the server's messages about a lock in this language, which shows that the server uses it.
const LANGUAGES: [(&str, &str); 2] = [("de_DE", "Verklemmung"), ("fr_FR", "interblocage")];

/// A server for each language; none if the Postgres half of the tests is omitted.
fn servers() -> impl Iterator<Item = (Cluster, &'static str)> {
    let languages = if shared().is_some() { &LANGUAGES[..] } else { &[] };
    languages.iter().map(|(language, word)| (Cluster::speaking(language).expect("a server"), *word))
}

fn count(connection: &mut PgConnection, what: &str) -> i64 {
    let number =
        diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(&format!("(SELECT count(*) FROM {what})")));
    number.get_result(connection).expect("a number")
}

/// Server processes that wait for a lock of this kind.
fn waiting(connection: &mut PgConnection, kind: &str) -> i64 {
    count(connection, &format!("pg_locks WHERE NOT granted AND locktype = '{kind}'"))
}

#[test]
fn a_deadlock_is_run_again() {
    for (cluster, word) in servers() {
        let app = App::on(Database::at(cluster.url()), Setup::default());
        app.add_user(USER.0, USER.1);
        app.client().login(USER.0, USER.1);
        let now = app.clock.now();
        let filter = SessionFilter {
            matching: SessionMatch::default(),
            with_ended: false,
            now,
            idle_limits: knoxide::domain::policy::IdleLimits::NONE,
            before: None,
            limit: 1,
            effort: Effort::UNBOUNDED,
        };
        let session = app.store.list_sessions(&filter).expect("sessions").sessions[0].session.id;
        let mut other = connect(&cluster.url());
        let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
                    'BEGIN PERFORM pg_advisory_xact_lock(6); PERFORM pg_advisory_xact_lock(7); RETURN NULL; END'; \
                    CREATE TRIGGER slow AFTER UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION slow();";
        other.batch_execute(slow).expect("a trigger");
        // The process that waited first then detects the deadlock.
        other.batch_execute("SET deadlock_timeout = '1h'; BEGIN; SELECT pg_advisory_xact_lock(7)").expect("a lock");
        let mut watcher = connect(&cluster.url());
        std::thread::scope(|scope| {
            let ending = scope.spawn(|| app.connection().end_session(session, &app.audit(Event::Revoked)));
            while waiting(&mut watcher, "advisory") == 0 {
                assert!(!ending.is_finished(), "it did not wait for the lock");
            }
            // It gets this lock as soon as the other one gives way, before the second attempt.
            other.batch_execute("SELECT pg_advisory_xact_lock(6); COMMIT").expect("a lock");
            assert_eq!(ending.join().expect("no panic"), Ok(true));
        });
        let log = std::fs::read_to_string(cluster.directory().join("log")).expect("a log");
        assert!(log.contains(word), "{log}");
    }
}

#[test]
fn a_wait_for_a_lock_that_was_too_long_is_told_from_a_failure() {
    for (cluster, _) in servers() {
        let database = Database::at(cluster.url());
        let options = StoreOptions { busy_timeout: Duration::from_millis(200), ..StoreOptions::default() };
        let store = DieselStore::open(&database.url, options).expect("a store");
        let mut c = store.connect().expect("a connection");
        let mut other = connect(&cluster.url());
        other.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").expect("a lock");
        let error = find(&mut *c).expect_err("the table is locked");
        assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
        other.batch_execute("COMMIT").expect("no lock");
        find(&mut *c).expect("the same connection still works");
    }
}

fn find(connection: &mut dyn Connection) -> Result<(), StoreError> {
    connection.find_account(&LoginName::Username(USER.0.to_owned())).map(drop)
}

#[test]
fn what_another_connection_helps_against_costs_the_connection() {
    for (cluster, _) in servers() {
        let app = App::on(Database::at(cluster.url()), Setup::default());
        let mut other = connect(&cluster.url());
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE application_name = 'knoxide' AND pid <> pg_backend_pid()";
        let change = "ALTER TABLE users ALTER COLUMN email TYPE VARCHAR COLLATE \"C\"";
        for meddling in [change, end] {
            let mut c = app.connection();
            find(&mut *c).expect("an answer");
            other.batch_execute(meddling).expect(meddling);
            let error = find(&mut *c).expect_err(meddling);
            assert!(error.is_broken_connection(), "{meddling}: {error:?}");
            find(&mut *app.connection()).expect("an answer");
        }
    }
}

#[test]
fn a_migration_waits_for_a_table_that_is_in_use() {
    for (cluster, _) in servers() {
        let store = Database::at(cluster.url()).store();
        while store.migration_status().expect("a status").applied.len() > 1 {
            store.revert_last_migration().expect("a step back");
        }
        let (mut reader, mut watcher) = (connect(&cluster.url()), connect(&cluster.url()));
        reader.batch_execute("BEGIN; LOCK TABLE tokens IN ACCESS SHARE MODE").expect("a lock");
        std::thread::scope(|scope| {
            let change = scope.spawn(|| store.revert_last_migration());
            // It waits, gives up, and waits again.
            for is_waiting in [true, false, true] {
                while (waiting(&mut watcher, "relation") > 0) != is_waiting {
                    assert!(!change.is_finished(), "it did not wait a second time");
                }
            }
            reader.batch_execute("COMMIT").expect("no lock");
            assert!(change.join().expect("no panic").is_ok());
        });
    }
}

#[test]
fn the_start_and_the_doctor_name_the_language_until_the_documented_cure() {
    for (cluster, _) in servers() {
        let mut superuser = connect(&cluster.url());
        superuser.batch_execute("CREATE ROLE knoxide LOGIN").expect("a role");
        superuser.batch_execute("CREATE DATABASE knoxide OWNER knoxide").expect("a database");
        let url = format!("postgres://knoxide@{}/knoxide", cluster.address());
        let program = Program::on(Backend::Sqlite).with_admin().set("DATABASE_URL", &url);
        let cure = "ALTER ROLE knoxide SET lc_messages = 'C'";
        let told = |program: &Program| {
            let log = program.start().stop();
            let findings: Value = serde_json::from_str(&program.run(&["--json", "doctor"]).out).expect("JSON");
            let findings = findings.as_array().expect("a list").iter();
            let advice = findings.filter(|finding| finding["weight"] == "advice" && finding["subject"] == "messages");
            (log.matches(cure).count(), advice.filter(|finding| finding.to_string().contains(cure)).count())
        };
        assert_eq!(told(&program), (1, 1));
        superuser.batch_execute(cure).expect("the cure");
        assert_eq!(told(&program), (0, 0));
    }
}

#[test]
fn a_refused_login_is_said_at_once() {
    for (cluster, _) in servers() {
        let rules = "host all postgres all trust\nhost all all all scram-sha-256\n";
        std::fs::write(cluster.directory().join("data/pg_hba.conf"), rules).expect("a file");
        let mut superuser = connect(&cluster.url());
        for statement in [
            "SELECT pg_reload_conf()",
            "CREATE ROLE keeper LOGIN PASSWORD 'good'",
            "CREATE ROLE group_only PASSWORD 'good'",
            "CREATE DATABASE keeper OWNER keeper",
            "CREATE DATABASE private",
            "REVOKE CONNECT ON DATABASE private FROM PUBLIC",
        ] {
            superuser.batch_execute(statement).expect(statement);
        }
        let at = cluster.address();
        // The rules are reloaded a moment later.
        while PgConnection::establish(&format!("postgres://keeper:hush@{at}/keeper")).is_ok() {}
        for (login, database, quoted) in [
            ("keeper:hush", "keeper", "keeper"),
            ("group_only:good", "keeper", "group_only"),
            ("keeper:good", "missing", "missing"),
            ("keeper:good", "private", "private"),
        ] {
            let program = Program::bare().set("DATABASE_URL", &format!("postgres://{login}@{at}/{database}"));
            for command in ["migrate", "serve"] {
                let begun = Instant::now();
                let done = program.run(&[command]);
                assert_eq!(done.code, Some(1), "{command} {login} {database}: {}", done.err);
                // The first of many attempts used to take 10 s, followed by the others.
                assert!(begun.elapsed() < Duration::from_secs(8), "{command} {login} {database}: {}", done.err);
                assert!(done.err.contains(quoted) && !done.err.contains("hush"), "{login} {database}: {}", done.err);
            }
        }
        // A temporary error is retried, even though it names the role as well.
        superuser.batch_execute("ALTER ROLE keeper CONNECTION LIMIT 0").expect("a limit");
        let program = Program::bare().set("DATABASE_URL", &format!("postgres://keeper:good@{at}/keeper"));
        let full = program.run(&["migrate"]);
        assert_eq!(full.code, Some(5), "{}", full.err);
        superuser.batch_execute("ALTER ROLE keeper CONNECTION LIMIT -1").expect("no limit");
        program.json(&["migrate"]);
    }
}
