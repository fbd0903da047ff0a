//! Changing the password, "this was not me", and one-time passwords.

use super::*;
use crate::harness::app::{Served, cheap_hasher, on_each_database};
use knoxide::service::Auth;
use knoxide::service::admin::Admin;

/// Another node over the same database.
fn another_node(app: &App) -> Served {
    let auth = Auth::builder(app.database.store()).clock(app.clock.clone()).hasher(cheap_hasher());
    Served::start(auth.password_threads(1).build().expect("a service"), Setup::default().http)
}

fn fill<'a>(current: &'a str, new: &'a str, again: &'a str) -> [(&'a str, &'a str); 3] {
    [("current_password", current), ("new_password", new), ("new_password_again", again)]
}

fn login_status(app: &App, password: &str) -> u16 {
    app.client().try_login("alice", password).status
}

/// Puts a one-time password in the place of alice's password.
fn reset(app: &App, alice: UserId) -> String {
    app.change(alice, Admin::reset_password).value.expose().to_owned()
}

on_each_database! {
    fn a_changed_password_ends_the_other_sessions_on_every_node(backend) {
        let (app, alice) = start(backend);
        let node = another_node(&app);
        let token = app.client().login("alice", PASSWORD);
        assert_eq!(node.client().check(&token), 200);
        let (mut browser, mut other) = (signed_in(&app, "alice"), signed_in(&app, "alice"));
        browser.open(CHANGE);
        for (filled, words) in [
            (fill("a wrong guess", NEW_PASSWORD, NEW_PASSWORD), "That is not your current password."),
            (fill(PASSWORD, "short", "short"), "shorter than 8 characters"),
            (fill(PASSWORD, "password1", "password1"), "one of the most common"),
            (fill(PASSWORD, NEW_PASSWORD, "battery-staple-8"), "Is not the same as the new password."),
            (fill(PASSWORD, NEW_PASSWORD, ""), "Is required."),
        ] {
            let reply = browser.submit(CHANGE, &filled);
            assert!(matches!(reply.status, 400 | 403) && reply.text().contains(words), "{words}: {}", reply.text());
            assert!(filled.iter().all(|(_, typed)| typed.is_empty() || !reply.text().contains(&format!("\"{typed}\""))));
        }
        assert_eq!((app.client().check(&token), login_status(&app, NEW_PASSWORD)), (200, 400), "nothing was changed");
        let reply = browser.submit(CHANGE, &fill(PASSWORD, NEW_PASSWORD, NEW_PASSWORD));
        assert!(reply.text().contains("Your password is changed, and all other devices"), "{}", reply.text());
        assert_eq!((app.client().check(&token), node.client().check(&token)), (401, 401));
        assert!(is_in(&mut browser) && !is_in(&mut other));
        assert_eq!(app.sessions_of(alice).len(), 1);
        assert_eq!((login_status(&app, PASSWORD), login_status(&app, NEW_PASSWORD)), (400, 200));
    }

    fn other_devices_can_stay_signed_in(backend) {
        let (app, _) = start(backend);
        let token = app.client().login("alice", PASSWORD);
        let mut browser = signed_in(&app, "alice");
        browser.open(CHANGE);
        let [current, new, again] = fill(PASSWORD, NEW_PASSWORD, NEW_PASSWORD);
        let reply = browser.submit(CHANGE, &[current, new, again, ("keep_others", "true")]);
        assert!(reply.text().contains("Other devices stay signed in."), "{}", reply.text());
        assert_eq!(app.client().check(&token), 200);
        assert!(is_in(&mut browser));
        assert_eq!((login_status(&app, PASSWORD), login_status(&app, NEW_PASSWORD)), (400, 200));
    }

    fn this_was_not_me_is_one_act(backend) {
        let (app, alice) = start(backend);
        let node = another_node(&app);
        let thief = node.client().login("alice", PASSWORD);
        let mut browser = signed_in(&app, "alice");
        browser.open(HOME);
        browser.open(NOT_ME);
        let reply = browser.submit(NOT_ME, &fill("a wrong guess", NEW_PASSWORD, NEW_PASSWORD));
        assert_eq!((reply.status, node.client().check(&thief)), (403, 200), "neither without the other");
        let reply = browser.submit(NOT_ME, &fill(PASSWORD, NEW_PASSWORD, NEW_PASSWORD));
        assert!(reply.text().contains("Your account is secure again"), "{}", reply.text());
        assert_eq!((node.client().check(&thief), login_status(&app, PASSWORD)), (401, 400));
        assert!(is_in(&mut browser));
        assert_eq!(app.sessions_of(alice).len(), 1);
        browser.open("/account/events/");
        assert_eq!(browser.page.matches("Password changed").count(), 1);
    }

    fn a_one_time_password_is_exchanged_at_the_sign_in(backend) {
        let (app, alice) = start(backend);
        let mut signed_in_before = signed_in(&app, "alice");
        let value = reset(&app, alice);
        assert!(!is_in(&mut signed_in_before));
        let mut browser = Browser::at(app.address);
        browser.open(HOME);
        assert!(browser.page.contains(&format!("href=\"{ONE_TIME}\"")));
        // Who types it at the sign-in lands where it can be exchanged.
        let reply = browser.submit(SIGN_IN, &[("username", "alice"), ("password", &value)]);
        assert_eq!(reply.status, 403);
        assert!(browser.page.contains("Choose your password") && browser.page.contains("value=\"alice\""));
        assert!(!browser.page.contains(&value), "it is not repeated");
        let exchange = |browser: &mut Browser, name: &str, value: &str, new: &str, again: &str| {
            let filled = [
                ("username", name),
                ("one_time_password", value),
                ("new_password", new),
                ("new_password_again", again),
            ];
            browser.submit(ONE_TIME, &filled)
        };
        let wrong = "The name or the password is wrong.";
        for (name, value, new, again, words) in [
            ("bob", &*value, NEW_PASSWORD, NEW_PASSWORD, wrong),
            ("nobody", &*value, NEW_PASSWORD, NEW_PASSWORD, wrong),
            ("alice", PASSWORD, NEW_PASSWORD, NEW_PASSWORD, wrong),
            ("alice", &*value, "short", "short", "shorter than 8 characters"),
            ("alice", &*value, NEW_PASSWORD, "another-one", "Is not the same"),
        ] {
            let reply = exchange(&mut browser, name, value, new, again);
            assert!(reply.text().contains(words) && !reply.text().contains(value), "{name} {new}: {}", reply.text());
        }
        assert_eq!(login_status(&app, NEW_PASSWORD), 400);
        let reply = exchange(&mut browser, "alice", &value, NEW_PASSWORD, NEW_PASSWORD);
        assert!(reply.text().contains("Your new password is set."), "{}", reply.text());
        let reply = browser.submit(SIGN_IN, &[("username", "alice"), ("password", NEW_PASSWORD)]);
        assert!(reply.text().contains("Your devices"));
        browser.open(ONE_TIME);
        assert!(exchange(&mut browser, "alice", &value, "another-one-9", "another-one-9").text().contains(wrong));
    }
}

/// Nobody learns which users there are, and every guess counts, wherever it is made.
#[test]
fn guesses_are_refused_alike_and_throttled() {
    let (app, _) = start(Backend::Sqlite);
    let off = app.add_user("carol", PASSWORD);
    app.change(off, |admin, user| admin.set_active(user, false));
    let mut texts = Vec::new();
    for (name, password) in [("alice", "a wrong guess"), ("nobody", "a wrong guess"), ("carol", PASSWORD)] {
        let mut browser = Browser::at(app.address);
        browser.open(HOME);
        for _ in 0..10 {
            let reply = browser.submit(SIGN_IN, &[("username", name), ("password", password)]);
            assert_eq!(reply.status, 403, "{name}");
            let token = browser.fields(SIGN_IN).remove(0).1;
            texts.push(reply.text().replace(name, "NAME").replace(&token, "TOKEN"));
        }
        let reply = browser.submit(SIGN_IN, &[("username", name), ("password", password)]);
        assert_eq!(reply.status, 429, "{name}");
        assert!(reply.header("Retry-After").is_some());
        assert_eq!(app.client().try_login(name, PASSWORD).status, 429, "{name} at a dialect");
        let reply = {
            browser.open(ONE_TIME);
            let filled = [
                ("username", name),
                ("one_time_password", PASSWORD),
                ("new_password", NEW_PASSWORD),
                ("new_password_again", NEW_PASSWORD),
            ];
            browser.submit(ONE_TIME, &filled)
        };
        assert_eq!(reply.status, 429, "{name} at the exchange");
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:#?}");
    assert!(texts[0].contains("The name or the password is wrong."));
}

#[test]
fn guesses_at_the_present_password_count_too() {
    let (app, _) = start(Backend::Sqlite);
    let mut browser = signed_in(&app, "alice");
    let statuses = [CHANGE, NOT_ME].map(|path| {
        browser.open(path);
        let mut guess = || browser.submit(path, &fill("a wrong guess", NEW_PASSWORD, NEW_PASSWORD)).status;
        [(); 11].map(|()| guess())
    });
    assert_eq!(statuses[0][0], 403);
    assert!(statuses.iter().flatten().any(|status| *status == 429), "{statuses:?}");
    assert_eq!(statuses[1][10], 429);
}
