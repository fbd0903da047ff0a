//! The proxies in Debian, with the shipped configurations, in front of a service that echoes requests.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::cookie::setup;
use super::stage::{Kind, Listener, Running, TokenIn, shipped};
use super::{PASSWORD, add};
use crate::harness::app::{App, Backend, Client, Database};
use crate::harness::wire::{Framing, Request, Wire};

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nRemote-User: alice\r\nRemote-Email: a@b\r\nRemote-Groups:\r\n\
                    Remote-User-Id: 7\r\nRemote-Session: s\r\nRemote-Expires:\r\nRemote-Token-From: header\r\n\r\n";

/// A Knoxide with a user who is neither staff nor administrator; returns the user's token too.
fn knoxide() -> (App, String) {
    let app = App::start(Backend::Sqlite);
    add(&app, "100% Zoë", false, false);
    let token = crate::harness::app::token_of(&app.client().try_login("100% Zoë", PASSWORD));
    (app, token)
}

fn request(method: &str, token: &str, lines: &str) -> String {
    format!(
        "{method} /a/b?c HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {token}\r\n{lines}Connection: close\r\n\r\n"
    )
}

/// The identity headers in the echoed request that a service could read, in any spelling, with their values.
fn identity(reply: &str) -> Vec<(String, String)> {
    let (_, echoed) = reply.split_once("\r\n\r\n").expect("a body");
    let lines = echoed.split(['\r', '\n']).filter_map(|line| line.split_once(':'));
    let plain = |name: &str| -> String {
        name.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
    };
    let named = lines.map(|(name, value)| (plain(name), value.trim().to_owned()));
    let mut found: Vec<_> = named.filter(|(name, value)| name.starts_with("remote") && !value.is_empty()).collect();
    found.sort();
    found
}

/// The identity headers of the user of [`knoxide`].
fn expected(app: &App, token: &str) -> Vec<(String, String)> {
    let reply = app.client().with_token("GET", "/forward-auth/nginx/", token);
    let headers = reply.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let mut identity: Vec<_> =
        headers.filter(|(name, value)| name.starts_with("remote-") && !value.is_empty()).collect();
    identity.sort();
    assert!(identity.contains(&("remote-user".to_owned(), "100%25%20Zo%C3%AB".to_owned())), "{identity:?}");
    identity
}

#[test]
fn a_good_token_passes_and_all_else_does_not() {
    for kind in Kind::ALL {
        let (app, token) = knoxide();
        let service = Listener::echo();
        let Some(proxy) = Running::start(kind, app.address, service.address) else { continue };
        for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE"] {
            let lines = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
            let (status, reply) = proxy.raw(&request(method, &token, lines));
            assert_eq!(status, 200, "{kind:?} {method}: {reply}");
            let head = service.heads().pop().expect("a request");
            assert!(head.starts_with(&format!("{method} /a/b?c HTTP/1.1\r\n")), "{kind:?}: {head}");
            assert_eq!(identity(&format!("\r\n\r\n{head}")), expected(&app, &token), "{kind:?} {method}");
            assert!(!head.to_ascii_lowercase().contains("\r\nauthorization:"), "the service needs no token: {head}");
        }
        let passed = service.heads().len();
        for lines in ["", "Authorization: Token x\r\n", "Authorization: Basic YTpi\r\n", "Cookie: session=x\r\n"] {
            let (status, reply) =
                proxy.raw(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n"));
            assert_eq!(status, 401, "{kind:?} {lines}");
            let reply = reply.to_ascii_lowercase();
            assert!(reply.contains("\r\nwww-authenticate: token\r\n"), "{kind:?}: {reply}");
        }
        let (status, _) = proxy.raw(&request("GET", &token, &format!("Authorization: Token {token}\r\n")));
        assert!(matches!(status, 400 | 403), "{kind:?}: two headers: {status}");
        assert_eq!(app.client().logout(&token), 200);
        assert_eq!(proxy.raw(&request("GET", &token, "")).0, 401, "{kind:?}: logged out");
        assert_eq!(service.heads().len(), passed, "{kind:?}");
    }
}

/// A dozen or more ways to claim another identity.
#[test]
fn no_client_claims_an_identity() {
    let ways = [
        "Remote-User: root\r\n",
        "remote-user: root\r\nREMOTE-USER-ID: 1\r\n",
        "rEmOtE-gRoUpS: root\r\n",
        "Remote_User: root\r\nremote_user_id: root\r\n",
        "Remote-User_Id: root\r\n",
        "Remote.User: root\r\n",
        "Remote-User: root\r\nRemote-User: root\r\n",
        "Remote-Groups: root\r\nRemote-Groups: root\r\n",
        "Remote-Name: root\r\n",
        "Remote-Token-From: root\r\nRemote-Expires: root\r\n",
        "Remote-User: root\r\nConnection: Remote-User\r\n",
        "Connection: keep-alive, remote-user, remote-user-id, remote-groups\r\n",
        "X-A: b\r\n Remote-User: root\r\n",
        "X-A: b\r\n\tRemote-User: root\r\n",
        "Remote-User:\r\n root\r\n",
        "Remote-User : root\r\n",
        "X-A: b\nRemote-User: root\r\n",
        "X-A: b\rRemote-User: root\r\n",
        "X-A: b\n\rRemote-User: root\r\n",
        "X-A: b\u{0}\r\nRemote-User: root\r\n",
        "\u{0}Remote-User: root\r\n",
        "Remote\u{0}User: root\r\n",
        "Transfer-Encoding: chunked\r\nConnection: close\r\nTrailer: Remote-User\r\n\r\n0\r\nRemote-User: root\r\n",
        "X-Forwarded-Uri: /\r\nX-Original-URL: /forward-auth/nginx/\r\nRemote-User: root\r\n",
    ];
    for kind in Kind::ALL {
        let (app, token) = knoxide();
        let service = Listener::echo();
        let Some(proxy) = Running::start(kind, app.address, service.address) else { continue };
        let honest = expected(&app, &token);
        let mut passed = 0;
        for way in ways {
            let method = if way.starts_with("Transfer") { "POST" } else { "GET" };
            let (status, reply) = proxy.raw(&request(method, &token, way));
            if reply.contains("X-Echo: yes") || reply.contains("x-echo: yes") {
                assert_eq!(identity(&reply), honest, "{kind:?} {way:?}: {reply}");
                passed += 1;
            } else {
                assert!((400..500).contains(&status), "{kind:?} {way:?}: {reply}");
            }
        }
        assert!(passed >= 6, "{kind:?}: the service was reached {passed} times");
        // Without a good token, no request reaches the service.
        let before = service.heads().len();
        for way in ways {
            let (status, reply) = proxy.raw(&request("GET", "x", way));
            assert!((400..500).contains(&status), "{kind:?} {way:?}: {reply}");
        }
        assert_eq!(service.heads().len(), before, "{kind:?}");
    }
}

/// HTTP/2 has trailers without `Transfer-Encoding`.
#[test]
fn no_client_claims_an_identity_in_the_trailers_of_http_2() {
    let (app, token) = knoxide();
    let service = Listener::echo();
    let Some(proxy) = Running::start(Kind::Haproxy, app.address, service.address) else { return };
    for body in [&b"abc"[..], b""] {
        let mut stream = TcpStream::connect(proxy.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        stream.write_all(&http_2_with_trailers(&token, body)).expect("a request is sent");
        // Up to the head of the reply: settings frames come first.
        let mut frame = [0; 9];
        while frame[3] != HEADERS {
            stream.read_exact(&mut frame).expect("a reply");
            let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]).into();
            std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink()).expect("a frame");
        }
    }
    assert!(service.heads().iter().all(|head| !head.contains("root")), "{:?}", service.heads());
}

const HEADERS: u8 = 1;

/// An HTTP/2 connection with one request, which has no `content-length`.
fn http_2_with_trailers(token: &str, body: &[u8]) -> Vec<u8> {
    // Without indexing and without Huffman coding: 0, then name and value, each after its length.
    let field = |name: &str, value: &str| -> Vec<u8> {
        let text = |text: &str| [&[u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat();
        [vec![0], text(name), text(value)].concat()
    };
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short frame");
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let (data, settings) = (0, 4);
    let (end_of_stream, end_of_headers) = (1, 4);
    let authorization = format!("Token {token}");
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "localhost"),
        ("authorization", &authorization),
    ];
    let head: Vec<u8> = head.iter().flat_map(|(name, value)| field(name, value)).collect();
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(settings, 0, 0, &[]),
        frame(HEADERS, end_of_headers, 1, &head),
        frame(data, 0, 1, body),
        frame(HEADERS, end_of_headers | end_of_stream, 1, &field("remote-user", "root")),
    ]
    .concat()
}

#[test]
fn nothing_passes_without_an_answer() {
    for kind in Kind::ALL {
        let (app, token) = knoxide();
        let service = Listener::echo();
        let Some(proxy) = Running::start(kind, app.address, service.address) else { continue };
        assert_eq!(proxy.raw(&request("GET", &token, "")).0, 200, "{kind:?}");
        let file = PathBuf::from(app.database.url.strip_prefix("sqlite://").expect("a file"));
        std::fs::rename(&file, file.with_extension("aside")).expect("the file is moved away");
        let (status, reply) = proxy.raw(&request("GET", &token, ""));
        assert_eq!(status, 503, "{kind:?}: {reply}");
        assert!(reply.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n"), "{kind:?}: {reply}");
        drop(app);
        let (status, reply) = proxy.raw(&request("GET", &token, ""));
        assert_eq!(status, 503, "{kind:?}: stopped: {reply}");
        assert_eq!(service.heads().len(), 1, "{kind:?}");
        let Some(proxy) = Running::start(kind, closed(), service.address) else { continue };
        assert_eq!(proxy.raw(&request("GET", &token, "")).0, 503, "{kind:?}: never there");
        for odd in ODD {
            let odd = Listener::start(odd);
            let Some(proxy) = Running::start(kind, odd.address, service.address) else { continue };
            let (status, reply) = proxy.raw(&request("GET", &token, ""));
            assert!(status >= 300, "{kind:?}: {reply}");
        }
        assert_eq!(service.heads().len(), 1, "{kind:?}");
    }
}

/// Answers other than an approval.
const ODD: [fn(&str) -> String; 3] = [
    |_| "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    |_| "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_owned(),
    |_| "nonsense\r\n\r\n".to_owned(),
];

/// An address where no server listens.
fn closed() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port")
}

#[test]
fn a_cookie_counts_behind_each_of_them() {
    for kind in Kind::ALL {
        let app = App::on(Database::migrated(Backend::Sqlite), setup("127.0.0.1"));
        app.add_user("alice", PASSWORD);
        let token = app.client().login("alice", PASSWORD);
        let service = Listener::echo();
        let servers = [app.address, service.address];
        let Some(proxy) = Running::with(kind, servers, TokenIn::Cookie) else { continue };
        let status = |method: &str, lines: &str| {
            let length = if method == "GET" { "" } else { "Content-Length: 0\r\n" };
            let line = format!("{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
            proxy.raw(&format!("{line}{length}{lines}\r\n")).0
        };
        let cookie = format!("Cookie: a=b; __Host-session={token}\r\n");
        let several = if kind == Kind::Nginx { 403 } else { 400 };
        for (method, more, expected) in [
            ("GET", "", 200),
            ("POST", "Origin: https://app.example.com\r\n", 200),
            ("POST", "", 403),
            ("POST", "Origin: https://evil.example\r\n", 403),
            // What the client claims about its method is ignored.
            ("POST", "X-Forwarded-Method: GET\r\n", 403),
            ("POST", "X_Forwarded_Method: GET\r\n", 403),
            ("POST", "Connection: X-Forwarded-Method\r\nX-Forwarded-Method: GET\r\n", 403),
            ("GET", "Authorization: Token x\r\n", several),
            ("GET", "Cookie: __Host-session=x\r\n", several),
        ] {
            assert_eq!(status(method, &format!("{cookie}{more}")), expected, "{kind:?} {method} {more}");
        }
        assert_eq!(status("GET", "Cookie: __Host-session=x\r\n"), 401, "{kind:?}");
        let passed = service.heads();
        assert_eq!(passed.len(), 2, "{kind:?}");
        assert!(passed.iter().all(|head| head.to_ascii_lowercase().contains("remote-token-from: cookie\r\n")));
    }
}

/// A header that the configuration does not name would keep the value that the client sent.
#[test]
fn each_configuration_names_every_identity_header() {
    let (app, token) = knoxide();
    let reply = app.client().with_token("GET", "/forward-auth/envoy/", &token);
    let names = reply.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    let names: Vec<_> = names.filter(|name| name.starts_with("remote-")).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    for file in ["nginx/forward-auth.conf", "caddy/Caddyfile", "haproxy/knoxide.lua", "envoy/envoy.yaml"] {
        let text = shipped(file).to_ascii_lowercase();
        let code = text.lines().filter(|line| !["#", "--"].iter().any(|mark| line.trim_start().starts_with(mark)));
        let words: Vec<_> =
            code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')).collect();
        for name in &names {
            assert!(words.contains(&name.as_str()), "{file}: {name}");
        }
    }
    // What the client sent under these names, or under names that a service treats alike.
    assert!(
        shipped("envoy/envoy.yaml").contains("remove_on_match: { key_matcher: { prefix: remote, ignore_case: true } }")
    );
    assert!(shipped("traefik/forward-auth.yml").contains("authResponseHeadersRegex: \"(?i)^remote\""));
}

#[test]
fn connections_to_the_server_are_kept_and_it_is_told_no_more_than_it_needs() {
    for kind in Kind::ALL {
        let (checker, service) = (Listener::start(|_| GOOD.to_owned()), Listener::echo());
        let Some(proxy) = Running::start(kind, checker.address, service.address) else { continue };
        let mut client = Client { wire: Wire::connect(proxy.address).expect("a connection") };
        for _ in 0..50 {
            let asked = Request::new("POST", "/a?token=secret")
                .header("Authorization", "Token abc")
                .header("Cookie", "session=abc")
                .header("Content-Type", "text/plain")
                .header("If-None-Match", "*")
                .header("Range", "bytes=0-1")
                .header("Expect", "100-continue")
                .body("body", Framing::Length);
            assert_eq!(client.ask(&asked).status, 200, "{kind:?}");
        }
        assert!(checker.connections() <= 4, "{kind:?}: {} connections", checker.connections());
        for head in checker.heads() {
            let head = head.to_ascii_lowercase();
            assert!(head.starts_with("get /forward-auth/"), "{kind:?}: {head}");
            assert_eq!(head.matches("\r\nauthorization: token abc\r\n").count(), 1, "{kind:?}: {head}");
            assert_eq!(head.matches("\r\nx-forwarded-method: post\r\n").count(), 1, "{kind:?}: {head}");
            assert_eq!(head.matches("\r\nx-forwarded-for: 127.0.0.1\r\n").count(), 1, "{kind:?}: {head}");
            for name in ["cookie", "content-type", "content-length: 4", "transfer-encoding", "if-none-match", "range"] {
                assert!(!head.contains(&format!("\r\n{name}")), "{kind:?}: {name}: {head}");
            }
        }
    }
}
