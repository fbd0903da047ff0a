//! Replies and refusals have one shape, and requests are read strictly.

use super::*;
use crate::harness::admin::request;
use crate::harness::app::Client;
use crate::harness::wire::{Framing, Request};

#[test]
fn fields_are_strict_and_all_mistakes_are_named() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    let alice = format!("/admin/api/users/{}/", bench.alice);
    let cases = [
        ("POST", "/admin/api/users/", json!({}), vec!["password", "username"]),
        ("POST", "/admin/api/users/", json!({ "username": 1, "password": PASSWORD }), vec!["username"]),
        ("POST", "/admin/api/users/", json!({ "username": "a", "password": PASSWORD, "pasword": "" }), vec!["pasword"]),
        ("POST", "/admin/api/users/", json!({ "username": "a\u{200b}", "password": PASSWORD }), vec!["username"]),
        ("POST", "/admin/api/users/", json!({ "username": "a", "password": "password" }), vec!["password"]),
        ("POST", "/admin/api/users/", json!({ "username": "a", "email": "x", "password": PASSWORD }), vec!["email"]),
        ("PATCH", &alice, json!({ "is_staff": "true" }), vec!["is_staff"]),
        ("PATCH", &alice, json!({ "is_superuser": true }), vec!["is_superuser"]),
        ("PATCH", &alice, json!({ "is_staff": true, "is_active": true }), vec![]),
        ("PATCH", &alice, json!({}), vec![]),
        ("DELETE", &alice, json!({ "yes": true }), vec!["yes"]),
        (
            "POST",
            "/admin/api/tokens/",
            json!({ "user": bench.alice, "name": "a", "expires_in": 0 }),
            vec!["expires_in"],
        ),
    ];
    for (method, path, body, fields) in cases {
        let (status, json) = bench.ask(&root, method, path, Some(body.clone()));
        assert_eq!(status, 400, "{method} {path} {body}: {json}");
        let fields: Vec<String> = fields.into_iter().map(str::to_owned).collect();
        assert_eq!(refusal(&json), ("invalid".to_owned(), fields), "{method} {path} {body}");
    }
    for query in ["?nonsense=1", "?limit=0", "?limit=201", "?limit=1&limit=2", "?cursor=x"] {
        let (status, _) = bench.ask(&root, "GET", &format!("/admin/api/users/{query}"), None);
        assert_eq!(status, 400, "{query}");
    }
    let (status, _) = bench.post(&root, "/admin/api/throttle/clear/?all=true", json!({ "all": true }));
    assert_eq!(status, 400, "fields of an act stand in its body");
}

#[test]
fn what_is_taken_is_a_conflict() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    for (body, field) in [
        (json!({ "username": "alice", "password": PASSWORD }), "username"),
        (json!({ "username": "ALICE", "password": PASSWORD }), "username"),
        (json!({ "username": "erin", "email": "alice@example.com", "password": PASSWORD }), "email"),
    ] {
        let (status, json) = bench.post(&root, "/admin/api/users/", body);
        assert_eq!((status, refusal(&json)), (409, ("conflict".to_owned(), vec![field.to_owned()])));
    }
    let shared =
        json!({ "username": "erin", "email": "alice@example.com", "shared_email": true, "password": PASSWORD });
    assert_eq!(bench.post(&root, "/admin/api/users/", shared).0, 201);
}

#[test]
fn bodies_are_json_objects() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    let send = |content_type: &str, body: &str| {
        let asked = Request::new("POST", "/admin/api/users/")
            .header("Authorization", format!("Token {root}"))
            .header("Content-Type", content_type)
            .body(body, Framing::Length);
        let reply = Client::connect(bench.api.address).ask(&asked);
        (reply.status, refusal(&json_of(&reply)).0)
    };
    assert_eq!(send("application/x-www-form-urlencoded", "username=a"), (415, "bad_body".to_owned()));
    assert_eq!(send("text/plain", "{}"), (415, "bad_body".to_owned()));
    assert_eq!(send("application/json", &"x".repeat(17 * 1024)), (413, "bad_body".to_owned()));
    for body in ["[]", "1", "{", "{\"a\":1,}", "null"] {
        assert_eq!(send("application/json", body), (400, "invalid".to_owned()), "{body}");
    }
    assert_eq!(send("application/json", "{\"username\":\"a\",\"username\":\"b\"}").0, 400);
}

#[test]
fn paths_methods_and_ids_that_are_not_there() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    for path in [
        "/admin/api/",
        "/admin/api/nothing/",
        "/admin/api/users/x/",
        "/admin/api/users/4711/",
        "/admin/api/users/99999999999999999999/",
        "/admin/api/sessions/x/",
        "/admin/api/sessions/00000000-0000-0000-0000-000000000000/",
        "/admin/api/sessions/ffffffff-ffff-ffff-ffff-ffffffffffff/",
    ] {
        let (status, json) = bench.ask(&root, "GET", path, None);
        assert_eq!((status, refusal(&json).0.as_str()), (404, "not_found"), "{path}");
    }
    let reply = bench.api.ask("PUT", "/admin/api/users/", Some(&root), None);
    assert_eq!((reply.status, reply.header("Allow").as_deref()), (405, Some("GET, POST")));
    // Without its final slash a path is the same.
    assert_eq!(bench.ask(&root, "GET", "/admin/api/users", None).0, 200);
}

/// A page that a browser loads from elsewhere cannot use the API: no reply allows it, and no host but ours is served.
#[test]
fn other_hosts_and_origins_get_nothing() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    let ask = |hosts: &[&str], path: &str| {
        let asked = request("GET", path, Some(&root), None).header("Origin", "https://evil.example");
        let asked = hosts.iter().fold(asked, |asked, host| asked.header("Host", *host));
        Client::connect(bench.api.address).ask(&asked)
    };
    for host in ["localhost", "localhost:9", "127.0.0.1", &bench.api.address.to_string()] {
        let reply = ask(&[host], "/admin/api/me/");
        assert_eq!(reply.status, 200, "{host}");
        assert!(!reply.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-")));
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.2"] {
        for path in ["/admin/api/me/", "/nothing/", "http://localhost/admin/api/me/"] {
            let reply = ask(&[host], path);
            assert_eq!(reply.status, 421, "{host} {path}");
        }
    }
    assert!(matches!(ask(&["localhost", "evil.example"], "/admin/api/me/").status, 400 | 421));
    assert_eq!(ask(&["localhost"], "http://evil.example/admin/api/me/").status, 421);
    let preflight = Request::new("OPTIONS", "/admin/api/users/")
        .header("Origin", "https://evil.example")
        .header("Access-Control-Request-Method", "POST");
    assert_eq!(Client::connect(bench.api.address).ask(&preflight).status, 405);
}

/// Whoever presents several tokens, an unknown scheme or none has none.
#[test]
fn only_a_bearer_or_a_token_is_read() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    let ask = |values: &[String]| {
        let asked = Request::new("GET", "/admin/api/me/");
        let asked = values.iter().fold(asked, |asked, value| asked.header("Authorization", value.clone()));
        let reply = Client::connect(bench.api.address).ask(&asked);
        assert_eq!(reply.status == 401, reply.header("WWW-Authenticate").is_some());
        reply.status
    };
    let of = |scheme: &str| format!("{scheme} {root}");
    assert_eq!([ask(&[of("Bearer")]), ask(&[of("token")])], [200, 200]);
    for values in [vec![], vec![root.clone()], vec![of("JWT")], vec![of("Basic")], vec![of("Bearer"), of("Bearer")]] {
        assert_eq!(ask(&values), 401, "{values:?}");
    }
}
