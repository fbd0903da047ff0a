//! The raw client.

use super::canned;
use crate::harness::wire::{Framing, Request, Wire};

#[test]
fn sends_what_it_is_told() {
    let request = Request::new("POST", "/a?b").header("X-Bytes", vec![0xff, 0x09]).body("abc", Framing::Length);
    assert_eq!(
        request.to_bytes(),
        b"POST /a?b HTTP/1.1\r\nHost: localhost\r\nX-Bytes: \xff\t\r\nContent-Length: 3\r\n\r\nabc"
    );
    let request = Request::new("POST", "/").body("abc", Framing::Chunked(2));
    let bytes = request.to_bytes();
    assert!(bytes.ends_with(b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"));
}

#[test]
fn reads_lengths_chunks_and_bodiless_replies_over_one_connection() {
    let server = canned(&[
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: 1\r\na: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 405 No\r\nContent-Length: 99\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ]);
    let mut wire = Wire::connect(server).expect("a connection");
    let first = wire.ask(&Request::new("GET", "/")).expect("a reply");
    assert_eq!((first.status, first.text().as_str(), first.header("A").as_deref()), (200, "ok", Some("1, 2")));
    assert_eq!(wire.ask(&Request::new("GET", "/")).expect("a reply").text(), "abcde");
    let head = wire.ask(&Request::new("HEAD", "/")).expect("a reply");
    assert_eq!((head.status, head.body.len()), (405, 0));
    assert_eq!(wire.ask(&Request::new("GET", "/")).expect("a reply").status, 204);
}

#[test]
fn connects_anew_after_the_server_said_close() {
    let server = canned(&["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1"]);
    let mut wire = Wire::connect(server).expect("a connection");
    for _ in 0..3 {
        assert_eq!(wire.ask(&Request::new("GET", "/")).expect("a reply").text(), "1");
    }
}

#[test]
fn a_reply_cut_short_is_an_error() {
    for reply in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "nonsense\r\n\r\n"] {
        let mut wire = Wire::connect(canned(&[reply])).expect("a connection");
        assert!(wire.ask(&Request::new("GET", "/")).is_err(), "{reply:?}");
    }
}
