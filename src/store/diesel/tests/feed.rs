//! What feeds report about statements from the database's shell, and about
//! those of the sweeper.

use super::*;
use crate::store::{Invalidation, RevocationFeed, Revoked, SweepPolicy};

fn invalidation(feed: &mut dyn RevocationFeed) -> Invalidation {
    let round = feed.poll(&[]).expect("a round");
    assert!(round.cacheable);
    round.invalidation
}

const NOTHING: Invalidation = Invalidation::Revoked(Vec::new());

#[test]
fn raw_statements_are_reported() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        (1..=9).for_each(|n| open(&mut *c, &login(user, 0, n)));
        let mut feed = fixture.store.feed().expect("a feed");
        invalidation(&mut *feed);
        let mut hear = |sql: &str| {
            fixture.run(sql);
            let heard = invalidation(&mut *feed);
            assert_eq!(invalidation(&mut *feed), NOTHING);
            heard
        };
        let of_user = Invalidation::Revoked(vec![Revoked::User(user)]);
        for sql in [
            "UPDATE users SET is_staff = TRUE",
            "UPDATE users SET email = 'new'",
            "UPDATE users SET username = 'alicia'",
            "UPDATE users SET is_active = FALSE",
            "UPDATE users SET is_active = TRUE",
        ] {
            assert_eq!(hear(sql), of_user, "{sql}");
        }
        assert_eq!(hear("UPDATE users SET last_login = 5, password_hash = 'x'"), NOTHING);
        let ended = [1, 2, 3, 4].map(|n| Invalidation::Revoked(vec![Revoked::Session(session(n))]));
        let first = "(SELECT id FROM sessions WHERE ended_at IS NULL ORDER BY id LIMIT 1)";
        // Including a setting that only the sweeper uses.
        let ending = format!("UPDATE sessions SET ended_at = 1, ended_reason = 'expired' WHERE id = {first}");
        assert_eq!(hear(&ending), ended[0]);
        assert_eq!(hear(&format!("UPDATE tokens SET expires = 1 WHERE session_id = {first}")), ended[1]);
        assert_eq!(hear(&format!("DELETE FROM tokens WHERE session_id = {first}")), ended[1]);
        assert_eq!(hear(&format!("DELETE FROM sessions WHERE id = {first}")), ended[1]);
        assert_eq!(hear(&format!("UPDATE sessions SET auth_epoch = -1 WHERE id = {first}")), ended[2]);
        assert_eq!(hear("DELETE FROM users"), of_user);
    }
}

#[test]
fn sweeps_are_not_reported() {
    const DAY: u64 = 24 * 60 * 60;
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        (1..=9).for_each(|n| open(&mut *c, &login(user, 0, n)));
        assert_eq!(c.end_session(session(1), &audit(Event::Logout)), Ok(true));
        assert_eq!(c.end_all_sessions(user, &audit(Event::LogoutAll)), Ok(true));
        (10..=19).for_each(|n| open(&mut *c, &login(user, 1, n)));
        let mut feed = fixture.store.feed().expect("a feed");
        invalidation(&mut *feed);
        for seconds in [1, 3_601 + DAY, 3_601 + 40 * DAY] {
            fixture.store.sweep(later(seconds), &SweepPolicy::default(), &|| true).expect("a sweep");
            assert_eq!(invalidation(&mut *feed), NOTHING, "{seconds}");
        }
        assert_eq!(fixture.count("sessions") + fixture.count("tokens"), 0);
    }
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
    let fixture = Fixture::bare_sqlite();
    fixture.store.migrate().expect("the schema");
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
    let fixture = Fixture::bare_sqlite();
    fixture.store.migrate().expect("the schema");
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
    let fixture = Fixture::bare_sqlite();
    fixture.store.migrate().expect("the schema");
    let mut feed = fixture.store.feed().expect("a feed");
    invalidation(&mut *feed);
    fixture.run("BEGIN; INSERT INTO revocation_log (user_id) VALUES (1); DELETE FROM revocation_log; COMMIT");
    assert_eq!(invalidation(&mut *feed), Invalidation::Everything);
    assert_eq!(invalidation(&mut *feed), NOTHING);
}
