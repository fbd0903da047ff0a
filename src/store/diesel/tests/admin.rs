//! Listing and removing.

use super::*;
use crate::domain::audit::Origin;
use crate::domain::policy::IdleLimits;
use crate::store::{Effort, LastAdmin, SessionFilter, SessionMatch, SharedEmail, UserChange, UserChanged, UserFilter};

fn filter(user: Option<UserId>, with_ended: bool) -> SessionFilter {
    let matching = SessionMatch { user, ..SessionMatch::default() };
    SessionFilter {
        matching,
        with_ended,
        now: NOW,
        idle_limits: IdleLimits::NONE,
        before: None,
        limit: 100,
        effort: Effort::UNBOUNDED,
    }
}

#[test]
fn users_are_found_by_parts_of_what_they_are_called() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        for name in ["Alice", "bob", "50%_off!", "carol"] {
            add_user(&mut *c, name);
        }
        let names = |text: Option<&str>, after: Option<i64>, limit: u32| -> Vec<String> {
            let filter =
                UserFilter { text: text.map(str::to_owned), after: after.map(UserId), limit, ..UserFilter::default() };
            let users = fixture.store.list_users(&filter).expect("a list");
            users.into_iter().map(|entry| entry.user.username).collect()
        };
        assert_eq!(names(None, None, 2), ["Alice", "bob"]);
        assert_eq!(names(None, Some(2), 10), ["50%_off!", "carol"]);
        assert_eq!(names(Some("aLi"), None, 10), ["Alice"]);
        assert_eq!(names(Some("carol@ex"), None, 10), ["carol"]);
        assert_eq!(names(Some("%_"), None, 10), ["50%_off!"]);
        assert_eq!(names(Some("nobody"), None, 10), Vec::<String>::new());
    }
}

#[test]
fn each_act_on_a_user_is_recorded_even_if_it_changes_nothing() {
    for fixture in Fixture::all() {
        let alice = add_user(&mut *fixture.connect(), "alice");
        let changes = [
            (UserChange::Username("anna".to_owned()), Event::UserRenamed),
            (UserChange::Email("anna@example.org".to_owned(), SharedEmail::Refuse), Event::EmailChanged),
            (UserChange::Staff(true), Event::StaffGranted),
            (UserChange::Staff(false), Event::StaffWithdrawn),
        ];
        for (change, event) in changes {
            for _ in 0..2 {
                assert_eq!(fixture.store.change_user(alice, &change, &audit(event)), Ok(UserChanged::Done));
            }
            let rows = format!("audit_events WHERE event = '{}' AND user_id = {alice}", event.as_str());
            assert_eq!(fixture.count(&rows), 2, "{event:?}");
        }
    }
}

#[test]
fn sessions_are_listed_newest_first_with_why_they_ended() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let (alice, bob) = (add_user(&mut *c, "alice"), add_user(&mut *c, "bob"));
        for n in 1..=3 {
            let mut new = login(alice, 0, n);
            new.name = Some(format!("device {n}"));
            let address = Some("192.0.2.1".parse().expect("an address"));
            new.audit.origin = Origin { address, user_agent: Some("curl".to_owned()), request_id: None };
            open(&mut *c, &new);
        }
        let mut endless = login(bob, 0, 9);
        endless.tokens[0].expires = None;
        open(&mut *c, &endless);
        assert_eq!(c.end_session(session(2), &audit(Event::Logout)), Ok(true));
        let list = |filter: &SessionFilter| fixture.store.list_sessions(filter).expect("a list").sessions;
        let live = list(&filter(Some(alice), false));
        assert_eq!(live.iter().map(|e| e.session.id).collect::<Vec<_>>(), [session(3), session(1)]);
        let newest = &live[0];
        assert_eq!((newest.name.as_deref(), newest.address.as_deref()), (Some("device 3"), Some("192.0.2.1")));
        assert_eq!((newest.expires, newest.username.as_str()), (Some(later(3600)), "alice"));
        assert_eq!(list(&filter(Some(bob), false))[0].expires, None);
        assert_eq!(list(&SessionFilter { before: Some(session(3)), ..filter(None, false) }).len(), 1);
        assert_eq!(list(&SessionFilter { now: later(3600), ..filter(None, false) }).len(), 1);
        // Sessions that ended together with all others get their reason from the audit events.
        assert_eq!(c.end_all_sessions(alice, &audit(Event::LogoutAll)), Ok(true));
        assert_eq!(list(&filter(None, false)).len(), 1);
        let all = list(&filter(Some(alice), true));
        let reasons: Vec<_> = all.iter().map(|e| (e.session.ended, e.end_reason)).collect();
        let [logout_all, logout] = [Event::LogoutAll, Event::Logout].map(|r| (Some(NOW), Some(r)));
        assert_eq!(reasons, [logout_all, logout, logout_all]);
    }
}

#[test]
fn a_removed_user_leaves_nothing_but_the_record() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        (0..700).for_each(|n| open(&mut *c, &login(user, 0, n)));
        let gone = audit(Event::UserDeleted);
        let logged = fixture.count("revocation_log");
        assert_eq!(fixture.store.delete_user(user, LastAdmin::MayGo, &gone), Ok(UserChanged::Done));
        assert_eq!(fixture.store.delete_user(user, LastAdmin::MayGo, &gone), Ok(UserChanged::NoSuchUser));
        assert_eq!(verdict(&mut *c, 3), Err(Refusal::Unknown));
        assert_eq!((fixture.count("sessions"), fixture.count("tokens"), fixture.count("users")), (0, 0, 0));
        assert_eq!(fixture.count("audit_events WHERE event = 'user_deleted'"), 1);
        assert_eq!(fixture.count("revocation_log") - logged, 2);
        // The number is not used again.
        assert!(add_user(&mut *c, "alice") > user);
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
