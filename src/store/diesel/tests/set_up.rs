//! Opening, creating, migrating and refusing databases.

use diesel::sql_types::Text;

use super::*;
use crate::store::StoreError;

#[cfg(all(feature = "sqlite", unix))]
#[test]
fn a_new_file_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::sqlite();
    let _c = fixture.connect();
    let path = fixture.url.strip_prefix("sqlite://").expect("a path");
    for suffix in ["", "-wal", "-shm"] {
        let metadata = std::fs::metadata(format!("{path}{suffix}")).expect("a file");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{suffix}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_missing_file_is_created_only_if_that_is_wanted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("none.db");
    let options = StoreOptions { create: false, ..StoreOptions::default() };
    let error = DieselStore::open(&format!("sqlite:{}", path.display()), options).expect_err("no file");
    assert!(error.to_string().contains("none.db") && !path.exists(), "{error}");
    let nowhere = format!("sqlite:{}/no/such/k.db", directory.path().display());
    assert!(DieselStore::open(&nowhere, StoreOptions::default()).is_err());
}

#[cfg(feature = "sqlite")]
#[test]
fn what_is_no_database_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("text.db");
    std::fs::write(&path, "this is no database, ".repeat(100)).expect("a file");
    let error = DieselStore::open(&format!("sqlite:{}", path.display()), StoreOptions::default()).expect_err("text");
    assert!(matches!(error, StoreError::Failed(_)), "{error}");
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_that_was_replaced_or_removed_is_not_ready() {
    let fixture = Fixture::sqlite();
    let mut c = fixture.connect();
    assert_eq!(c.ping(), Ok(()));
    let path = fixture.url.strip_prefix("sqlite://").expect("a path");
    std::fs::rename(path, format!("{path}.old")).expect("renamed");
    assert!(c.ping().expect_err("gone").is_broken_connection());
    assert!(fixture.store.connect().is_err());
    std::fs::copy(format!("{path}.old"), path).expect("another file");
    assert!(c.ping().expect_err("replaced").is_broken_connection());
}

#[cfg(feature = "sqlite")]
#[test]
fn every_sqlite_connection_is_durable_patient_and_checks_foreign_keys() {
    super::super::hot::statement! {
        /// The settings.
        Pragmas {} -> (Text, diesel::sql_types::BigInt, diesel::sql_types::BigInt, diesel::sql_types::BigInt),
        ["SELECT journal_mode, synchronous, foreign_keys, timeout FROM pragma_journal_mode, pragma_synchronous, \
          pragma_foreign_keys, pragma_busy_timeout"]
    }
    let fixture = Fixture::bare_sqlite();
    for role in [Role::DbPool, Role::Admin] {
        let mut any = fixture.store.target.connect(role).expect("a connection");
        let set: (String, i64, i64, i64) = Pragmas {}.get_result(&mut any).expect("settings");
        assert_eq!(set, ("wal".to_owned(), 2, 1, 5_000));
    }
}

#[test]
fn readiness_needs_a_schema_that_fits() {
    for fixture in Fixture::all_bare() {
        let mut c = fixture.connect();
        assert!(c.ping().is_err());
        let status = fixture.store.migration_status().expect("a status");
        assert!(!status.pending.is_empty() && status.applied.is_empty(), "{status:?}");
        assert!(fixture.store.revert_last_migration().is_err());
        assert_eq!(fixture.store.migrate().expect("the schema"), status.pending);
        assert_eq!(fixture.store.migrate().expect("nothing"), Vec::<String>::new());
        assert_eq!(c.ping(), Ok(()));
        // A newer schema with which this program can still work, then one with which it cannot.
        fixture.run("UPDATE schema_info SET version = 99");
        assert_eq!(c.ping(), Ok(()));
        fixture.run("UPDATE schema_info SET compatible_from = 99");
        assert!(c.ping().expect_err("incompatible").to_string().contains("newer"));
        fixture.run("UPDATE schema_info SET version = 0, compatible_from = 0");
        assert!(c.ping().expect_err("too old").to_string().contains("migrate"));
    }
}

#[test]
fn the_doctor_finds_a_healthy_database_healthy() {
    for fixture in Fixture::all() {
        let facts = fixture.store.diagnose().expect("facts");
        // Tests may run as the superuser.
        let complaints: Vec<_> =
            facts.iter().filter(|fact| fact.complaint.is_some() && fact.name != "superuser").collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        let now = crate::domain::time::Clock::now(&crate::domain::time::SystemClock);
        let difference = fixture.store.clock_difference(now).expect("a difference");
        assert!(difference.abs() < 5_000_000, "{difference}");
        let skewed = fixture.store.clock_difference(now.saturating_sub(Duration::from_secs(60))).expect("a difference");
        assert!((55_000_000..70_000_000).contains(&skewed), "{skewed}");
    }
    for fixture in Fixture::all_bare() {
        let facts = fixture.store.diagnose().expect("facts");
        assert!(facts.iter().any(|fact| fact.name == "pending migrations" && fact.complaint.is_some()));
    }
}

#[test]
fn the_tables_of_the_query_builder_are_those_of_the_databases() {
    use super::super::schema;
    use diesel::QueryDsl;

    for fixture in Fixture::all() {
        let any = &mut fixture.raw();
        macro_rules! read_all {
            ($($table:ident),*) => {$(
                let all = schema::$table::table.select(schema::$table::all_columns);
                all.execute(any).expect(stringify!($table));
            )*};
        }
        read_all!(users, sessions, tokens, session_cutoff, clients, signing_keys, sweep_clock, audit_events);
    }
}

#[test]
fn commits_that_are_not_durable_are_refused() {
    let Some(fixture) = Fixture::bare_postgres() else { return };
    let url = format!("{}?options=-c%20synchronous_commit%3Doff", fixture.url);
    let store = DieselStore::open(&url, StoreOptions::default()).expect("a store");
    let Err(error) = store.connect() else { panic!("a connection that loses commits") };
    assert!(matches!(&error, StoreError::Failed(text) if text.contains("synchronous_commit")), "{error}");
}

#[test]
fn pools_have_time_outs_on_the_server() {
    let Some(fixture) = Fixture::bare_postgres() else { return };
    super::super::hot::statement! {
        /// The settings in use.
        TimeOuts {} -> (Text, Text, Text),
        ["SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), \
          current_setting('idle_in_transaction_session_timeout')"]
    }
    let mut any = fixture.store.target.connect(Role::DbPool).expect("a connection");
    let set: (String, String, String) = TimeOuts {}.get_result(&mut any).expect("settings");
    assert_eq!(set, ("2s".to_owned(), "1500ms".to_owned(), "5s".to_owned()));
}

#[test]
fn a_connection_whose_statements_were_forgotten_is_given_up() {
    use super::super::connection::DieselConnection;
    use crate::domain::user::LoginName;

    let Some(fixture) = Fixture::postgres() else { return };
    let change = "ALTER TABLE users ALTER COLUMN email TYPE VARCHAR COLLATE \"C\"";
    for (first, meddling) in [(true, "DEALLOCATE ALL"), (true, change), (false, "taking their names")] {
        let mut c = DieselConnection::open(&fixture.store.target, Role::DbPool).expect("a connection");
        let ask = |c: &mut DieselConnection| c.find_account(&LoginName::Username("alice".to_owned()));
        if first {
            ask(&mut c).expect("an answer");
            c.any.batch_execute(meddling).expect(meddling);
        } else {
            // Some names have been in use since the connection was opened.
            let take = |n| c.any.batch_execute(&format!("PREPARE __diesel_stmt_{n} AS SELECT 1")).is_ok();
            assert!((0..50).map(take).filter(|taken| *taken).count() > 40);
        }
        let error = ask(&mut c).expect_err(meddling);
        assert!(error.is_broken_connection() && c.is_broken(), "{meddling}: {error}");
        ask(&mut DieselConnection::open(&fixture.store.target, Role::DbPool).expect("another")).expect("an answer");
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_password_in_the_url_is_in_no_error() {
    let url = "postgres://knoxide:hunter2@127.0.0.1:1/none";
    let store = DieselStore::open(url, StoreOptions::default()).expect("a store");
    let Err(error) = store.connect() else { panic!("no server listens there") };
    assert!(error.is_broken_connection());
    let admin = store.migration_status().expect_err("no server listens there");
    for text in [error.to_string(), format!("{error:?}"), admin.to_string(), format!("{store:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
