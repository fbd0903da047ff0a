//! Each step of the contract, alone.

use super::*;
use crate::domain::user::LoginName;
use crate::store::{LastAdmin, LimitPolicy, SharedEmail, UserChanged, UserCreation};

#[test]
fn many_digests_are_answered_in_the_order_asked() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        for n in 1..=3 {
            open(&mut *c, &login(user, 0, n));
        }
        let asked = [3, 99, 1, 3].map(digest);
        let found = c.find_many(&asked).expect("answers");
        let sessions: Vec<_> = found.into_iter().map(|r| r.map(|r| r.session.id)).collect();
        assert_eq!(sessions, [Some(session(3)), None, Some(session(1)), Some(session(3))]);
        assert_eq!(c.find_many(&[]), Ok(Vec::new()));
        let record = find(&mut *c, 2).expect("a record");
        assert_eq!((record.user.username.as_str(), record.expires), ("alice", Some(later(3600))));
        assert_eq!((record.kind, record.session.last_seen), (TokenKind::Access, NOW));
    }
}

#[test]
fn an_ended_session_leaves_no_token_and_its_first_cause() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        open(&mut *c, &login(user, 0, 1));
        open(&mut *c, &login(user, 0, 2));
        assert_eq!(c.end_session(session(1), &audit(Event::Logout)), Ok(true));
        assert_eq!(c.end_session(session(1), &audit(Event::Revoked)), Ok(false));
        assert_eq!(c.end_session(session(9), &audit(Event::Logout)), Ok(false));
        assert_eq!(verdict(&mut *c, 1), Err(Refusal::Unknown));
        assert_eq!(verdict(&mut *c, 2), Ok(()));
        assert_eq!(fixture.count("sessions WHERE ended_reason = 'logout' AND ended_by = 'system'"), 1);
        assert_eq!(fixture.count("audit_events WHERE event = 'logout' AND session_id IS NOT NULL"), 1);
        assert_eq!(fixture.count("audit_events WHERE event = 'revoked'"), 0);
    }
}

#[test]
fn raising_the_epoch_ends_all_and_deletes_at_most_a_hundred() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        let other = add_user(&mut *c, "bob");
        for n in 0..120 {
            open(&mut *c, &login(user, 0, n));
        }
        open(&mut *c, &login(other, 0, 500));
        assert_eq!(c.end_all_sessions(user, &audit(Event::LogoutAll)), Ok(true));
        assert_eq!(c.end_all_sessions(UserId(999), &audit(Event::LogoutAll)), Ok(false));
        for n in 0..120 {
            assert!(verdict(&mut *c, n).is_err(), "{n}");
        }
        assert_eq!(verdict(&mut *c, 500), Ok(()));
        assert_eq!(fixture.count("tokens"), 21);
        assert_eq!(fixture.count("audit_events WHERE event = 'logout_all' AND auth_epoch = 1"), 1);
        // Ended together with all others, so it does not end again.
        assert_eq!(c.end_session(session(3), &audit(Event::Logout)), Ok(false));
        assert_eq!(c.open_session(&login(user, 0, 700)), Ok(Opening::Denied));
        assert_eq!(c.open_session(&login(user, 1, 700)), Ok(Opening::Opened));
    }
}

#[test]
fn a_new_password_ends_all_but_the_session_to_keep() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        let new = PasswordHash::from_stored("new".to_owned());
        for n in 1..=3 {
            open(&mut *c, &login(user, 0, n));
        }
        assert_eq!(c.end_session(session(3), &audit(Event::Logout)), Ok(true));
        let changed = audit(Event::PasswordChanged);
        assert_eq!(fixture.store.set_password(user, &new, Some(session(2)), &changed), Ok(UserChanged::Done));
        assert_eq!(verdict(&mut *c, 1), Err(Refusal::Unknown));
        assert_eq!(verdict(&mut *c, 2), Ok(()));
        // An ended session is not kept, and one of an old epoch is not raised to the new one.
        assert_eq!(fixture.store.set_password(user, &new, Some(session(3)), &changed), Ok(UserChanged::Done));
        assert_eq!(fixture.store.set_password(user, &new, Some(session(2)), &changed), Ok(UserChanged::Done));
        assert!(verdict(&mut *c, 2).is_err() && verdict(&mut *c, 3).is_err());
        assert_eq!(fixture.store.set_password(UserId(99), &new, None, &changed), Ok(UserChanged::NoSuchUser));
        assert!(c.find_account_by_id(user).expect("an answer").is_some_and(|a| a.password == new));
    }
}

#[test]
fn a_better_hash_replaces_only_the_one_that_was_read() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        open(&mut *c, &login(user, 0, 1));
        let [old, new, other] = ["hash", "better", "other"].map(|t| PasswordHash::from_stored(t.to_owned()));
        assert_eq!(c.upgrade_password_hash(user, &other, &new), Ok(false));
        assert_eq!(c.upgrade_password_hash(user, &old, &new), Ok(true));
        assert_eq!(verdict(&mut *c, 1), Ok(()));
    }
}

#[test]
fn deactivation_is_told_and_activation_revives_nothing() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        open(&mut *c, &login(user, 0, 1));
        assert_eq!(
            fixture.store.set_active(user, false, LastAdmin::MayGo, &audit(Event::Deactivated)),
            Ok(UserChanged::Done)
        );
        assert_eq!(
            fixture.store.set_active(user, false, LastAdmin::MayGo, &audit(Event::Deactivated)),
            Ok(UserChanged::Done)
        );
        assert_eq!(verdict(&mut *c, 1), Err(Refusal::InactiveUser));
        assert_eq!(c.open_session(&login(user, 1, 2)), Ok(Opening::Denied));
        assert_eq!(
            fixture.store.set_active(user, true, LastAdmin::MayGo, &audit(Event::Activated)),
            Ok(UserChanged::Done)
        );
        assert_eq!(verdict(&mut *c, 1), Err(Refusal::OldEpoch));
        assert_eq!(
            fixture.store.set_active(UserId(99), true, LastAdmin::MayGo, &audit(Event::Activated)),
            Ok(UserChanged::NoSuchUser)
        );
        assert_eq!(fixture.count("audit_events WHERE event IN ('deactivated', 'activated')"), 3);
    }
}

#[test]
fn whom_a_raw_statement_shut_out_activation_does_not_revive() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let shut_out = |user: UserId| fixture.run(&format!("UPDATE users SET is_active = FALSE WHERE id = {user}"));
        let user = add_user(&mut *c, "alice");
        open(&mut *c, &login(user, 0, 1));
        shut_out(user);
        assert_eq!(verdict(&mut *c, 1), Err(Refusal::InactiveUser));
        assert_eq!(
            fixture.store.set_active(user, true, LastAdmin::MayGo, &audit(Event::Activated)),
            Ok(UserChanged::Done)
        );
        assert_eq!(verdict(&mut *c, 1), Err(Refusal::OldEpoch));
        // The same for shadow users.
        let shadow = NewUser { id: Some(UserId(77)), ..new_user("remote") };
        let epoch = c.put_shadow_user(&shadow, &audit(Event::Login)).expect("a write");
        open(&mut *c, &login(UserId(77), epoch.0, 2));
        shut_out(UserId(77));
        c.put_shadow_user(&shadow, &audit(Event::Login)).expect("a write");
        assert_eq!(verdict(&mut *c, 2), Err(Refusal::InactiveUser), "a login activates no user");
    }
}

#[test]
fn a_limit_rejects_or_evicts_the_oldest_of_the_living() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        let idle_limit = Some(Duration::from_secs(60));
        let reject = SessionLimit { max: 2, policy: LimitPolicy::Reject, idle_limit };
        let evict = SessionLimit { policy: LimitPolicy::EvictOldest, ..reject };
        // These do not count: ended, expired, idle.
        open(&mut *c, &login(user, 0, 1));
        assert_eq!(c.end_session(session(1), &audit(Event::Logout)), Ok(true));
        let mut expired = login(user, 0, 2);
        expired.tokens[0].expires = Some(Timestamp::from_micros(NOW.as_micros() - 1_000));
        open(&mut *c, &expired);
        let mut idle = login(user, 0, 3);
        idle.audit.at = Timestamp::from_micros(NOW.as_micros() - 61_000_000);
        open(&mut *c, &idle);
        for n in [4, 5] {
            let mut new = limited(login(user, 0, n), reject);
            new.audit.at = Timestamp::from_micros(NOW.as_micros() - 100 + i64::from(n));
            open(&mut *c, &new);
        }
        let mut refused = limited(login(user, 0, 6), reject);
        refused.audit.at = later(1);
        assert_eq!(c.open_session(&refused), Ok(Opening::LimitReached));
        assert_eq!(fixture.count(&format!("users WHERE last_login >= {}", NOW.as_micros())), 0);
        open(&mut *c, &limited(login(user, 0, 7), evict));
        assert_eq!(verdict(&mut *c, 4), Err(Refusal::Unknown));
        assert_eq!((verdict(&mut *c, 5), verdict(&mut *c, 7)), (Ok(()), Ok(())));
        assert_eq!(fixture.count("audit_events WHERE event = 'limit_reached'"), 1);
        assert_eq!(fixture.count("sessions WHERE ended_reason = 'limit_reached'"), 1);
    }
}

#[test]
fn names_are_exact_and_lookalikes_refused() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        let create = |name: &str, id: Option<i64>| {
            let new = NewUser { id: id.map(UserId), ..new_user(name) };
            fixture.store.create_user(&new, SharedEmail::Allow, &audit(Event::UserCreated)).expect("an answer")
        };
        assert_eq!(create("alice", None), UserCreation::Taken);
        assert_eq!(create("Alice", None), UserCreation::Lookalike("alice".to_owned()));
        assert_eq!(create("bob", Some(user.0)), UserCreation::Taken);
        assert_eq!(create("bob", Some(2)), UserCreation::Created(UserId(2)));
        assert_eq!(create("carol", Some(77)), UserCreation::Created(UserId(77)));
        assert_eq!(create("dave", None), UserCreation::Created(UserId(78)));
        let mut by_name = |name: &str| {
            let found = c.find_account(&LoginName::Username(name.to_owned())).expect("an answer");
            found.map(|account| account.user.id)
        };
        assert_eq!((by_name("alice"), by_name("ALICE"), by_name("a\0")), (Some(user), None, None));
    }
}

#[test]
fn an_address_of_two_users_finds_nobody() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        for (name, email) in [("alice", "a@x"), ("bob", "b@x"), ("carol", "b@x"), ("dave", ""), ("erin", "E@x")] {
            let new = NewUser { email: email.to_owned(), ..new_user(name) };
            fixture.store.create_user(&new, SharedEmail::Allow, &audit(Event::UserCreated)).expect("a user");
        }
        let mut by_email = |email: &str| {
            let found = c.find_account(&LoginName::Email(email.to_owned())).expect("an answer");
            found.map(|account| account.user.username)
        };
        assert_eq!(by_email("a@x").as_deref(), Some("alice"));
        assert_eq!(by_email("a@X").as_deref(), Some("alice"));
        for nobody in ["b@x", "b@X", "", "A@x", "e@x", "none"] {
            assert_eq!(by_email(nobody), None, "{nobody}");
        }
    }
}

#[test]
fn shadow_users_follow_their_system() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let put = audit(Event::UserCreated);
        let mut user = NewUser { id: Some(UserId(17)), ..new_user("alice") };
        assert_eq!(c.put_shadow_user(&user, &put), Ok(Epoch(0)));
        assert_eq!(c.put_shadow_user(&user, &put), Ok(Epoch(0)));
        assert_eq!(fixture.count("audit_events"), 1);
        open(&mut *c, &login(UserId(17), 0, 1));
        user.username = "alicia".to_owned();
        user.is_staff = true;
        assert_eq!(c.put_shadow_user(&user, &put), Ok(Epoch(0)));
        assert!(find(&mut *c, 1).is_some_and(|r| r.user.username == "alicia" && r.user.is_staff));
        user.is_active = false;
        assert_eq!(c.put_shadow_user(&user, &audit(Event::Deactivated)), Ok(Epoch(1)));
        assert_eq!(verdict(&mut *c, 1), Err(Refusal::InactiveUser));
        user.is_active = true;
        assert_eq!(c.put_shadow_user(&user, &put), Ok(Epoch(1)));
        assert_eq!(verdict(&mut *c, 1), Err(Refusal::InactiveUser));
        assert_eq!(
            fixture.store.set_active(UserId(17), true, LastAdmin::MayGo, &audit(Event::Activated)),
            Ok(UserChanged::Done)
        );
        assert_eq!(verdict(&mut *c, 1), Err(Refusal::OldEpoch));
        let clash = NewUser { id: Some(UserId(18)), ..new_user("alicia") };
        assert!(c.put_shadow_user(&clash, &put).is_err());
    }
}

#[test]
fn the_time_of_last_use_moves_forward_only() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        for n in 1..=3 {
            open(&mut *c, &login(user, 0, n));
        }
        assert_eq!(c.end_session(session(3), &audit(Event::Logout)), Ok(true));
        let seen = [(1, later(5)), (2, later(9)), (2, later(7)), (3, later(5)), (44, later(5))];
        c.touch(&seen.map(|(n, at)| (session(n), at))).expect("touched");
        c.touch(&[(session(1), later(2))]).expect("touched");
        c.touch(&[]).expect("nothing to do");
        let last = [1, 2].map(|n| find(&mut *c, n).expect("a record").session.last_seen);
        assert_eq!(last, [later(5), later(9)]);
        assert_eq!(fixture.count(&format!("sessions WHERE last_seen = {}", NOW.as_micros())), 1);
    }
}
