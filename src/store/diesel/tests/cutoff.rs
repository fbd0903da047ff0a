//! The row that ends the sessions of all users.

use super::*;
use crate::store::SweepPolicy;

fn everything(fixture: &Fixture) -> i64 {
    fixture.count("revocation_log WHERE user_id IS NULL AND session_id IS NULL")
}

#[test]
fn a_changed_row_is_logged_once_and_what_it_ended_is_swept_without_a_word() {
    on_each_database(|fixture, c, user| {
        (0..300).for_each(|n| open(c, &login(user, 0, n)));
        assert_eq!(fixture.store.end_everybody(&audit(Event::AllSessionsEnded)), Ok(()));
        let epoch = c.find_account_by_id(user).expect("a read").expect("the user").user.epoch.0;
        assert_eq!((epoch, everything(fixture)), (1, 1));
        (300..600).for_each(|n| open(c, &login(user, epoch, n)));
        assert_eq!(fixture.store.end_issued_before(later(1), &audit(Event::OldSessionsEnded)), Ok(()));
        assert_eq!(everything(fixture), 2);
        assert!([1, 299, 300, 599].iter().all(|n| verdict(c, *n).is_err()));
        let rows = fixture.count("revocation_log");
        let report = fixture.store.sweep(later(5), &SweepPolicy::default(), &|| true).expect("a sweep");
        assert_eq!(report.dead_tokens, 600);
        assert_eq!(fixture.count("revocation_log"), rows);
        assert_eq!(fixture.count("sessions WHERE ended_reason = 'all_sessions_ended' AND ended_by = 'system'"), 300);
        assert_eq!(fixture.count("sessions WHERE ended_reason = 'old_sessions_ended'"), 300);
        assert_eq!(fixture.count("sessions WHERE ended_at IS NULL"), 0);
    });
}

#[test]
fn revocations_are_logged_after_the_row_rose() {
    on_each_database(|fixture, c, user| {
        assert_eq!(fixture.store.end_everybody(&audit(Event::AllSessionsEnded)), Ok(()));
        (0..3).for_each(|n| open(c, &login(user, 1, n)));
        assert_eq!(c.end_session(session(0), &audit(Event::Logout)), Ok(true));
        fixture.run("DELETE FROM tokens");
        assert_eq!(fixture.count("revocation_log WHERE session_id IS NOT NULL"), 3);
        fixture.run("DELETE FROM sessions");
        assert_eq!(fixture.count("revocation_log WHERE session_id IS NOT NULL"), 5);
    });
}

#[test]
fn sessions_expire_and_are_swept_after_the_row_rose() {
    on_each_database(|fixture, c, user| {
        assert_eq!(fixture.store.end_everybody(&audit(Event::AllSessionsEnded)), Ok(()));
        (0..10).for_each(|n| open(c, &login(user, 1, n)));
        let days = |days: u64| later(3601 + days * 24 * 60 * 60);
        let swept = |at| fixture.store.sweep(at, &SweepPolicy::default(), &|| true).expect("a sweep");
        assert_eq!(swept(days(1)).expired_tokens, 10);
        assert_eq!(fixture.count("sessions WHERE ended_reason = 'expired'"), 10);
        assert_eq!(swept(days(31)).sessions, 10);
    });
}

#[test]
fn the_row_only_rises() {
    for fixture in Fixture::all() {
        fixture.run("UPDATE session_cutoff SET epoch = 5, issued_before = 7");
        for refused in [
            "UPDATE session_cutoff SET epoch = 4",
            "UPDATE session_cutoff SET issued_before = 6",
            "DELETE FROM session_cutoff",
        ] {
            assert!(fixture.tried(refused).is_err(), "{refused}");
        }
        assert_eq!(fixture.count("session_cutoff WHERE epoch = 5 AND issued_before = 7"), 1);
    }
}

#[test]
fn what_ended_stays_ended_on_the_way_back() {
    on_each_database(|fixture, c, user| {
        open(c, &login(user, 0, 1));
        assert_eq!(fixture.store.end_everybody(&audit(Event::AllSessionsEnded)), Ok(()));
        open(c, &login(user, 1, 2));
        assert_eq!(fixture.store.end_issued_before(later(1), &audit(Event::OldSessionsEnded)), Ok(()));
        let mut late = login(user, 1, 3);
        late.audit.at = later(2);
        open(c, &late);
        while fixture
            .store
            .migration_status()
            .expect("a status")
            .applied
            .iter()
            .any(|name| name.contains("administrators"))
        {
            fixture.store.revert_last_migration().expect("a step back");
        }
        let live = "sessions s JOIN users u ON u.id = s.user_id \
                    WHERE s.ended_at IS NULL AND s.auth_epoch = u.auth_epoch";
        assert_eq!(fixture.count(live), 1);
        fixture.store.migrate().expect("the way forward again");
        let good = [1, 2, 3].map(|number| verdict(&mut *fixture.connect(), number).is_ok());
        assert_eq!(good, [false, false, true]);
    });
}
