//! One-time passwords.

use std::time::Duration;

use knoxide::domain::user::PasswordHash;
use knoxide::service::admin::{AdminError, NewPassword};

use super::*;
use crate::harness::app::on_each_database;

/// Replaces a user's password by a one-time password, and returns it.
fn reset(app: &App, name: &str) -> String {
    let admin = app.admin();
    let made = admin.reset_password(&admin.find_user(name).expect("the user")).expect("a one-time password");
    made.value.expose().to_owned()
}

fn exchange(client: &mut Client, name: &str, value: &str, new: &str) -> (u16, String) {
    let body = json!({ "username": name, "current_password": value, "new_password": new });
    let reply = post(client, CHANGE, ANONYMOUS, &body);
    (reply.status, reply.text())
}

fn denied() -> (u16, String) {
    (400, DENIED.to_owned())
}

on_each_database! {
    fn it_is_good_once_and_for_a_new_password_alone(backend) {
        let app = App::start(backend);
        let alice = app.add_user("alice", PASSWORD);
        app.add_user("bob", PASSWORD);
        let (client, node) = (&mut app.client(), another_node(&app));
        let elsewhere = &mut node.client();
        let token = client.login("alice", PASSWORD);
        assert_eq!(elsewhere.check(&token), 200);
        let value = reset(&app, "alice");
        assert_eq!((client.check(&token), elsewhere.check(&token)), (401, 401), "all sessions have ended");
        let of_a_wrong_one = ALL.map(|speech| speech.try_login(client, "bob", "guess").text());
        for password in [value.as_str(), PASSWORD] {
            let replies = ALL.map(|speech| speech.try_login(client, "alice", password));
            assert_eq!(replies.map(|reply| reply.text()), of_a_wrong_one, "it is a wrong password at a login");
            app.clock.advance(Duration::from_secs(600));
        }
        let all = json!({ "username": "alice", "password": value });
        assert_eq!(post(client, REVOKE_ALL, ANONYMOUS, &all).text(), DENIED);
        assert_eq!(exchange(client, "alice", &value, "short").0, 400, "a weak password does not use it up");
        for (name, value) in [("bob", value.as_str()), ("alice", PASSWORD), ("alice", &value.to_uppercase())] {
            assert_eq!(exchange(client, name, value, NEW_PASSWORD), denied());
        }
        assert_eq!(exchange(elsewhere, "alice", &value, NEW_PASSWORD), (204, String::new()));
        assert_eq!(exchange(client, "alice", &value, "another one"), denied(), "it is used up");
        client.login("alice", NEW_PASSWORD);
        let stored = app.connection().find_account_by_id(alice).expect("a read").expect("alice").password;
        assert!(stored.expose().starts_with("bcrypt_sha256$"));
    }

    fn it_ends_after_a_day_and_with_any_other_password(backend) {
        let app = App::start(backend);
        let alice = app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let value = reset(&app, "alice");
        app.clock.advance(Duration::from_secs(24 * 60 * 60));
        assert_eq!(exchange(client, "alice", &value, NEW_PASSWORD), denied(), "too late");
        let (older, newer) = (reset(&app, "alice"), reset(&app, "alice"));
        app.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
        assert_eq!(exchange(client, "alice", &older, NEW_PASSWORD), denied(), "a newer one has taken its place");
        assert_eq!(exchange(client, "alice", &newer, NEW_PASSWORD).0, 204);
        let value = reset(&app, "alice");
        let admin = app.admin();
        let set = NewPassword::Text(Password::new(PASSWORD.to_owned()));
        admin.set_password(&admin.find_user("alice").expect("the user"), set).expect("a write");
        assert_eq!(exchange(client, "alice", &value, NEW_PASSWORD), denied(), "a password was set");
        client.login("alice", PASSWORD);
        // With SQL, as operators do it.
        let value = reset(&app, "alice");
        let account = app.connection().find_account_by_id(alice).expect("a read").expect("alice");
        let by_hand = PasswordHash::unusable();
        assert_eq!(app.connection().upgrade_password_hash(alice, &account.password, &by_hand), Ok(true));
        assert_eq!(exchange(client, "alice", &value, NEW_PASSWORD), denied(), "the password was changed by hand");
    }

    fn of_many_who_use_it_at_once_one_succeeds(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let value = reset(&app, "alice");
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|number| {
                    let (app, value) = (&app, &value);
                    scope.spawn(move || exchange(&mut app.client(), "alice", value, &format!("battery staple {number}")).0)
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
        // A request whose password was replaced between the proof and the write is told to retry, and is then refused.
        assert!(statuses.iter().all(|status| matches!(status, 204 | 400 | 503)), "{statuses:?}");
        assert_eq!(exchange(&mut app.client(), "alice", &value, NEW_PASSWORD), denied());
    }
}

#[test]
fn the_last_administrator_keeps_a_password() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", PASSWORD);
    app.add_user("bob", PASSWORD);
    let admin = app.admin();
    let [alice, bob] = ["alice", "bob"].map(|name| admin.find_user(name).expect("the user"));
    admin.set_admin(&alice, true).expect("a write");
    assert!(matches!(admin.reset_password(&alice), Err(AdminError::LastAdmin(_))));
    app.client().login("alice", PASSWORD);
    admin.set_admin(&bob, true).expect("a write");
    admin.reset_password(&alice).expect("a one-time password");
    assert!(matches!(admin.reset_password(&bob), Err(AdminError::LastAdmin(_))), "alice cannot log in yet");
}

#[test]
fn guesses_at_it_are_counted() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let value = reset(&app, "alice");
    for _ in 0..10 {
        assert_eq!(exchange(client, "alice", "00000000000000000000000000000000", NEW_PASSWORD), denied());
    }
    assert_eq!(exchange(client, "alice", &value, NEW_PASSWORD).0, 429, "whether it is right is not checked");
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(exchange(client, "alice", &value, NEW_PASSWORD).0, 204);
}
