use serde_json::json;

use super::{HASH, Machine, Ran, Typist};
use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::session::SessionId;
use crate::domain::time::Clock as _;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Epoch, UserId};
use crate::store::{NewSession, NewToken, Opening};

/// A login of alice from this address, one second after the one before.
fn log_in(machine: &Machine, number: u8, address: &str, device: &str) -> String {
    machine.wait(1);
    let at = machine.clock.now();
    let origin = Origin { address: address.parse().ok(), user_agent: Some(device.to_owned()), request_id: None };
    let digest = TokenDigest::from_bytes([number; 64]);
    let new = NewSession {
        id: SessionId::new(at, &[number; 10]),
        user: UserId(1),
        epoch: Epoch(0),
        kind: Dialect::Knox.into(),
        name: None,
        tokens: vec![NewToken { digest, kind: TokenKind::Access, expires: None, key: None }],
        limit: None,
        network: None,
        with_event: true,
        audit: AuditContext { event: Event::Login, actor: Actor::User(UserId(1)), origin, at, detail: None },
    };
    assert_eq!(machine.connection().open_session(&new), Ok(Opening::Opened));
    new.id.to_string()
}

/// Three logins, the ids of which are returned.
fn three(machine: &Machine) -> [String; 3] {
    [(1, "192.0.2.7", "curl/8"), (2, "192.0.2.71", "Firefox"), (3, "2001:db8::1", "Firefox")]
        .map(|(number, address, device)| log_in(machine, number, address, device))
}

fn listed(machine: &Machine, arguments: &[&str]) -> Vec<String> {
    let sessions = machine.json(&[&["session", "list"], arguments].concat());
    let entries = sessions.as_array().expect("a list");
    entries.iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect()
}

fn asked(machine: &Machine, answer: &'static str, arguments: &[&str]) -> Ran {
    machine.run_with(arguments, Typist { lines: vec![answer], input: "" }, &[])
}

#[test]
fn sessions_are_listed_by_conditions() {
    let machine = Machine::with_alice();
    let [one, two, three] = three(&machine);
    assert_eq!(listed(&machine, &["--address", "192.0.2.0/24"]), [two.clone(), one.clone()]);
    assert_eq!(listed(&machine, &["--address", "192.0.2.200/24"]), [two.clone(), one.clone()], "the rest is ignored");
    assert_eq!(listed(&machine, &["--address", "::ffff:192.0.2.7"]), std::slice::from_ref(&one));
    assert_eq!(
        listed(&machine, &["alice", "--device", "FIRE", "--address", "192.0.2.0/24"]),
        std::slice::from_ref(&two)
    );
    assert_eq!(listed(&machine, &["--since", "2023-11-14T22:13:22Z"]), [three.clone(), two.clone()]);
    assert_eq!(listed(&machine, &["--before", "2023-11-14T22:13:22Z"]), std::slice::from_ref(&one));
    assert_eq!(listed(&machine, &["--before", &two]), std::slice::from_ref(&one));
    assert_eq!(listed(&machine, &["--unused-since", "2023-11-15"]), [three, two, one]);
    assert_eq!(listed(&machine, &["--dialect", "djoser"]), Vec::<String>::new());
    assert!(machine.refused(2, &["session", "list", "--dialect", "knocks"]).contains("drf_jwt"));
    assert!(machine.refused(2, &["session", "list", "--address", "alice"]).contains("192.0.2.0/24"));
    assert!(machine.refused(2, &["session", "list", "--since", "now"]).contains("2026-11-26T12:00:00Z"));
    assert!(machine.refused(2, &["session", "list", "--before", "now"]).contains("nor the id of a session"));
}

#[test]
fn a_dry_run_counts_and_shows_and_ends_nothing() {
    let machine = Machine::with_alice();
    let [one, two, three] = three(&machine);
    let arguments = ["session", "revoke", "--address", "192.0.2.0/24", "--dry-run"];
    let found = machine.json(&arguments);
    assert_eq!((&found["count"], &found["moment"]), (&json!(2), &json!("2023-11-14T22:13:23Z")));
    assert_eq!((&found["sample"][0]["id"], &found["sample"][1]["id"]), (&json!(two), &json!(one)));
    let text = machine.done(&arguments);
    assert!(text.starts_with("2 sessions would end. The newest:\n") && text.contains(&two), "{text}");
    assert_eq!(machine.done(&["session", "revoke", "--name", "x", "--dry-run"]), "0 sessions would end.\n");
    let of_user = machine.json(&["session", "revoke", "--user", "alice", "--dry-run"]);
    assert_eq!(of_user["count"], 3);
    assert_eq!(listed(&machine, &[]), [three, two, one]);
}

#[test]
fn a_filtered_set_ends_after_a_confirmation() {
    let machine = Machine::with_alice();
    let [one, two, three] = three(&machine);
    let by_device = ["session", "revoke", "--user", "alice", "--device", "firefox"];
    assert!(machine.refused(2, &by_device).contains("use --yes"), "there is no terminal");
    let refused = asked(&machine, "no", &by_device);
    assert_eq!((refused.code, refused.err.as_str()), (4, "knoxide: no session was ended\n"));
    assert_eq!(listed(&machine, &[]).len(), 3);
    assert_eq!(asked(&machine, "yes", &by_device).out, "2 sessions are ended.\n");
    assert_eq!(listed(&machine, &[]), [one]);
    let all = machine.json(&["session", "list", "--all", "--device", "firefox"]);
    for (index, id) in [three, two].iter().enumerate() {
        assert_eq!((&all[index]["id"], &all[index]["end_reason"]), (&json!(id), &json!("revoked")));
    }
    let of_address = ["session", "revoke", "--address", "192.0.2.7", "--before", "2023-11-15"];
    assert_eq!(machine.json(&[&of_address[..], &["--yes"]].concat())["ended"], 1);
    // No session is left, so there is no question.
    assert_eq!(machine.done(&of_address), "0 sessions are ended.\n");
}

#[test]
fn all_sessions_or_all_before_a_time_end_after_a_confirmation() {
    let machine = Machine::with_alice();
    let [_, two, three] = three(&machine);
    let before = ["session", "revoke", "--before", "2023-11-14T22:13:22Z"];
    assert!(machine.refused(2, &before).contains("use --yes"));
    assert_eq!(asked(&machine, "no", &before).code, 4);
    assert_eq!(machine.json(&[&before[..], &["--dry-run"]].concat())["count"], 1);
    assert_eq!(listed(&machine, &[]).len(), 3);
    let ended = asked(&machine, "yes", &before);
    assert_eq!(ended.out, "All sessions that were opened before 2023-11-14T22:13:22Z are ended.\n");
    assert_eq!(listed(&machine, &[]), [three, two]);
    assert!(machine.refused(2, &["session", "revoke", "--all"]).contains("use --yes"));
    assert_eq!(machine.json(&["session", "revoke", "--all", "--dry-run"])["count"], 2);
    assert_eq!(machine.json(&["session", "revoke", "--all", "--yes"]), json!({ "all": true }));
    assert_eq!(listed(&machine, &[]), Vec::<String>::new());
    for condition in [["--user", "alice"], ["--before", "2023-11-15"], ["--device", "x"]] {
        machine.refused(2, &[&["session", "revoke", "--all", "--yes"][..], &condition].concat());
    }
}

#[test]
fn an_id_and_conditions_exclude_each_other() {
    let machine = Machine::with_alice();
    let [one, ..] = three(&machine);
    for also in [&["--device", "x"][..], &["--dry-run"], &["--user", "alice"], &["--before", "2023-11-15"], &["--all"]]
    {
        machine.refused(2, &[&["session", "revoke", &one], also].concat());
    }
    machine.refused(2, &["session", "revoke", "--yes"]);
    machine.refused(2, &["session", "revoke", "--device", ""]);
    machine.refused(3, &["session", "revoke", "--user", "carol", "--device", "x"]);
    assert_eq!(listed(&machine, &[]).len(), 3);
}

#[test]
fn users_are_listed_by_conditions() {
    let machine = Machine::with_alice();
    machine.done(&["user", "add", "Alicia", "--email", "B@example.org", "--staff", "--password-hash", HASH]);
    machine.done(&["user", "add", "bob", "--inactive", "--password-hash", HASH]);
    for (arguments, expected) in [
        (&["--begins", "ali"][..], json!(["alice", "Alicia"])),
        (&["--begins", "ali", "--staff", "yes"], json!(["Alicia"])),
        (&["--email", "b@EXAMPLE.org"], json!(["Alicia"])),
        (&["--active", "no"], json!(["bob"])),
        (&["--active", "yes", "--staff", "no"], json!(["alice"])),
    ] {
        let users = machine.json(&[&["user", "list"], arguments].concat());
        let names: Vec<_> = users.as_array().expect("a list").iter().map(|user| user["username"].clone()).collect();
        assert_eq!(json!(names), expected, "{arguments:?}");
    }
}
