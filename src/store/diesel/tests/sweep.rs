//! Sweeping.

use super::*;
use crate::store::{SessionFilter, SessionMatch, SweepPolicy, SweepReport};

const DAY: u64 = 24 * 60 * 60;

fn sweep(fixture: &Fixture, seconds: u64) -> SweepReport {
    fixture.store.sweep(later(seconds), &SweepPolicy::default(), &|| true).expect("a sweep")
}

#[test]
fn expired_tokens_go_after_a_day_and_revoke_nothing() {
    on_each_database(|fixture, c, user| {
        (0..120).for_each(|n| open(c, &login(user, 0, n)));
        // One session outlives its access token.
        let mut pair = login(user, 0, 2_000);
        pair.tokens.push(NewToken { digest: digest(2_001), kind: TokenKind::Refresh, expires: None, key: None });
        open(c, &pair);
        assert_eq!(sweep(fixture, 3600 + DAY).expired_tokens, 0);
        let report = sweep(fixture, 3601 + DAY);
        assert_eq!((report.expired_tokens, report.dead_tokens, report.sessions), (121, 0, 0));
        assert_eq!((fixture.count("tokens"), fixture.count("revocation_log")), (1, 0));
        assert_eq!(fixture.count("sessions WHERE ended_at IS NULL"), 1);
        let all = SessionFilter::live(SessionMatch::default(), NOW);
        let filter = SessionFilter { with_ended: true, before: Some(session(1)), limit: 1, ..all };
        let entry = fixture.store.list_sessions(&filter).expect("a list").sessions.remove(0);
        assert_eq!((entry.session.ended, entry.end_reason), (Some(later(3600)), None));
        // The sessions stay for thirty days after they ended.
        assert_eq!(sweep(fixture, 3600 + 30 * DAY).sessions, 0);
        assert_eq!(sweep(fixture, 3601 + 30 * DAY).sessions, 120);
        assert_eq!(fixture.count("revocation_log"), 0);
        // A manual deletion afterwards is reported, whether the token has expired by the sweeper's clock or not.
        open(c, &login(user, 0, 3_000));
        fixture.run("DELETE FROM tokens");
        assert_eq!(fixture.count("revocation_log"), 2);
    });
}

#[test]
fn a_clock_that_is_wrong_between_two_sweeps_deletes_nothing() {
    use crate::store::{ClockTrust, ClockTrust::*};

    on_each_database(|fixture, c, user| {
        let mut live = login(user, 0, 1);
        live.tokens[0].expires = Some(later(20 * DAY));
        open(c, &live);
        open(c, &login(user, 0, 2));
        // Another node sweeps the same database.
        let other = DieselStore::open(&fixture.url, StoreOptions::default()).expect("a store");
        let sweep_at = |store: &DieselStore, seconds, trust: ClockTrust| {
            let moment = store.begin_sweep(later(seconds), trust).expect("a moment");
            let report = store.sweep_until(moment.until, &SweepPolicy::default(), &|| true).expect("a sweep");
            (report.expired_tokens, moment.is_held)
        };
        // A new database: nothing is known until a clock has run for an hour.
        assert_eq!(sweep_at(&fixture.store, 2 * DAY, Unproved), (0, true));
        assert_eq!(sweep_at(&fixture.store, 3600, Proved), (0, false));
        // The clock of one node is a month ahead, and then right again; or it is so for good, but not yet
        // for an hour. The other node goes on.
        for _ in 0..3 {
            assert_eq!(sweep_at(&other, 30 * DAY, Unproved), (0, true));
            assert_eq!(sweep_at(&fixture.store, 7200, Unproved), (0, false));
        }
        assert_eq!(sweep_at(&fixture.store, DAY + 7200, Unproved), (0, false));
        assert_eq!(sweep_at(&fixture.store, DAY + 7300, Unproved), (1, false));
        assert_eq!((verdict(c, 1), verdict(c, 2)), (Ok(()), Err(Refusal::Unknown)));
        // Nor does a clock that is a day ahead, for whose tokens there is a day of grace.
        assert_eq!(sweep_at(&other, 2 * DAY + 7300, Unproved), (0, false));
        // One that believes itself is noted, and deletes nothing if it is right again by the next sweep.
        assert_eq!(sweep_at(&other, 30 * DAY, Proved), (0, false));
        assert_eq!(sweep_at(&other, 3 * DAY, Unproved), (0, true));
        assert_eq!(verdict(c, 1), Ok(()));
        // What time cannot change goes all the while.
        let mut endless = login(user, 0, 3);
        endless.tokens[0].expires = None;
        open(c, &endless);
        fixture.run(&format!("UPDATE sessions SET ended_at = {} WHERE ended_at IS NULL", later(30 * DAY).as_micros()));
        let moment = fixture.store.begin_sweep(later(90 * DAY), Unproved).expect("a moment");
        let swept = fixture.store.sweep_until(moment.until, &SweepPolicy::default(), &|| true);
        assert_eq!(swept.expect("a sweep").dead_tokens, 1);
    });
}

#[test]
fn what_ended_with_all_of_a_users_goes_and_keeps_its_reason() {
    on_each_database(|fixture, c, alice| {
        let bob = add_user(c, "bob");
        (0..600).for_each(|n| open(c, &login(alice, 0, n)));
        (600..610).for_each(|n| open(c, &login(bob, 0, n)));
        assert_eq!(c.end_all_sessions(alice, &audit(Event::LogoutAll)), Ok(true));
        open(c, &login(alice, 1, 900));
        fixture.set_active(bob, false);
        let logged = fixture.count("revocation_log");
        let report = sweep(fixture, 1);
        assert_eq!((report.dead_tokens, report.sessions), (500, 0));
        assert_eq!(fixture.count("revocation_log"), logged);
        assert_eq!(verdict(c, 900), Ok(()));
        // The holder of a token learns that the user is inactive for as long as the token exists.
        assert_eq!(verdict(c, 605), Err(Refusal::InactiveUser));
        assert_eq!(fixture.count("sessions WHERE ended_reason = 'logout_all' AND ended_by = 'system'"), 600);
        assert_eq!(fixture.count("sessions WHERE ended_reason = 'deactivated'"), 10);
        assert_eq!(sweep(fixture, 2), SweepReport::default());
        assert_eq!(sweep(fixture, 1 + 30 * DAY).sessions, 610);
        assert_eq!(fixture.count("sessions WHERE ended_at IS NULL"), 0);
        assert_eq!(fixture.count("revocation_log WHERE session_id IS NOT NULL"), 0);
    });
}

#[test]
fn tokens_of_a_session_that_somebody_ended_by_hand_go() {
    on_each_database(|fixture, c, user| {
        open(c, &login(user, 0, 1));
        fixture.run(&format!("UPDATE sessions SET ended_at = {}", NOW.as_micros()));
        assert_eq!(sweep(fixture, 5).dead_tokens, 1);
        assert_eq!(verdict(c, 1), Err(Refusal::Unknown));
    });
}

#[test]
fn old_audit_events_go_only_if_that_is_wanted() {
    for fixture in Fixture::all() {
        add_user(&mut *fixture.connect(), "alice");
        sweep(&fixture, 1_000 * DAY);
        assert_eq!(fixture.count("audit_events"), 1);
        let policy = SweepPolicy { audit_retention: Some(Duration::from_secs(DAY)), ..SweepPolicy::default() };
        let report = fixture.store.sweep(later(2 * DAY), &policy, &|| true).expect("a sweep");
        assert_eq!((report.audit_events, fixture.count("audit_events")), (1, 0));
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn the_newest_ten_thousand_rows_of_the_log_stay() {
    let fixture = Fixture::sqlite();
    fixture.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12500)
         INSERT INTO revocation_log (user_id) SELECT i FROM n",
    );
    assert_eq!(sweep(&fixture, 1).log_rows, 2_500);
    assert_eq!(fixture.count("revocation_log WHERE seq > 2500"), 10_000);
    assert_eq!(sweep(&fixture, 2).log_rows, 0);
}

#[test]
fn the_log_is_pruned_behind_a_snapshot_of_an_hour_ago() {
    let Some(fixture) = Fixture::postgres() else { return };
    let log = |n: u32| fixture.run(&format!("INSERT INTO revocation_log (user_id) VALUES ({n})"));
    sweep(&fixture, 0);
    log(1);
    // A transaction that began before the snapshot and commits after it is not behind it.
    let mut slow = fixture.raw();
    slow.batch_execute("BEGIN; INSERT INTO revocation_log (user_id) VALUES (2)").expect("a row");
    assert_eq!(sweep(&fixture, 3_600).log_rows, 0);
    slow.batch_execute("COMMIT").expect("committed");
    log(3);
    assert_eq!(sweep(&fixture, 7_199).log_rows, 0);
    assert_eq!(sweep(&fixture, 7_200).log_rows, 1);
    assert_eq!(fixture.count("revocation_log WHERE user_id IN (2, 3)"), 2);
    // The horizon says so: row 1 lies behind it, rows 2 and 3 do not.
    let behind = "revocation_log, revocation_horizon WHERE pg_visible_in_snapshot(xid, pruned)";
    assert_eq!(fixture.count(behind), 0);
    assert_eq!(sweep(&fixture, 10_800).log_rows, 2);
}

#[test]
fn rows_that_somebody_holds_are_left_for_the_next_time() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut c = fixture.connect();
    let user = add_user(&mut *c, "alice");
    (1..=3).for_each(|n| open(&mut *c, &login(user, 0, n)));
    let mut holder = fixture.raw();
    holder.batch_execute("BEGIN; SELECT 1 FROM sessions ORDER BY id LIMIT 1 FOR UPDATE").expect("a lock");
    assert_eq!(sweep(&fixture, 2 * DAY).expired_tokens, 2);
    holder.batch_execute("COMMIT").expect("no lock");
    assert_eq!(sweep(&fixture, 2 * DAY).expired_tokens, 1);
}

/// How often a sweep asked whether to go on.
fn questions(fixture: &Fixture) -> u32 {
    let asked = std::cell::Cell::new(0);
    let go_on = || {
        asked.set(asked.get() + 1);
        true
    };
    fixture.store.sweep(later(1), &SweepPolicy::default(), &go_on).expect("a sweep");
    asked.get()
}

#[test]
fn users_are_looked_at_page_by_page() {
    for fixture in Fixture::all() {
        let few = questions(&fixture);
        fixture.run(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
             INSERT INTO users (username, lookalike_key, email, password_hash, is_active, is_staff, created)
             SELECT 'u' || i, 'u' || i, '', '!', TRUE, FALSE, 0 FROM n",
        );
        assert_eq!(questions(&fixture) - few, 3, "pages");
        // What the last one has is found all the same.
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        open(&mut *c, &login(user, 0, 1));
        fixture.run("UPDATE users SET auth_epoch = auth_epoch + 1");
        assert_eq!(sweep(&fixture, 1).dead_tokens, 1);
    }
}

#[test]
fn a_sweep_ends_when_it_may_not_go_on() {
    on_each_database(|fixture, c, user| {
        (0..50).for_each(|n| open(c, &login(user, 0, n)));
        let left = std::cell::Cell::new(2);
        let go_on = || left.replace(i32::max(left.get() - 1, 0)) > 0;
        let report = fixture.store.sweep(later(10 * DAY), &SweepPolicy::default(), &go_on).expect("a sweep");
        assert_eq!((report.expired_tokens, fixture.count("tokens")), (20, 30));
        let report = fixture.store.sweep(later(10 * DAY), &SweepPolicy::default(), &|| false).expect("a sweep");
        assert_eq!((report, fixture.count("tokens")), (SweepReport::default(), 30));
    });
}

#[test]
fn a_step_that_fails_stops_no_other() {
    on_each_database(|fixture, c, user| {
        open(c, &login(user, 0, 1));
        assert_eq!(c.end_session(session(1), &audit(Event::Logout)), Ok(true));
        open(c, &login(user, 0, 2));
        // Without it, it is unknown why the sessions of an old epoch ended.
        fixture.run("ALTER TABLE audit_events RENAME TO elsewhere; UPDATE users SET auth_epoch = auth_epoch + 1");
        assert!(fixture.store.sweep(later(40 * DAY), &SweepPolicy::default(), &|| true).is_err());
        assert_eq!(fixture.count("sessions"), 1, "the one that ended long ago is gone");
    });
}
