//! Commands and requests that carry secrets, right and wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::MARK;
use super::canaries::Canaries;
use crate::harness::program::{Done, PASSWORD, Program, Running};
use crate::harness::wire::{Framing, Reply, Request};
use crate::program::revocation::digest;
use crate::program::{login_request, token_in, token_of};

/// The program with its log at the highest level, and its secrets in files.
pub(super) fn with_secret_files(program: Program, folder: &Path, canaries: &mut Canaries) -> Program {
    let admin = secret_file(folder, "admin", &canaries.password());
    let program = program.set("KNOXIDE_LOG", "trace").set("KNOXIDE_ADMIN_PASSWORD_FILE", &admin);
    // Short time-outs for bytes that never arrive.
    let program = program.set("KNOXIDE_READ_TIMEOUT", "100ms");
    let url = program.environment().find(|(name, _)| *name == "DATABASE_URL").map(|(_, url)| url.to_owned());
    match url {
        None => program,
        Some(url) => {
            let url = url.replacen("postgres@", &format!("postgres:{}@", canaries.password()), 1);
            let file = secret_file(folder, "url", &url);
            program.unset("DATABASE_URL").set("DATABASE_URL_FILE", &file)
        }
    }
}

fn secret_file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("a written file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a changed mode");
    path.display().to_string()
}

/// Commands that take or create secrets. Returns what they printed, except the one reply that shows a token.
pub(super) fn of_commands(program: &Program, folder: &Path, canaries: &mut Canaries) -> String {
    let mut printed = String::new();
    let mut note = |done: Done, code: i32| {
        assert_eq!(done.code, Some(code), "{}{}", done.out, done.err);
        printed.push_str(&done.out);
        printed.push_str(&done.err);
    };
    note(program.run_with(&["user", "add", MARK, "--password-stdin"], PASSWORD), 0);
    let file = secret_file(folder, "carol", &canaries.password());
    note(program.run(&["user", "add", "carol", "--password-file", &file]), 0);
    note(program.run_with(&["user", "passwd", "carol", "--password-stdin"], &canaries.password()), 0);
    let done = program.run(&["--json", "token", "create", "carol", "--name", "backup"]);
    let token = token_in(&done.out);
    canaries.issued(&token);
    assert_eq!((done.code, done.out.matches(&token).count()), (Some(0), 1));
    note(Done { out: String::new(), ..done }, 0);

    // Plain passwords in an import are never read, and what cannot be imported is not repeated.
    let (password, token) = (canaries.password(), canaries.token());
    let user = json!({ "id": 900, "username": "dora", "password": password, "password_hash": "!" });
    let imported = json!({ "user": "dora", "token": token, "token_key": &token[..15], "digest": digest(&token),
                           "created": "2024-01-02T03:04:05Z", "expiry": null });
    let good = json!({ "format": 1, "users": [user], "knox_tokens": [imported] }).to_string();
    let file = secret_file(folder, "import.json", &good);
    note(program.run(&["import", &file]), 0);
    note(program.run(&["import", &file]), 4);
    let wrong_type = good.replace("\"dora\"", &format!("[\"{password}\"]"));
    let no_digest = good.replace(&digest(&token), &token);
    for bad in [&good[..good.len() - 9], &wrong_type, &no_digest, &password] {
        note(program.run(&["import", &secret_file(folder, "import.json", bad)]), 1);
    }

    // Mistakes in settings are reported without their values.
    for (name, value) in [
        ("KNOXIDE_ADMIN_PASSWORD", canaries.password()[..7].to_owned()),
        ("DATABASE_URL", format!("mysql://knoxide:{}@db/knoxide", canaries.password())),
        ("DATABASE_URL", format!("postgres://knoxide:{}@db.example.org/x", canaries.password())),
    ] {
        // A program with TLS could try to connect here.
        if cfg!(feature = "postgres-tls") && value.contains("db.example.org") {
            continue;
        }
        let program = Program::bare().set("KNOXIDE_LOG", "trace").set(name, &value);
        note(program.run(&["serve"]), 2);
        note(program.run(&["doctor"]), 1);
    }
    let program = Program::bare();
    program.write(".env", &format!("KNOXIDE_ADMIN_PASSWORD='{}\n", canaries.password()));
    note(program.run(&["migrate"]), 2);
    for command in [&["user", "list"][..], &["session", "list", "--all"], &["user", "show", "carol"], &["doctor"]] {
        // Some of these report errors, which serves the test just as well.
        let done = program.run(command);
        printed.push_str(&done.out);
        printed.push_str(&done.err);
    }
    printed
}

/// What the program prints when there is no database at this URL, or when this is no URL.
pub(super) fn of_no_database(url: &str, code: i32) -> String {
    let done = Program::bare().set("KNOXIDE_LOG", "trace").set("DATABASE_URL", url).run(&["serve"]);
    assert_eq!(done.code, Some(code), "{}", done.err);
    done.err
}

/// Requests with secrets wherever a client can put them. Returns all replies except those that show a new token.
pub(super) fn of_requests(server: &Running, canaries: &mut Canaries) -> Vec<u8> {
    let mut replies = Vec::new();
    let mut ask = |request: &Request| {
        let reply = server.wire().ask(request).expect("a reply");
        replies.extend(record(&reply));
        reply.status
    };
    let mut live = logins(server, canaries);
    refused_logins(canaries, &mut ask);
    for (token, status) in [(canaries.token(), 401), (live[0].clone(), 200)] {
        for shown in [token.clone(), token.to_uppercase()] {
            let is_live = status == 200 && shown == token;
            let status = if is_live { 200 } else { 401 };
            assert_eq!(
                ask(&Request::new("GET", "/auth/user/").header("Authorization", format!("Token {shown}"))),
                status
            );
        }
        for keyword in ["Bearer", "Basic", "JWT", "Token ", "Token x"] {
            ask(&Request::new("GET", "/auth/user/").header("Authorization", format!("{keyword} {token}")));
        }
        for path in
            ["/{}", "/auth/user/{}", "/auth/user/?token={}", "/auth/user/?format={}", "//{}/../%2e?{}#{}", "/{}%"]
        {
            ask(&Request::new("GET", &path.replace("{}", &token)));
        }
        for name in
            ["Cookie", "X-Forwarded-For", "Forwarded", "Accept", "Host", "Expect", "Upgrade", "Referer", "X-Token"]
        {
            let request = Request::new("GET", "/auth/user/").header(name, token.clone());
            ask(&request.header("Authorization", format!("Token {token}")));
        }
    }
    odd_logins(server, &canaries.password());
    of_services(canaries, &live[0], &mut ask);
    let token = live.pop().expect("a token");
    for path in ["/auth/logout/", "/auth/logout/", "/auth/logoutall/"] {
        for token in [&token, &live[0]] {
            let request = Request::new("POST", path).header("Authorization", format!("Token {token}"));
            ask(&request.body("", Framing::Length));
        }
    }
    broken_requests(server, canaries, &live[0], &mut replies);
    replies
}

pub(super) fn record(reply: &Reply) -> Vec<u8> {
    let mut record = format!("{} {:?}\n", reply.status, reply.headers).into_bytes();
    record.extend(&reply.body);
    record.push(b'\n');
    record
}

fn form(name: &str, password: &str) -> Request {
    Request::new("POST", "/auth/login/")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(format!("username={name}&password={password}"), Framing::Length)
}

fn multipart(name: &str, password: &str) -> Request {
    let part = |field: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n")
    };
    let body = format!("{}{}--b--\r\n", part("username", name), part("password", password));
    Request::new("POST", "/auth/login/")
        .header("Content-Type", "multipart/form-data; boundary=b")
        .body(body, Framing::Chunked(7))
}

/// Logs in with each form of body, and returns the tokens.
fn logins(server: &Running, canaries: &mut Canaries) -> Vec<String> {
    let forms: [fn(&str, &str) -> Request; 3] = [login_request, form, multipart];
    let tokens = forms.map(|form| token_of(&server.wire().ask(&form(MARK, PASSWORD)).expect("a reply")));
    tokens.iter().for_each(|token| canaries.issued(token));
    tokens.to_vec()
}

fn refused_logins(canaries: &mut Canaries, ask: &mut impl FnMut(&Request) -> u16) {
    for form in [login_request, form, multipart] {
        assert_eq!(ask(&form(MARK, &canaries.password())), 400);
        assert_eq!(ask(&form("nobody", &canaries.password())), 400);
        // A user types the password into the wrong field.
        assert_eq!(ask(&form(&canaries.name(), PASSWORD)), 400);
        let mut cut = form(MARK, &canaries.password());
        cut.body.truncate(cut.body.len() - 3);
        ask(&cut);
        let mut not_text = form(MARK, &canaries.password());
        not_text.body.extend(b"\xff\xfe");
        ask(&not_text);
    }
}

/// Logins with malformed bodies and content types. By contract, a refusal repeats the content type to its sender.
fn odd_logins(server: &Running, password: &str) {
    let ask = |request: &Request| server.wire().ask(request).expect("a reply").status;
    for body in [
        format!("{{\"password\":\"{password}\",\"username\":[\"{password}\"]}}"),
        format!("{{\"password\":{{\"{password}\":1}},\"username\":1}}"),
        format!("{{\"{password}\":{password}}}"),
        format!("\"{password}\""),
        password.to_owned(),
    ] {
        for kind in ["application/json", "text/plain", &format!("application/json; charset={password}"), password] {
            let request = Request::new("POST", "/auth/login/").header("Content-Type", kind);
            ask(&request.body(body.clone(), Framing::Length));
        }
    }
    let boundary = format!("multipart/form-data; boundary={password}");
    let body = format!("--{password}\r\nContent-Disposition: {password}; name=\"{password}\r\n\r\n{password}");
    ask(&Request::new("POST", "/auth/login/").header("Content-Type", boundary).body(body, Framing::Length));
    ask(&form(MARK, password).header("Content-Encoding", password.to_owned()));
}

/// Requests of services, with tokens and secrets both where they belong and where they do not.
fn of_services(canaries: &mut Canaries, live: &str, ask: &mut impl FnMut(&Request) -> u16) {
    for secret in [canaries.token(), canaries.password(), live.to_owned()] {
        let basic = BASE64_STANDARD.encode(format!("{secret}:{secret}"));
        let headers = [format!("Basic {basic}"), format!("Bearer {secret}"), format!("{secret} x"), String::new()];
        for header in headers {
            for path in ["/introspect/", "/revoke", "/check/", "/introspect/?token={}", "/check?{}", "/revoke/{}"] {
                for (kind, body) in [
                    ("application/x-www-form-urlencoded", "token={}x&client_id={}&client_secret={}"),
                    ("application/x-www-form-urlencoded", "token={}x&token={}x"),
                    ("application/x-www-form-urlencoded", "counts_as_use={}&token={}x"),
                    ("application/json", "{\"tokens\":[\"{}x\",{}]}"),
                    ("{}", "{}"),
                ] {
                    let [path, kind, body] = [path, kind, body].map(|text| text.replace("{}", &secret));
                    let request = Request::new("POST", &path).header("Content-Type", kind);
                    let request = request.header("Authorization", header.as_str()).body(body, Framing::Length);
                    assert!(ask(&request) >= 400);
                }
            }
        }
    }
}

/// Requests that are not HTTP, with secrets where the error is.
fn broken_requests(server: &Running, canaries: &mut Canaries, live: &str, replies: &mut Vec<u8>) {
    let password = &canaries.password();
    for secret in [&canaries.token(), live, password] {
        let head = format!("POST /auth/login/ HTTP/1.1\r\nHost: x\r\nAuthorization: Token {secret}\r\n");
        for broken in [
            format!("{secret}\r\n\r\n"),
            format!("GET /{secret} HTTP/{secret}\r\n\r\n"),
            format!("G\u{1}T /{secret} HTTP/1.1\r\n\r\n"),
            format!("{secret} / HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET http://{secret}:{secret}@{secret}/{secret} HTTP/1.1\r\nHost: {secret}\r\n\r\n"),
            format!("GET /\u{7f}{secret} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("{head}Bad Name {secret}: x\r\n\r\n"),
            format!("{head}{secret}\r\n\r\n"),
            format!("{head}Bad: \u{1}{secret}\r\n\r\n"),
            format!("{head}Content-Length: {secret}\r\n\r\n"),
            format!("{head}Content-Length: 5\r\nContent-Length: {secret}\r\n\r\n"),
            format!("{head}Transfer-Encoding: {secret}\r\n\r\n"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{secret}\r\n\r\n"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n5;{secret}\r\nxxxxx\r\n0\r\n{secret}: {secret}\r\n\r\n"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nxxxxx{secret}\r\n"),
            format!("{head}Connection: Upgrade, {secret}\r\nUpgrade: {secret}\r\nSec-WebSocket-Key: {secret}\r\n\r\n"),
            format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{secret}{secret}{secret}"),
        ] {
            let mut wire = server.wire();
            wire.send(broken.as_bytes()).ok();
            wire.hang_up().ok();
            // Whether there is an answer does not matter here.
            if let Ok(reply) = wire.receive("POST") {
                replies.extend(record(&reply));
            }
        }
    }
}
