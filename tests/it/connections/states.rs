//! The table of states: what is sent, and when the connection must end.

use std::time::{Duration, Instant};

use knoxide::config::ListenAddress;

use super::raw::{PING, Raw, Target};
use super::{DRAIN, IDLE, PATIENCE, READ, WRITE, limited, server};

/// A state that a client can put its connection into.
struct Case {
    name: &'static str,
    /// What is sent at once.
    first: String,
    /// What is sent repeatedly.
    again: &'static str,
    /// The time that must have passed when it ends.
    least: Duration,
    /// The statuses of the replies.
    statuses: &'static [u16],
}

const fn case(
    name: &'static str,
    first: String,
    again: &'static str,
    least: Duration,
    statuses: &'static [u16],
) -> Case {
    Case { name, first, again, least, statuses }
}

fn post(path: &str, headers: &str, rest: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{headers}\r\n\r\n{rest}")
}

const CHUNKED: &str = "Transfer-Encoding: chunked";

/// Each state of a connection that a client can maintain, by sending something or nothing.
fn cases() -> Vec<Case> {
    let text = str::to_owned;
    let none = Duration::ZERO;
    vec![
        case("nothing", text(""), "", READ, &[408]),
        case("empty lines", text(""), "\r\n", READ, &[408]),
        case("half a line", text("GET /hea"), "", READ, &[408]),
        case("half a head", text("GET /healthz HTTP/1.1\r\nHost: a\r\n"), "", READ, &[408]),
        case("a dripped head", text("GET /healthz HTTP/1.1\r\nX: "), "x", READ, &[408]),
        case("headers without end", text("GET /healthz HTTP/1.1\r\n"), "A: b\r\n", READ, &[408]),
        case("one request", text(PING), "", IDLE, &[200]),
        case("one request, empty lines", text(PING), "\r\n", IDLE, &[200]),
        case("one request, a byte of a second", text(PING) + "G", "", READ, &[200, 408]),
        case("one request, a dripped second head", text(PING) + "GET / HTTP/1.1\r\nX: ", "x", READ, &[200, 408]),
        case("two requests, half of a third", [PING, PING, "GET / HT"].concat(), "", READ, &[200, 200, 408]),
        case("endless chunks where none is read", post("/healthz", CHUNKED, ""), "1\r\nx\r\n", DRAIN, &[405]),
        case("no chunk where none is read", post("/nowhere", CHUNKED, ""), "", DRAIN, &[404]),
        case("no chunk to a logout", post("/auth/logout/", CHUNKED, ""), "", DRAIN, &[401]),
        case("no chunk to a login", post("/auth/login/", CHUNKED, ""), "", READ, &[408]),
        case("dripped chunks to a login", post("/auth/login/", CHUNKED, ""), "1\r\n \r\n", READ, &[408]),
        case("the size of a chunk without end", post("/auth/login/", CHUNKED, ""), "0", READ, &[408]),
        case("an extension without end", post("/auth/login/", CHUNKED, "1;"), "x", READ, &[408]),
        case("half of the last chunk", post("/auth/login/", CHUNKED, "2\r\n{}\r\n0\r\n"), "", READ, &[408]),
        case("a second body without end", text(PING) + &post("/auth/login/", CHUNKED, "2\r\n{"), "", READ, &[200, 408]),
        case("half a body", post("/auth/login/", "Content-Length: 9", "{"), "", READ, &[408]),
        case("a dripped body", post("/auth/login/", "Content-Length: 9000", "{"), " ", READ, &[408]),
        case("half a body where none is read", post("/nowhere", "Content-Length: 9", "{"), "", none, &[404]),
        case("too large a body", post("/auth/login/", "Content-Length: 99999", ""), "xxx", none, &[413]),
        case("too many chunks", post("/auth/login/", CHUNKED, &"fff\r\n".replace("fff", "8000")), "", READ, &[408]),
        case(
            "a body that is awaited",
            post("/auth/login/", "Content-Length: 9\r\nExpect: 100-continue", ""),
            "",
            READ,
            &[408],
        ),
        case("another protocol", text("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), "x", none, &[404]),
        case(
            "a web socket",
            PING.replace("Host", "Connection: upgrade\r\nUpgrade: websocket\r\nHost"),
            "x",
            none,
            &[200],
        ),
        case("a second head behind a close", text("GET /healthz HTTP/1.0\r\n\r\nGET"), "", none, &[200]),
    ]
}

fn statuses(replies: &str) -> Vec<u16> {
    let lines = replies.split("HTTP/1.").skip(1).filter_map(|reply| reply.get(2..5)?.parse().ok());
    lines.filter(|status| *status != 100).collect()
}

/// Puts a connection into this state; returns what is wrong with the server's behaviour.
fn judge(case: &Case, target: &Target) -> Option<String> {
    let lived = Raw::connect(target).live(case.first.as_bytes(), case.again.as_bytes(), Duration::from_millis(50));
    let wrong = match lived {
        Err(error) => format!("did not end: {error}"),
        Ok((_, took)) if took < case.least => format!("ended after {took:?}"),
        Ok((_, took)) if took > PATIENCE => format!("ended after {took:?}"),
        Ok((replies, _)) if statuses(&replies) != case.statuses => format!("got {replies:?}"),
        Ok(_) => return None,
    };
    Some(format!("{target:?} {}: {wrong}", case.name))
}

#[test]
fn each_state_that_a_client_keeps_up_has_an_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("knoxide.sock");
    let app = server(vec![ListenAddress::Unix(path.clone())]);
    let cases = cases();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for target in [Target::Tcp(app.address), Target::Unix(path)] {
            for case in &cases {
                let target = target.clone();
                threads.push(scope.spawn(move || judge(case, &target)));
            }
        }
        threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn who_takes_no_answers_is_let_go() {
    let app = server(Vec::new());
    let began = Instant::now();
    let mut raw = Raw::connect(&Target::Tcp(app.address));
    // Blocks as soon as the server stops reading, and fails when the connection is reset.
    let error = (0..).find_map(|_| raw.send(PING.repeat(1000).as_bytes()).err()).expect("an error");
    assert!(began.elapsed() >= WRITE, "{error} after {:?}", began.elapsed());
    assert!(began.elapsed() < PATIENCE, "{error} after {:?}", began.elapsed());
    assert!(matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{error}");
}

#[test]
fn who_takes_answers_gets_all_of_them() {
    let app = server(Vec::new());
    app.add_user("alice", "correct horse");
    let mut raw = Raw::connect(&Target::Tcp(app.address));
    let body = r#"{"username":"alice","password":"correct horse"}"#;
    let login = post("/auth/login/", &format!("Content-Length: {}", body.len()), body);
    let chunked = post("/auth/login/", CHUNKED, &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
    let last = PING.replace("Host", "Connection: close\r\nHost");
    let all = [login.clone() + &PING.repeat(4000), chunked + &PING.repeat(4000), login + &last].concat();
    let replies = std::thread::scope(|scope| {
        let mut writer = raw.twin();
        scope.spawn(move || writer.send(all.as_bytes()).expect("all is taken"));
        raw.read_to_end().expect("an end")
    });
    let statuses = statuses(&String::from_utf8_lossy(&replies));
    assert_eq!((statuses.len(), statuses.iter().all(|status| *status == 200)), (8004, true));
}

#[test]
fn heads_have_a_limit_and_replies_their_order() {
    let app = server(Vec::new());
    let head = |size: usize| {
        let start = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(size - start.len() - 4))
    };
    let ask = |bytes: String| {
        let mut raw = Raw::connect(&Target::Tcp(app.address));
        raw.live(bytes.as_bytes(), b"", Duration::ZERO).expect("an end").0
    };
    let limit = 32 * 1024;
    assert_eq!(statuses(&ask(head(limit))), [200]);
    let refused = ask(PING.repeat(20) + &head(limit + 1));
    assert_eq!(statuses(&refused), [&[200; 20][..], &[431]].concat());
    assert!(refused.ends_with(r#"{"detail":"Request headers are too large."}"#), "{refused}");
    // However long the header goes on.
    assert_eq!(statuses(&ask(head(1_000_000))), [431]);
}

#[test]
fn requests_that_come_in_one_piece_with_too_large_a_head_are_answered() {
    let app = limited(4096);
    let large = format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(4096));
    let body = r#"{"username":"alice","password":"wrong"}"#;
    let login = post("/auth/login/", &format!("Content-Length: {}", body.len()), body);
    // The last request of a pipeline is answered, which is held back until the others are.
    for (ahead, answers) in [(PING.repeat(3), vec![200; 3]), (login, vec![400]), (PING.repeat(40), vec![200; 40])] {
        let mut raw = Raw::connect(&Target::Tcp(app.address));
        let (replies, _) = raw.live((ahead + &large).as_bytes(), b"", Duration::ZERO).expect("an end");
        assert_eq!(statuses(&replies), [&answers[..], &[431]].concat());
    }
}

#[test]
fn stopping_waits_for_nobody_who_does_nothing() {
    let app = server(Vec::new());
    let target = Target::Tcp(app.address);
    let firsts = [String::new(), PING.to_owned(), post("/nowhere", CHUNKED, ""), PING.to_owned() + "G"];
    let mut held: Vec<Raw> = Vec::new();
    for first in firsts {
        let mut raw = Raw::connect(&target);
        raw.send(first.as_bytes()).expect("a sent request");
        held.push(raw);
    }
    let mut stuffed: Vec<Raw> = (0..3).map(|_| Raw::narrow(app.address)).collect();
    for raw in &mut stuffed {
        raw.stuff(PING.repeat(20_000).as_bytes());
    }
    let began = Instant::now();
    drop(app);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}
