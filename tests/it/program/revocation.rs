//! The running server refuses sessions that the command line has ended, from the very next check.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use crate::harness::app::on_each_database;
use crate::harness::program::Program;

/// How often each way of ending is tried.
const TIMES: usize = 50;

/// The text of token number `number`.
pub(super) fn token(number: usize) -> String {
    format!("{number:040x}")
}

/// The stored digest of a token, as hex digits.
pub(super) fn digest(token: &str) -> String {
    hex::encode(Sha512::digest(token))
}

/// A file to import: this many users `user1`, `user2`, …, and for each of `tokens` the user's number.
pub(super) fn import_file(users: usize, tokens: impl Iterator<Item = usize>) -> String {
    let user = |number| json!({ "id": number, "username": format!("user{number}"), "password_hash": "!" });
    let token = |(number, user)| {
        let digest = digest(&token(number));
        json!({ "user": format!("user{user}"), "digest": digest, "created": "2024-01-02T03:04:05Z", "expiry": null })
    };
    let users: Vec<Value> = (1..=users).map(user).collect();
    let tokens: Vec<Value> = tokens.enumerate().map(token).collect();
    json!({ "format": 1, "users": users, "knox_tokens": tokens }).to_string()
}

on_each_database! {
    fn a_command_is_seen_by_the_next_check(backend) {
        let program = Program::on(backend).with_admin();
        // One user with many sessions, and for each of the other ways one user per attempt.
        let users = 1 + 3 * TIMES;
        let of_first = std::iter::repeat_n(1, TIMES);
        let file = program.write("users.json", &import_file(users, of_first.chain(2..=users)));
        program.json(&["import", &file]);
        let server = program.start();
        let client = &mut server.client();
        let sessions = program.json(&["session", "list", "user1"]);
        let sessions = sessions.as_array().expect("a list").iter();
        let sessions: Vec<_> = sessions.map(|session| session["id"].as_str().expect("an id").to_owned()).collect();
        assert_eq!(sessions.len(), TIMES);
        let mut alive: Vec<usize> = (0..TIMES).collect();
        for session in &sessions {
            assert_eq!(program.run(&["session", "revoke", session]).code, Some(0));
            // Which of the tokens it was is unknown, but there must be exactly one fewer.
            let before = alive.len();
            alive.retain(|number| client.check(&token(*number)) == 200);
            assert_eq!(alive.len(), before - 1);
        }
        for number in 0..TIMES {
            let user = |way: usize| format!("user{}", 2 + way * TIMES + number);
            let commands: [&[&str]; 3] = [
                &["user", "deactivate", &user(0)],
                &["user", "passwd", &user(1), "--password-hash", "!"],
                &["user", "delete", "--yes", &user(2)],
            ];
            for (way, command) in commands.into_iter().enumerate() {
                let token = token(TIMES + way * TIMES + number);
                assert_eq!(client.check(&token), 200, "{command:?}");
                assert_eq!(program.run(command).code, Some(0), "{command:?}");
                assert_eq!(client.check(&token), 401, "{command:?}");
            }
        }
    }
}
