//! The schemas of the two databases are equivalent; migrations can be run and reverted safely.

use std::sync::Barrier;

use knoxide::store::diesel::{DieselStore, StoreOptions};

use crate::harness::app::{Database, on_each_database};

on_each_database! {
    fn two_that_migrate_at_once_both_succeed(backend) {
        let database = Database::empty(backend);
        let (url, start) = (&database.url, Barrier::new(4));
        let ran: Vec<Vec<String>> = std::thread::scope(|scope| {
            let migrate = || {
                start.wait();
                let store = DieselStore::open(url, StoreOptions::default()).expect("a store");
                store.migrate().expect("migrations")
            };
            let threads = [(); 4].map(|()| scope.spawn(migrate));
            threads.map(|thread| thread.join().expect("no panic")).into()
        });
        let status = database.store().migration_status().expect("a status");
        assert_eq!(status.pending, Vec::<String>::new());
        assert_eq!(ran.concat().len(), status.applied.len(), "each migration ran once: {ran:?}");
    }

    fn what_is_undone_leaves_nothing(backend) {
        let database = Database::migrated(backend);
        let store = database.store();
        assert_ne!(catalog::of(&database.url).things(), Vec::<String>::new());
        while !store.migration_status().expect("a status").applied.is_empty() {
            store.revert_last_migration().expect("a step back");
        }
        assert_eq!(catalog::of(&database.url).things(), Vec::<String>::new());
        store.migrate().expect("the migration again");
        assert_eq!(catalog::of(&database.url), catalog::of(&Database::migrated(backend).url));
    }

    fn the_triggers_are_what_is_written_down_of_them(backend) {
        let database = Database::migrated(backend);
        let written = catalog::written_triggers(&database.url);
        assert!(!written.is_empty());
        assert_eq!(written, catalog::present_triggers(&database.url));
        // `diagnose` compares more than their names.
        let facts = database.store().diagnose().expect("facts");
        let fact = facts.iter().find(|fact| fact.name == "revocation triggers").expect("a fact about triggers");
        assert_eq!(fact.complaint, None);
    }
}

#[cfg(feature = "postgres")]
#[test]
fn both_databases_hold_the_same() {
    use crate::harness::app::Backend;

    if crate::harness::postgres::shared().is_none() {
        return;
    }
    let mut sqlite = catalog::of(&Database::migrated(Backend::Sqlite).url);
    let mut postgres = catalog::of(&Database::migrated(Backend::Postgres).url);
    for (catalog, differences) in [(&mut sqlite, SQLITE_ONLY), (&mut postgres, POSTGRES_ONLY)] {
        for (list, thing, why) in differences {
            let list = match *list {
                "columns" => &mut catalog.columns,
                "indexes" => &mut catalog.indexes,
                _ => &mut catalog.triggers,
            };
            assert!(list.iter().any(|entry| entry.starts_with(thing)), "{thing} is gone ({why})");
            list.retain(|entry| !entry.starts_with(thing));
        }
    }
    assert_eq!(sqlite.columns, postgres.columns);
    assert_eq!(sqlite.indexes, postgres.indexes);
    assert_eq!(sqlite.references, postgres.references);
    assert_eq!(sqlite.triggers, postgres.triggers);
}

/// What only Postgres has, and why.
#[cfg(feature = "postgres")]
const POSTGRES_ONLY: &[(&str, &str, &str)] = &[
    ("columns", "revocation_log.xid", "commits come out of order there, so a view asks by transaction"),
    ("columns", "audit_events.xid", "commits come out of order there, so readers follow transactions"),
    ("indexes", "audit_events_order", "for the column"),
    ("indexes", "audit_events_by_user", "it has the column, too"),
    ("columns", "revocation_horizon.", "the log is pruned by snapshot there"),
    ("indexes", "revocation_log_xid", "for the column"),
    ("indexes", "PRIMARY KEY revocation_horizon", "for the table"),
    ("triggers", "users TRUNCATE", "SQLite has none"),
    ("triggers", "sessions TRUNCATE", "SQLite has none"),
    ("triggers", "tokens TRUNCATE", "SQLite has none"),
    ("triggers", "revocation_log TRUNCATE", "SQLite has none"),
    ("triggers", "session_cutoff TRUNCATE", "SQLite has none"),
    ("triggers", "clients TRUNCATE", "SQLite has none"),
];

/// What only SQLite has, and why.
#[cfg(feature = "postgres")]
const SQLITE_ONLY: &[(&str, &str, &str)] = &[
    ("indexes", "audit_events_by_user", "the id is enough where writers exclude each other"),
    ("columns", "revocation_log.mark", "a copy of a file can take its place; on a server, the tables would be others"),
    ("triggers", "revocation_log INSERT", "it gives a row its mark; and Postgres has no REPLACE"),
    ("triggers", "users INSERT", "Postgres has no REPLACE"),
    ("triggers", "sessions INSERT", "Postgres has no REPLACE"),
    ("triggers", "tokens INSERT", "Postgres has no REPLACE"),
    ("triggers", "session_cutoff INSERT", "Postgres has no REPLACE"),
    ("triggers", "clients INSERT", "Postgres has no REPLACE"),
];

/// The catalogue of a database, in words that both databases share.
mod catalog {
    #[cfg(feature = "postgres")]
    use diesel::PgConnection;
    use diesel::dsl::sql;
    use diesel::sql_types::Text;
    use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};

    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Catalog {
        /// `table.column type nullable`.
        pub(super) columns: Vec<String>,
        /// `name table columns`; primary keys and UNIQUE columns are listed as such instead of by name.
        pub(super) indexes: Vec<String>,
        /// `table columns -> table on delete`.
        pub(super) references: Vec<String>,
        /// `table event`: on one database a single trigger may do what several do on the other.
        pub(super) triggers: Vec<String>,
        pub(super) functions: Vec<String>,
    }

    impl Catalog {
        pub(super) fn things(&self) -> Vec<String> {
            let all = [&self.columns, &self.indexes, &self.references, &self.triggers, &self.functions];
            all.into_iter().flatten().cloned().collect()
        }
    }

    pub(super) fn of(url: &str) -> Catalog {
        match url.strip_prefix("sqlite://") {
            Some(path) => of_sqlite(&mut SqliteConnection::establish(path).expect("a connection")),
            #[cfg(feature = "postgres")]
            None => of_postgres(&mut PgConnection::establish(url).expect("a connection")),
            #[cfg(not(feature = "postgres"))]
            None => panic!("no SQLite file"),
        }
    }

    fn names(url: &str, sqlite: &str, _postgres: &str) -> Vec<String> {
        match url.strip_prefix("sqlite://") {
            Some(path) => diesel::select(sql::<Text>(sqlite))
                .load(&mut SqliteConnection::establish(path).expect("a connection"))
                .expect(sqlite),
            #[cfg(feature = "postgres")]
            None => diesel::select(sql::<Text>(_postgres))
                .load(&mut PgConnection::establish(url).expect("a connection"))
                .expect(_postgres),
            #[cfg(not(feature = "postgres"))]
            None => panic!("no SQLite file"),
        }
    }

    /// The triggers that a feed compares.
    pub(super) fn written_triggers(url: &str) -> Vec<String> {
        let query = "name FROM revocation_triggers ORDER BY name";
        names(url, query, query)
    }

    /// The triggers that exist on the tables that a feed watches.
    pub(super) fn present_triggers(url: &str) -> Vec<String> {
        names(
            url,
            "name FROM sqlite_master WHERE type = 'trigger' \
             AND tbl_name IN ('users', 'sessions', 'tokens', 'revocation_log', 'session_cutoff', 'clients') ORDER BY name",
            "tgrelid::regclass || '.' || tgname AS name FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text \
             IN ('users', 'sessions', 'tokens', 'revocation_log', 'session_cutoff', 'clients') ORDER BY (tgrelid::regclass || '.' || tgname) COLLATE \"C\"",
        )
    }

    fn of_sqlite(connection: &mut SqliteConnection) -> Catalog {
        let mut list = |query: &str| -> Vec<String> {
            let mut rows: Vec<String> = diesel::select(sql::<Text>(query)).load(connection).expect(query);
            rows.sort();
            rows
        };
        let tables = "FROM sqlite_master t JOIN";
        let ours = "t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'";
        Catalog {
            // A number that may only be 0 or 1 counts as a boolean.
            columns: list(&format!(
                "t.name || '.' || c.name || ' ' || \
                 CASE WHEN t.sql LIKE '%CHECK (' || c.name || ' IN (0, 1))%' THEN 'truth' \
                 WHEN c.type = 'INTEGER' THEN 'number' WHEN c.type = 'BLOB' THEN 'bytes' ELSE lower(c.type) END || \
                 CASE WHEN c.\"notnull\" THEN '' ELSE ' or null' END \
                 {tables} pragma_table_info(t.name) c WHERE {ours}"
            )),
            indexes: list(&format!(
                "CASE i.origin WHEN 'c' THEN i.name WHEN 'u' THEN 'UNIQUE' ELSE 'PRIMARY KEY' END || ' ' || t.name || \
                 ' ' || (SELECT group_concat(name, ',') FROM pragma_index_info(i.name)) || \
                 CASE WHEN i.partial THEN ' partial' ELSE '' END \
                 {tables} pragma_index_list(t.name) i WHERE {ours} \
                 UNION SELECT 'PRIMARY KEY ' || t.name || ' ' || group_concat(c.name, ',') \
                 {tables} pragma_table_info(t.name) c WHERE {ours} AND c.pk > 0 GROUP BY t.name"
            )),
            references: list(&format!(
                "t.name || ' ' || f.\"from\" || ' -> ' || f.\"table\" || ' ' || f.on_delete \
                 {tables} pragma_foreign_key_list(t.name) f WHERE {ours}"
            )),
            triggers: list(
                "DISTINCT t.tbl_name || ' ' || e.value FROM sqlite_master t \
                 JOIN json_each('[\"INSERT\", \"UPDATE\", \"DELETE\"]') e \
                 ON replace(t.sql, char(10), ' ') LIKE 'CREATE TRIGGER % AFTER ' || e.value || ' %' \
                 OR replace(t.sql, char(10), ' ') LIKE 'CREATE TRIGGER % BEFORE ' || e.value || ' %' \
                 WHERE t.type = 'trigger'",
            ),
            functions: Vec::new(),
        }
    }

    #[cfg(feature = "postgres")]
    fn of_postgres(connection: &mut PgConnection) -> Catalog {
        let mut list = |query: &str| -> Vec<String> {
            let mut rows: Vec<String> = diesel::select(sql::<Text>(query)).load(connection).expect(query);
            rows.sort();
            rows
        };
        let ours = "t.relnamespace = 'public'::regnamespace AND t.relkind = 'r' AND t.relname NOT LIKE '\\_\\_%'";
        let names = "(SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY \
                     AS k(number, place) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number)";
        Catalog {
            columns: list(&format!(
                "t.relname || '.' || a.attname || ' ' || CASE format_type(a.atttypid, NULL) \
                 WHEN 'boolean' THEN 'truth' WHEN 'bigint' THEN 'number' WHEN 'bytea' THEN 'bytes' \
                 ELSE format_type(a.atttypid, NULL) END || CASE WHEN a.attnotnull THEN '' ELSE ' or null' END \
                 FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid \
                 WHERE {ours} AND a.attnum > 0 AND NOT a.attisdropped"
            )),
            indexes: list(&format!(
                "CASE WHEN i.indisprimary THEN 'PRIMARY KEY' WHEN i.indisunique THEN 'UNIQUE' ELSE n.relname END || \
                 ' ' || t.relname || ' ' || {names} || CASE WHEN i.indpred IS NULL THEN '' ELSE ' partial' END \
                 FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid \
                 WHERE {ours}"
            )),
            references: list(&format!(
                "t.relname || ' ' || a.attname || ' -> ' || r.relname || ' ' || \
                 CASE f.confdeltype WHEN 'c' THEN 'CASCADE' ELSE 'other' END \
                 FROM pg_constraint f JOIN pg_class t ON t.oid = f.conrelid JOIN pg_class r ON r.oid = f.confrelid \
                 JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(f.conkey) WHERE {ours} AND f.contype = 'f'"
            )),
            triggers: list(&format!(
                "DISTINCT t.relname || ' ' || e.name FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid \
                 JOIN (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE'), (32, 'TRUNCATE')) AS e(bit, name) \
                 ON g.tgtype & e.bit <> 0 WHERE {ours} AND NOT g.tgisinternal"
            )),
            functions: list("proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"),
        }
    }
}
