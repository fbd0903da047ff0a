//! What happens when connections reach the limit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::PATIENCE;
use super::raw::{PING, Raw};
use crate::harness::app::Backend;
use crate::harness::program::{BINARY, Program, Running};

/// The program under limits set by the shell, with 1 worker and long deadlines.
fn program() -> Program {
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_WORKERS", "1");
    program.set("KNOXIDE_READ_TIMEOUT", "60s").set("KNOXIDE_KEEP_ALIVE", "60s")
}

fn limited(program: &Program, limits: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{limits}; exec \"$1\""), "sh", BINARY]);
    program.prepare(&mut command);
    command
}

/// Connects from a separate address.
fn connect_from(server: &Running, last: u8) -> Raw {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 7, last)), 0);
    socket.bind(&from.into()).expect("an address");
    socket.connect(&server.address().into()).expect("a connection");
    let raw = Raw::Tcp(socket.into());
    raw.wait_at_most(PATIENCE);
    raw
}

/// A limit as `/proc` shows it: soft and hard.
fn limit_of(server: &Running, name: &str) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).expect("limits");
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().expect("a soft limit"), words.next().expect("a hard limit"))
}

#[test]
fn a_crowd_that_sends_nothing_gives_way() {
    let program = program();
    let server = Running::of(&mut limited(&program, "ulimit -n 128"));
    let mut kept = connect_from(&server, 250);
    let ask = |raw: &mut Raw| {
        let began = Instant::now();
        raw.send(PING.as_bytes()).expect("a sent request");
        assert_ne!(raw.read(&mut [0; 1024]).expect("a reply"), 0);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    };
    ask(&mut kept);
    // Many more than the limit, from many addresses and then from one.
    let many: Vec<Raw> = (0..200).map(|number| connect_from(&server, number)).collect();
    ask(&mut connect_from(&server, 251));
    // A connection is closed even while its request is being read.
    let request = b"POST /auth/login/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut bodiless = Vec::new();
    for number in 0..200 {
        let mut raw = connect_from(&server, number);
        raw.send(request).expect("a sent head");
        bodiless.push(raw);
    }
    ask(&mut connect_from(&server, 251));
    let one: Vec<Raw> = (0..200).map(|_| connect_from(&server, 252)).collect();
    let mut late = connect_from(&server, 251);
    ask(&mut late);
    ask(&mut late);
    drop((many, bodiless, one));
    let log = server.stop();
    assert_eq!(log.matches("nine tenths").count(), 1, "{log}");
}

#[test]
fn one_address_does_not_drive_out_the_others() {
    let program = program();
    let server = Running::of(&mut limited(&program, "ulimit -n 128"));
    let mut others: Vec<Raw> = (0..10).map(|number| connect_from(&server, number)).collect();
    for raw in &mut others {
        raw.send(PING.as_bytes()).expect("a sent request");
        assert_ne!(raw.read(&mut [0; 1024]).expect("a reply"), 0);
    }
    // Each of these is younger than the others, but they are closed first all the same.
    let crowd: Vec<Raw> = (0..300).map(|_| connect_from(&server, 252)).collect();
    connect_from(&server, 251).send(PING.as_bytes()).expect("a sent request");
    for raw in &mut others {
        raw.send(PING.as_bytes()).expect("a sent request");
        assert_ne!(raw.read(&mut [0; 1024]).expect("a reply"), 0);
    }
    drop(crowd);
    server.stop();
}

#[test]
fn the_process_takes_what_files_it_may_and_dumps_no_core() {
    let program = program();
    let server = Running::of(&mut limited(&program, "ulimit -S -n 100; ulimit -H -n 1000; ulimit -c unlimited"));
    assert_eq!(limit_of(&server, "Max open files"), ("1000".to_owned(), "1000".to_owned()));
    assert_eq!(limit_of(&server, "Max core file size"), ("0".to_owned(), "0".to_owned()));
    server.stop();
    let output = limited(&program, "ulimit -n 63").output().expect("an end");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("only 63 files may be opened") && error.contains("at least 64"), "{error}");
}
