//! Requests at the limits, as a client sees them.

use std::fmt::Write as _;

use super::{login_request, token_of};
use crate::harness::app::Backend;
use crate::harness::program::{PASSWORD, Program, Running};
use crate::harness::wire::{Framing, Reply, Request};

/// The reply to these bytes, on a separate connection, which the server may then close.
fn reply_to(server: &Running, bytes: &[u8], method: &str) -> Reply {
    let mut wire = server.wire();
    // The server may close the connection before it has read everything.
    wire.send(bytes).ok();
    wire.receive(method).expect("a reply")
}

fn many_headers(count: usize) -> Vec<u8> {
    let mut request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n".to_owned();
    for number in 1..count {
        write!(request, "X-Header-{number}: x\r\n").expect("a string");
    }
    (request + "\r\n").into_bytes()
}

#[test]
fn limits_and_patience() {
    let program = Program::on(Backend::Sqlite)
        .with_admin()
        .set("KNOXIDE_BODY_LIMIT", "1KiB")
        .set("KNOXIDE_READ_TIMEOUT", "300ms");
    let server = program.start();
    let login = login_request("admin", PASSWORD);

    // A body may be exactly this long.
    for (size, status) in [(1024, 200), (1025, 413)] {
        let mut body = login.body.clone();
        body.resize(size, b' ');
        for framing in [Framing::Length, Framing::Chunked(100)] {
            let request = login.clone().body(body.clone(), framing);
            assert_eq!(reply_to(&server, &request.to_bytes(), "POST").status, status, "{size} bytes, {framing:?}");
        }
    }

    // Half a head, half a body.
    let bytes = login.to_bytes();
    assert_eq!(reply_to(&server, &bytes[..40], "POST").status, 408);
    assert_eq!(reply_to(&server, &bytes[..bytes.len() - 5], "POST").status, 408);

    // As many headers as are allowed, one more, and one that is far too long.
    assert_eq!(reply_to(&server, &many_headers(96), "GET").status, 200);
    assert_eq!(reply_to(&server, &many_headers(97), "GET").status, 431);
    let huge = Request::new("GET", "/healthz").header("X-Huge", vec![b'x'; 200_000]);
    assert_eq!(reply_to(&server, &huge.to_bytes(), "GET").status, 431);

    // The body of a logout is never read.
    let client = &mut server.client();
    let token = client.login("admin", PASSWORD);
    let logout = Request::new("POST", "/auth/logout/")
        .header("Authorization", format!("Token {token}"))
        .body(vec![b'x'; 1024 * 1024], Framing::Length);
    let (bytes, head_only) = (logout.to_bytes(), logout.to_bytes().len() - logout.body.len());
    assert_eq!(reply_to(&server, &bytes[..head_only], "POST").status, 200);
    assert_eq!(client.check(&token), 401);
    let token = client.login("admin", PASSWORD);
    let logout = Request { headers: vec![("Authorization".to_owned(), format!("Token {token}").into())], ..logout };
    assert_eq!(client.ask(&logout).status, 200);
    assert_eq!(client.check(&token), 401);
}

#[test]
fn no_browser_guesses_what_a_reply_is() {
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_READ_TIMEOUT", "100ms");
    let server = program.start();
    let paths = ["/healthz", "/readyz", "/nowhere", "/auth/user/", "/.well-known/jwks.json"];
    let asked = paths.map(|path| Request::new("GET", path).to_bytes());
    let slow = b"GET / HTTP/1.1\r\n".to_vec();
    for bytes in [&asked[..], &[login_request("admin", "wrong").to_bytes(), slow]].concat() {
        let reply = reply_to(&server, &bytes, "GET");
        assert_eq!(reply.header("X-Content-Type-Options").as_deref(), Some("nosniff"), "{reply:?}");
    }
}

#[test]
fn request_ids_do_not_count_requests() {
    let server = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_WORKERS", "1").start();
    let mut wire = server.wire();
    let mut number = || {
        let reply = wire.ask(&Request::new("GET", "/healthz")).expect("a reply");
        let id = reply.header("X-Request-Id").expect("an id");
        u64::from_str_radix(id.split_once('-').expect("two parts").1, 16).expect("a number")
    };
    let numbers: Vec<u64> = (0..20).map(|_| number()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1000), "{numbers:?}");
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let server = program.start();
    let mut wire = server.wire();
    let token = token_of(&wire.ask(&login_request("admin", PASSWORD)).expect("a reply"));
    let with_token = |method, path| Request::new(method, path).header("Authorization", format!("Token {token}"));
    let check = with_token("GET", "/auth/user/");
    let logout = with_token("POST", "/auth/logout/").body("", Framing::Length);
    let mut bytes = Vec::new();
    for request in [&[&check; 20][..], &[&logout, &check, &logout, &Request::new("GET", "/nowhere")]].concat() {
        bytes.extend(request.to_bytes());
    }
    wire.send(&bytes).expect("a sent request");
    let statuses: Vec<u16> = (0..24).map(|_| wire.receive("GET").expect("a reply").status).collect();
    assert_eq!(statuses, [&[200; 20][..], &[200, 401, 401, 404]].concat());
}
