//! The verdicts are those of `GET /auth/user/`, for every token in every state.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use knoxide::domain::audit::Event;
use knoxide::store::{AdminStore as _, LastAdmin};

use super::{KINDS, PASSWORD, add, assert_bare, path};
use crate::harness::app::{App, Backend, Client, Database, Setup, on_each_database, token_request};
use crate::harness::dialects::ALL;
use crate::harness::wire::Request;

/// Requests every endpoint with these headers, and requires the verdict of `GET /auth/user/`.
fn assert_equal(client: &mut Client, headers: &[(&str, &[u8])], what: &str) -> u16 {
    let with = |path: &str| {
        let request = Request::new("GET", path);
        headers.iter().fold(request, |request, (name, value)| request.header(name, *value))
    };
    let expected = client.ask(&with("/auth/user/"));
    for kind in KINDS {
        let reply = client.ask(&with(&path(kind, "")));
        assert_eq!(reply.status, expected.status, "{what}, {kind}");
        assert_eq!(reply.header("www-authenticate"), expected.header("www-authenticate"), "{what}, {kind}");
        assert_eq!(reply.header("retry-after"), expected.header("retry-after"), "{what}, {kind}");
        assert_bare(&reply, what);
    }
    expected.status
}

on_each_database! {
    fn each_state_of_a_token_has_the_verdict_of_user(backend) {
        let mut setup = Setup::default();
        setup.policy.idle_limit = Some(Duration::from_secs(3600));
        setup.policy.dialects.knox.access_ttl = Some(Duration::from_secs(1800));
        let app = App::on(Database::migrated(backend), setup);
        add(&app, "alice", false, false);
        let bob = add(&app, "bob", false, false);
        let client = &mut app.client();
        let keywords = ["Token", "JWT", "Bearer", "token", "Basic"];
        let mut live = 0;
        for speech in ALL {
            let tokens = speech.login(client, "alice", PASSWORD);
            for keyword in keywords {
                for token in [Some(&tokens.access), tokens.refresh.as_ref()].into_iter().flatten() {
                    let value = format!("{keyword} {token}");
                    let status = assert_equal(client, &[("Authorization", value.as_bytes())], &value);
                    live += usize::from(status == 200);
                }
            }
        }
        assert!(live >= 7, "{live}");
        let with = |token: &str| format!("Token {token}").into_bytes();
        let check = |client: &mut Client, token: &str, what: &str| {
            assert_eq!(assert_equal(client, &[("Authorization", &with(token))], what), 401, "{what}");
        };
        let token = client.login("alice", PASSWORD);
        for header in ["", " ", "Token", "Token a b", "Token é", "Token  ", "nonsense"] {
            // Whatever the refusal is, it is that of `GET /auth/user/`.
            assert_ne!(assert_equal(client, &[("Authorization", header.as_bytes())], header), 200, "{header:?}");
        }
        assert_eq!(client.logout(&token), 200);
        check(client, &token, "logged out");
        let token = client.login("alice", PASSWORD);
        assert_eq!(client.logout_all(&token), 200);
        check(client, &token, "logged out everywhere");
        let token = client.login("alice", PASSWORD);
        app.clock.advance(Duration::from_secs(1801));
        check(client, &token, "expired");
        let token = client.login("bob", PASSWORD);
        let audit = app.audit(Event::Deactivated);
        app.store.set_active(bob, false, LastAdmin::Keep, &audit).expect("a write");
        check(client, &token, "inactive");
        let (used, unused) = (ALL[3].login(client, "alice", PASSWORD), ALL[3].login(client, "alice", PASSWORD));
        app.clock.advance(Duration::from_secs(3000));
        assert_eq!(client.with_token("GET", "/forward-auth/nginx/", &used.access).status, 200);
        app.clock.advance(Duration::from_secs(3000));
        assert_eq!(client.with_token("GET", "/forward-auth/nginx/", &used.access).status, 200, "asking counts as use");
        check(client, &unused.access, "idle");
    }

    fn two_headers_are_refused(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let token = client.login("alice", PASSWORD);
        for kind in KINDS {
            for second in [format!("Token {token}"), "Basic YTpi".to_owned(), String::new()] {
                let request = token_request("GET", &path(kind, ""), &token).header("Authorization", second);
                let reply = client.ask(&request);
                assert_eq!(reply.status, if kind == "nginx" { 403 } else { 400 }, "{kind}");
                assert_bare(&reply, kind);
            }
            // A token in the path or the query does not count.
            let reply = client.ask(&Request::new("GET", &path(kind, &format!("?token={token}&access_token={token}"))));
            assert_eq!(reply.status, 401, "{kind}");
        }
    }
}

#[test]
fn an_outage_is_503_for_every_proxy() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    let file = PathBuf::from(app.database.url.strip_prefix("sqlite://").expect("a file"));
    std::fs::rename(&file, file.with_extension("aside")).expect("the file is moved away");
    let value = format!("Token {token}");
    assert_eq!(assert_equal(client, &[("Authorization", value.as_bytes())], "an outage"), 503);
    std::fs::rename(file.with_extension("aside"), &file).expect("the file is back");
}

/// As Traefik 3 and Envoy send them, according to their source and documentation; neither runs here.
#[test]
fn traefik_and_envoy_are_answered() {
    let app = App::start(Backend::Sqlite);
    add(&app, "alice", true, false);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    for (method, client_path) in
        [("GET", "/"), ("POST", "/staff/list?next=/admin/"), ("PUT", "/admin"), ("OPTIONS", "/%61/..;/b//c?d=%0d%0a")]
    {
        let forwarded = |request: Request| {
            request
                .header("X-Forwarded-For", "203.0.113.9")
                .header("X-Forwarded-Proto", "https")
                .header("X-Forwarded-Host", "service.example.com")
        };
        let traefik = |rest: &str| {
            forwarded(Request::new("GET", &path("traefik", rest)))
                .header("User-Agent", "")
                .header("X-Forwarded-Method", method)
                .header("X-Forwarded-Port", "443")
                .header("X-Forwarded-Uri", client_path)
                .header("Accept-Encoding", "gzip")
        };
        let envoy = |rest: &str| {
            forwarded(Request::new(method, &(path("envoy", rest) + client_path)))
                .header("content-length", "0")
                .header("x-envoy-internal", "true")
                .header("x-request-id", "0a1b2c3d-0000-4000-8000-000000000000")
                .header("x-envoy-expected-rq-timeout-ms", "10000")
        };
        for (rest, expected) in [("", 200), ("staff/", 200), ("admin/", 403)] {
            for request in [traefik(rest), envoy(rest)] {
                let anonymous = client.ask(&request);
                assert_eq!(anonymous.status, 401, "{request:?}");
                assert_bare(&anonymous, client_path);
                let reply = client.ask(&request.clone().header("authorization", format!("Token {token}")));
                assert_eq!(reply.status, expected, "{request:?}");
                assert_bare(&reply, client_path);
            }
        }
    }
}

/// Requests that a proxy and a server could interpret differently, and paths that escape the prefix.
#[test]
fn what_is_no_clear_request_is_refused() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", PASSWORD);
    let token = app.client().login("alice", PASSWORD);
    let status = |line: &str, headers: &str, body: &str| {
        let mut stream = TcpStream::connect(app.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        let raw = format!("{line}\r\nAuthorization: Token {token}\r\nConnection: close\r\n{headers}\r\n{body}");
        stream.write_all(raw.as_bytes()).expect("a request is sent");
        stream.shutdown(Shutdown::Write).expect("its end");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).ok();
        let reply = String::from_utf8_lossy(&reply).into_owned();
        reply
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse::<u16>().ok())
            .unwrap_or_else(|| panic!("{raw}: {reply}"))
    };
    let post = "POST /forward-auth/envoy/ HTTP/1.1";
    for (headers, body) in [
        ("Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n", "x"),
        ("Host: a\r\nContent-Length: +1\r\n", "x"),
        ("Host: a\r\nContent-Length: 1, 2\r\n", "x"),
        ("Host: a\r\nTransfer-Encoding: nonsense\r\n", ""),
        ("Host : a\r\n", ""),
        ("Host: a\r\nX-A : b\r\n", ""),
        ("Host: a\r\nX-A: b\r\n c\r\n", ""),
        ("Host: a\r\nX-A: b\u{0}\r\n", ""),
        ("Host: a\r\nX A: b\r\n", ""),
        ("", ""),
    ] {
        assert_eq!(status(post, headers, body), 400, "{headers:?}");
    }
    let chunked = "Host: a\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(status("POST /forward-auth/envoy/ HTTP/1.0", chunked, "0\r\n\r\n"), 400);
    for (target, expected) in [
        ("/forward-auth/nginx/", 200),
        ("/forward-auth/nginx", 200),
        ("//forward-auth/nginx/", 404),
        ("/a/../forward-auth/nginx/", 404),
        ("/forward-auth/nginx/../../auth/user/", 404),
        ("/Forward-Auth/nginx/", 404),
        ("/forward-auth/", 404),
        ("/forward-auth", 404),
        ("/forward-auth/apache/", 404),
        ("/forward-auth/nginx.php", 404),
        ("/forward-auth/nginxstaff/", 404),
    ] {
        assert_eq!(status(&format!("GET {target} HTTP/1.1"), "Host: a\r\n", ""), expected, "{target}");
    }
}
