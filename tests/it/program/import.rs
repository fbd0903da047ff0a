//! Imports from another system.

use serde_json::Value;

use super::revocation::{import_file, token};
use crate::harness::app::on_each_database;
use crate::harness::fixture;
use crate::harness::program::Program;

on_each_database! {
    fn everybody_of_the_fixture_gets_in(backend) {
        let program = Program::on(backend).with_admin();
        let path = fixture::users_file().display().to_string();
        let world: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).expect("a fixture")).expect("a fixture of JSON");
        let users = world["users"].as_array().expect("a list of users");
        let kept = users.iter().filter(|user| user["deleted"] != true).count();
        assert_eq!(program.json(&["import", &path])["users"], kept);
        let server = program.start();
        let client = &mut server.client();

        // Each format of hash once.
        let mut formats: Vec<&str> = Vec::new();
        for user in users {
            let text = |name: &str| user[name].as_str().unwrap_or_default();
            let format = text("password_hash").split('$').next().unwrap_or_default();
            let named_for_it = text("username").starts_with("h_");
            if named_for_it || !formats.contains(&format) && user["is_active"] == true && !format.starts_with('!') {
                formats.push(format);
                let token = client.login(text("username"), text("password"));
                assert_eq!(client.check(&token), 200, "{user}");
                assert_eq!(client.try_login(text("username"), "another one").status, 400, "{user}");
            }
        }
        formats.sort_unstable();
        formats.dedup();
        let all = ["argon2", "bcrypt", "bcrypt_sha256", "md5", "pbkdf2_sha1", "pbkdf2_sha256", "scrypt"];
        assert_eq!(formats, all);

        for token in world["knox_tokens"].as_array().expect("a list of tokens") {
            let label = token["label"].as_str().expect("a label");
            let live = label.ends_with("-live") || label.ends_with("-future-expiry");
            let status = client.check(token["token"].as_str().expect("a token"));
            assert_eq!(status, if live { 200 } else { 401 }, "{label}");
        }
    }

    fn thousands_of_tokens(backend) {
        let program = Program::on(backend).with_admin();
        let (users, tokens) = (100, 3000);
        let file = program.write("users.json", &import_file(users, (0..tokens).map(|number| 1 + number % users)));
        let report = program.json(&["import", &file]);
        assert_eq!((&report["users"], &report["tokens"]), (&users.into(), &tokens.into()));
        // It conflicts with existing rows, and then nothing changes.
        let again = program.run(&["import", &file]);
        assert_eq!(again.code, Some(4), "{}", again.err);
        let server = program.start();
        let client = &mut server.client();
        for number in (0..tokens).step_by(97) {
            assert_eq!(client.check(&token(number)), 200, "token {number}");
        }
        assert_eq!(client.check(&token(tokens)), 401);
        // New numbers come after the imported ones.
        program.add_user("later", "correct-horse-9");
        let later = program.json(&["user", "show", "later"]);
        assert!(later["id"].as_u64() > Some(users as u64), "{later}");
    }
}
