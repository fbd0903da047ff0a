//! An explanation finds its rows by keys, however many traces there are; a trace has 16 bytes of a digest.

use super::*;
use crate::harness::number;

/// Adds this many traces to a session that does not exist.
fn fill(stage: &Stage, traces: u64) {
    let (digest, session) = if stage.app.database.url.starts_with("sqlite") {
        ("randomblob(16)", "x'00112233445566778899aabbccddeeff'")
    } else {
        ("decode(md5(i::text), 'hex')", "'\\x00112233445566778899aabbccddeeff'::bytea")
    };
    stage.by_hand(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {traces})
         INSERT INTO token_traces (digest, session_id, kind) SELECT {digest}, {session}, 'access' FROM n"
    ));
}

on_each_database! {
    fn an_explanation_takes_as_long_among_millions_of_traces(backend) {
        let wanted = number("KNOXIDE_SOAK_TRACES");
        let stage = Stage::set(backend, |_| {});
        fill(&stage, wanted.unwrap_or(2_000));
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        assert_eq!(stage.app.client().logout(&token), 200);
        let begun = std::time::Instant::now();
        assert_eq!(stage.of_token(&token)["state"], "ended");
        let of_token = begun.elapsed();
        assert_eq!(stage.of_session(&session)["state"], "ended");
        let unknown = std::time::Instant::now();
        assert_eq!(stage.of_token("0123456789abcdef0123456789abcdef01234567")["state"], "unknown");
        println!(
            "{backend:?}: {} traces; by token {of_token:?}, by session {:?}, unknown {:?}",
            stage.count("token_traces"),
            begun.elapsed() - of_token - unknown.elapsed(),
            unknown.elapsed()
        );
    }

    fn a_trace_is_sixteen_bytes_of_the_digest(backend) {
        let stage = Stage::set(backend, |_| {});
        let token = stage.log_in(Dialect::Knox).access;
        assert_eq!(stage.app.client().logout(&token), 200);
        let digest = knoxide::domain::token::Token::parse(token.as_bytes()).expect("a token").digest();
        let hex = hex::encode(&digest.as_bytes()[..16]);
        let literal = |hex: &str| if backend == Backend::Sqlite { format!("x'{hex}'") } else { format!("'\\x{hex}'") };
        assert_eq!(stage.count(&format!("token_traces WHERE digest = {}", literal(&hex))), 1);
        let rest = hex::encode(&digest.as_bytes()[16..24]);
        for table in ["token_traces", "removed_sessions", "sessions", "audit_events", "revocation_log"] {
            let text: Vec<String> = if backend == Backend::Sqlite {
                let columns = columns_of_sqlite(&stage, table);
                columns.into_iter().map(|column| format!("hex({column}) LIKE '%{}%'", rest.to_uppercase())).collect()
            } else {
                vec![format!("{table}::text LIKE '%{rest}%'")]
            };
            assert_eq!(stage.count(&format!("{table} WHERE {}", text.join(" OR "))), 0, "{table}");
        }
        // No trace can be longer.
        let longer = format!(
            "INSERT INTO token_traces (digest, session_id, kind) VALUES ({}, {}, 'access')",
            literal(&format!("{hex}00")),
            literal(&hex)
        );
        assert!(std::panic::catch_unwind(|| by_hand(&stage.app.database.url, &longer)).is_err());
    }
}

fn columns_of_sqlite(stage: &Stage, table: &str) -> Vec<String> {
    use diesel::dsl::sql;
    use diesel::{Connection as _, RunQueryDsl as _};

    let path = stage.app.database.url.strip_prefix("sqlite://").expect("a file");
    let query = format!("name FROM pragma_table_info('{table}')");
    let mut connection = diesel::SqliteConnection::establish(path).expect("a connection");
    diesel::select(sql::<diesel::sql_types::Text>(&query)).load(&mut connection).expect("columns")
}

#[test]
fn on_sqlite_every_step_is_a_search_by_a_key() {
    use diesel::RunQueryDsl as _;

    #[derive(diesel::QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let stage = Stage::set(Backend::Sqlite, |_| {});
    let path = stage.app.database.url.strip_prefix("sqlite://").expect("a file");
    let mut connection = <diesel::SqliteConnection as diesel::Connection>::establish(path).expect("a connection");
    for (query, key) in [
        ("SELECT session_id FROM token_traces WHERE digest = x'00'", "PRIMARY KEY (digest=?)"),
        (
            "DELETE FROM token_traces WHERE digest IN (SELECT digest FROM token_traces WHERE session_id = x'00' AND \
          digest > x'' ORDER BY digest LIMIT 9)",
            "token_traces_session (session_id=? AND digest>?)",
        ),
        (
            "SELECT digest FROM token_traces WHERE evicted < 7 ORDER BY evicted LIMIT 9",
            "token_traces_evicted (evicted<?)",
        ),
        ("SELECT user_id FROM removed_sessions WHERE id = x'00'", "PRIMARY KEY (id=?)"),
        (
            "SELECT id FROM removed_sessions WHERE removed_at < 7 ORDER BY removed_at LIMIT 9",
            "removed_sessions_removed (removed_at<?)",
        ),
        (
            "SELECT at FROM audit_events WHERE session_id = x'00' AND event IN ('logout') LIMIT 1",
            "audit_events_session (session_id=?)",
        ),
        (
            "SELECT at FROM audit_events WHERE event = 'mass_end_started' AND actor = 'cli' AND at <= 7 \
             ORDER BY at DESC LIMIT 1",
            "audit_events_mass_end (actor=? AND at<?)",
        ),
        (
            "SELECT at FROM audit_events WHERE user_id = 7 AND auth_epoch >= 0 ORDER BY auth_epoch DESC LIMIT 10",
            "audit_events_epoch (user_id=? AND auth_epoch>?)",
        ),
    ] {
        let plan: Vec<Step> =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(&mut connection).expect("a plan");
        let steps: Vec<String> = plan.into_iter().map(|step| step.detail).collect();
        assert!(steps.iter().any(|step| step.contains(key)), "{query}: {steps:?}");
        assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{query}: {steps:?}");
    }
}

/// The number of full scans of a table.
#[cfg(feature = "postgres")]
const SCANS: &str = "pg_stat_user_tables, generate_series(1, seq_scan::int) WHERE relname IN \
                     ('token_traces', 'removed_sessions', 'tokens', 'sessions', 'audit_events')";

#[cfg(feature = "postgres")]
const OTHERS: &str = "pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' \
                      AND pid <> pg_backend_pid()";

#[cfg(feature = "postgres")]
#[test]
fn on_postgres_no_step_searches_a_whole_table() {
    if crate::harness::postgres::shared().is_none() {
        return;
    }
    let database = Database::migrated(Backend::Postgres);
    let stage = Stage::on(Database::at(database.url.clone()), |_| {});
    fill(&stage, 30_000);
    stage.by_hand(
        "INSERT INTO audit_events (at, event, actor, user_id, session_id) SELECT i, 'login', 'system', 1, \
         decode(md5(i::text), 'hex') FROM generate_series(1, 30000) i; \
         INSERT INTO removed_sessions (id, user_id, removed_at) SELECT decode(md5(i::text), 'hex'), 1, \
         9000000000000000 FROM generate_series(1, 30000) i; ANALYZE",
    );
    let before = count(&database.url, SCANS);
    let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
    assert_eq!(stage.app.client().logout(&token), 200);
    assert_eq!(stage.of_token(&token)["state"], "ended");
    assert_eq!(stage.of_session(&session)["state"], "ended");
    assert_eq!(stage.of_token("0123456789abcdef0123456789abcdef01234567")["state"], "unknown");
    assert_eq!(stage.of_session("018cc251-f400-7000-8000-000000000000")["state"], "unknown");
    stage.wait(RETENTION + DAY);
    stage.sweep();
    // A connection's counters are complete only when it has ended.
    drop(stage);
    while count(&database.url, OTHERS) > 0 {
        std::thread::yield_now();
    }
    assert_eq!(count(&database.url, SCANS) - before, 0);
}
