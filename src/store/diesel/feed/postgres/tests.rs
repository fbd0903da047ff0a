//! The revocation feed of a server: poolers, open transactions, restored backups.

use diesel::connection::SimpleConnection;

use super::*;
use crate::domain::user::UserId;
use crate::store::Revoked;
use crate::store::SweepPolicy;
use crate::store::diesel::tests::{Fixture, add_user, digest, later, login, open};

const NOTHING: Invalidation = Invalidation::Revoked(Vec::new());

fn follow(fixture: &Fixture) -> PostgresFeed {
    let mut feed = PostgresFeed::open(&fixture.store.target).expect("a feed");
    assert_eq!(invalidation(&mut feed), Invalidation::Everything);
    feed
}

fn invalidation(feed: &mut PostgresFeed) -> Invalidation {
    let poll = feed.poll(&[]).expect("a poll");
    assert!(poll.cacheable);
    poll.invalidation
}

fn of_users(users: &[i64]) -> Invalidation {
    Invalidation::Revoked(users.iter().map(|user| Revoked::User(UserId(*user))).collect())
}

fn log(connection: &mut AnyConnection, user: i64) {
    let sql = format!("INSERT INTO revocation_log (user_id) VALUES ({user})");
    connection.batch_execute(&sql).expect("a row");
}

fn sweep(fixture: &Fixture, seconds: u64) -> usize {
    fixture.store.sweep(later(seconds), &SweepPolicy::default(), &|| true).expect("a sweep").log_rows
}

#[test]
fn a_row_is_reported_when_it_becomes_visible_whatever_its_number() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut feed = follow(&fixture);
    let (mut slow, mut slower) = (fixture.raw(), fixture.raw());
    for connection in [&mut slow, &mut slower] {
        connection.batch_execute("BEGIN").expect("begun");
    }
    log(&mut slower, 1);
    log(&mut slow, 2);
    assert_eq!(invalidation(&mut feed), NOTHING);
    log(&mut fixture.raw(), 3);
    assert_eq!(invalidation(&mut feed), of_users(&[3]));
    slow.batch_execute("COMMIT").expect("committed");
    assert_eq!(invalidation(&mut feed), of_users(&[2]));
    assert_eq!(invalidation(&mut feed), NOTHING);
    log(&mut fixture.raw(), 4);
    slower.batch_execute("COMMIT").expect("committed");
    assert_eq!(invalidation(&mut feed), of_users(&[1, 4]));
    assert_eq!(invalidation(&mut feed), NOTHING);
}

#[test]
fn what_is_rolled_back_is_not_reported() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut feed = follow(&fixture);
    let mut other = fixture.raw();
    other.batch_execute("BEGIN; SAVEPOINT a").expect("begun");
    log(&mut other, 1);
    other.batch_execute("ROLLBACK TO a; SAVEPOINT b").expect("undone");
    log(&mut other, 2);
    assert_eq!(invalidation(&mut feed), NOTHING);
    other.batch_execute("COMMIT").expect("committed");
    assert_eq!(invalidation(&mut feed), of_users(&[2]));
    other.batch_execute("BEGIN").expect("begun");
    log(&mut other, 3);
    other.batch_execute("ROLLBACK").expect("undone");
    assert_eq!(invalidation(&mut feed), NOTHING);
}

#[test]
fn a_feed_that_slept_while_the_log_was_pruned_invalidates_everything() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut awake = follow(&fixture);
    sweep(&fixture, 0);
    assert_eq!(invalidation(&mut awake), NOTHING);
    let mut asleep = follow(&fixture);
    // A transaction that was open during the last poll.
    let mut open = fixture.raw();
    open.batch_execute("BEGIN").expect("begun");
    log(&mut open, 1);
    let mut dozing = follow(&fixture);
    open.batch_execute("COMMIT").expect("committed");
    assert_eq!(sweep(&fixture, 3_600), 0);
    assert_eq!(invalidation(&mut awake), of_users(&[1]));
    // The horizon is still before it.
    let mut fresh = follow(&fixture);
    log(&mut fixture.raw(), 2);
    assert_eq!(sweep(&fixture, 7_200), 1);
    assert_eq!(invalidation(&mut awake), of_users(&[2]));
    assert_eq!(invalidation(&mut fresh), of_users(&[2]));
    for late in [&mut asleep, &mut dozing] {
        assert_eq!(invalidation(late), Invalidation::Everything);
        assert_eq!(invalidation(late), NOTHING);
    }
}

#[test]
fn another_server_process_makes_a_new_beginning() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut c = fixture.connect();
    let user = add_user(&mut *c, "alice");
    open(&mut *c, &login(user, 0, 1));
    let mut feed = follow(&fixture);
    // As a pooler does.
    feed.connection = DieselConnection::open(&fixture.store.target, Role::RevocationFeed).expect("another");
    let poll = feed.poll(&[digest(1), digest(2)]).expect("a poll");
    assert_eq!((poll.invalidation, poll.cacheable), (Invalidation::Everything, true));
    assert_eq!(poll.found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    assert_eq!(invalidation(&mut feed), NOTHING);
}

#[test]
fn an_old_transaction_makes_checks_read_until_it_ends() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut c = fixture.connect();
    let user = add_user(&mut *c, "alice");
    open(&mut *c, &login(user, 0, 1));
    let mut feed = follow(&fixture);
    let mut old = fixture.raw();
    old.batch_execute("BEGIN").expect("begun");
    log(&mut old, 1);
    fixture.run("INSERT INTO revocation_log (user_id) SELECT i FROM generate_series(2, 2001) i");
    // This many rows may be skipped.
    let started = Instant::now();
    while started.elapsed() < 3 * COUNT_INTERVAL {
        invalidation(&mut feed);
    }
    log(&mut fixture.raw(), 2_002);
    let wait_for = |feed: &mut PostgresFeed, cacheable: bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let poll = feed.poll(&[digest(1), digest(2)]).expect("a poll");
            assert_eq!(poll.found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
            if poll.cacheable == cacheable {
                return poll.invalidation;
            }
            assert!(Instant::now() < deadline, "{cacheable} in time");
        }
    };
    assert_eq!(wait_for(&mut feed, false), Invalidation::Everything);
    // While checks read the database, nothing is cached.
    let poll = feed.poll(&[]).expect("a poll");
    assert_eq!((poll.invalidation, poll.cacheable), (Invalidation::Everything, false));
    old.batch_execute("COMMIT").expect("committed");
    assert_eq!(wait_for(&mut feed, true), Invalidation::Everything);
    log(&mut fixture.raw(), 3_000);
    assert_eq!(invalidation(&mut feed), of_users(&[3_000]));
}

/// A log that was restored from another server's backup has numbers of future transactions.
#[test]
fn rows_from_the_future_are_left_alone() {
    let Some(fixture) = Fixture::postgres() else { return };
    fixture.run("INSERT INTO revocation_log (xid, user_id) VALUES ('999999999999', 7)");
    let mut feed = follow(&fixture);
    assert_eq!(invalidation(&mut feed), NOTHING);
    log(&mut fixture.raw(), 8);
    assert_eq!(invalidation(&mut feed), of_users(&[8]));
}

#[test]
fn polls_are_prepared_once_and_use_indexes() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut feed = follow(&fixture);
    for n in 0..20 {
        feed.poll(&[digest(n)]).expect("a poll");
        feed.poll(&[]).expect("a poll");
    }
    #[derive(diesel::QueryableByName)]
    struct Prepared {
        #[diesel(sql_type = BigInt)]
        statements: i64,
        #[diesel(sql_type = BigInt)]
        custom: i64,
    }
    let query = "SELECT count(*) AS statements, sum(custom_plans)::bigint AS custom FROM pg_prepared_statements \
                 WHERE statement LIKE '%revocation_log%'";
    let prepared: Prepared = feed.connection.read(|any| diesel::sql_query(query).get_result(any)).expect("a row");
    assert_eq!((prepared.statements, prepared.custom), (2, 0));
}

/// A poll that checks the triggers, as one does from time to time.
fn look(feed: &mut PostgresFeed) -> FeedUpdate {
    assert!(!feed.triggers.is_due(), "not each time");
    feed.triggers.checked = None;
    feed.poll(&[]).expect("a poll")
}

/// Changes to triggers, their functions and tables that are undone, or have no effect: changes made in between
/// may be missing in the log.
#[test]
fn whatever_was_done_to_the_triggers_is_seen_by_the_next_look() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut feed = follow(&fixture);
    for meddling in [
        "ALTER TABLE users DISABLE TRIGGER users_changed; ALTER TABLE users ENABLE ALWAYS TRIGGER users_changed",
        "DO $$ BEGIN EXECUTE (SELECT definition FROM revocation_triggers WHERE name = 'tokens.tokens_changed'); END $$",
        "ALTER FUNCTION log_removed_users COST 200",
        "ALTER TABLE users ALTER COLUMN is_active TYPE BOOLEAN USING FALSE",
        "CREATE TRIGGER another AFTER INSERT ON sessions FOR EACH STATEMENT EXECUTE FUNCTION log_everything()",
    ] {
        fixture.run(meddling);
        assert_eq!(invalidation(&mut feed), NOTHING, "{meddling}");
        let poll = look(&mut feed);
        assert_eq!((poll.invalidation, poll.cacheable), (Invalidation::Everything, true), "{meddling}");
        let poll = look(&mut feed);
        assert_eq!((poll.invalidation, poll.cacheable), (NOTHING, true), "{meddling}");
    }
}

#[test]
fn while_the_triggers_are_others_nothing_lasts() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut c = fixture.connect();
    let user = add_user(&mut *c, "alice");
    open(&mut *c, &login(user, 0, 1));
    let mut feed = follow(&fixture);
    fixture.run("ALTER TABLE users DISABLE TRIGGER ALL; ALTER TABLE users ENABLE TRIGGER ALL");
    for _ in 0..2 {
        let poll = look(&mut feed);
        assert_eq!((poll.invalidation, poll.cacheable), (Invalidation::Everything, false));
        let poll = feed.poll(&[digest(1)]).expect("a poll");
        assert_eq!(
            (poll.invalidation, poll.cacheable, poll.found[0].is_some()),
            (Invalidation::Everything, false, true)
        );
    }
    assert!(c.ping().is_err());
    for trigger in ["users_changed", "users_removed", "users_emptied"] {
        fixture.run(&format!("ALTER TABLE users ENABLE ALWAYS TRIGGER {trigger}"));
    }
    let poll = look(&mut feed);
    assert_eq!((poll.invalidation, poll.cacheable), (Invalidation::Everything, true));
    assert_eq!(c.ping(), Ok(()));
    assert_eq!(invalidation(&mut feed), NOTHING);
    // A new connection checks the triggers at once.
    fixture.run("DROP TRIGGER users_removed ON users");
    let mut late = PostgresFeed::open(&fixture.store.target).expect("a feed");
    assert!(!late.poll(&[]).expect("a poll").cacheable);
    fixture.run("DELETE FROM revocation_triggers");
    assert!(!look(&mut feed).cacheable, "the expected state is missing");
}

#[test]
fn a_log_that_was_cut_is_everything_unless_the_sweeper_did_it() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut feed = follow(&fixture);
    for cut in ["DELETE FROM revocation_log", "TRUNCATE revocation_log", "UPDATE revocation_log SET user_id = 0"] {
        fixture.run(&format!("BEGIN; INSERT INTO revocation_log (user_id) VALUES (1); {cut}; COMMIT"));
        assert_eq!(invalidation(&mut feed), Invalidation::Everything, "{cut}");
        assert_eq!(invalidation(&mut feed), NOTHING, "{cut}");
    }
    let mut taken = 0;
    for hours in 0..=3 {
        taken += sweep(&fixture, hours * 3_600);
        assert_eq!(invalidation(&mut feed), NOTHING);
    }
    assert!(taken > 0, "the sweeper takes rows");
}

#[test]
fn a_restored_horizon_makes_a_new_beginning() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut feed = follow(&fixture);
    fixture.run(
        "ALTER TABLE revocation_horizon RENAME TO old; CREATE TABLE revocation_horizon (LIKE old); \
         INSERT INTO revocation_horizon SELECT * FROM old",
    );
    assert_eq!(invalidation(&mut feed), Invalidation::Everything);
    assert_eq!(invalidation(&mut feed), NOTHING);
}
