//! Stopping the server loses no request that has begun.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{login_request, token_of};
use crate::harness::app::{Backend, on_each_database};
use crate::harness::program::{PASSWORD, Program, Running};
use crate::harness::wire::{Reply, Request, Wire};

/// The number of logins in progress when the server is told to stop: more than are hashed at once.
const UNDER_WAY: usize = 8;

on_each_database! {
    fn what_was_accepted_is_finished(backend) {
        let program = Program::on(backend).with_admin();
        let mut tokens = Vec::new();
        for signal in [Signal::TERM, Signal::INT, Signal::TERM, Signal::INT, Signal::TERM] {
            let mut server = program.start();
            let mut wires: Vec<Wire> = (0..UNDER_WAY).map(|_| server.wire()).collect();
            for wire in &mut wires {
                // An answer proves that the connection was accepted.
                assert_eq!(wire.ask(&Request::new("GET", "/healthz")).expect("a reply").status, 200);
            }
            for wire in &mut wires {
                wire.send(&login_request("admin", PASSWORD).to_bytes()).expect("a request that is sent");
            }
            server.signal(signal);
            tokens.extend(wires.iter_mut().map(|wire| token_of(&wire.receive("POST").expect("a reply"))));
            let (status, log) = server.end();
            assert_eq!(status.code(), Some(0), "{log}");
        }
        // Everything that was answered is stored.
        let server = program.start();
        let client = &mut server.client();
        assert_eq!(tokens.len(), 5 * UNDER_WAY);
        for token in tokens {
            assert_eq!(client.check(&token), 200);
        }
    }
}

/// Sends requests until the server stops listening, and returns the replies. A request without a reply is lost, unless
/// it was the first on a connection that may never have been accepted.
fn ask_to_the_end(server: &Running, request: &Request) -> Vec<Reply> {
    let mut replies: Vec<Reply> = Vec::new();
    while let Ok(mut wire) = Wire::connect(server.address()) {
        let mut is_first = true;
        loop {
            match wire.send(&request.to_bytes()).and_then(|()| wire.receive(&request.method)) {
                Ok(reply) => replies.push(reply),
                Err(_) if is_first => return replies,
                Err(error) => panic!("lost after {} replies: {error}", replies.len()),
            }
            is_first = false;
            if replies.last().and_then(|reply| reply.header("connection")).is_some_and(|value| value == "close") {
                break;
            }
        }
    }
    replies
}

#[test]
fn a_stopping_server_says_so_and_takes_nothing_new() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let mut server = program.start();
    let token = server.client().login("admin", PASSWORD);
    let check = Request::new("GET", "/auth/user/").header("Authorization", format!("Token {token}"));
    let ready = Request::new("GET", "/readyz");
    let (mut slow, mut idle) = (server.wire(), server.wire());
    for wire in [&mut slow, &mut idle] {
        let reply = wire.ask(&ready).expect("a reply");
        assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"status":"ready"}"#));
    }
    let login = login_request("admin", PASSWORD).header("Expect", "100-continue").to_bytes();
    let (head, tail) = login.split_at(login.len() - 5);
    slow.send(head).expect("a sent head");
    let (probes, checks) = std::thread::scope(|scope| {
        let probes = scope.spawn(|| ask_to_the_end(&server, &ready));
        let checks = scope.spawn(|| ask_to_the_end(&server, &check));
        slow.wait_for_bytes().expect("an interim reply");
        server.signal(Signal::TERM);
        (probes.join().expect("probes"), checks.join().expect("checks"))
    });
    assert!(checks.iter().all(|reply| reply.status == 200) && !checks.is_empty());
    let last = probes.last().expect("a probe");
    assert_eq!((last.status, last.text().as_str()), (503, r#"{"status":"stopping"}"#));
    // The server no longer listens, but still finishes requests that have begun.
    slow.send(tail).expect("a sent tail");
    token_of(&slow.receive("POST").expect("a reply"));
    // An idle connection that the client does not close causes no delay.
    let began = Instant::now();
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(idle);
}
