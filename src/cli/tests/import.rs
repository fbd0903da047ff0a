use serde_json::json;

use super::{HASH, Machine, Typist};
use crate::domain::token::Token;
use crate::domain::user::UserId;

/// Writes a file to import, and returns its path.
fn file(machine: &Machine, data: &serde_json::Value) -> String {
    let path = machine.folder.path().join("users.json");
    std::fs::write(&path, data.to_string()).expect("a file");
    path.display().to_string()
}

fn data() -> serde_json::Value {
    let digest = |text: &str| hex::encode(Token::parse(text.as_bytes()).expect("a token").digest().as_bytes());
    json!({
        "format": 1,
        "users": [
            { "id": 7, "username": "carol", "email": "c@example.org", "password_hash": HASH, "is_active": true },
            { "id": 8, "username": "Carol", "email": "", "password_hash": "rot13$x", "is_active": false },
            { "id": 9, "username": "gone", "email": "", "password_hash": HASH, "is_active": true, "deleted": true },
        ],
        "knox_tokens": [
            { "user": "carol", "digest": digest("one"), "created": "2023-01-01T00:00:00Z", "expiry": null },
            { "user": "Carol", "digest": digest("two"), "created": "2023-01-01T00:00:00Z", "expiry": null },
        ],
    })
}

#[test]
fn users_and_tokens_are_taken_over() {
    let machine = Machine::new();
    machine.done(&["migrate"]);
    let report = machine.json(&["import", &file(&machine, &data())]);
    assert_eq!((&report["users"], &report["tokens"], &report["ended"]), (&json!(2), &json!(2), &json!(1)));
    assert_eq!(report["lookalikes"][0].as_array().map(Vec::len), Some(2));
    assert_eq!(report["unverifiable"][0]["username"], "Carol");
    let carol = machine.connection().find_account_by_id(UserId(7)).expect("an answer").expect("carol");
    assert_eq!((carol.user.username.as_str(), carol.password.expose()), ("carol", HASH));
    assert_eq!(machine.json(&["session", "list"]).as_array().map(Vec::len), Some(1));
    machine.done(&["user", "add", "dave", "--password-hash", "!"]);
    assert_eq!(machine.json(&["user", "show", "dave"])["id"], 9, "the next number is free");
}

#[test]
fn users_who_cannot_log_in_by_name_or_address_are_listed() {
    let machine = Machine::with_alice();
    let user = |id: i64, name: &str, email: &str| json!({ "id": id, "username": name, "email": email });
    let data = json!({ "format": 1, "users": [
        user(10, " blank", "A@EXAMPLE.org"), user(11, "", ""), user(12, "tab\t", "two@x.org"),
        user(13, "\u{1f}", "two@x.org"), user(14, "fine", "three@x.org"), user(15, "in side", ""),
    ]});
    let path = file(&machine, &data);
    let report = machine.json(&["import", &path]);
    let ids: Vec<_> = report["unreachable"].as_array().expect("a list").iter().map(|user| user["id"].clone()).collect();
    assert_eq!(ids, [10, 11, 12, 13]);
    let shared = |email: &str, spellings: i64, first: i64, last: i64| json!({ "email": email, "users": 2, "spellings": spellings, "first": first, "last": last });
    assert_eq!(report["shared_emails"], json!([shared("a@example.org", 2, 1, 10), shared("two@x.org", 1, 12, 13)]));
    machine.done(&["user", "delete", "id:1", "--yes"]);
    for id in 10..=15 {
        machine.done(&["user", "delete", &format!("id:{id}"), "--yes"]);
    }
    let text = machine.done(&["import", &path]);
    assert!(text.contains("user rename id:11") && text.contains("cannot log in: two@x.org"), "{text}");
    assert!(!text.contains("a@example.org") && !text.contains("fine"), "{text}");
}

#[test]
fn the_cure_for_an_admin_of_the_first_start_is_told() {
    let machine = Machine::new();
    // As the first start of a server creates it.
    let first = ["user", "add", "admin", "--staff", "--admin", "--password-hash", HASH];
    let cure = ["user", "delete", "admin", "--force", "--yes"];
    machine.done(&first);
    for (id, name, is_told) in [(1, "admin", true), (1, "root", true), (5, "admin", true), (5, "root", false)] {
        let data = json!({ "format": 1, "users": [{ "id": id, "username": name }, { "id": 5, "username": "zoe" }] });
        let ran = machine.run(&["import", &file(&machine, &data)]);
        assert_eq!(
            (ran.code, ran.err.contains("knoxide user delete admin --force")),
            (4, is_told),
            "{id} {name}: {}",
            ran.err
        );
    }
    machine.done(&cure);
    let data = json!({ "format": 1, "users": [{ "id": 1, "username": "admin" }] });
    machine.done(&["import", &file(&machine, &data)]);
    // Other conflicts do not get this advice.
    machine.done(&cure);
    machine.done(&["user", "add", "bob", "--password-hash", HASH]);
    let bob = machine.json(&["user", "show", "bob"])["id"].clone();
    let data = json!({ "format": 1, "users": [{ "id": bob, "username": "admin" }] });
    assert!(!machine.refused(4, &["import", &file(&machine, &data)]).contains("delete admin"));
}

#[test]
fn clashes_are_all_listed_and_nothing_changes() {
    let machine = Machine::new();
    let path = file(&machine, &data());
    machine.done(&["import", &path]);
    let complaint = machine.refused(4, &["import", &path]);
    assert!(complaint.contains("nothing was imported"), "{complaint}");
    assert!(complaint.lines().count() >= 5, "two numbers, two names, two tokens: {complaint}");
    assert_eq!(machine.json(&["user", "list"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn standard_input_is_read() {
    let machine = Machine::new();
    let input = "\u{feff}{\"format\": 1, \"users\": [{\"id\": 3, \"username\": \"alice\"}]}";
    let ran = machine.run_with(&["import", "-"], Typist { lines: Vec::new(), input }, &[]);
    assert_eq!((ran.code, ran.err.lines().count()), (0, 1), "the new database alone is mentioned: {}", ran.err);
    assert_eq!(machine.json(&["user", "show", "alice"])["id"], 3);
    let ran = machine.run_with(&["import", "-"], Typist { lines: Vec::new(), input: "[]" }, &[]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("standard input: this is a JSON list") && ran.err.contains("docs/contract.md"),
        "{}",
        ran.err
    );
}

#[test]
fn files_that_cannot_be_read_are_refused() {
    let machine = Machine::new();
    machine.refused(3, &["import", "/nowhere/users.json"]);
    let complaint = machine.refused(1, &["import", &file(&machine, &json!({ "hunter2": "hunter2" }))]);
    assert!(complaint.contains("users.json") && !complaint.contains("hunter2"), "{complaint}");
}
