//! The use cases of an administrator enforce their rules for every caller, and on every store.

use std::sync::Arc;

use knoxide::domain::audit::{Actor, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::time::ManualClock;
use knoxide::domain::user::{Password, UserId};
use knoxide::service::admin::{Admin, AdminError, NewAccount, NewPassword, SessionQuery};
use knoxide::store::memory::MemoryStore;
use knoxide::store::{SessionMatch, SharedEmail};
use serde_json::json;

use crate::harness::app::start_of_time;

/// The user with number 7 as administrator, at some address.
fn administrator() -> Admin {
    Admin {
        actor: Actor::User(UserId(7)),
        origin: Origin { address: Some([192, 0, 2, 1].into()), ..Origin::default() },
        ..crate::harness::admin::administrator(Arc::new(MemoryStore::new()), ManualClock::new(start_of_time()))
    }
}

fn account(username: &str, email: &str, password: &str) -> NewAccount {
    let password = NewPassword::Text(Password::new(password.to_owned()));
    NewAccount {
        username: username.to_owned(),
        email: email.to_owned(),
        shared_email: SharedEmail::Refuse,
        password,
        is_active: true,
        is_staff: false,
        is_admin: false,
    }
}

#[test]
fn no_caller_can_forget_a_rule() {
    let admin = administrator();
    let add = |username: &str, email: &str, password: &str| admin.add_user(account(username, email, password));
    add("casey", "", "correct horse").expect("a user");
    assert!(matches!(add(" bob", "", "correct horse"), Err(AdminError::BadName(_))));
    assert!(matches!(add("bob", "nowhere", "correct horse"), Err(AdminError::BadEmail)));
    add("erin", "e@example.org", "correct horse").expect("a user");
    assert!(matches!(add("bob", "E@example.ORG", "correct horse"), Err(AdminError::EmailTaken { .. })));
    let erin = admin.find_user("erin").expect("the user");
    assert!(matches!(admin.rename_user(&erin, "a\u{200b}b"), Err(AdminError::BadName(_))));
    assert!(matches!(admin.rename_user(&erin, "casey"), Err(AdminError::NameTaken(_))));
    assert!(matches!(admin.rename_user(&erin, "CASEY"), Err(AdminError::Lookalike { .. })));
    assert!(matches!(admin.set_email(&erin, "nowhere", SharedEmail::Allow), Err(AdminError::BadEmail)));
    admin.delete_user(&erin).expect("a write");
    assert!(matches!(admin.rename_user(&erin, "zoe"), Err(AdminError::NoSuchUser(_))));
    assert!(matches!(admin.set_staff(&erin, true), Err(AdminError::NoSuchUser(_))));
    assert!(matches!(add("bob", "", "password"), Err(AdminError::Weak(_))));
    assert!(matches!(add("rosenfeld", "", "rosenfeld-7"), Err(AdminError::Weak(_))));
    assert!(matches!(add("casey", "", "correct horse"), Err(AdminError::NameTaken(_))));
    assert!(matches!(add("CASEY", "", "correct horse"), Err(AdminError::Lookalike { .. })));
    let casey = admin.find_user("casey").expect("the user");
    let weak = NewPassword::Text(Password::new("casey-casey".to_owned()));
    assert!(matches!(admin.set_password(&casey, weak), Err(AdminError::Weak(_))));
    assert!(matches!(
        admin.create_token(&casey, "\u{200b}".to_owned(), None, Dialect::Knox.into()),
        Err(AdminError::BadTokenName)
    ));
    admin.set_active(&casey, false).expect("a write");
    let casey = admin.find_user("casey").expect("the user");
    assert!(matches!(
        admin.create_token(&casey, "script".to_owned(), None, Dialect::Knox.into()),
        Err(AdminError::NotActive(_))
    ));
    admin.delete_user(&casey).expect("a write");
    assert!(matches!(admin.delete_user(&casey), Err(AdminError::NoSuchUser(_))));
}

#[test]
fn what_is_written_says_who_did_it_and_from_where() {
    let admin = administrator();
    admin.add_user(account("casey", "c@example.org", "correct horse")).expect("a user");
    let casey = admin.find_user("casey").expect("the user");
    let made = admin.create_token(&casey, "script".to_owned(), None, Dialect::Knox.into()).expect("a token");
    admin.end_session(made.session).expect("a write");
    assert!(matches!(admin.end_session(made.session), Err(AdminError::NoSuchSession(_))));
    let query = SessionQuery { matching: SessionMatch::of_user(casey.id), with_ended: true, before: None, limit: 10 };
    let listed = serde_json::to_value(admin.search_sessions(query).expect("a list")).expect("JSON");
    let now = start_of_time().to_string();
    let expected = json!([{
        "id": made.session.to_string(), "user_id": 1, "username": "casey", "dialect": "knox", "name": "script",
        "created": now, "last_seen": now, "expires": null, "address": "192.0.2.1", "user_agent": null, "ended": now,
        "end_reason": "revoked", "ended_by": "user:7",
    }]);
    assert_eq!(listed, expected);
}
