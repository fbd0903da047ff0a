//! How requests are judged: origin, form token, method; the headers of every reply; an outage.

use knoxide::http::pages::account::PAGES;

use super::super::browser::{form, location};
use super::*;
use crate::harness::app::Client;

/// What changes something needs to come from a page of ours, signing in and out included.
#[test]
fn only_a_page_of_ours_changes_anything() {
    let (app, _) = start(Backend::Sqlite);
    let (own, foreign) = (("Origin", "http://localhost"), ("Origin", "https://evil.example"));
    let (same, cross) = (("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site"));
    let cases: &[(&[(&str, &str)], bool)] = &[
        (&[], false),
        (&[own], true),
        (&[same], true),
        (&[foreign], false),
        (&[foreign, same], false),
        (&[("Origin", "null"), same], false),
        (&[("Origin", "https://localhost")], false),
        (&[cross], false),
        (&[("Sec-Fetch-Site", "same-site")], false),
        (&[own, own], false),
    ];
    for (headers, is_good) in cases {
        let expected = if *is_good { 303 } else { 403 };
        let with = |asked: Request| headers.iter().fold(asked, |asked, (name, value)| asked.header(name, *value));
        let token = app.client().login("alice", PASSWORD);
        let mut browser = signed_in(&app, "alice");
        browser.open(HOME);
        for path in [OTHERS, SIGN_OUT] {
            let asked = with(form(path, &browser.fields(path)));
            let (page, status) = (browser.page.clone(), browser.send(asked).status);
            browser.page = page;
            assert_eq!(status, expected, "{path} {headers:?}");
        }
        assert_eq!(app.client().check(&token), if *is_good { 401 } else { 200 }, "{headers:?}");
        assert_eq!(is_in(&mut browser), !is_good);
        let mut browser = Browser::at(app.address);
        browser.open(HOME);
        let fields = credentials(&browser, "alice", PASSWORD);
        assert_eq!(browser.send(with(form(SIGN_IN, &fields))).status, expected, "sign-in {headers:?}");
    }
}

#[test]
fn a_form_is_good_in_its_own_session_alone() {
    let (app, alice) = start(Backend::Sqlite);
    let (mut one, mut other) = (signed_in(&app, "alice"), signed_in(&app, "bob"));
    let token = app.client().login("bob", PASSWORD);
    app.client().login("alice", PASSWORD);
    one.open(HOME);
    other.open(HOME);
    let foreign = one.fields(OTHERS);
    for fields in [foreign, Vec::new(), vec![("form_token".to_owned(), "0".repeat(64))]] {
        let reply = other.post(OTHERS, &fields);
        assert_eq!(reply.status, 403);
        assert!(reply.text().contains("earlier session"));
    }
    assert_eq!((app.client().check(&token), app.sessions_of(alice).len()), (200, 2));
    // That for signing in is bound to the browser that has opened it.
    let (mut one, mut other) = (Browser::at(app.address), Browser::at(app.address));
    one.open(HOME);
    other.open(HOME);
    let foreign = credentials(&one, "alice", PASSWORD);
    assert_eq!(other.post(SIGN_IN, &foreign).status, 403);
    one.open(ONE_TIME);
    let foreign = one.fields(ONE_TIME);
    assert_eq!(other.post(ONE_TIME, &foreign).status, 403);
}

#[test]
fn other_methods_and_other_bodies() {
    let (app, _) = start(Backend::Sqlite);
    let ask = |method: &str, path: &str| app.client().ask(&Request::new(method, path));
    let reply = ask("DELETE", CHANGE);
    assert_eq!((reply.status, reply.header("Allow").as_deref()), (405, Some("GET, HEAD, POST")));
    let reply = ask("GET", SIGN_OUT);
    assert_eq!((reply.status, reply.header("Allow").as_deref()), (405, Some("POST")));
    assert_eq!(ask("HEAD", "/account/sign-in").status, 200);
    assert_eq!(ask("GET", "/account").status, 303);
    let mut browser = signed_in(&app, "alice");
    let mut post = |content_type: &str, body: &str| {
        let asked = Request::new("POST", SIGN_OUT).header("Origin", "http://localhost");
        browser.send(asked.header("Content-Type", content_type).body(body, Framing::Length)).status
    };
    assert_eq!(post("application/json", "{}"), 400);
    assert_eq!(post("multipart/form-data; boundary=x", ""), 400);
    assert_eq!(post("application/x-www-form-urlencoded", &"x".repeat(17 * 1024)), 413);
}

/// The style sheet that a page names.
fn style_of(page: &str) -> String {
    let rest = page.split("rel=\"stylesheet\" href=\"").nth(1).expect("a style sheet");
    rest.split('"').next().expect("a path").to_owned()
}

/// Nothing inline, no script, and nothing from another host, on any page; also where CORS lets other pages read replies.
#[test]
fn pages_are_complete_in_themselves_and_kept_from_others() {
    for cors in ["", "*", "https://reader.example"] {
        let mut setup = Setup::default();
        setup.http.options.cors.origins = cors.parse().expect("origins");
        setup.http.options.cors.credentials = cors.starts_with("https");
        let (app, _) = start_as(Backend::Sqlite, setup);
        let mut browser = signed_in(&app, "alice");
        browser.extra.push(("Origin".to_owned(), "https://reader.example".to_owned()));
        let check = |reply: &Reply, path: &str| {
            let header = |name: &str| reply.header(name).unwrap_or_else(|| panic!("{path} has no {name}"));
            let policy = header("Content-Security-Policy");
            assert!(
                policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{path}: {policy}"
            );
            assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}: {policy}");
            assert_eq!(header("X-Content-Type-Options"), "nosniff", "{path}");
            assert_eq!(header("Referrer-Policy"), "same-origin", "{path}");
            let is_cors = |name: &str| name.to_ascii_lowercase().starts_with("access-control-");
            assert!(!reply.headers.iter().any(|(name, _)| is_cors(name)), "{path} {cors}");
        };
        for page in PAGES.iter().filter(|page| page.method == "GET") {
            let reply = browser.send(Request::new("GET", page.path));
            check(&reply, page.path);
            assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"), "{page:?}");
            if reply.status == 303 {
                continue;
            }
            for bad in ["<script", "<style", " style=", " onclick", "http://", "https://", "javascript:", "src=\"//"] {
                assert!(!browser.page.contains(bad), "{page:?} has {bad}");
            }
            assert!(browser.page.contains("<html lang=\"en\">") && browser.page.contains("<h1"), "{page:?}");
        }
        let reply = browser.send(Request::new("GET", "/"));
        check(&reply, "/");
        assert_eq!((reply.status, location(&reply).as_str()), (303, HOME));
        browser.send(Request::new("GET", HOME));
        let style = style_of(&browser.page);
        let reply = browser.send(Request::new("GET", &style));
        check(&reply, &style);
        assert_eq!(reply.header("Content-Type").as_deref(), Some("text/css; charset=utf-8"));
        assert_eq!(browser.send(Request::new("GET", "/account/assets/pages-0.css")).status, 404);
        // No preflight lets a page of another origin send anything.
        let preflight = Request::new("OPTIONS", OTHERS).header("Access-Control-Request-Method", "POST");
        check(&browser.send(preflight), "a preflight");
    }
}

#[test]
fn pages_lead_on_after_signing_in_and_nowhere_else() {
    let (app, _) = start(Backend::Sqlite);
    let mut browser = Browser::at(app.address);
    browser.open("/account/events/");
    let reply = browser.submit(SIGN_IN, &[("username", "alice"), ("password", PASSWORD)]);
    assert!(reply.text().contains("What happened to your account"), "{}", reply.text());
    for next in ["https%3A%2F%2Fevil.example%2F", "%2F%2Fevil.example", "%2Fadmin%2F"] {
        let reply = browser.send(Request::new("GET", &format!("{SIGN_IN}?next={next}")));
        assert_eq!(location(&reply), HOME, "{next}");
    }
}

/// "Could not look" leads nobody to the sign-in, as if the session were over.
#[test]
fn without_its_database_a_page_says_so() {
    let (app, _) = start(Backend::Sqlite);
    let mut browser = signed_in(&app, "alice");
    browser.open(HOME);
    let fields = browser.fields(SIGN_OUT);
    let file = app.database.url.strip_prefix("sqlite://").expect("a file");
    let away = format!("{file}.away");
    std::fs::rename(file, &away).expect("a rename");
    for path in [HOME, "/account/events/", CHANGE, SIGN_IN] {
        let reply = browser.send(Request::new("GET", path));
        assert_eq!(reply.status, 503, "{path}");
        assert!(reply.text().contains("Not now") && reply.header("Retry-After").is_some(), "{path}");
        assert_eq!(reply.header("Set-Cookie"), None, "the browser keeps its cookie");
    }
    assert_eq!(browser.post(SIGN_OUT, &fields).status, 503);
    let mut other = Browser::at(app.address);
    other.open(HOME);
    let fields = credentials(&other, "alice", PASSWORD);
    assert_eq!(other.post(SIGN_IN, &fields).status, 503);
    std::fs::rename(&away, file).expect("a rename");
    assert_eq!(Client::connect(app.address).ask(&Request::new("GET", "/healthz")).status, 200);
}
