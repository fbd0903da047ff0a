use serde_json::json;

use super::{HASH, Machine};
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
fn files_that_cannot_be_read_are_refused() {
    let machine = Machine::new();
    machine.refused(3, &["import", "/nowhere/users.json"]);
    let complaint = machine.refused(1, &["import", &file(&machine, &json!({ "hunter2": "hunter2" }))]);
    assert!(complaint.contains("users.json") && !complaint.contains("hunter2"), "{complaint}");
}
