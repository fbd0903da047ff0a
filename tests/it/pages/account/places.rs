//! Where the pages are: names of hosts, the public URL, prefixes, and servers without them.

use super::super::browser::{form, location};
use super::*;
use crate::harness::app::Client;

fn with_url(url: &str) -> Setup {
    let mut setup = Setup::default();
    setup.http.options.public_url = Some(url.parse().expect("a URL"));
    setup
}

/// The cookies that a reply sets.
fn set(reply: &Reply) -> Vec<String> {
    let lines = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    lines.map(|(_, line)| line.clone()).collect()
}

#[test]
fn other_hosts_are_told_that_they_are_wrong() {
    let (app, _) = start_as(Backend::Sqlite, with_url("https://auth.example.com"));
    let status = |host: &str, path: &str| app.client().ask(&Request::new("GET", path).header("Host", host)).status;
    let mut browser = Browser::at(app.address);
    browser.open(HOME);
    for path in ["/", HOME, SIGN_IN, ONE_TIME, "/account/assets/pages-0.css"] {
        for wrong in ["evil.example", "example.com", "auth.example.com.evil.example", "10.0.0.9"] {
            assert_eq!(status(wrong, path), 421, "{wrong} {path}");
        }
        for good in ["auth.example.com", "AUTH.example.com:443", "localhost:8000", "127.0.0.1"] {
            assert!(matches!(status(good, path), 200 | 303 | 404), "{good} {path}");
        }
    }
    let asked = Request::new("GET", HOME).header("Host", "evil.example");
    assert!(app.client().ask(&asked).text().contains("KNOXIDE_PUBLIC_URL"));
    // The endpoints of clients do not look at it.
    assert_eq!(status("evil.example", "/auth/user/"), 401);
}

/// Behind a proxy with TLS, the public URL is the origin, and the cookie is for https alone; on this machine it is called
/// otherwise, and neither name is good in the other place.
#[test]
fn the_cookie_and_the_origin_are_those_of_the_place() {
    let (app, _) = start_as(Backend::Sqlite, with_url("https://auth.example.com:8443"));
    let mut proxied = Browser::at(app.address);
    // As many proxies pass it on: without the port.
    proxied.extra = vec![
        ("Host".to_owned(), "auth.example.com".to_owned()),
        ("X-Forwarded-For".to_owned(), "192.0.2.7".to_owned()),
    ];
    let reply = proxied.open(HOME);
    let cookie = set(&reply).remove(0);
    assert!(
        cookie.starts_with("__Host-knoxide-sign-in=")
            && cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"),
        "{cookie}"
    );
    let fields = credentials(&proxied, "alice", PASSWORD);
    for wrong in ["http://localhost", "https://auth.example.com", "http://auth.example.com:8443"] {
        assert_eq!(proxied.send(form(SIGN_IN, &fields).header("Origin", wrong)).status, 403, "{wrong}");
    }
    let reply = proxied.send(form(SIGN_IN, &fields).header("Origin", "https://auth.example.com:8443"));
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert!(is_in(&mut proxied));
    let token = proxied.cookies["__Host-knoxide"].clone();
    let with = |extra: &[(&str, &str)], name: &str| {
        let mut browser = Browser::at(app.address);
        browser.extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        browser.cookies.insert(name.to_owned(), token.clone());
        is_in(&mut browser)
    };
    let forwarded = [("X-Forwarded-Proto", "https")];
    assert!(with(&[("Host", "auth.example.com")], "__Host-knoxide") && with(&forwarded, "__Host-knoxide"));
    assert!(with(&[], "knoxide"), "the token is the same");
    assert!(!with(&[("Host", "auth.example.com")], "knoxide") && !with(&forwarded, "knoxide"));
    assert!(!with(&[], "__Host-knoxide"));
}

#[test]
fn they_are_below_the_prefix_and_leave_the_paths_of_others_alone() {
    let mut setup = Setup::default();
    setup.http.options.dialects.knox.prefix = "/v1".to_owned();
    let (app, _) = start_as(Backend::Sqlite, setup);
    let mut browser = Browser::at(app.address);
    assert_eq!(location(&browser.send(Request::new("GET", "/"))), "/v1/account/");
    assert_eq!(browser.send(Request::new("GET", HOME)).status, 404);
    browser.sign_in_at("/v1/account/", "alice", PASSWORD);
    for path in ["/v1/account/", "/v1/account/password/", "/v1/account/not-me/", "/v1/account/events/"] {
        browser.open(path);
        let links = browser.page.split(['"', ' ']).filter(|text| text.starts_with('/') && text.len() > 1);
        assert!(
            links.clone().count() > 3 && links.clone().all(|link| link.starts_with("/v1/account/")),
            "{}",
            browser.page
        );
    }
    let reply = browser.submit("/v1/account/sign-out/", &[]);
    assert!(reply.text().contains("You have signed out."));
    // A dialect may have been moved below them, also where CORS is on.
    for cors in ["", "*"] {
        let mut setup = Setup::default();
        setup.http.options.dialects.djoser.prefix = "/account".to_owned();
        setup.http.options.dialects.simplejwt.prefix = "/account/sessions".to_owned();
        setup.http.options.cors.origins = cors.parse().expect("origins");
        let (app, _) = start_as(Backend::Sqlite, setup);
        let post = |path: &str| app.client().ask(&Request::new("POST", path).body("", Framing::Length)).status;
        assert_eq!([post("/account/jwt/create/"), post("/account/sessions/api/token/")], [400, 400], "{cors}");
        assert!(is_in(&mut signed_in(&app, "alice")));
        let reply = app.client().ask(&Request::new("GET", "/account/nothing/"));
        assert_eq!((reply.status, reply.text().as_str()), (404, r#"{"detail":"Not found."}"#));
    }
}

#[test]
fn without_them_there_is_nothing() {
    let mut setup = Setup::default();
    setup.http.options.account_pages = false;
    let (app, _) = start_as(Backend::Sqlite, setup);
    for path in ["/", HOME, SIGN_IN] {
        let reply = Client::connect(app.address).ask(&Request::new("GET", path));
        assert_eq!((reply.status, reply.text().as_str()), (404, r#"{"detail":"Not found."}"#), "{path}");
    }
}
