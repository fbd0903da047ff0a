//! What the forms about devices do, as a person would use them.

use knoxide::domain::audit::{Actor, Event};
use knoxide::service::admin::EventFilter;
use knoxide::store::SharedEmail;

use super::*;
use crate::harness::app::{Client, on_each_database};

/// The actors of the events of this kind.
fn actors(app: &App, event: Event) -> Vec<String> {
    let filter = EventFilter { events: vec![event], limit: 100, ..EventFilter::default() };
    app.admin().search_events(&filter).expect("events").into_iter().map(|event| event.actor).collect()
}

/// A login at a dialect, from this device.
fn log_in_from(app: &App, device: &str, session_name: &str) -> String {
    let body = serde_json::json!({ "username": "alice", "password": PASSWORD, "session_name": session_name });
    let asked = Request::new("POST", "/auth/login/")
        .header("Content-Type", "application/json")
        .header("User-Agent", device)
        .body(body.to_string(), Framing::Length);
    let reply = Client::connect(app.address).ask(&asked);
    crate::harness::admin::json_of(&reply)["token"].as_str().expect("a token").to_owned()
}

/// The row of the table that has this text.
fn row_with<'p>(page: &'p str, text: &str) -> &'p str {
    let row = page.split("<tr").find(|row| row.contains(text));
    row.unwrap_or_else(|| panic!("no row has {text}: {page}"))
}

/// The paths of the forms that end a session.
fn ends(page: &str) -> Vec<String> {
    let actions = page.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
    actions.filter(|path| path.ends_with("/end/")).map(str::to_owned).collect()
}

on_each_database! {
    fn devices_are_shown_in_words_and_signed_out_one_by_one(backend) {
        let (app, alice) = start(backend);
        let curl = log_in_from(&app, "curl/8.5.0", "backup");
        let phone = log_in_from(&app, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/141.0", "phone");
        app.clock.advance(std::time::Duration::from_secs(7200));
        let mut browser = signed_in(&app, "alice");
        browser.open(HOME);
        let current = row_with(&browser.page, "this device");
        assert!(current.contains("Firefox on Linux") && current.contains("just now"), "{current}");
        assert!(!current.contains("<form"), "signing out is at the top: {current}");
        let row = row_with(&browser.page, "Chrome on iPhone");
        assert!(row.contains("phone") && row.contains("127.0.0.1") && row.contains("2 hours ago"), "{row}");
        let end = ends(row_with(&browser.page, "backup")).remove(0);
        let reply = browser.submit(&end, &[]);
        assert!(reply.text().contains("That device is signed out.") && !reply.text().contains("backup"));
        assert_eq!([&curl, &phone].map(|token| app.client().check(token)), [401, 200]);
        assert!(is_in(&mut browser));
        assert_eq!(app.sessions_of(alice).len(), 2);
        assert_eq!(actors(&app, Event::RevokedByUser), [Actor::User(alice).to_string()]);
    }

    fn all_others_are_signed_out_in_one_act(backend) {
        let (app, alice) = start(backend);
        let token = app.client().login("alice", PASSWORD);
        let (mut browser, mut other) = (signed_in(&app, "alice"), signed_in(&app, "alice"));
        let mut bob = signed_in(&app, "bob");
        browser.open(HOME);
        let reply = browser.submit(OTHERS, &[]);
        assert!(reply.text().contains("All other devices are signed out."), "{}", reply.text());
        assert!(reply.text().contains("You are signed in nowhere else."), "{}", reply.text());
        assert_eq!(app.client().check(&token), 401);
        assert!(is_in(&mut browser) && !is_in(&mut other) && is_in(&mut bob));
        assert_eq!(actors(&app, Event::OthersRevoked), [Actor::User(alice).to_string()]);
    }

    fn nobody_ends_the_session_of_somebody_else(backend) {
        let (app, alice) = start(backend);
        app.client().login("alice", PASSWORD);
        let session = app.sessions_of(alice).remove(0);
        app.client().login("bob", PASSWORD);
        let mut bob = signed_in(&app, "bob");
        bob.open(HOME);
        let own = ends(&bob.page).remove(0);
        let fields = bob.fields(&own);
        for id in [session.to_string(), "0192-nonsense".to_owned()] {
            let reply = bob.post(&format!("/account/sessions/{id}/end/"), &fields);
            assert!(matches!(reply.status, 303 | 404), "{}", reply.status);
        }
        assert_eq!(app.sessions_of(alice), [session]);
        let reply = bob.submit_to(&own, &fields);
        assert!(reply.text().contains("That device is signed out."));
        let reply = bob.submit_to(&own, &fields);
        assert!(reply.text().contains("That device was signed out already."), "{}", reply.text());
    }

    fn many_devices_are_on_several_pages(backend) {
        let (app, _) = start(backend);
        for _ in 0..52 {
            app.clock.advance(std::time::Duration::from_secs(1));
            app.client().login("alice", PASSWORD);
        }
        let mut browser = signed_in(&app, "alice");
        browser.open(HOME);
        assert_eq!(ends(&browser.page).len(), 49);
        let more = browser.page.split("href=\"").find(|rest| rest.contains("?cursor=")).expect("a link to more");
        let more = more.split('"').next().expect("a path").to_owned();
        browser.open(&more);
        assert_eq!(ends(&browser.page).len(), 3);
    }

    fn each_sign_in_has_a_token_of_its_own_and_signing_out_ends_it(backend) {
        let (app, alice) = start(backend);
        let mut browser = signed_in(&app, "alice");
        let first = browser.cookies.clone();
        assert_eq!(first.keys().collect::<Vec<_>>(), [COOKIE], "that of the form for signing in is gone");
        // Followed from another site, a link comes without the cookie; with it, the old session ends.
        browser.cookies.clear();
        browser.open(HOME);
        browser.cookies.extend(first.clone());
        let reply = browser.submit(SIGN_IN, &[("username", "alice"), ("password", PASSWORD)]);
        assert_eq!(reply.status, 200);
        assert_ne!(browser.cookies, first);
        assert_eq!(app.sessions_of(alice).len(), 1, "the new one");
        let reply = browser.submit(SIGN_OUT, &[]);
        assert!(reply.text().contains("You have signed out."), "{}", reply.text());
        assert!(!browser.cookies.contains_key(COOKIE));
        assert_eq!(app.sessions_of(alice).len(), 0);
        for cookies in [first, browser.cookies.clone()] {
            browser.cookies = cookies;
            assert!(!is_in(&mut browser));
        }
    }

    fn the_events_are_those_of_the_account(backend) {
        let (app, alice) = start(backend);
        let mut browser = signed_in(&app, "alice");
        signed_in(&app, "bob");
        let root = app.add_user("root", PASSWORD);
        app.change(root, |admin, user| admin.set_admin(user, true));
        app.client().try_login("alice", "a wrong guess");
        app.client().login("alice", PASSWORD);
        app.change(alice, |admin, user| admin.set_email(user, "new@example.com", SharedEmail::Allow));
        browser.open("/account/events/");
        let logins = browser.page.matches("Logged in").count();
        assert_eq!(logins, 2, "{}", browser.page);
        assert!(row_with(&browser.page, "Login refused").contains("not known"));
        let changed = row_with(&browser.page, "E-mail address changed");
        assert!(changed.contains("an administrator"), "{changed}");
        let own = row_with(&browser.page, "Firefox on Linux");
        assert!(own.contains("you") && own.contains("127.0.0.1"), "{own}");
        assert!(!browser.page.contains("bob"));
    }
}

/// What strangers say of themselves is text.
#[test]
fn names_and_devices_are_no_markup() {
    let (app, _) = start(Backend::Sqlite);
    let evil = "<img src=x onerror=alert(1)>\"'&</td><script>";
    log_in_from(&app, evil, "<i>\"phone\"</i>");
    let mut browser = signed_in(&app, "alice");
    let query = form_urlencoded::byte_serialize(evil.as_bytes()).collect::<String>();
    let paths = [HOME, "/account/events/", CHANGE, NOT_ME].map(str::to_owned).into_iter();
    let odd = [HOME, "/account/events/", SIGN_IN, ONE_TIME]
        .map(|path| format!("{path}?cursor={query}&done={query}&next={query}&{query}={query}"));
    for path in paths.chain(odd) {
        let reply = browser.open(&path);
        assert!(reply.status < 500, "{path}: {}", reply.status);
        for bad in ["<img src=x", "<script>", "<i>", "onerror=alert(1)>\"", "&</td>"] {
            assert!(!browser.page.contains(bad), "{path} has {bad}: {}", browser.page);
        }
    }
    let mut stranger = Browser::at(app.address);
    stranger.open(HOME);
    for (action, password) in [(SIGN_IN, "a wrong guess"), (SIGN_IN, "0123456789abcdef0123456789abcdef")] {
        stranger.open(HOME);
        let reply = stranger.submit(action, &[("username", evil), ("password", password)]);
        assert!(!reply.text().contains("<img src=x") && !reply.text().contains(password), "{}", reply.text());
        assert!(super::super::browser::unescape(&reply.text()).contains(evil), "the name stays in its field");
    }
}
