//! Imports from another system.

use serde_json::{Value, json};

use super::revocation::{import_file, token};
use crate::harness::app::on_each_database;
use crate::harness::fixture;
use crate::harness::program::Program;
use crate::harness::wire::{Framing, Request};

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

        // One user for each hash format.
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
        // The import conflicts with existing rows, so nothing changes.
        let again = program.run(&["import", &file]);
        assert_eq!(again.code, Some(4), "{}", again.err);
        let server = program.start();
        let client = &mut server.client();
        for number in (0..tokens).step_by(97) {
            assert_eq!(client.check(&token(number)), 200, "token {number}");
        }
        assert_eq!(client.check(&token(tokens)), 401);
        // New ids follow the imported ones.
        program.add_user("later", "correct-horse-9");
        let later = program.json(&["user", "show", "later"]);
        assert!(later["id"].as_u64() > Some(users as u64), "{later}");
    }

    fn the_admin_of_the_first_start_gives_way_by_the_command_that_is_told(backend) {
        let program = Program::on(backend).with_admin();
        program.start().stop();
        let admin = json!({ "id": 1, "username": "admin", "email": "old@example.org", "is_superuser": true });
        let file = program.write("users.json", &json!({ "format": 1, "users": [admin] }).to_string());
        let refused = program.run(&["import", &file]);
        assert_eq!(refused.code, Some(4), "{}", refused.err);
        let told = refused.err.split('`').find(|part| part.starts_with("knoxide user delete")).expect("a command");
        let words: Vec<&str> = told.split(' ').skip(1).collect();
        let asked = program.run(&words);
        assert!(asked.code == Some(2) && asked.err.contains("use --yes"), "without a terminal: {}", asked.err);
        assert!(refused.err.contains("in a script, with --yes"), "{}", refused.err);
        program.json(&[&words[..], &["--yes"]].concat());
        assert_eq!(program.json(&["import", &file])["users"], 1);
        let log = program.start().stop();
        assert!(!log.contains("first user was created"), "{log}");
        assert_eq!(program.json(&["user", "show", "admin"])["email"], "old@example.org");
        // Without the last option, the command is refused, and the message names the option.
        program.json(&["user", "passwd", "admin", "--password-hash", "bcrypt_sha256$$2b$10$abcdefghijklmnopqrstuuJFAvXeB9BI1oCG6bVYcB5Oy/QCfrR4e"]);
        let last = program.run(&["user", "delete", "admin", "--yes"]);
        assert!(last.code == Some(4) && last.err.contains("--force"), "{}", last.err);
    }

    fn names_and_addresses_by_which_nobody_gets_in_are_listed(backend) {
        let program = Program::on(backend).with_admin();
        let (password, hash) = one_of_the_fixture();
        let user = |id: i64, name: &str, email: &str| {
            json!({ "id": id, "username": name, "email": email, "password_hash": hash })
        };
        let users = json!([
            user(10, " blank", ""), user(11, "one", "same@x.org"), user(12, "two", "same@x.org"),
            user(13, "three", "Same@x.org"), user(14, "spaced", "pad@x.org "), user(15, "plain", "pad@x.org"),
            user(16, "four", "case@x.org"), user(17, "five", "Case@x.org"), user(18, "six", "two@x.org"),
            user(19, "seven", "two@x.org"), user(20, "fine", "fine@x.org"), user(21, "none", ""),
        ]);
        let file = program.write("users.json", &json!({ "format": 1, "users": users }).to_string());
        let report = program.json(&["import", &file]);
        let ids = |list: &str| -> Vec<i64> {
            report[list].as_array().expect("a list").iter().map(|user| user["id"].as_i64().expect("a number")).collect()
        };
        assert_eq!((ids("unreachable"), ids("unreachable_emails")), (vec![10], vec![14]));
        let shared = |email: &str, numbers: [i64; 4]| {
            let [users, spellings, first, last] = numbers;
            json!({ "email": email, "users": users, "spellings": spellings, "first": first, "last": last })
        };
        let shared = [
            shared("case@x.org", [2, 2, 16, 17]), shared("same@x.org", [3, 2, 11, 13]), shared("two@x.org", [2, 1, 18, 19]),
        ];
        assert_eq!(report["shared_emails"], json!(shared));

        let findings: Value = serde_json::from_str(&program.run(&["--json", "doctor"]).out).expect("JSON");
        let facts = |weight: &str, subject: &str| -> Vec<String> {
            let findings = findings.as_array().expect("a list").iter();
            let found = findings.filter(|finding| finding["weight"] == weight && finding["subject"] == subject);
            found.map(|finding| finding["fact"].as_str().expect("a fact").to_owned()).collect()
        };
        let of_names = "1 users cannot log in by name, since it is empty, or has white space at its ends: id:10 \" blank\"";
        assert_eq!(facts("wrong", "names"), [of_names]);
        let blanks = "1 users cannot log in by e-mail, since the address has white space at its ends: id:14 \"pad@x.org \"";
        let alike = "2 users, such as id:16 and id:17, have e-mail addresses that differ in letter case alone: case@x.org; \
                     3 users, such as id:11 and id:13, have e-mail addresses that differ in letter case alone, in 2 \
                     spellings; those who share one cannot log in by it: same@x.org; \
                     2 users, such as id:18 and id:19, have the same e-mail address, by which they cannot log in: two@x.org";
        assert_eq!(facts("advice", "e-mail addresses"), [blanks, alike]);

        // All of these reports are accurate.
        let server = program.start();
        let client = &mut server.client();
        let mut login = |email: &str| {
            let body = json!({ "email": email, "password": password }).to_string();
            let request = Request::new("POST", "/api/token/").header("Content-Type", "application/json");
            client.ask(&request.body(body, Framing::Length)).status
        };
        for (email, status) in [
            ("same@x.org", 401), ("Same@x.org", 200), ("two@x.org", 401), ("case@x.org", 200), ("Case@x.org", 200),
            ("pad@x.org", 200), ("fine@x.org", 200),
        ] {
            assert_eq!(login(email), status, "{email}");
        }
        program.json(&["user", "delete", "plain", "--yes"]);
        assert_eq!([login("pad@x.org"), login("pad@x.org ")], [401, 401]);
        assert_eq!(server.client().try_login(" blank", &password).status, 400);
    }
}

/// A password that is quickly verified, and its hash.
fn one_of_the_fixture() -> (String, String) {
    let world: Value =
        serde_json::from_str(&std::fs::read_to_string(fixture::users_file()).expect("a fixture")).expect("JSON");
    let users = world["users"].as_array().expect("a list of users");
    let text = |user: &Value, name: &str| user[name].as_str().unwrap_or_default().to_owned();
    let quick = users.iter().find(|user| text(user, "password_hash").starts_with("md5$")).expect("a hash of MD5");
    (text(quick, "password"), text(quick, "password_hash"))
}
