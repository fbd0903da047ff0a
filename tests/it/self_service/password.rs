//! Changing one's password.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use knoxide::domain::audit::Event;
use knoxide::http::address::Proxies;
use knoxide::store::{AdminStore as _, UserChanged};

use super::*;
use crate::harness::app::on_each_database;

/// An address that the account does not know.
const HOTEL: &str = "203.0.113.80";

/// A server that trusts the addresses in the tests' requests.
fn behind_a_proxy() -> App {
    let mut setup = Setup::default();
    setup.http.options.proxies = Proxies { networks: vec![IpAddr::V4(Ipv4Addr::LOCALHOST).into()], unix: false };
    App::on(Database::migrated(Backend::Sqlite), setup)
}

fn change(current: &str, new: &str) -> Value {
    json!({ "current_password": current, "new_password": new })
}

fn change_of(name: &str, current: &str, new: &str) -> Value {
    json!({ "username": name, "current_password": current, "new_password": new })
}

fn outcome(reply: &Reply) -> (u16, String) {
    (reply.status, reply.text())
}

fn done() -> (u16, String) {
    (204, String::new())
}

fn denied() -> (u16, String) {
    (400, DENIED.to_owned())
}

on_each_database! {
    fn a_new_password_ends_the_other_sessions_with_it(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let (client, node) = (&mut app.client(), another_node(&app));
        let elsewhere = &mut node.client();
        let others = ALL.map(|speech| (speech, speech.login(client, "alice", PASSWORD)));
        let mine = client.login("alice", PASSWORD);
        assert_eq!(elsewhere.check(&mine), 200);
        assert_eq!(outcome(&post(client, CHANGE, with_token(&mine), &change("guess", NEW_PASSWORD))), denied());
        assert!(others.iter().all(|(speech, tokens)| speech.check(elsewhere, &tokens.access) == 200));
        assert_eq!(outcome(&post(client, CHANGE, with_token(&mine), &change(PASSWORD, NEW_PASSWORD))), done());
        assert!(others.iter().all(|(speech, tokens)| speech.check(elsewhere, &tokens.access) == 401));
        assert_eq!((client.check(&mine), elsewhere.check(&mine)), (200, 200));
        assert_eq!(client.try_login("alice", PASSWORD).status, 400);
        assert_eq!(client.try_login("alice", NEW_PASSWORD).status, 200);
    }

    fn the_other_sessions_go_on_if_they_are_to(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let (mine, other) = (client.login("alice", PASSWORD), client.login("alice", PASSWORD));
        let body = |keep: Value| {
            json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD, "keep_other_sessions": keep })
        };
        let refused = post(client, CHANGE, with_token(&mine), &body(json!("perhaps")));
        let expected = r#"{"keep_other_sessions":["Must be a valid boolean."]}"#;
        assert_eq!((refused.status, refused.text().as_str()), (400, expected));
        assert_eq!(outcome(&post(client, CHANGE, with_token(&mine), &body(json!(true)))), done());
        assert_eq!((client.check(&mine), client.check(&other)), (200, 200));
        assert_eq!(client.try_login("alice", PASSWORD).status, 400);
        let back = json!({ "current_password": NEW_PASSWORD, "new_password": PASSWORD, "keep_other_sessions": false });
        assert_eq!(outcome(&post(client, CHANGE, with_token(&mine), &back)), done());
        assert_eq!((client.check(&mine), client.check(&other)), (200, 401));
    }

    fn without_a_token_the_name_is_needed_and_no_session_stays(backend) {
        let app = App::start(backend);
        let alice = app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let token = client.login("alice", PASSWORD);
        let missing = post(client, CHANGE, ANONYMOUS, &json!({}));
        let expected = r#"{"username":["This field is required."],"current_password":["This field is required."],"new_password":["This field is required."]}"#;
        assert_eq!((missing.status, missing.text().as_str()), (400, expected));
        for (name, current) in [("alice", "guess"), ("nobody", PASSWORD)] {
            assert_eq!(outcome(&post(client, CHANGE, ANONYMOUS, &change_of(name, current, NEW_PASSWORD))), denied());
        }
        assert_eq!(client.check(&token), 200);
        assert_eq!(outcome(&post(client, CHANGE, ANONYMOUS, &change_of("alice", PASSWORD, NEW_PASSWORD))), done());
        assert_eq!(client.check(&token), 401);
        // By e-mail, for clients that know nothing else.
        let by_email =
            json!({ "email": "alice@example.com", "current_password": NEW_PASSWORD, "new_password": PASSWORD });
        assert_eq!(outcome(&post(client, CHANGE, ANONYMOUS, &by_email)), done());
        client.login("alice", PASSWORD);
        let deactivated = app.store.set_active(alice, false, LastAdmin::Keep, &app.audit(Event::Deactivated));
        assert_eq!(deactivated, Ok(UserChanged::Done));
        let inactive = post(client, CHANGE, ANONYMOUS, &change_of("alice", PASSWORD, NEW_PASSWORD));
        assert_eq!(outcome(&inactive), denied());
    }
}

#[test]
fn a_token_that_is_not_good_is_refused_and_not_overlooked() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    client.logout(&token);
    let reply = post(client, CHANGE, with_token(&token), &change_of("alice", PASSWORD, NEW_PASSWORD));
    assert_eq!((reply.status, reply.text().as_str()), (401, r#"{"detail":"Invalid token."}"#));
    assert_eq!(reply.header("WWW-Authenticate").as_deref(), Some("Token"));
    client.login("alice", PASSWORD);
}

#[test]
fn a_new_password_keeps_the_rules_and_is_told_by_its_field() {
    let app = App::start(Backend::Sqlite);
    app.add_user("rosenfeld", PASSWORD);
    let client = &mut app.client();
    let token = client.login("rosenfeld", PASSWORD);
    let cases = [
        ("short", "This password is too short. It must contain at least 8 characters."),
        ("password", "This password is too common."),
        (" battery staple", "This password begins or ends with white space."),
        ("rosenfeld-7", "The password is too similar to the username or the email address."),
        ("rosenfeld@example.com", "The password is too similar to the username or the email address."),
    ];
    for (weak, message) in cases {
        let expected = json!({ "new_password": [message] }).to_string();
        let known = post(client, CHANGE, with_token(&token), &change(PASSWORD, weak));
        assert_eq!(outcome(&known), (400, expected.clone()), "{weak}");
        let by_name = post(client, CHANGE, ANONYMOUS, &change_of("rosenfeld", PASSWORD, weak));
        assert_eq!(outcome(&by_name), (400, expected), "{weak}");
    }
    // Only the owner is told whether a new password resembles the e-mail address.
    let stranger = post(client, CHANGE, ANONYMOUS, &change_of("rosenfeld", "guess", "example.com"));
    assert_eq!(outcome(&stranger), denied());
    let owner = post(client, CHANGE, ANONYMOUS, &change_of("rosenfeld", PASSWORD, "example.com"));
    assert!(owner.text().contains("too similar"), "{}", owner.text());
    assert_eq!(client.check(&token), 200);
    client.login("rosenfeld", PASSWORD);
}

#[test]
fn neither_a_stolen_token_nor_another_path_buys_free_guesses() {
    // Failures count together: too many at this endpoint throttle logins, and the other way round.
    type Ask = fn(&mut Client, &str, &str) -> Reply;
    let asks: [(&str, Ask); 4] = [
        ("change with a token", |client, token, password| {
            let with = With { token: Some(token), address: Some(HOTEL) };
            post(client, CHANGE, with, &change(password, NEW_PASSWORD))
        }),
        ("change by name", |client, _, password| {
            let with = With { token: None, address: Some(HOTEL) };
            post(client, CHANGE, with, &change_of("alice", password, NEW_PASSWORD))
        }),
        ("revoke all", |client, _, password| {
            let with = With { token: None, address: Some(HOTEL) };
            post(client, REVOKE_ALL, with, &json!({ "username": "alice", "password": password }))
        }),
        ("login", |client, _, password| {
            let with = With { token: None, address: Some(HOTEL) };
            post(client, "/auth/login/", with, &json!({ "username": "alice", "password": password }))
        }),
    ];
    for (guessed, guess) in asks {
        let app = behind_a_proxy();
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let token = client.login("alice", PASSWORD);
        let refusals: Vec<u16> = (0..12).map(|_| guess(client, &token, "guess").status).collect();
        assert_eq!(refusals, [[400; 10].as_slice(), &[429; 2]].concat(), "{guessed}");
        for (asked, ask) in asks {
            let reply = ask(client, &token, PASSWORD);
            let words = r#"{"detail":"Request was throttled. Expected available in 60 seconds."}"#;
            let got = (reply.status, reply.header("Retry-After"), reply.text());
            assert_eq!(got, (429, Some("60".to_owned()), words.to_owned()), "{asked} after {guessed}");
        }
        assert_eq!(client.check(&token), 200, "{guessed}");
        app.clock.advance(Duration::from_secs(60));
        let reply = asks[0].1(client, &token, PASSWORD);
        assert_eq!(reply.status, 204, "{}", reply.text());
    }
}

#[test]
fn a_weak_new_password_costs_no_guess_and_a_right_one_forgets_them() {
    let app = behind_a_proxy();
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    for _ in 0..20 {
        assert_eq!(post(client, CHANGE, with_token(&token), &change("guess", "short")).status, 400);
    }
    for _ in 0..3 {
        for _ in 0..9 {
            assert_eq!(outcome(&post(client, CHANGE, with_token(&token), &change("guess", NEW_PASSWORD))), denied());
        }
        assert_eq!(outcome(&post(client, CHANGE, with_token(&token), &change(PASSWORD, PASSWORD))), done());
    }
}
