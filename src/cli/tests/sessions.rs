use serde_json::json;

use super::{HASH, Machine, Typist};
use crate::domain::session::{Refusal, judge};
use crate::domain::token::{Token, TokenKind};

/// The verdict on a token, as a server would give it now.
fn verdict(machine: &Machine, token: &str) -> Result<String, Refusal> {
    let token = Token::parse(token.as_bytes()).expect("a token");
    let record = machine.connection().find_many(&[token.digest()]).expect("an answer").remove(0);
    let now = crate::domain::time::Clock::now(&machine.clock);
    judge(record.as_ref(), Some(TokenKind::Access), now, None).map(|verified| verified.user.username.clone())
}

fn create(machine: &Machine, arguments: &[&str]) -> serde_json::Value {
    machine.json(&[&["token", "create", "alice"], arguments].concat())
}

#[test]
fn a_token_is_made_and_shown_once() {
    let machine = Machine::with_alice();
    let text = machine.done(&["token", "create", "alice", "--name", "backup"]);
    let token = text.lines().next().expect("the token");
    assert_eq!(verdict(&machine, token), Ok("alice".to_owned()));
    let listed = machine.done(&["session", "list"]);
    assert!(listed.contains("backup") && !listed.contains(token), "{listed}");
}

#[test]
fn a_token_lives_as_long_as_was_said() {
    let machine = Machine::with_alice();
    let short = create(&machine, &["--name", "short", "--ttl", "90s"]);
    let endless = create(&machine, &["--name", "endless", "--ttl", "none"]);
    assert_eq!(short["expires"], "2023-11-14T22:14:50Z");
    machine.wait(90);
    assert_eq!(verdict(&machine, short["token"].as_str().expect("text")), Err(Refusal::Expired));
    assert_eq!(verdict(&machine, endless["token"].as_str().expect("text")), Ok("alice".to_owned()));
    let from_settings = [("KNOXIDE_KNOX_TTL", "1h"), ("KNOXIDE_TOKEN_PREFIX", "kx_")];
    let arguments = ["--json", "token", "create", "alice", "--name", "set"];
    let set = machine.run_with(&arguments, Typist::default(), &from_settings).json();
    assert_eq!(set["expires"], "2023-11-14T23:14:50Z");
    assert!(set["token"].as_str().expect("text").starts_with("kx_"));
}

#[test]
fn tokens_that_cannot_be_are_refused() {
    let machine = Machine::with_alice();
    machine.refused(3, &["token", "create", "bob", "--name", "x"]);
    assert!(machine.refused(2, &["token", "create", "alice", "--name", "x", "--ttl", "10"]).contains("12h"));
    assert!(machine.refused(2, &["token", "create", "alice", "--name", " "]).contains("--name"));
    machine.done(&["user", "deactivate", "alice"]);
    assert!(machine.refused(4, &["token", "create", "alice", "--name", "x"]).contains("not active"));
}

#[test]
fn a_session_is_ended_by_its_id() {
    let machine = Machine::with_alice();
    let made = create(&machine, &["--name", "script"]);
    let id = made["session"].as_str().expect("an id");
    machine.wait(1);
    machine.done(&["session", "revoke", id]);
    assert_eq!(verdict(&machine, made["token"].as_str().expect("text")), Err(Refusal::Unknown));
    machine.refused(3, &["session", "revoke", id]);
    machine.refused(2, &["session", "revoke", "x"]);
    machine.refused(2, &["session", "revoke"]);
    assert_eq!(machine.json(&["session", "list"]), json!([]));
    let all = machine.json(&["session", "list", "alice", "--all"]);
    assert_eq!(all[0]["end_reason"], "revoked");
    assert_eq!((&all[0]["ended_by"], &all[0]["ended"]), (&json!("cli"), &json!("2023-11-14T22:13:21Z")));
}

#[test]
fn all_sessions_of_a_user_are_ended_and_nobody_elses() {
    let machine = Machine::with_alice();
    machine.done(&["user", "add", "bob", "--password-hash", HASH]);
    let of_alice = create(&machine, &["--name", "a"]);
    let of_bob = machine.json(&["token", "create", "bob", "--name", "b"]);
    machine.done(&["session", "revoke", "--user", "alice"]);
    assert!(verdict(&machine, of_alice["token"].as_str().expect("text")).is_err());
    assert_eq!(verdict(&machine, of_bob["token"].as_str().expect("text")), Ok("bob".to_owned()));
    let left = machine.json(&["session", "list"]);
    assert_eq!(left.as_array().expect("a list").len(), 1);
    assert_eq!(left[0]["username"], "bob");
    machine.refused(3, &["session", "revoke", "--user", "carol"]);
}

#[test]
fn a_listing_is_read_page_by_page() {
    let machine = Machine::with_alice();
    for name in ["first", "second", "third"] {
        create(&machine, &["--name", name]);
        machine.wait(1);
    }
    let page = machine.json(&["session", "list", "--limit", "2"]);
    assert_eq!((&page[0]["name"], &page[1]["name"]), (&json!("third"), &json!("second")));
    let rest = machine.json(&["session", "list", "--before", page[1]["id"].as_str().expect("an id")]);
    assert_eq!((&rest[0]["name"], &rest[1]), (&json!("first"), &json!(null)));
    machine.refused(2, &["session", "list", "--before", "x"]);
    machine.refused(3, &["session", "list", "bob"]);
}

#[test]
fn an_idle_session_is_listed_for_as_long_as_a_check_may_say_yes() {
    let machine = Machine::with_alice();
    create(&machine, &["--name", "script"]);
    // The last use may be written six seconds late.
    let limits = [("KNOXIDE_IDLE_LIMIT", "60s"), ("KNOXIDE_TOUCH_INTERVAL", "6s")];
    for (seconds, live) in [(66, 1), (1, 0)] {
        machine.wait(seconds);
        let listed = machine.run_with(&["--json", "session", "list"], Typist::default(), &limits).json();
        assert_eq!(listed.as_array().expect("a list").len(), live);
        let shown = machine.run_with(&["--json", "user", "show", "alice"], Typist::default(), &limits).json();
        assert_eq!(shown["sessions"].as_array().expect("a list").len(), live);
    }
}

#[test]
fn what_is_over_for_long_enough_is_swept() {
    let machine = Machine::with_alice();
    let made = create(&machine, &["--name", "short", "--ttl", "1h"]);
    machine.wait(3600 + 2 * 86_400);
    // The first time, it is unknown whether the clock is right; an administrator can vouch for it.
    let first = machine.json(&["sweep"]);
    assert_eq!((&first["expired_tokens"], &first["clock_believed"]), (&0.into(), &false.into()));
    assert!(machine.done(&["sweep"]).contains("--trust-clock"));
    assert_eq!(machine.json(&["sweep", "--trust-clock"])["expired_tokens"], 1);
    assert_eq!(verdict(&machine, made["token"].as_str().expect("text")), Err(Refusal::Unknown));
    assert_eq!(machine.json(&["sweep"])["expired_tokens"], 0);
    assert_eq!(machine.done(&["sweep"]), "Swept: 0 tokens, 0 sessions, 0 log rows, 0 audit events.\n");
}

#[test]
fn a_sweep_deletes_by_the_moment_of_the_one_before() {
    let machine = Machine::with_alice();
    create(&machine, &["--name", "short", "--ttl", "1h"]);
    machine.json(&["sweep", "--trust-clock"]);
    for (hours, expired) in [(24, 0), (2, 0), (1, 1)] {
        machine.wait(hours * 3600);
        assert_eq!(machine.json(&["sweep"])["expired_tokens"], expired, "after {hours} h more");
    }
    // A clock that is a month ahead deletes nothing, however often it is used.
    create(&machine, &["--name", "month", "--ttl", "20d"]);
    machine.wait(30 * 86_400);
    for _ in 0..3 {
        let swept = machine.json(&["sweep"]);
        assert_eq!((&swept["expired_tokens"], &swept["clock_believed"]), (&0.into(), &false.into()));
    }
}
