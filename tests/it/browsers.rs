//! Browsers: tokens in cookies, and CORS (`docs/browsers.md`).

mod cors;
mod endings;
mod middleware;
mod refreshing;
mod table;

use knoxide::domain::dialect::{CookieMode, Dialect};
use serde_json::Value;

use crate::harness::app::{App, Client, Database, Setup, on_each_database};
use crate::harness::dialects::{ALL, Speech, members};
use crate::harness::wire::{Reply, Request};

const PASSWORD: &str = "correct horse";
/// The server's own origin.
const OWN: &str = "https://auth.example.com";
/// Another origin whose pages may use cookies.
const LISTED: &str = "https://app.example.com";

/// A server whose dialects all have cookies.
fn setup(mode: CookieMode) -> Setup {
    let mut setup = Setup::default();
    for dialect in Dialect::ALL {
        setup.http.options.dialects.get_mut(dialect).cookie = mode;
    }
    setup.http.options.origins = LISTED.parse().expect("origins");
    setup.http.options.public_url = Some(OWN.parse().expect("a URL"));
    setup
}

/// A server with one user.
fn serve(backend: crate::harness::app::Backend, setup: Setup) -> App {
    let app = App::on(Database::migrated(backend), setup);
    app.add_user("alice", PASSWORD);
    app
}

/// A cookie as a browser stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    path: String,
    max_age: u64,
    /// The remaining attributes, as they were sent.
    rest: String,
}

impl Cookie {
    fn parse(line: &str) -> Self {
        let (name, rest) = line.split_once('=').expect("a name");
        let mut parts = rest.split("; ");
        let value = parts.next().expect("a value").to_owned();
        let path = parts.next().and_then(|part| part.strip_prefix("Path=")).expect("a path").to_owned();
        let max_age = parts.next().and_then(|part| part.strip_prefix("Max-Age=")).expect("an age");
        let max_age = max_age.parse().expect("a number");
        Self { name: name.to_owned(), value, path, max_age, rest: parts.collect::<Vec<_>>().join("; ") }
    }

    /// The cookie as the browser sends it back.
    fn sent(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}

/// All cookies of a reply: those that it sets and those that it clears.
fn cookies(reply: &Reply) -> Vec<Cookie> {
    let lines = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    lines.map(|(_, line)| Cookie::parse(line)).collect()
}

/// The cookies that a reply sets.
fn kept(reply: &Reply) -> Vec<Cookie> {
    cookies(reply).into_iter().filter(|cookie| cookie.max_age > 0).collect()
}

/// The names of the cookies that a reply clears, each with its path.
fn cleared(reply: &Reply) -> Vec<(String, String)> {
    let mut cleared: Vec<_> = cookies(reply).into_iter().filter(|cookie| cookie.max_age == 0).collect();
    assert!(cleared.iter().all(|cookie| cookie.value.is_empty()));
    cleared.sort_by(|one, other| (&one.name, &one.path).cmp(&(&other.name, &other.path)));
    cleared.into_iter().map(|cookie| (cookie.name, cookie.path)).collect()
}

/// All cookies of a dialect, as [`cleared`] returns them.
fn all_of(speech: &Speech) -> Vec<(String, String)> {
    let name = speech.dialect.as_str();
    let refresh =
        refresh_paths(speech.dialect).iter().map(|path| (format!("__Secure-{name}-refresh"), (*path).to_owned()));
    let mut all: Vec<_> = std::iter::once((format!("__Host-{name}"), "/".to_owned())).chain(refresh).collect();
    all.sort();
    all
}

const fn refresh_paths(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Simplejwt => &["/api/token/blacklist", "/api/token/refresh"],
        Dialect::Djoser => &["/jwt/refresh"],
        Dialect::Knox | Dialect::DrfJwt | Dialect::AccessToken => &[],
    }
}

/// Logs in; returns the cookie with the access token, and that with the refresh token if there is one.
fn log_in(client: &mut Client, speech: &Speech) -> (Cookie, Option<Cookie>) {
    let reply = speech.try_login(client, "alice", PASSWORD);
    assert_eq!(reply.status, 200, "{:?}: {}", speech.dialect, reply.text());
    both(&reply)
}

fn both(reply: &Reply) -> (Cookie, Option<Cookie>) {
    let kept = kept(reply);
    let access = kept.iter().find(|cookie| cookie.name.starts_with("__Host-")).cloned().expect("an access token");
    (access, kept.into_iter().find(|cookie| cookie.path.ends_with("refresh")))
}

/// A request with these cookies.
fn with(method: &str, path: &str, cookies: &str) -> Request {
    let framing =
        if method == "POST" { crate::harness::wire::Framing::Length } else { crate::harness::wire::Framing::Unsaid };
    Request::new(method, path).header("Cookie", cookies).body("", framing)
}

/// The status of a check by cookie.
fn check(client: &mut Client, cookie: &Cookie) -> u16 {
    client.ask(&with("GET", "/auth/user/", &cookie.sent())).status
}

/// Every text in a JSON value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| texts(one, found)),
        Value::Object(all) => all.values().for_each(|one| texts(one, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

on_each_database! {
    fn a_login_sets_cookies_and_its_body_has_null_in_place_of_each_token(backend) {
        for (mode, same_site) in [(CookieMode::Lax, "Lax"), (CookieMode::Strict, "Strict")] {
            let app = serve(backend, setup(mode));
            let plain = app.beside(Setup::default().http);
            for speech in ALL {
                let what = format!("{:?}", speech.dialect);
                let reply = speech.try_login(&mut app.client(), "alice", PASSWORD);
                assert_eq!(reply.status, 200, "{what}");
                let mut usual = members(&speech.try_login(&mut plain.client(), "alice", PASSWORD));
                usual[speech.access] = Value::Null;
                let ttl = app.auth.policy().dialects.get(speech.dialect).access_ttl.map_or(400 * 86_400, |ttl| ttl.as_secs());
                if speech.has_refresh_token {
                    usual["refresh"] = Value::Null;
                }
                assert_eq!(members(&reply), usual, "{what}");
                let (access, refresh) = both(&reply);
                assert_eq!((access.path.as_str(), access.name), ("/", format!("__Host-{}", speech.dialect.as_str())));
                // A JWT's expiry is a whole second.
                assert!((ttl - 1..=ttl).contains(&access.max_age), "{what}: {}", access.max_age);
                assert_eq!(refresh.is_some(), speech.has_refresh_token);
                let kept = kept(&reply);
                assert!(kept.iter().all(|cookie| cookie.rest == format!("Secure; HttpOnly; SameSite={same_site}")), "{kept:?}");
                let mut places: Vec<_> = kept.into_iter().map(|cookie| (cookie.name, cookie.path)).collect();
                places.sort();
                assert_eq!(places, all_of(&speech), "{what}");
                // The cookies of other dialects would count as a second token.
                let mut others: Vec<_> =
                    ALL.iter().filter(|other| other.dialect != speech.dialect).flat_map(all_of).collect();
                others.sort();
                assert_eq!(cleared(&reply), others, "{what}");
                assert_eq!(check(&mut app.client(), &both(&reply).0), 200, "{what}");
            }
        }
    }
}

#[test]
fn a_refresh_token_comes_to_its_own_endpoint_below_the_prefix() {
    let mut setup = setup(CookieMode::Lax);
    setup.http.options.dialects.djoser.prefix = "/v1/mobile".to_owned();
    let app = serve(crate::harness::app::Backend::Sqlite, setup);
    let speech = Speech { login: "/v1/mobile/jwt/create/", ..Speech::of(Dialect::Djoser) };
    let (_, refresh) = log_in(&mut app.client(), &speech);
    assert_eq!(refresh.expect("a refresh token").path, "/v1/mobile/jwt/refresh");
}

/// Where cookies are off, which is the default, they have no effect and no cost.
#[test]
fn where_it_is_off_no_cookie_is_set_or_read() {
    let app = serve(crate::harness::app::Backend::Sqlite, Setup::default());
    let client = &mut app.client();
    for speech in ALL {
        let reply = speech.try_login(client, "alice", PASSWORD);
        assert_eq!(cookies(&reply), []);
        let token = speech.login(client, "alice", PASSWORD).access;
        let cookie = format!("__Host-{}={token}", speech.dialect.as_str());
        assert_eq!(client.ask(&with("GET", "/auth/user/", &cookie)).status, 401);
        let both =
            with("POST", "/auth/logout/", &cookie).header("Authorization", format!("{} {token}", speech.keyword));
        let reply = client.ask(&both.header("Origin", "https://evil.example"));
        assert_eq!((reply.status, cookies(&reply)), (200, vec![]), "{:?}", speech.dialect);
    }
}

/// One dialect for browsers, the others for all other clients.
#[test]
fn each_dialect_has_cookies_or_texts_by_its_own_setting() {
    for own in ALL {
        let mut setup = Setup::default();
        setup.http.options.dialects.get_mut(own.dialect).cookie = CookieMode::Strict;
        let app = serve(crate::harness::app::Backend::Sqlite, setup);
        let client = &mut app.client();
        for speech in ALL {
            if speech.dialect == own.dialect {
                let (access, _) = log_in(client, &speech);
                assert_eq!(check(client, &access), 200);
                continue;
            }
            let tokens = speech.login(client, "alice", PASSWORD);
            assert_eq!(speech.check(client, &tokens.access), 200);
            let named = format!("__Host-{}={}", speech.dialect.as_str(), tokens.access);
            assert_eq!(client.ask(&with("GET", "/auth/user/", &named)).status, 401);
            let mixed = format!("__Host-{}={}", own.dialect.as_str(), tokens.access);
            assert_eq!(client.ask(&with("GET", "/auth/user/", &mixed)).status, 401, "a token of another dialect");
        }
    }
}
