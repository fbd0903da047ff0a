//! The addresses at which the program listens, and the client addresses that it sees.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::token_in;
use crate::harness::app::Backend;
use crate::harness::program::{PASSWORD, Program, tool};

/// Logs in with curl and these further arguments, and returns the session's address.
fn address_after_login(program: &Program, arguments: &[&str]) -> serde_json::Value {
    let body = format!("{{\"username\":\"admin\",\"password\":\"{PASSWORD}\"}}");
    let login = ["-s", "-H", "Content-Type: application/json", "-d", &body];
    token_in(&tool("curl", &[&login, arguments].concat()));
    program.json(&["session", "list", "--limit", "1"])[0]["address"].clone()
}

#[test]
fn at_several_addresses_at_once() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let socket = program.folder().join("knoxide.sock");
    let mut listen = vec!["127.0.0.1:0".to_owned(), "127.0.0.2:0".to_owned(), format!("unix:{}", socket.display())];
    if TcpListener::bind("[::1]:0").is_ok() {
        listen.push("[::1]:0".to_owned());
    } else {
        eprintln!("NOT RUN: listening on [::1], because this machine has no IPv6");
    }
    let program = program.set("KNOXIDE_LISTEN", &listen.join(","));
    // A crashed server leaves its socket behind.
    drop(UnixListener::bind(&socket).expect("a socket"));
    let server = program.start();
    assert_eq!(server.addresses.len(), listen.len());
    let path = socket.display().to_string();
    for address in &server.addresses {
        let seen = match address.strip_prefix("unix:") {
            Some(path) => address_after_login(&program, &["--unix-socket", path, "http://localhost/auth/login/"]),
            None => address_after_login(&program, &[&format!("http://{address}/auth/login/")]),
        };
        // A client on a Unix socket has no address.
        let expected = match address.as_str() {
            unix if unix.starts_with("unix:") => serde_json::Value::Null,
            six if six.starts_with("[::1]") => "::1".into(),
            _ => "127.0.0.1".into(),
        };
        assert!(seen == expected || address.starts_with("127.0.0.2"), "{address}: {seen}");
    }

    // A second server does not take over a live server's socket.
    let other = program.run(&["serve", "--listen", &format!("127.0.0.1:0,unix:{path}")]);
    assert_eq!(other.code, Some(1), "{}", other.err);
    assert!(other.err.contains("another server listens there"), "{}", other.err);
    tool("curl", &["-sf", "--unix-socket", &path, "http://localhost/healthz"]);
    server.stop();
    assert!(!socket.exists());
}

/// The two are distinguished by the client address that the server sees.
#[test]
fn ipv4_and_ipv6_on_one_port() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("NOT RUN: listening on IPv6, because this machine has none");
        return;
    }
    let free = TcpListener::bind("[::]:0").expect("a port").local_addr().expect("an address").port();
    let [four, six] = [format!("0.0.0.0:{free}"), format!("[::]:{free}")];
    // By itself, `[::]` accepts both.
    for listen in [format!("{four},{six}"), format!("{six},{four}"), format!("127.0.0.1:{free},{six}"), six] {
        let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_LISTEN", &listen);
        let server = program.start();
        let seen = ["127.0.0.1", "[::1]"]
            .map(|host| address_after_login(&program, &[&format!("http://{host}:{free}/auth/login/")]));
        assert_eq!(seen, ["127.0.0.1", "::1"], "{listen}");
        server.stop();
    }
}

#[test]
fn a_socket_has_the_mode_it_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let program = Program::on(Backend::Sqlite).with_admin();
    let path = program.folder().join("knoxide.sock");
    let program = program.set("KNOXIDE_LISTEN", &format!("127.0.0.1:0,unix:{}", path.display()));
    let mode_of = |program: &Program| {
        let server = program.start();
        let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
        server.stop();
        mode & 0o777
    };
    assert_eq!(mode_of(&program), 0o660);
    assert_eq!(mode_of(&program.set("KNOXIDE_SOCKET_MODE", "666")), 0o666);
}

/// Requests in other protocols are logged at a low level, with the client's address.
#[test]
fn who_speaks_another_protocol_is_told_of_in_passing() {
    use std::io::{Read as _, Write as _};
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let large = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let garbage = [0_u8, 255, 10].repeat(100);
    for sent in [&hello[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", large.as_bytes(), &garbage, b"GET / HTTP/9.9\r\n\r\n"]
    {
        let program = Program::on(Backend::Sqlite).with_admin();
        let server = program.start();
        let mut stream = std::net::TcpStream::connect(server.address()).expect("a connection");
        // The connection may be refused before everything is sent or read.
        stream.write_all(sent).ok();
        stream.read_to_end(&mut Vec::new()).ok();
        let line = server.wait_for("a connection is closed");
        assert!(line.contains("INFO") && line.contains("address=127.0.0.1"), "{line}");
        let log = server.stop();
        assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
    }
}

#[test]
fn the_socket_of_a_successor_stays() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let path = program.folder().join("knoxide.sock");
    let text = path.display().to_string();
    let program = program.set("KNOXIDE_LISTEN", &format!("127.0.0.1:0,unix:{text}"));
    let former = program.start();
    // As if the former one no longer listened, and were only finishing what it had accepted.
    std::fs::remove_file(&path).expect("a removed socket");
    let successor = program.start();
    former.stop();
    tool("curl", &["-sf", "--unix-socket", &text, "http://localhost/healthz"]);
    successor.stop();
    assert!(!path.exists());
}

#[test]
fn no_file_of_somebody_else_is_removed() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let path = program.write("precious", "data");
    let done = program.run(&["serve", "--listen", &format!("unix:{path}")]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(Path::new(&path).exists() && done.err.contains("is not a socket"), "{}", done.err);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let done = program.run(&["serve", "--listen", &address]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains(&address), "{}", done.err);
}

#[test]
fn only_listed_proxies_are_believed() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let path = program.folder().join("knoxide.sock").display().to_string();
    let program = program
        .set("KNOXIDE_LISTEN", &format!("127.0.0.1:0,unix:{path}"))
        .set("KNOXIDE_TRUSTED_PROXIES", "127.0.0.2,10.0.0.0/8,unix");
    let server = program.start();
    let url = &format!("http://{}/auth/login/", server.address());
    let (stranger, proxy) = ("127.0.0.1", "127.0.0.2");
    let socket = ["--unix-socket", &path, "http://localhost/auth/login/"];
    let forwarded = "X-Forwarded-For: 203.0.113.9, 10.1.2.3";
    let from = |address: &'static str, header: &'static str| {
        address_after_login(&program, &["--interface", address, "-H", header, url])
    };
    assert_eq!(from(stranger, forwarded), stranger);
    assert_eq!(from(proxy, forwarded), "203.0.113.9");
    // What a client wrote itself is to the left of what the proxy adds.
    assert_eq!(from(proxy, "X-Forwarded-For: 198.51.100.1, 203.0.113.9"), "203.0.113.9");
    assert_eq!(address_after_login(&program, &[&["-H", forwarded], &socket[..]].concat()), "203.0.113.9");
}
