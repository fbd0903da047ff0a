//! What the forms do: each act through its page, as a person would.

use std::time::Duration;

use knoxide::domain::audit::{Actor, Event};
use knoxide::service::admin::EventFilter;

use super::browser::{location, unescape};
use super::*;
use crate::harness::app::on_each_database;

/// Where sessions are counted and ended.
const END: &str = "/admin/sessions/end/";

/// The text of the one-time value or token that the page shows.
fn secret(browser: &Browser) -> String {
    let rest = browser.page.split("<code class=\"secret\">").nth(1).expect("a secret");
    unescape(rest.split('<').next().expect("a text"))
}

/// The events of this kind, newest first, with who did them.
fn events(bench: &Bench, event: Event) -> Vec<String> {
    let filter = EventFilter { events: vec![event], limit: 100, ..EventFilter::default() };
    let events = bench.app.admin().search_events(&filter).expect("events");
    events.into_iter().map(|event| event.actor).collect()
}

fn login_status(bench: &Bench, name: &str) -> u16 {
    bench.app.client().try_login(name, PASSWORD).status
}

on_each_database! {
    fn a_user_is_made_found_deactivated_and_activated(backend) {
        let bench = Bench::new(backend);
        let mut browser = bench.root();
        browser.open("/admin/users/new/");
        let reply = browser.submit("/admin/users/new/", &[("username", "alice"), ("email", "nonsense")]);
        assert_eq!(reply.status, 200);
        assert!(browser.page.contains("is not an e-mail address") && browser.page.contains("value=\"alice\""));
        let reply = browser.submit("/admin/users/new/", &[("username", "alice"), ("email", "")]);
        assert!(reply.text().contains("is taken"), "{}", reply.text());
        let reply = browser.submit("/admin/users/new/", &[("username", "carol"), ("email", "")]);
        assert!(reply.text().contains("User created"), "{}", reply.text());
        let body = serde_json::json!({ "username": "carol", "current_password": secret(&browser), "new_password": PASSWORD });
        let asked = crate::harness::admin::request("POST", "/auth/password/change/", None, Some(&body));
        assert_eq!(bench.app.client().ask(&asked).status, 204);
        assert_eq!(login_status(&bench, "carol"), 200);
        browser.open("/admin/users/?q=carol");
        let path = browser.page.split("href=\"").find(|part| part.starts_with("/admin/users/") && part.contains(">carol<")
            || part.starts_with("/admin/users/") && part.contains("<bdi>carol"));
        let path = path.and_then(|part| part.split('"').next()).expect("a link to the user").to_owned();
        browser.open(&path);
        let reply = browser.submit(&format!("{path}active/"), &[]);
        assert!(reply.text().contains("is deactivated, and all sessions"), "{}", reply.text());
        assert_eq!(login_status(&bench, "carol"), 400);
        let reply = browser.submit(&format!("{path}active/"), &[]);
        assert!(reply.text().contains("can log in again"));
        assert_eq!(login_status(&bench, "carol"), 200);
        let reply = browser.submit(&format!("{path}reset-password/"), &[]);
        assert!(reply.text().contains("one-time password"));
        assert_eq!(login_status(&bench, "carol"), 400);
        let root = Actor::User(bench.app.admin().find_user("root").expect("root").id).to_string();
        for event in [Event::UserCreated, Event::Deactivated, Event::Activated, Event::PasswordReset] {
            assert_eq!(events(&bench, event).first(), Some(&root), "{event:?}");
        }
    }

    fn sessions_are_ended_one_by_one_all_and_by_conditions(backend) {
        let bench = Bench::new(backend);
        let mut browser = bench.root();
        let page = format!("/admin/users/{}/", bench.alice);
        let count = || bench.app.sessions_of(bench.alice).len();
        for _ in 0..3 {
            bench.app.client().login("alice", PASSWORD);
        }
        let first = bench.app.sessions_of(bench.alice).remove(0);
        browser.open(&page);
        let reply = browser.submit(&format!("/admin/sessions/{first}/end/"), &[]);
        assert!(reply.text().contains("The session has ended.") && reply.text().contains("Live sessions"));
        assert_eq!((count(), bench.app.sessions_of(bench.alice).contains(&first)), (2, false));
        // A filtered set: counted first, and no more than that is ended.
        browser.open(&format!("/admin/sessions/end/?user={}", bench.alice));
        browser.settle();
        assert!(browser.page.contains("2 live sessions would end"), "{}", browser.page);
        let fields = browser.fields(END);
        bench.app.clock.advance(Duration::from_secs(1));
        bench.app.client().login("alice", PASSWORD);
        let fewer: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.clone(), if name == "count" { "1".to_owned() } else { value.clone() }))
            .collect();
        browser.submit_to(END, &fewer);
        browser.settle();
        assert!(browser.page.contains("2 sessions match now, and 1 were shown"), "{}", browser.page);
        assert!(browser.page.contains("3 live sessions would end"), "counted anew: {}", browser.page);
        assert_eq!(count(), 3);
        let result = location(&browser.post(END, &fields));
        // The form sent twice, and the result looked at again: nothing more is ended.
        assert_eq!(location(&browser.post(END, &fields)), result);
        for _ in 0..2 {
            browser.open(&result);
            browser.settle();
            assert!(browser.page.contains("2 sessions ended"), "{}", browser.page);
        }
        assert_eq!(count(), 1, "the one that was opened later stays");
        assert_eq!(events(&bench, Event::MassEndDone).len(), 1);
        assert_eq!(events(&bench, Event::ActRefused).len(), 1);
        // Another administrator, or another node, knows nothing of it, and ends nothing.
        let mut other = bench.browser();
        other.sign_in("second", PASSWORD);
        other.open(&result);
        assert!(other.page.contains("This node does not know this mass end"), "{}", other.page);
        browser.open(&page);
        let reply = browser.submit(&format!("{page}end-sessions/"), &[]);
        assert!(reply.text().contains("All sessions of the user have ended."));
        assert_eq!(count(), 0);
        browser.open(&format!("/admin/sessions/?user={}&ended=true", bench.alice));
        assert_eq!(browser.page.matches(">ended<").count(), 4, "{}", browser.page);
    }

    fn tokens_of_scripts_are_made_and_ended(backend) {
        let bench = Bench::new(backend);
        let mut browser = bench.root();
        browser.open(&format!("/admin/tokens/new/?user={}", bench.alice));
        let reply = browser.submit("/admin/tokens/new/", &[("name", ""), ("days", "0")]);
        assert_eq!(reply.text().matches("class=\"mistake\"").count(), 2, "{}", reply.text());
        let reply = browser.submit("/admin/tokens/new/", &[("name", "backup"), ("days", "20")]);
        assert!(reply.text().contains("Token made"), "{}", reply.text());
        let token = secret(&browser);
        assert_eq!(bench.app.client().check(&token), 200);
        browser.open("/admin/tokens/");
        assert!(browser.page.contains("backup") && browser.page.contains("in 20 days"), "{}", browser.page);
        let session = bench.app.sessions_of(bench.alice).remove(0);
        let reply = browser.submit(&format!("/admin/sessions/{session}/end/"), &[]);
        assert!(reply.text().contains("The token is no longer valid."));
        assert_eq!(bench.app.client().check(&token), 401);
    }

    fn what_became_of_a_token_is_told_and_the_token_is_not_shown(backend) {
        let bench = Bench::new(backend);
        let mut browser = bench.root();
        let token = bench.app.client().login("alice", PASSWORD);
        browser.open("/admin/explain/");
        browser.submit("/admin/explain/", &[("token", &token)]);
        assert!(browser.page.contains("This token is valid") && browser.page.contains(">alice<"), "{}", browser.page);
        assert!(!browser.page.contains(&token));
        let session = bench.app.sessions_of(bench.alice).remove(0);
        bench.app.admin().end_session(session).expect("an end");
        browser.open(&format!("/admin/explain/?session_id={session}"));
        assert!(browser.page.contains("This session was ended: Ended by an administrator."), "{}", browser.page);
        browser.submit("/admin/explain/", &[("token", "nonsense")]);
        assert!(browser.page.contains("This token is not known"), "{}", browser.page);
    }

    fn the_overview_counts_sessions_logins_and_failures(backend) {
        let bench = Bench::new(backend);
        bench.app.client().login("alice", PASSWORD);
        bench.app.client().login("alice", PASSWORD);
        bench.app.client().try_login("alice", "wrong");
        let mut browser = bench.root();
        // The numbers may still be counted when the page is shown.
        while !browser.page.contains("<dd>") {
            browser.open("/admin/");
        }
        let numbers: Vec<_> = browser.page.split("<dd>").skip(1).map(|rest| rest.split('<').next()).collect();
        assert_eq!(numbers, [Some("3"), Some("3"), Some("1")], "{}", browser.page);
        browser.open("/admin/events/?event=login_failed");
        assert!(browser.page.contains("Login refused") && browser.page.contains("wrong_password"));
        assert!(!browser.page.contains("<span>Logged in"), "{}", browser.page);
    }

    fn events_name_their_users_for_as_long_as_they_exist(backend) {
        let bench = Bench::new(backend);
        let bob = bench.app.add_user("bob", PASSWORD);
        bench.app.client().login("bob", PASSWORD);
        bench.app.client().try_login("bob", "wrong");
        let mut browser = bench.root();
        browser.open("/admin/events/?event=login_failed");
        assert!(browser.page.contains("reason: <bdi>wrong_password</bdi>"), "{}", browser.page);
        let link = format!("<a href=\"/admin/users/{bob}/\"><bdi>bob</bdi></a> ({bob})");
        assert_eq!(browser.page.matches(&link).count(), 1, "{}", browser.page);
        browser.open("/admin/events/?event=login");
        assert_eq!(browser.page.matches(&link).count(), 2, "who did it, and whom it is about: {}", browser.page);
        let admin = bench.app.admin();
        admin.delete_user(&admin.user_by_id(bob).expect("bob")).expect("a write");
        browser.open("/admin/events/?event=login");
        assert_eq!(browser.page.matches(&format!("user {bob}")).count(), 2, "{}", browser.page);
        assert!(!browser.page.contains(&format!("/admin/users/{bob}/")), "{}", browser.page);
    }
}

#[test]
fn keys_are_rotated_and_wrong_passwords_forgiven() {
    let bench = Bench::new(Backend::Sqlite);
    let mut browser = bench.root();
    browser.open("/admin/keys/");
    let reply = browser.submit("/admin/keys/rotate/", &[("algorithm", "EdDSA")]);
    assert!(reply.text().contains("A new key takes over."), "{}", reply.text());
    assert_eq!(events(&bench, Event::KeyRotated).len(), 1);
    for _ in 0..11 {
        bench.app.client().try_login("alice", "a wrong guess");
    }
    browser.open("/admin/throttle/");
    assert!(browser.page.contains("refused"), "{}", browser.page);
    let forgive = browser.fields("/admin/throttle/clear/");
    let reply = browser.post("/admin/throttle/clear/", &forgive);
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert_eq!(login_status(&bench, "alice"), 200);
}

/// A password that was given more than five minutes ago is asked for again, and then the act goes on.
#[test]
fn what_needs_a_recent_password_asks_for_it_and_goes_on() {
    let bench = Bench::new(Backend::Sqlite);
    let mut browser = bench.root();
    bench.app.clock.advance(Duration::from_secs(5 * 60) + Duration::from_micros(1));
    let second = format!("/admin/users/{}/", bench.second);
    browser.open(&second);
    let act = format!("{second}active/");
    let reply = browser.submit(&act, &[]);
    assert!(reply.text().contains("Confirm your password"), "{}", reply.text());
    assert!(events(&bench, Event::ActRefused).is_empty(), "nothing was refused");
    let reply = browser.submit(&act, &[("own_password", "wrong")]);
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("That is not your password."));
    let reply = browser.submit(&act, &[("own_password", PASSWORD)]);
    assert!(reply.text().contains("is deactivated"), "{}", reply.text());
    // It counts for the next five minutes, and in this session alone.
    browser.open("/admin/keys/");
    let reply = browser.submit("/admin/keys/rotate/", &[("algorithm", "HS256")]);
    assert!(reply.text().contains("A new key takes over."), "{}", reply.text());
    bench.app.clock.advance(Duration::from_secs(5 * 60) + Duration::from_micros(1));
    let reply = browser.submit("/admin/keys/rotate/", &[("algorithm", "EdDSA")]);
    assert!(reply.text().contains("Confirm your password") && reply.text().contains("value=\"EdDSA\""));
    assert_eq!(events(&bench, Event::KeyRotated).len(), 1);
}

/// The last administrator stays one.
#[test]
fn what_cannot_be_is_told_and_not_done() {
    let bench = Bench::new(Backend::Sqlite);
    bench.app.change(bench.second, |admin, user| admin.set_active(user, false));
    let root = bench.app.admin().find_user("root").expect("root").id;
    let mut browser = bench.root();
    browser.open(&format!("/admin/users/{root}/"));
    let reply = browser.submit(&format!("/admin/users/{root}/active/"), &[]);
    assert_eq!(reply.status, 409);
    assert!(reply.text().contains("the last active administrator"), "{}", reply.text());
    for path in ["/admin/users/4711/", "/admin/users/x/", "/admin/sessions/x/", "/admin/nothing/"] {
        assert_eq!(browser.open(path).status, 404, "{path}");
        assert!(browser.page.contains("Sign out"), "{path}");
    }
}
