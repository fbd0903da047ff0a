//! `knoxide audit`, with the server stopped and running.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::app::{Backend, on_each_database};
use crate::harness::program::{PASSWORD, Program};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().expect("a name")).collect()
}

/// Exports until as many events as these are settled: other tests on the same server delay them.
fn export(program: &Program, arguments: &[&str], count: usize) -> Vec<Value> {
    let begun = std::time::Instant::now();
    loop {
        let done = program.run(&[&["audit", "export"], arguments].concat());
        assert_eq!(done.code, Some(0), "{}", done.err);
        let events = lines(&done.out);
        if events.len() >= count {
            return events;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{}", done.out);
    }
}

on_each_database! {
    fn events_are_listed_and_exported(backend) {
        let program = Program::on(backend).with_admin();
        let running = program.start();
        let client = &mut running.client();
        client.login("admin", PASSWORD);
        assert_eq!(client.try_login("admin", "wrong").status, 400);
        let listed = program.json(&["audit", "list"]);
        let listed = listed.as_array().expect("a list");
        assert_eq!(names(listed), ["login_failed", "login", "user_created"]);
        running.stop();

        let all = export(&program, &[], 3);
        assert_eq!(names(&all), ["user_created", "login", "login_failed"]);
        let cursor = all[0]["cursor"].as_str().expect("a cursor");
        assert_eq!(names(&export(&program, &["--after", cursor], 2)), ["login", "login_failed"]);
        let of_user = program.json(&["audit", "list", "--user", "admin", "--event", "login", "--limit", "1"]);
        assert_eq!(names(of_user.as_array().expect("a list")), ["login"]);
        let before = program.json(&["audit", "list", "--before", cursor]);
        assert_eq!(before, Value::Array(Vec::new()));

        let table = program.run(&["audit", "list"]);
        assert!(table.out.starts_with("CURSOR") && table.out.contains("{\"reason\":\"wrong_password\"}"), "{}", table.out);
        for (arguments, code) in [
            (&["audit", "list", "--event", "nonsense"][..], 2),
            (&["audit", "list", "--before", "nonsense"], 2),
            (&["audit", "list", "--from", "yesterday"], 2),
            (&["audit", "list", "--user", "nobody"], 3),
        ] {
            assert_eq!(program.run(arguments).code, Some(code), "{arguments:?}");
        }
        assert_eq!(program.json(&["audit", "list", "--user", "id:4711"]), Value::Array(Vec::new()));
    }
}

#[test]
fn new_events_are_followed_until_the_order_to_stop() {
    let program = Program::on(Backend::Sqlite);
    program.add_user("alice", PASSWORD);
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = program.command(&["--json", "audit", "tail", "--lines", "1"]);
        let mut tail = command.stdout(Stdio::piped()).spawn().expect("a process");
        let mut out = BufReader::new(tail.stdout.take().expect("an output")).lines();
        let mut next = || lines(&out.next().expect("a line").expect("text")).remove(0)["event"].clone();
        assert_ne!(next(), "staff_granted");
        assert_eq!(program.run(&["user", "set-staff", "alice", "yes"]).code, Some(0));
        assert_eq!(program.run(&["user", "set-staff", "alice", "no"]).code, Some(0));
        assert_eq!((next(), next()), ("staff_granted".into(), "staff_withdrawn".into()));
        kill_process(Pid::from_child(&tail), signal).expect("a process that runs");
        assert_eq!(tail.wait().expect("a status").code(), Some(0));
        assert!(out.next().is_none());
    }
}
