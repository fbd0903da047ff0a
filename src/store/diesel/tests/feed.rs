//! What feeds report about rows that are missing, too many or not theirs, and about what sweepers delete.

use super::*;
use crate::store::{Invalidation, RevocationFeed, SweepPolicy};

fn invalidation(feed: &mut dyn RevocationFeed) -> Invalidation {
    let round = feed.poll(&[]).expect("a round");
    assert!(round.cacheable);
    round.invalidation
}

const NOTHING: Invalidation = Invalidation::Revoked(Vec::new());

#[test]
fn sweeps_are_not_reported() {
    const DAY: u64 = 24 * 60 * 60;
    on_each_database(|fixture, c, user| {
        (1..=9).for_each(|n| open(c, &login(user, 0, n)));
        assert_eq!(c.end_session(session(1), &audit(Event::Logout)), Ok(true));
        assert_eq!(c.end_all_sessions(user, &audit(Event::LogoutAll)), Ok(true));
        (10..=19).for_each(|n| open(c, &login(user, 1, n)));
        let mut feed = fixture.store.feed().expect("a feed");
        invalidation(&mut *feed);
        for seconds in [1, 3_601 + DAY, 3_601 + 40 * DAY] {
            fixture.store.sweep(later(seconds), &SweepPolicy::default(), &|| true).expect("a sweep");
            assert_eq!(invalidation(&mut *feed), NOTHING, "{seconds}");
        }
        assert_eq!(fixture.count("sessions") + fixture.count("tokens"), 0);
    });
}

#[test]
fn too_many_revocations_invalidate_everything() {
    for fixture in Fixture::all() {
        let log = |from: u32, to: u32| {
            fixture.run(&format!(
                "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})
                 INSERT INTO revocation_log (user_id) SELECT i FROM n"
            ));
        };
        let mut feed = fixture.store.feed().expect("a feed");
        invalidation(&mut *feed);
        log(1, 5_000);
        let told = invalidation(&mut *feed);
        assert!(matches!(&told, Invalidation::Revoked(revoked) if revoked.len() == 5_000), "{told:?}");
        log(1, 5_001);
        assert_eq!(invalidation(&mut *feed), Invalidation::Everything);
        assert_eq!(invalidation(&mut *feed), NOTHING);
        // A log row for everything, as emptying a table writes.
        fixture.run("INSERT INTO revocation_log (user_id) VALUES (NULL)");
        assert_eq!(invalidation(&mut *feed), Invalidation::Everything);
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_gap_in_the_log_is_everything() {
    let fixture = Fixture::sqlite();
    let mut feed = fixture.store.feed().expect("a feed");
    invalidation(&mut *feed);
    fixture.run("INSERT INTO revocation_log (user_id) VALUES (1), (2); DELETE FROM revocation_log WHERE user_id = 1");
    assert_eq!(invalidation(&mut *feed), Invalidation::Everything);
    assert_eq!(invalidation(&mut *feed), NOTHING);
}

/// A copy of the database with another history has a row with the number of the last one that was read.
#[cfg(feature = "sqlite")]
#[test]
fn a_row_of_another_copys_log_is_everything() {
    let fixture = Fixture::sqlite();
    fixture.run("INSERT INTO revocation_log (user_id) VALUES (1)");
    let mut feed = fixture.store.feed().expect("a feed");
    invalidation(&mut *feed);
    // As if all pages were replaced: the schema seems unchanged, and no trigger fired.
    let mut any = fixture.raw();
    #[derive(diesel::QueryableByName)]
    struct Version {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        schema_version: i64,
    }
    let Version { schema_version } =
        diesel::sql_query("SELECT schema_version FROM pragma_schema_version").get_result(&mut any).expect("a number");
    any.batch_execute(&format!(
        "BEGIN; DROP TRIGGER revocation_log_altered; UPDATE revocation_log SET user_id = 2, mark = 77; \
         CREATE TRIGGER revocation_log_altered AFTER UPDATE ON revocation_log \
         WHEN OLD.mark IS NOT NULL \
         OR (OLD.seq, OLD.user_id, OLD.session_id) IS NOT (NEW.seq, NEW.user_id, NEW.session_id) \
         BEGIN INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL); END; \
         PRAGMA schema_version = {schema_version}; COMMIT"
    ))
    .expect("another row");
    assert_eq!(invalidation(&mut *feed), Invalidation::Everything);
    assert_eq!(invalidation(&mut *feed), NOTHING);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_first_row_that_is_taken_at_once_is_everything() {
    let fixture = Fixture::sqlite();
    let mut feed = fixture.store.feed().expect("a feed");
    invalidation(&mut *feed);
    fixture.run("BEGIN; INSERT INTO revocation_log (user_id) VALUES (1); DELETE FROM revocation_log; COMMIT");
    assert_eq!(invalidation(&mut *feed), Invalidation::Everything);
    assert_eq!(invalidation(&mut *feed), NOTHING);
}
