//! A log that is not read, and exhausted descriptors.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::app::{Backend, Client};
use crate::harness::program::{BINARY, PASSWORD, Program, Running};
use crate::harness::wire::Wire;

#[test]
fn a_reader_of_the_log_who_stopped_stops_nobody() {
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_LOG", "trace");
    let mut child = program.command(&[]).spawn().expect("a process");
    let mut log = BufReader::new(child.stderr.take().expect("a log"));
    let mut address = None;
    while address.is_none() {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).expect("a line"), 0, "the server ended");
        address = line.split_once(": listening address=").map(|(_, address)| address.trim().to_owned());
    }
    // From here on the log is not read. A pipe holds 64 KiB, which these lines soon fill.
    let address = address.expect("an address").parse().expect("an address");
    let mut client = Client { wire: Wire::connect(address).expect("a connection") };
    let token = client.login("admin", PASSWORD);
    for _ in 0..2000 {
        assert_eq!(client.check(&token), 200);
    }
    kill_process(Pid::from_child(&child), Signal::TERM).expect("a process that runs");
    let status = child.wait().expect("a status");
    assert_eq!(status.code(), Some(0));
    let mut rest = Vec::new();
    log.read_to_end(&mut rest).expect("what is left");
    assert!(rest.len() > 32 * 1024, "the pipe was never full: {} bytes", rest.len());
}

#[test]
fn running_out_of_files_is_survived() {
    // A client that sends nothing is soon disconnected, and frees a slot.
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_READ_TIMEOUT", "100ms");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -n 64; exec \"$1\"", "sh", BINARY]);
    program.prepare(&mut command);
    let server = Running::of(&mut command);
    let mut first = server.client();
    let token = first.login("admin", PASSWORD);
    // More connections than descriptors; the others wait in the system's queue.
    let crowd: Vec<Wire> = (0..200).map(|_| Wire::connect(server.address()).expect("a connection")).collect();
    // They send nothing, and so are closed in favour of a client that does.
    let mut active = server.client();
    let mine = active.login("admin", PASSWORD);
    for token in [&token, &mine, &token, &mine] {
        assert_eq!(active.check(token), 200);
    }
    drop(crowd);
    let mut later = server.client();
    assert_eq!(later.check(&token), 200);
    let another = later.login("admin", PASSWORD);
    assert_eq!(later.check(&another), 200);
    server.stop();
}
