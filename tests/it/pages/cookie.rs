//! The cookie of the pages: its form, its two names, and the sessions behind it.

use super::browser::{Browser, form};
use super::*;
use crate::harness::app::{Client, on_each_database};
use crate::harness::wire::Request;

/// The cookies that a reply sets.
fn set(reply: &crate::harness::wire::Reply) -> Vec<String> {
    let lines = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    lines.map(|(_, line)| line.clone()).collect()
}

on_each_database! {
    fn each_sign_in_has_a_token_of_its_own_and_ends_the_session_of_the_old_cookie(backend) {
        let bench = Bench::new(backend);
        let mut browser = bench.root();
        let first = browser.cookies.clone();
        assert_eq!(first.keys().collect::<Vec<_>>(), ["knoxide"], "that of the form for signing in is gone");
        // Without the session's cookie, as a link from another site is followed, the form is there; and with it, the
        // session that is replaced ends.
        browser.cookies.clear();
        browser.open("/admin/");
        let (name, value) = first.iter().next().expect("a cookie");
        browser.cookies.insert(name.clone(), value.clone());
        let reply = browser.submit("/admin/sign-in/", &[("username", "root"), ("password", PASSWORD)]);
        assert_eq!(reply.status, 200);
        assert_ne!(browser.cookies, first);
        let mut old = bench.browser();
        old.cookies = first;
        old.open("/admin/");
        assert!(!old.page.contains("Sign out"));
        browser.open("/admin/");
        assert!(browser.page.contains("Sign out"));
    }

    fn signing_out_ends_the_session(backend) {
        let bench = Bench::new(backend);
        let mut browser = bench.root();
        let kept = browser.cookies.clone();
        browser.open("/admin/users/");
        let reply = browser.submit("/admin/sign-out/", &[]);
        assert!(reply.text().contains("You have signed out."));
        assert!(!browser.cookies.contains_key("knoxide"));
        browser.cookies = kept;
        browser.open("/admin/users/");
        assert!(browser.page.contains("Sign in") && !browser.page.contains("alice"));
    }
}

/// On this machine and without a proxy, the cookie needs no TLS; everywhere else it does, and each place knows its own
/// name only.
#[test]
fn the_name_of_the_cookie_depends_on_where_the_page_is_served() {
    let bench = Bench::new(Backend::Sqlite);
    let ask = |headers: &[(&str, &str)]| {
        let asked = headers
            .iter()
            .fold(Request::new("GET", "/admin/sign-in/"), |asked, (name, value)| asked.header(name, *value));
        Client::connect(bench.api.address).ask(&asked)
    };
    let local = set(&ask(&[("Host", "localhost:8081")])).remove(0);
    assert!(local.starts_with("knoxide-sign-in=") && local.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{local}");
    for headers in [
        &[("Host", "localhost"), ("X-Forwarded-For", "192.0.2.7")][..],
        &[("Host", "localhost"), ("X-Forwarded-Proto", "https")],
        &[("Host", "127.0.0.1"), ("Forwarded", "for=192.0.2.7")],
        &[("Host", "127.0.0.1"), ("Via", "1.1 proxy")],
    ] {
        let secure = set(&ask(headers)).remove(0);
        let has_form = secure.starts_with("__Host-knoxide-sign-in=")
            && secure.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert!(has_form, "{secure}");
    }
    // Whom a proxy sends has to come by https, and gets a cookie with Secure; neither name is good in the other place.
    let mut browser = bench.browser();
    browser.extra = vec![("X-Forwarded-For".to_owned(), "192.0.2.7".to_owned())];
    browser.open("/admin/");
    let mut fields = browser.fields("/admin/sign-in/");
    fields.retain(|(name, _)| !["username", "password"].contains(&name.as_str()));
    fields.extend([("username", "root"), ("password", PASSWORD)].map(|(name, value)| (name.into(), value.into())));
    let reply = browser.post("/admin/sign-in/", &fields);
    assert_eq!(reply.status, 403, "that is not our origin by https");
    let reply = browser.send(form("/admin/sign-in/", &fields).header("Origin", "https://localhost"));
    assert_eq!(reply.status, 303, "{}", reply.text());
    let token = browser.cookies["__Host-knoxide"].clone();
    let is_in = |proxied: bool, name: &str| {
        let mut browser = bench.browser();
        browser.cookies.insert(name.to_owned(), token.clone());
        if proxied {
            browser.extra = vec![("X-Forwarded-For".to_owned(), "192.0.2.7".to_owned())];
        }
        browser.open("/admin/keys/");
        browser.page.contains("Sign out")
    };
    assert!(is_in(true, "__Host-knoxide") && is_in(false, "knoxide"), "the token is the same");
    assert!(!is_in(true, "knoxide") && !is_in(false, "__Host-knoxide"));
}

#[test]
fn two_cookies_of_the_name_are_none() {
    let bench = Bench::new(Backend::Sqlite);
    let token = bench.root().cookies["knoxide"].clone();
    let status = |cookie: String| {
        let asked = Request::new("GET", "/admin/keys/").header("Cookie", cookie);
        Client::connect(bench.api.address).ask(&asked).status
    };
    assert_eq!(status(format!("knoxide={token}")), 200);
    assert_eq!(status(format!("knoxide={token}; knoxide={token}")), 303);
    assert_eq!(status(format!("knoxide=x; knoxide={token}")), 303);
}

/// As at every login; and nobody learns who is an administrator.
#[test]
fn guesses_are_refused_alike_and_throttled() {
    let bench = Bench::new(Backend::Sqlite);
    let mut browser = bench.browser();
    browser.open("/admin/");
    for name in ["root", "alice", "nobody"] {
        let mut guess = || browser.submit("/admin/sign-in/", &[("username", name), ("password", "a wrong guess")]);
        for _ in 0..10 {
            let reply = guess();
            assert_eq!(reply.status, 403, "{name}");
            assert!(reply.text().contains("The name or the password is wrong"), "{name}");
        }
        let reply = guess();
        assert_eq!(reply.status, 429, "{name}");
        assert!(reply.header("Retry-After").is_some());
    }
    let mut other = Browser::at(bench.api.address);
    other.open("/admin/");
    let reply = other.submit("/admin/sign-in/", &[("username", "alice"), ("password", PASSWORD)]);
    assert_eq!(reply.status, 429, "they count for the account");
}
