//! What is logged about failed logins.

use crate::harness::app::{Backend, login_request};
use crate::harness::program::{PASSWORD, Program, Running};

fn fail(server: &Running, name: &str, times: usize) -> u16 {
    let mut client = server.client();
    (0..times).map(|_| client.ask(&login_request(name, "guess")).status).last().expect("a reply")
}

/// The value of `user=` in the last log line about a request refused for this reason.
fn user_of(server: &Running, reason: &str) -> String {
    server.wait_for(reason);
    let line = server.log_lines().into_iter().rfind(|line| line.contains(reason)).expect("a line");
    let value = line.split("user=").nth(1).expect("a user");
    value.split_whitespace().next().expect("a value").to_owned()
}

#[test]
fn an_attacked_account_is_named_and_a_name_is_not() {
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_THROTTLE_PAIR_BURST", "3");
    let server = program.start();
    fail(&server, "admin", 1);
    assert_eq!(user_of(&server, "reason=wrong_password"), "1");
    fail(&server, "nobody-of-this-name", 1);
    let unknown = user_of(&server, "reason=unknown_user");
    assert!(unknown.starts_with("name-") && unknown.len() == "name-".len() + 16, "{unknown}");

    // However often it refuses, a full bucket is logged only once.
    assert_eq!(fail(&server, "admin", 20), 429);
    assert_eq!(fail(&server, "nobody-of-this-name", 20), 429);
    assert_eq!(user_of(&server, "reason=throttled"), unknown);
    let log = server.stop();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("logins are throttled")).collect();
    assert_eq!(told.len(), 2, "{log}");
    assert!(told[0].contains("bucket=pair") && told[0].contains("user=1 ") && told[0].contains("127.0.0.1"), "{log}");
    assert!(told[1].contains(&unknown), "{log}");
    assert!(!log.contains("nobody-of-this-name") && !log.contains("guess"), "{log}");
}

#[test]
fn a_proxy_that_nobody_named_is_told_of_once() {
    for (trusted, warnings) in [("", 1), ("127.0.0.1", 0)] {
        let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_TRUSTED_PROXIES", trusted);
        let server = program.start();
        let login = login_request("admin", PASSWORD).header("X-Forwarded-For", "203.0.113.9");
        for _ in 0..3 {
            assert_eq!(server.client().ask(&login).status, 200);
        }
        let log = server.stop();
        assert_eq!(log.matches("KNOXIDE_TRUSTED_PROXIES").count(), warnings, "{log}");
    }
}
