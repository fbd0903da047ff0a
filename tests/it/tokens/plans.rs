//! A session with most of the tokens misleads Postgres's planner: it then assumes that any session has many, and that a
//! scan of the whole table soon finds some. No statement falls for that.

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use knoxide::domain::audit::Event;
use knoxide::domain::policy::Policy;
use knoxide::domain::time::Clock as _;
use knoxide::store::{AdminStore as _, LastAdmin, SweepPolicy, UserChanged};

use super::connect;
use crate::harness::app::{App, Backend, Database, Setup};
use crate::harness::postgres::shared;

/// The number of full scans of these tables.
const SCANS: &str = "(SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname IN ('tokens', 'sessions'))";

const OTHERS: &str = "(SELECT count(*) FROM pg_stat_activity \
                      WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid())";

fn number(connection: &mut diesel::PgConnection, query: &str) -> i64 {
    diesel::select(sql::<BigInt>(query)).get_result(connection).expect("a number")
}

#[test]
fn no_statement_searches_a_whole_table() {
    if shared().is_none() {
        return;
    }
    let database = Database::migrated(Backend::Postgres);
    let app = App::on(Database::at(database.url.clone()), Setup { policy: Policy::default(), ..Setup::default() });
    let alice = app.add_user("alice", "correct horse");
    let bob = app.add_user("bob", "correct horse");
    let huge = app.client().login("alice", "correct horse");
    let mut shell: diesel::PgConnection = connect(&database.url);
    shell
        .batch_execute(&format!(
            // This connection is counted too.
            "SET enable_seqscan = off;
             INSERT INTO tokens (digest, session_id, kind, created, expires)
             SELECT decode(repeat(md5(i::text), 4), 'hex'), s.id, 'access', s.created + i, s.created + 86400000000 + i
             FROM sessions s, generate_series(1, 30000) i WHERE s.user_id = {};
             ANALYZE",
            alice.0
        ))
        .expect("many tokens");
    let before = number(&mut shell, SCANS);

    let mut client = app.client();
    for _ in 0..3 {
        let token = client.login("bob", "correct horse");
        assert_eq!(client.check(&token), 200);
        assert_eq!(client.logout(&token), 200);
    }
    client.login("bob", "correct horse");
    assert_eq!(app.connection().end_all_sessions(bob, &app.audit(Event::LogoutAll)), Ok(true));
    assert_eq!(client.logout(&huge), 200);
    app.store.empty_ended_sessions(&|| true).expect("emptied");
    app.store.sweep(app.clock.now(), &SweepPolicy::default(), &|| true).expect("swept");
    assert_eq!(app.store.delete_user(alice, LastAdmin::MayGo, &app.audit(Event::UserDeleted)), Ok(UserChanged::Done));

    // A connection's counters are complete only when it has ended.
    drop(app);
    while number(&mut shell, OTHERS) > 0 {
        std::thread::yield_now();
    }
    assert_eq!(number(&mut shell, SCANS) - before, 0);
}
