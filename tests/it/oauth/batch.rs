//! `POST /check/`: many tokens in one request.

use std::io::Write as _;
use std::net::TcpStream;

use knoxide::config::HttpSettings;
use knoxide::domain::audit::Event;
use serde_json::{Value, json};

use super::stage::{INACTIVE, PASSWORD, Stage, batch_request, every_state, members};
use crate::harness::app::{App, Backend, Database, Setup, on_each_database};
use crate::harness::wire::{Framing, Request};

fn results(reply: &crate::harness::wire::Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    members(reply)["results"].as_array().expect("a list").clone()
}

/// The database of this server, for another server that ends first.
fn again(app: &App) -> Database {
    match app.database.url.strip_prefix("sqlite://") {
        Some(path) => Database::of_file(std::path::Path::new(path)),
        #[cfg(feature = "postgres")]
        None => Database::at(app.database.url.clone()),
        #[cfg(not(feature = "postgres"))]
        None => unreachable!("the only database"),
    }
}

on_each_database! {
    fn a_batch_says_of_each_token_what_introspection_says(backend) {
        let (stage, states) = every_state(backend);
        let client = &mut stage.app.client();
        let said: Vec<Value> =
            states.iter().map(|presented| members(&stage.introspect(client, &presented.token))).collect();
        assert_eq!(said.iter().filter(|one| one["active"] == true).count(), 7);
        let tokens: Vec<&str> = states.iter().map(|presented| presented.token.as_str()).collect();
        assert_eq!(results(&stage.check_many(client, &tokens)), said);
        // In any order, with any repetition.
        let count = tokens.len();
        for (start, step) in [(1, 2), (3, 5), (0, 7), (2, count - 1), (5, 0)] {
            let places: Vec<usize> = (0..97).map(|at| (start + at * step) % count).collect();
            let asked: Vec<&str> = places.iter().map(|place| tokens[*place]).collect();
            let expected: Vec<&Value> = places.iter().map(|place| &said[*place]).collect();
            assert_eq!(results(&stage.check_many(client, &asked)).iter().collect::<Vec<_>>(), expected);
        }
        assert_eq!(stage.check_many(client, &[]).text(), r#"{"results":[]}"#);
        assert_eq!(stage.check_many(client, &["x"]).text(), format!(r#"{{"results":[{INACTIVE}]}}"#));
    }

    fn tokens_that_are_not_remembered_are_read(backend) {
        let stage = Stage::set(backend);
        let names = ["alice", "bob", "carol"];
        let users = names.map(|name| stage.app.add_user(name, PASSWORD).0.to_string());
        let client = &mut stage.app.client();
        let tokens: Vec<String> = (0..400).map(|at| client.login(names[at % 3], PASSWORD)).collect();
        let mut asked: Vec<&str> = Vec::new();
        for token in &tokens {
            asked.push(token);
            asked.push("0123456789012345678901234567890123456789");
        }
        let expected: Vec<Option<&str>> =
            (0..800).map(|at| (at % 2 == 0).then(|| users[at / 2 % 3].as_str())).collect();
        // A server that has not seen these tokens before, and then has them cached.
        let fresh = App::on(again(&stage.app), Setup::default());
        let other = Stage { app: fresh, service: Stage::register(&stage.app, "other", "batch") };
        for _ in 0..2 {
            let said = results(&other.check_many(&mut other.app.client(), &asked));
            let subjects: Vec<Option<&str>> = said.iter().map(|one| one["sub"].as_str()).collect();
            assert_eq!(subjects, expected);
        }
    }

    fn what_others_revoke_is_seen_by_the_next_batch(backend) {
        let stage = Stage::set(backend);
        let alice = stage.app.add_user("alice", PASSWORD);
        let client = &mut stage.app.client();
        let mut log_in = || {
            // So that the ids of the sessions are in the same order.
            stage.app.clock.advance(std::time::Duration::from_millis(1));
            client.login("alice", PASSWORD)
        };
        let tokens: Vec<String> = (0..100).map(|_| log_in()).collect();
        let asked: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let sessions = stage.app.sessions_of(alice);
        let live = |client: &mut crate::harness::app::Client| {
            let said = results(&stage.check_many(client, &asked));
            said.iter().map(|one| one["active"] == true).collect::<Vec<_>>()
        };
        assert_eq!(live(client), vec![true; 100]);
        // Newest first.
        for (place, session) in sessions.iter().rev().enumerate().step_by(7) {
            stage.app.connection().end_session(*session, &stage.app.audit(Event::Revoked)).expect("a write");
            let said = live(client);
            let expected: Vec<bool> = (0..100).map(|at| at > place || at % 7 != 0).collect();
            assert_eq!(said, expected);
        }
    }

    fn a_thousand_tokens_are_the_most(backend) {
        let stage = Stage::set(backend);
        stage.app.add_user("alice", PASSWORD);
        let client = &mut stage.app.client();
        let token = client.login("alice", PASSWORD);
        let mut tokens = vec![token.as_str(); 1_000];
        assert_eq!(results(&stage.check_many(client, &tokens)).len(), 1_000);
        tokens.push("x");
        let reply = stage.check_many(client, &tokens);
        assert_eq!((reply.status, members(&reply)["error"].as_str()), (400, Some("invalid_request")));
    }
}

#[test]
fn a_body_that_is_not_the_question_is_refused_and_not_repeated() {
    let stage = Stage::set(Backend::Sqlite);
    let client = &mut stage.app.client();
    let mut ask = |body: &[u8], content_type: &str| {
        let request = Request::new("POST", "/check/").header("Authorization", stage.header());
        let request = request.header("Content-Type", content_type).body(body, Framing::Length);
        let reply = client.ask(&request);
        assert!(!reply.text().contains("hush"), "{}", reply.text());
        reply.status
    };
    for body in [
        "",
        "{}",
        "null",
        "[\"hush\"]",
        "\"hush\"",
        r#"{"tokens":"hush"}"#,
        r#"{"tokens":null}"#,
        r#"{"tokens":{"hush":1}}"#,
        r#"{"tokens":["hush",1]}"#,
        r#"{"tokens":["hush",null]}"#,
        r#"{"tokens":[["hush"]]}"#,
        r#"{"tokens":["hush"],"tokens":[]}"#,
        r#"{"tokens":["hush"],"hush":1}"#,
        r#"{"tokens":["hush"],"count_as_use":true}"#,
        r#"{"tokens":["hush"],"counts_as_use":"true"}"#,
        r#"{"tokens":["hush"],"counts_as_use":null}"#,
        r#"{"tokens":["hush"]}x"#,
        r#"{"tokens":["hush\ud800"]}"#,
        r#"{"tokens":["hush"#,
        "tokens=hush",
    ] {
        assert_eq!(ask(body.as_bytes(), "application/json"), 400, "{body}");
    }
    assert_eq!(ask(b"{\"tokens\":[\"\xff\"]}", "application/json"), 400);
    assert_eq!(ask(br#"{"tokens":["\u0000","\u00eb"," "]}"#, "Application/JSON; charset=utf-8"), 200);
    let deep = format!("{{\"tokens\":{}", "[".repeat(100_000));
    assert_eq!(ask(deep.as_bytes(), "application/json"), 400);
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/*", "*/*"] {
        assert_eq!(ask(br#"{"tokens":["hush"]}"#, content_type), 415, "{content_type}");
    }
}

#[test]
fn the_body_may_be_a_mebibyte_whatever_the_limit_of_other_bodies() {
    let stage = Stage::set(Backend::Sqlite);
    let small = stage.app.beside(HttpSettings {
        options: knoxide::http::HttpOptions { body_limit: 1024, ..Setup::default().http.options },
        ..Setup::default().http
    });
    let client = &mut small.client();
    let long = "a".repeat(4096);
    let tokens = vec![long.as_str(); 255];
    for framing in [Framing::Length, Framing::Chunked(10_000)] {
        let request = batch_request(&json!({ "tokens": tokens })).header("Authorization", stage.header());
        assert!(request.body.len() < 1024 * 1024 && request.body.len() > 1_000_000);
        let reply = client.ask(&Request { framing, ..request });
        assert_eq!(results(&reply).len(), 255);
        let mut request = batch_request(&json!({ "tokens": tokens })).header("Authorization", stage.header());
        request.body.resize(1024 * 1024 + 1, b' ');
        let reply = client.ask(&Request { framing, ..request });
        assert_eq!((reply.status, members(&reply)["error"].as_str()), (413, Some("invalid_request")), "{framing:?}");
    }
}

/// The server does not wait for the body of an unknown client, and a client without the right is refused as early.
#[test]
fn the_caller_is_judged_before_the_body_is_read() {
    let stage = Stage::set(Backend::Sqlite);
    let added = Stage::register(&stage.app, "other", "introspect");
    let other = super::stage::basic(&added.id.to_string(), added.secret.expose());
    for (header, status) in [("Basic YTpi", "401"), ("Bearer x", "401"), (other.as_str(), "403")] {
        let mut stream = TcpStream::connect(stage.app.address).expect("a connection");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("a time-out");
        let head = format!(
            "POST /check/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: {header}\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("a head is sent");
        let mut start = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut start).expect("an answer before the body");
        assert_eq!(start, *format!("HTTP/1.1 {status}").as_bytes(), "{header}");
    }
}
