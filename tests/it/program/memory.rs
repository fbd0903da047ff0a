//! Password hashes that need more memory than is available.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::harness::app::{Backend, Client};
use crate::harness::program::{PASSWORD, Program, Running};

/// `scrypt` over 240 MiB, within the bounds.
fn scrypt_hash(password: &str) -> String {
    let params = scrypt::Params::new(17, 15, 1).expect("costs");
    let mut digest = [0; 64];
    scrypt::scrypt(password.as_bytes(), b"salt", &params, &mut digest).expect("a digest");
    format!("scrypt$131072$salt$15$1${}", STANDARD.encode(digest))
}

/// `argon2id` over 240 MiB, within the bounds.
fn argon2_hash(password: &str) -> String {
    let params = argon2::Params::new(240 << 10, 1, 1, Some(32)).expect("costs");
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut digest = [0; 32];
    argon2.hash_password_into(password.as_bytes(), b"somesalt", &mut digest).expect("a digest");
    let [salt, digest] = [b"somesalt".as_slice(), &digest].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    format!("argon2$argon2id$v=19$m=245760,t=1,p=1${salt}${digest}")
}

/// Limits the server to this many more bytes of address space; `None`: no limit.
fn limit_memory(server: &Running, more: Option<u64>) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("its size");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB"));
    let size: u64 = size.and_then(|text| text.trim().parse().ok()).expect("a number of KiB");
    let current = more.map(|more| (size << 10) + more);
    let pid = Pid::from_raw(server.id() as i32);
    prlimit(pid, Resource::As, Rlimit { current, maximum: None }).expect("a limit");
}

/// Logs in, and waits as long as that takes on a busy machine.
fn log_in(server: &Running, name: &str, password: &str) -> u16 {
    let mut client = server.client();
    client.try_login(name, password).status
}

fn with_users() -> (Program, Vec<&'static str>) {
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_CACHE_TOKENS", "1000");
    let users = json!([
        { "id": 11, "username": "scrypt", "password_hash": scrypt_hash(PASSWORD) },
        { "id": 12, "username": "argon2", "password_hash": argon2_hash(PASSWORD) },
    ]);
    let file = program.write("users.json", &json!({ "format": 1, "users": users }).to_string());
    program.json(&["import", &file]);
    program.add_user("bob", PASSWORD);
    (program, vec!["scrypt", "argon2"])
}

#[test]
fn too_little_memory_for_a_hash_is_503_and_nobody_elses_trouble() {
    let (program, names) = with_users();
    let server = program.start();
    let client: &mut Client = &mut server.client();
    let token = client.login("bob", PASSWORD);
    limit_memory(&server, Some(120 << 20));
    for name in &names {
        for password in [PASSWORD, "another one"] {
            let reply = server.client().try_login(name, password);
            assert_eq!(reply.status, 503, "{name}: {}", reply.text());
            assert!(reply.header("retry-after").is_some(), "{name}");
        }
    }
    // Several logins at once must not count on the same memory.
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn({
                    let server = &server;
                    let name = names[number % 2];
                    move || log_in(server, name, PASSWORD)
                })
            })
            .collect();
        for asked in asked {
            assert_eq!(asked.join().expect("a reply"), 503);
        }
    });
    assert_eq!(client.check(&token), 200);
    assert_eq!(log_in(&server, "bob", PASSWORD), 200);
    server.wait_for("too little memory to verify");
    limit_memory(&server, None);
    for name in &names {
        assert_eq!(log_in(&server, name, "another one"), 400, "{name}");
        assert_eq!(log_in(&server, name, PASSWORD), 200, "{name}");
        // From then on, the hash is one that Knoxide made.
        assert_eq!(log_in(&server, name, PASSWORD), 200, "{name}");
    }
    let log = server.stop();
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
fn hashes_beyond_the_bounds_are_refused_and_named_once() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let data = "abcdefghijklmnopqrstuuJFAvXeB9BI1oCG6bVYcB5Oy/QCfrR4e";
    let users = json!([
        { "id": 21, "username": "bcrypt", "password_hash": format!("bcrypt_sha256$$2b$20${data}") },
        { "id": 22, "username": "scrypt", "password_hash": scrypt_hash(PASSWORD).replace("$131072$", "$262144$") },
        { "id": 23, "username": "argon2", "password_hash": argon2_hash(PASSWORD).replace("m=245760", "m=1048576") },
    ]);
    let file = program.write("users.json", &json!({ "format": 1, "users": users }).to_string());
    let report = program.json(&["import", &file]);
    let listed: Vec<&str> =
        report["unverifiable"].as_array().expect("a list").iter().filter_map(|one| one["username"].as_str()).collect();
    assert_eq!(listed, ["bcrypt", "scrypt", "argon2"]);
    let doctor = program.run(&["doctor"]);
    assert_eq!(doctor.code, Some(1));
    assert!(listed.iter().all(|name| doctor.out.contains(name)), "{}", doctor.out);

    let server = program.start();
    let begun = std::time::Instant::now();
    for name in &listed {
        for _ in 0..3 {
            assert_eq!(log_in(&server, name, PASSWORD), 400, "{name}");
        }
    }
    // One bcrypt hash of cost 20 takes a minute.
    assert!(begun.elapsed() < Duration::from_secs(40));
    let log = server.stop();
    for user in ["user=21", "user=22", "user=23"] {
        let lines = log.lines().filter(|line| line.contains(user) && line.contains("no password can log this user in"));
        assert_eq!(lines.count(), 1, "{user}: {log}");
    }
}
