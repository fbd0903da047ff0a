//! Sessions with many tokens: no statement deletes more than a bounded number of them.

use super::*;
use crate::store::{AccessLimit, LimitPolicy, Refresh, Refreshed, SessionFilter, SessionMatch, SweepPolicy};

const DAY: u64 = 24 * 60 * 60;

/// More than any batch takes.
const MANY: i64 = 3_000;

/// Adds this many tokens to session `n`, whose digests are arbitrary.
fn fill(fixture: &Fixture, n: u32, tokens: i64) {
    let sqlite = fixture.url.starts_with("sqlite");
    let id: String = session(n).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let (id, digest) = if sqlite {
        (format!("x'{id}'"), "randomblob(64)".to_owned())
    } else {
        let part = |salt: u32| format!("md5(i::text || '{n} {salt}')");
        (format!("'\\x{id}'::bytea"), format!("decode({}, 'hex')", [1, 2, 3, 4].map(part).join(" || ")))
    };
    let now = NOW.as_micros();
    fixture.run(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {tokens})
         INSERT INTO tokens (digest, session_id, kind, created, expires)
         SELECT {digest}, {id}, 'access', {now} + i, {now} + 3600000000 + i / 100 * 1000000 FROM n"
    ));
}

/// From now on no session with a token can be deleted, so no cascade deletes tokens.
fn forbid_cascades(fixture: &Fixture) {
    let condition = "EXISTS (SELECT 1 FROM tokens WHERE session_id = OLD.id)";
    fixture.run(&if fixture.url.starts_with("sqlite") {
        format!(
            "CREATE TRIGGER forbid BEFORE DELETE ON sessions WHEN {condition} BEGIN SELECT RAISE(ABORT, 'cascade'); END"
        )
    } else {
        format!(
            "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF {condition} THEN RAISE 'cascade'; END IF; RETURN OLD; END $$;
             CREATE TRIGGER forbid BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION forbid()"
        )
    });
}

/// Runs `work`, which asks before each of its transactions whether to go on, and returns the greatest
/// number of tokens that were deleted between two questions.
fn most_at_once(fixture: &Fixture, work: impl FnOnce(&dyn Fn() -> bool)) -> i64 {
    most_of(fixture, "tokens", work)
}

/// The same for the rows of another table.
fn most_of(fixture: &Fixture, table: &str, work: impl FnOnce(&dyn Fn() -> bool)) -> i64 {
    let left = std::cell::Cell::new(fixture.count(table));
    let most = std::cell::Cell::new(0);
    let look = || {
        let now = fixture.count(table);
        most.set(most.get().max(left.get() - now));
        left.set(now);
        true
    };
    work(&look);
    look();
    most.get()
}

#[test]
fn ending_deletes_a_hundred_and_the_sweeper_the_rest() {
    on_each_database(|fixture, c, user| {
        (1..=3).for_each(|n| open(c, &login(user, 0, n)));
        fill(fixture, 1, MANY);
        assert_eq!(c.end_session(session(1), &audit(Event::Logout)), Ok(true));
        assert_eq!(fixture.count("tokens"), MANY + 3 - 100);
        assert_eq!(c.end_session(session(2), &audit(Event::Logout)), Ok(true));
        // Only sessions that were left with tokens are found again.
        assert_eq!(fixture.count("sessions WHERE ended_at IS NOT NULL AND NOT emptied"), 1);
        let logged = fixture.count("revocation_log");
        let most = most_at_once(fixture, |go_on| {
            let swept = fixture.store.empty_ended_sessions(go_on).expect("a sweep");
            assert_eq!(i64::try_from(swept), Ok(MANY + 1 - 100));
        });
        assert!((1..=1_000).contains(&most), "{most} at once");
        assert_eq!((fixture.count("tokens"), verdict(c, 3)), (1, Ok(())));
        assert_eq!(fixture.count("sessions WHERE ended_at IS NOT NULL AND NOT emptied"), 0);
        assert_eq!(fixture.count("revocation_log"), logged, "they were dead before");
        assert_eq!(fixture.store.empty_ended_sessions(&|| true), Ok(0));
    });
}

#[test]
fn what_a_login_evicts_is_bounded_together() {
    on_each_database(|fixture, c, user| {
        for n in 1..=3 {
            open(c, &login(user, 0, n));
            fill(fixture, n, 80);
        }
        let limit = SessionLimit { max: 1, policy: LimitPolicy::EvictOldest, idle_limit: None };
        open(c, &limited(login(user, 0, 4), limit));
        assert_eq!(fixture.count("tokens"), 3 * 81 + 1 - 100);
        assert_eq!(fixture.count("sessions WHERE ended_at IS NULL"), 1);
        assert_eq!(fixture.store.empty_ended_sessions(&|| true), Ok(3 * 81 - 100));
    });
}

/// Opens session 1 of a user, and session 2 of another one, who is returned; each has [`MANY`] more tokens.
fn open_two_large_sessions(fixture: &Fixture, c: &mut dyn Connection, alice: UserId) -> UserId {
    let bob = add_user(c, "bob");
    open(c, &login(alice, 0, 1));
    open(c, &login(bob, 0, 2));
    fill(fixture, 1, MANY);
    fill(fixture, 2, MANY);
    bob
}

#[test]
fn a_session_is_forgotten_after_its_tokens() {
    on_each_database(|fixture, c, alice| {
        let bob = open_two_large_sessions(fixture, c, alice);
        // One was ended with SQL; the holders of the other's tokens still learn that the user is inactive.
        fixture.run(&format!("UPDATE sessions SET ended_at = {} WHERE user_id = {alice}", NOW.as_micros()));
        fixture.set_active(bob, false);
        fixture.store.sweep(later(1), &SweepPolicy::default(), &|| true).expect("a sweep");
        assert_eq!((fixture.count("tokens"), verdict(c, 2)), (MANY + 1, Err(Refusal::InactiveUser)));
        // The record that it was not emptied is lost.
        fixture.run("UPDATE sessions SET emptied = TRUE");
        forbid_cascades(fixture);
        let most = most_at_once(fixture, |go_on| {
            // By now the tokens have expired, too.
            let policy = SweepPolicy { token_grace: Duration::from_secs(90 * DAY), ..SweepPolicy::default() };
            let report = fixture.store.sweep(later(31 * DAY), &policy, go_on).expect("a sweep");
            assert_eq!((report.sessions, i64::try_from(report.dead_tokens)), (2, Ok(MANY + 1)));
        });
        assert!((1..=1_000).contains(&most), "{most} at once");
        assert_eq!((fixture.count("tokens"), fixture.count("sessions")), (0, 0));
        assert_eq!(fixture.count("token_traces"), 0, "tokens of a session that is forgotten leave none");
    });
}

#[test]
fn traces_are_made_and_forgotten_in_small_steps() {
    on_each_database(|fixture, c, alice| {
        let bob = open_two_large_sessions(fixture, c, alice);
        // Of JWTs that expired before the end no trace is needed.
        fixture.run(&format!("UPDATE tokens SET key_id = 1, expires = 1 WHERE created = {}", NOW.as_micros() + 7));
        assert_eq!(c.end_session(session(1), &audit(Event::Logout)), Ok(true));
        let changed = |go_on: &dyn Fn() -> bool| fixture.store.empty_ended_sessions(go_on).expect("a sweep");
        let most = most_at_once(fixture, |go_on| assert_eq!(i64::try_from(changed(go_on)), Ok(MANY + 1 - 100)));
        assert!((1..=500).contains(&most), "{most} at once");
        assert_eq!(fixture.count("token_traces"), MANY);
        assert_eq!(fixture.delete_user(bob), Ok(UserChanged::Done));
        assert_eq!((fixture.count("token_traces"), fixture.count("removed_sessions")), (2 * MANY, 1));
        // Of both sessions, after their time.
        let most = most_of(fixture, "token_traces", |go_on| {
            let report = fixture.store.sweep(later(31 * DAY), &SweepPolicy::default(), go_on).expect("a sweep");
            assert_eq!((report.sessions, i64::try_from(report.traces)), (1, Ok(2 * MANY)));
        });
        assert!((1..=500).contains(&most), "{most} at once");
        assert_eq!((fixture.count("token_traces"), fixture.count("removed_sessions")), (0, 0));
    });
}

#[test]
fn two_tokens_with_the_same_first_bytes_share_a_trace() {
    on_each_database(|fixture, c, user| {
        let mut twins = login(user, 0, 1);
        let mut bytes = *digest(1).as_bytes();
        bytes[16] = 1;
        twins.tokens.push(NewToken { digest: TokenDigest::from_bytes(bytes), ..twins.tokens[0] });
        open(c, &twins);
        assert_eq!(c.end_session(session(1), &audit(Event::Logout)), Ok(true));
        assert_eq!((fixture.count("tokens"), fixture.count("token_traces")), (0, 1));
    });
}

#[test]
fn a_user_is_removed_after_all_tokens() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        for (name, active) in [("alice", true), ("bob", false)] {
            let user = add_user(&mut *c, name);
            (1..=20).for_each(|n| open(&mut *c, &login(user, 0, n)));
            fill(&fixture, 1, MANY);
            fixture.set_active(user, active);
            if active {
                forbid_cascades(&fixture);
            }
            let logged = fixture.count("revocation_log");
            assert_eq!(fixture.delete_user(user), Ok(UserChanged::Done));
            assert_eq!((fixture.count("tokens"), fixture.count("sessions"), fixture.count("users")), (0, 0, 0));
            // Two for the user, and not one for each session.
            assert_eq!(fixture.count("revocation_log") - logged, 2, "{}", fixture.url);
        }
    }
}

#[test]
fn a_removal_that_failed_half_way_is_repeated() {
    on_each_database(|fixture, c, user| {
        (1..=30).for_each(|n| open(c, &login(user, 0, n)));
        // Half of the sessions cannot be removed, because of a foreign key of another table.
        fixture.run(
            "CREATE TABLE notes (session_id REFERENCES_ID NOT NULL REFERENCES sessions (id));
             INSERT INTO notes SELECT id FROM sessions ORDER BY id DESC LIMIT 15"
                .replace("REFERENCES_ID", if fixture.url.starts_with("sqlite") { "BLOB" } else { "BYTEA" })
                .as_str(),
        );
        assert!(fixture.delete_user(user).is_err());
        assert_eq!((fixture.count("users WHERE is_active"), fixture.count("users")), (0, 1));
        for n in [1, 30] {
            assert!(verdict(c, n).is_err(), "shut out from the first moment on");
        }
        fixture.run("DROP TABLE notes");
        assert_eq!(fixture.delete_user(user), Ok(UserChanged::Done));
        assert_eq!(fixture.count("users"), 0);
    });
}

#[test]
fn a_list_of_sessions_reads_one_row_of_each() {
    on_each_database(|fixture, c, user| {
        (1..=2).for_each(|n| open(c, &login(user, 0, n)));
        fill(fixture, 1, MANY);
        let filter = |now| SessionFilter::live(SessionMatch::of_user(user), now);
        let ends = |now| -> Vec<Option<Timestamp>> {
            let listed = fixture.store.list_sessions(&filter(now)).expect("a list").sessions;
            listed.into_iter().map(|entry| entry.expires).collect()
        };
        let last = later(3600 + u64::try_from(MANY / 100).expect("a number"));
        assert_eq!(ends(NOW), [Some(later(3600)), Some(last)]);
        assert_eq!(ends(later(3600)), [Some(last)]);
        assert_eq!(ends(last), Vec::new());
        fixture.run("UPDATE tokens SET expires = NULL WHERE created = (SELECT max(created) FROM tokens)");
        assert_eq!(ends(last), [None]);
        // A consumed token keeps no session alive.
        fixture.run("UPDATE tokens SET consumed = 1");
        assert_eq!(ends(NOW), Vec::new());
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn the_end_of_a_session_is_found_in_the_index() {
    #[derive(diesel::QueryableByName)]
    struct PlanRow {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let fixture = Fixture::sqlite();
    let end = super::super::hot::LAST_END;
    let plan: Vec<PlanRow> = diesel::sql_query(format!("EXPLAIN QUERY PLAN SELECT {end} FROM sessions"))
        .load(&mut fixture.raw())
        .expect("a plan");
    let plan: Vec<String> = plan.into_iter().map(|step| step.detail).filter(|step| step.contains("tokens")).collect();
    let with_bound = |step: &String| step.contains("tokens_by_session (session_id=? AND consumed=? AND expires");
    assert!(plan.len() == 2 && plan.iter().all(with_bound), "{plan:?}");
}

#[test]
fn an_evicted_token_is_reported_to_feeds() {
    on_each_database(|fixture, c, user| {
        open(c, &login(user, 0, 1));
        let logged = fixture.count("revocation_log");
        let limit = Some(AccessLimit { max: 2, successors_from: NOW });
        for n in 2..=4 {
            let token = NewToken { digest: digest(n), kind: TokenKind::Access, expires: Some(later(60)), key: None };
            let (presented, at) = (digest(n - 1), later(u64::from(n)));
            let refresh = Refresh { presented, tokens: vec![token], successor: None, at, limit };
            assert_eq!(c.refresh(&refresh), Ok(Refreshed::Done));
        }
        assert_eq!((fixture.count("tokens"), fixture.count("revocation_log")), (2, logged + 2));
        assert_eq!([1, 2, 3, 4].map(|n| verdict(c, n).is_ok()), [false, false, true, true]);
    });
}

#[test]
fn holders_are_told_of_a_deactivation_and_of_nothing_that_was_over_before() {
    on_each_database(|fixture, c, user| {
        (1..=2).for_each(|n| open(c, &login(user, 0, n)));
        fill(fixture, 1, 200);
        assert_eq!(c.end_session(session(1), &audit(Event::Logout)), Ok(true));
        let left = fixture.count("tokens");
        assert_eq!(left, 102);
        fixture.set_active(user, false);
        let judged = |c: &mut dyn Connection| verdict(c, 2);
        assert_eq!(judged(c), Err(Refusal::InactiveUser));
        fixture.store.sweep(later(1), &SweepPolicy::default(), &|| true).expect("a sweep");
        assert_eq!(fixture.count("tokens"), 1, "those of an inactive user go too");
        assert_eq!(judged(c), Err(Refusal::InactiveUser), "also after the sweeper has marked the session");
        fixture.set_active(user, true);
        assert_eq!(judged(c), Err(Refusal::SessionEnded));
        fixture.set_active(user, false);
        assert_eq!(judged(c), Err(Refusal::OldEpoch));
        // The same with SQL, which also raises the epoch.
        let bob = add_user(c, "bob");
        open(c, &login(bob, 0, 3));
        fixture.run("UPDATE users SET is_active = FALSE, auth_epoch = auth_epoch + 1 WHERE username = 'bob'");
        for _ in 0..2 {
            assert_eq!(verdict(c, 3), Err(Refusal::InactiveUser));
            fixture.store.sweep(later(1), &SweepPolicy::default(), &|| true).expect("a sweep");
        }
    });
}
