//! The token in a cookie.

use std::time::Duration;

use knoxide::http::address::Proxies;

use super::{KINDS, PASSWORD, assert_bare, path};
use crate::harness::app::{App, Backend, Client, Database, Setup, on_each_database};
use crate::harness::dialects::ALL;
use crate::harness::wire::{Reply, Request};

/// A server that reads a cookie forwarded by these proxies.
pub(super) fn setup(proxies: &str) -> Setup {
    let mut setup = Setup::default();
    setup.http.options.proxies = proxies.parse::<Proxies>().expect("proxies");
    setup.http.options.forward_auth.cookie = Some("__Host-session".parse().expect("a name"));
    setup.http.options.forward_auth.origins = "https://app.example.com".parse().expect("origins");
    setup
}

/// The request that a proxy sends for a request of this method.
fn forwarded(kind: &str, method: &str, cookie: &str) -> Request {
    let request = Request::new(if kind == "envoy" { method } else { "GET" }, &path(kind, ""));
    let request = if kind == "envoy" { request } else { request.header("X-Forwarded-Method", method) };
    request.header("Cookie", format!("theme=dark; __Host-session={cookie}; a=b"))
}

fn ask(client: &mut Client, request: &Request) -> Reply {
    let reply = client.ask(request);
    assert_bare(&reply, &format!("{request:?}"));
    reply
}

on_each_database! {
    fn a_cookie_has_the_verdict_of_its_token(backend) {
        let app = App::on(Database::migrated(backend), setup("127.0.0.1"));
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        for kind in KINDS {
            for speech in ALL {
                let tokens = speech.login(client, "alice", PASSWORD);
                for method in ["GET", "HEAD"] {
                    let reply = ask(client, &forwarded(kind, method, &tokens.access));
                    assert_eq!(reply.status, 200, "{kind} {:?}", speech.dialect);
                    assert_eq!(reply.header("remote-user").as_deref(), Some("alice"));
                    assert_eq!(reply.header("remote-token-from").as_deref(), Some("cookie"));
                }
                if let Some(refresh) = &tokens.refresh {
                    assert_eq!(ask(client, &forwarded(kind, "GET", refresh)).status, 401, "a refresh token");
                }
                assert_eq!(speech.ask(client, "POST", "/auth/logout/", &tokens.access).status, 200);
                assert_eq!(ask(client, &forwarded(kind, "GET", &tokens.access)).status, 401, "logged out");
            }
            for bad in ["", "nonsense", "a b", "é"] {
                assert_eq!(ask(client, &forwarded(kind, "GET", bad)).status, 401, "{bad:?}");
            }
        }
    }
}

#[test]
fn a_cookie_counts_where_another_site_cannot_use_it() {
    let app = App::on(Database::migrated(Backend::Sqlite), setup("127.0.0.1"));
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    for kind in KINDS {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            let request = forwarded(kind, method, &token);
            assert_eq!(ask(client, &request).status, 403, "{kind} {method}");
            let foreign = request.clone().header("Origin", "https://evil.example");
            assert_eq!(ask(client, &foreign).status, 403, "{kind} {method}");
            let own = request.header("Origin", "https://app.example.com");
            assert_eq!(ask(client, &own).status, 200, "{kind} {method}");
        }
        let several = if kind == "nginx" { 403 } else { 400 };
        let get = forwarded(kind, "GET", &token);
        let both = get.clone().header("Authorization", format!("Token {token}"));
        assert_eq!(ask(client, &both).status, several, "{kind}: both");
        let twice = get.clone().header("Cookie", format!("__Host-session={token}"));
        assert_eq!(ask(client, &twice).status, several, "{kind}: two cookies");
        if kind != "envoy" {
            let mut silent = get;
            silent.headers.retain(|(name, _)| name != "X-Forwarded-Method");
            assert_eq!(ask(client, &silent).status, 401, "{kind}: no method");
        }
    }
}

/// The database is not queried for a cookie that is not accepted, such as a victim's cookie sent by someone else.
#[test]
fn a_cookie_counts_from_a_trusted_proxy_and_where_it_is_read_at_all() {
    let app = App::on(Database::migrated(Backend::Sqlite), setup("192.0.2.1"));
    app.add_user("alice", PASSWORD);
    let token = app.client().login("alice", PASSWORD);
    let unread = app.beside(Setup::default().http);
    for kind in KINDS {
        let request = forwarded(kind, "GET", &token).header("X-Forwarded-For", "192.0.2.1");
        for client in [&mut app.client(), &mut unread.client()] {
            let reply = ask(client, &request);
            assert_eq!(reply.status, 401, "{kind}");
            assert_eq!(reply.header("www-authenticate").as_deref(), Some("Token"), "{kind}");
        }
        // Where cookies are not read, one does not count as a second token either.
        let both = request.header("Authorization", format!("Token {token}"));
        assert_eq!(ask(&mut unread.client(), &both).status, 200, "{kind}");
    }
}

#[test]
fn a_cookie_of_a_dialect_that_is_off_is_refused() {
    let app = App::on(Database::migrated(Backend::Sqlite), setup("127.0.0.1"));
    app.add_user("alice", PASSWORD);
    let tokens = ALL.map(|speech| speech.login(&mut app.client(), "alice", PASSWORD).access);
    app.clock.advance(Duration::from_secs(1));
    for off in ALL {
        let mut http = setup("127.0.0.1").http;
        http.options.dialects.get_mut(off.dialect).enabled = false;
        let without = app.beside(http);
        for (speech, token) in ALL.iter().zip(&tokens) {
            let reply = ask(&mut without.client(), &forwarded("caddy", "GET", token));
            let expected = if speech.dialect == off.dialect { 401 } else { 200 };
            assert_eq!(reply.status, expected, "{:?} without {:?}", speech.dialect, off.dialect);
        }
    }
}
