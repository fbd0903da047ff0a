//! How requests for pages are judged: host, origin, form token, method; and the headers of every reply.

use knoxide::http::pages::admin::PAGES;

use super::browser::{form, location};
use super::*;
use crate::harness::app::Client;
use crate::harness::wire::{Framing, Reply, Request};

/// What changes something needs to come from a page of ours, signing in and out included.
#[test]
fn only_a_page_of_ours_changes_anything() {
    let bench = Bench::new(Backend::Sqlite);
    let (own, foreign) = (("Origin", "http://localhost"), ("Origin", "https://evil.example"));
    let (same, cross) = (("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site"));
    let cases: &[(&[(&str, &str)], bool)] = &[
        (&[], false),
        (&[own], true),
        (&[same], true),
        (&[own, same], true),
        (&[foreign], false),
        (&[foreign, same], false),
        (&[("Origin", "null"), same], false),
        (&[("Origin", "http://localhost:1"), same], false),
        (&[("Origin", "https://localhost")], false),
        (&[cross], false),
        (&[("Sec-Fetch-Site", "same-site")], false),
        (&[own, own], false),
    ];
    for (headers, is_good) in cases {
        let mut browser = bench.root();
        browser.open(&format!("/admin/users/{}/", bench.alice));
        let path = format!("/admin/users/{}/end-sessions/", bench.alice);
        for path in [path.as_str(), "/admin/sign-out/"] {
            let asked = form(path, &browser.fields(path));
            let asked = headers.iter().fold(asked, |asked, (name, value)| asked.header(name, *value));
            let (page, status) = (browser.page.clone(), browser.send(asked).status);
            browser.page = page;
            assert_eq!(status, if *is_good { 303 } else { 403 }, "{path} {headers:?}");
        }
        let mut browser = bench.browser();
        browser.open("/admin/");
        let mut fields = browser.fields("/admin/sign-in/");
        fields.retain(|(name, _)| !["username", "password"].contains(&name.as_str()));
        fields.extend([("username", "root"), ("password", PASSWORD)].map(|(name, value)| (name.into(), value.into())));
        let asked = form("/admin/sign-in/", &fields);
        let asked = headers.iter().fold(asked, |asked, (name, value)| asked.header(name, *value));
        assert_eq!(browser.send(asked).status, if *is_good { 303 } else { 403 }, "sign-in {headers:?}");
    }
}

#[test]
fn a_form_is_good_in_its_own_session_alone() {
    let bench = Bench::new(Backend::Sqlite);
    let (mut one, mut other) = (bench.root(), bench.root());
    let page = format!("/admin/users/{}/", bench.alice);
    let act = format!("{page}end-sessions/");
    one.open(&page);
    other.open(&page);
    bench.app.client().login("alice", PASSWORD);
    let foreign = one.fields(&act);
    for fields in [foreign, Vec::new(), vec![("form_token".to_owned(), "0".repeat(64))]] {
        let reply = other.post(&act, &fields);
        assert_eq!(reply.status, 403);
        assert!(reply.text().contains("earlier session"));
    }
    assert_eq!(bench.app.sessions_of(bench.alice).len(), 1);
    let own = one.fields(&act);
    assert_eq!(one.post(&act, &own).status, 303);
    assert_eq!(bench.app.sessions_of(bench.alice).len(), 0);
    // That for signing in is bound to the browser that has opened it.
    let (mut one, mut other) = (bench.browser(), bench.browser());
    one.open("/admin/");
    other.open("/admin/");
    let foreign = one.fields("/admin/sign-in/");
    assert_eq!(other.post("/admin/sign-in/", &foreign).status, 403);
}

#[test]
fn other_hosts_other_methods_and_other_bodies() {
    let bench = Bench::new(Backend::Sqlite);
    let ask = |request: Request| Client::connect(bench.api.address).ask(&request);
    let style = style_of(&bench);
    for path in ["/", "/admin/", "/admin/sign-in/", "/admin/nothing/", &style] {
        let reply = ask(Request::new("GET", path).header("Host", "evil.example"));
        assert_eq!(reply.status, 421, "{path}");
        assert!(reply.text().contains("KNOXIDE_ADMIN_HOSTS"), "{path}");
    }
    let reply = ask(Request::new("DELETE", "/admin/users/"));
    assert_eq!((reply.status, reply.header("Allow").as_deref()), (405, Some("GET, HEAD")));
    let reply = ask(Request::new("GET", "/admin/sign-out/"));
    assert_eq!((reply.status, reply.header("Allow").as_deref()), (405, Some("POST")));
    assert_eq!(ask(Request::new("HEAD", "/admin/sign-in")).status, 200);
    let mut browser = bench.root();
    let mut post = |content_type: &str, body: &str| {
        let asked = Request::new("POST", "/admin/sign-out/").header("Origin", "http://localhost");
        browser.send(asked.header("Content-Type", content_type).body(body, Framing::Length)).status
    };
    assert_eq!(post("application/json", "{}"), 400);
    assert_eq!(post("multipart/form-data; boundary=x", ""), 400);
    assert_eq!(post("application/x-www-form-urlencoded", &"x".repeat(17 * 1024)), 413);
}

fn style_of(bench: &Bench) -> String {
    let mut browser = bench.browser();
    browser.open("/admin/");
    let rest = browser.page.split("rel=\"stylesheet\" href=\"").nth(1).expect("a style sheet");
    rest.split('"').next().expect("a path").to_owned()
}

#[test]
fn each_reply_has_the_headers_that_keep_others_out() {
    let bench = Bench::new(Backend::Sqlite);
    let mut browser = bench.root();
    let check = |reply: &Reply, path: &str| {
        let header = |name: &str| reply.header(name).unwrap_or_else(|| panic!("{path} has no {name}"));
        let policy = header("Content-Security-Policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}: {policy}");
        assert_eq!(header("X-Content-Type-Options"), "nosniff", "{path}");
        assert_eq!(header("Referrer-Policy"), "same-origin", "{path}");
        assert!(!reply.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-")));
    };
    for page in PAGES.iter().filter(|page| page.method == "GET") {
        let path = page.path.replace("{id}", &bench.alice.to_string());
        let reply = browser.send(Request::new("GET", &path));
        check(&reply, &path);
        assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"), "{path}");
    }
    for path in ["/admin/nothing/", "/", "/favicon.ico"] {
        check(&browser.send(Request::new("GET", path)), path);
    }
    let style = style_of(&bench);
    let reply = browser.send(Request::new("GET", &style));
    check(&reply, &style);
    assert_eq!(reply.header("Content-Type").as_deref(), Some("text/css; charset=utf-8"));
    assert!(reply.header("Cache-Control").is_some_and(|value| value.contains("immutable")));
    assert_eq!(browser.send(Request::new("GET", "/admin/assets/pages-0000000000000000.css")).status, 404);
}

/// Nothing inline, no script, and nothing from another host, on any page.
#[test]
fn pages_are_complete_in_themselves() {
    let bench = Bench::new(Backend::Sqlite);
    bench.app.client().login("alice", PASSWORD);
    let session = bench.app.sessions_of(bench.alice).remove(0).to_string();
    let mut browser = bench.root();
    for page in PAGES.iter().filter(|page| page.method == "GET") {
        let id = if page.path.contains("/users/") { bench.alice.to_string() } else { session.clone() };
        browser.open(&page.path.replace("{id}", &id));
        for bad in ["<script", "<style", " style=", " onclick", "http://", "https://", "javascript:", "src=\"//"] {
            assert!(!browser.page.contains(bad), "{page:?} has {bad}");
        }
        assert!(browser.page.contains("<html lang=\"en\">") && browser.page.contains("<h1"), "{page:?}");
    }
}

#[test]
fn the_root_leads_to_the_pages_and_they_lead_on_after_signing_in() {
    let bench = Bench::new(Backend::Sqlite);
    let mut browser = bench.browser();
    let reply = browser.send(Request::new("GET", "/"));
    assert_eq!((reply.status, location(&reply).as_str()), (303, "/admin/"));
    browser.open("/admin/users/?q=ali");
    let reply = browser.submit("/admin/sign-in/", &[("username", "root"), ("password", PASSWORD)]);
    assert_eq!(reply.status, 200);
    assert!(browser.page.contains(">alice<") && !browser.page.contains(">second<"), "{}", browser.page);
    let evil = "/admin/sign-in/?next=https%3A%2F%2Fevil.example%2F";
    let reply = browser.send(Request::new("GET", evil));
    assert_eq!(location(&reply), "/admin/");
}
