//! Forward authentication: `/forward-auth/nginx/`, `/forward-auth/caddy/`, `/forward-auth/traefik/`,
//! `/forward-auth/haproxy/` and `/forward-auth/envoy/`, requested as the proxies do; and real proxies with the shipped
//! configurations.

mod cookie;
mod proxies;
mod stage;
mod verdicts;

use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::random::SystemRandom;
use knoxide::domain::time::Clock as _;
use knoxide::domain::user::{NewUser, Password, UserId};
use knoxide::store::{AdminStore as _, SharedEmail, UserCreation};

use crate::harness::app::{App, Backend, Database, Setup, cheap_hasher, on_each_database, token_request};
use crate::harness::wire::{Framing, Reply, Request};

const KINDS: [&str; 5] = ["nginx", "caddy", "traefik", "haproxy", "envoy"];
const PASSWORD: &str = "correct horse";

fn path(kind: &str, rest: &str) -> String {
    format!("/forward-auth/{kind}/{rest}")
}

/// Requires what every reply has in common, besides its status.
fn assert_bare(reply: &Reply, what: &str) {
    assert_eq!(reply.text(), "", "{what}");
    assert_eq!(reply.header("content-length").as_deref(), Some("0"), "{what}");
    assert_eq!(reply.header("content-type"), None, "{what}");
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"), "{what}");
    let identity = reply.headers.iter().filter(|(name, _)| name.to_ascii_lowercase().starts_with("remote-"));
    assert_eq!(identity.count(), if reply.status == 200 { 7 } else { 0 }, "{what}");
}

fn add(app: &App, name: &str, is_staff: bool, is_admin: bool) -> UserId {
    let hash = cheap_hasher().hash(&Password::new(PASSWORD.to_owned()), &SystemRandom).expect("a hash");
    let created = app.clock.now();
    let new = NewUser {
        id: None,
        username: name.to_owned(),
        email: format!("{name}@example.com").replace(' ', ""),
        password: hash,
        is_active: true,
        is_staff,
        is_admin,
        created,
    };
    let event = Event::UserCreated;
    let audit = AuditContext { event, actor: Actor::CommandLine, origin: Origin::default(), at: created, detail: None };
    match app.store.create_user(&new, SharedEmail::Allow, &audit).expect("a write") {
        UserCreation::Created(id) => id,
        other @ (UserCreation::Taken | UserCreation::Lookalike(_) | UserCreation::EmailTaken(_)) => {
            panic!("{name}: {other:?}")
        }
    }
}

on_each_database! {
    fn every_proxy_is_told_who_the_user_is(backend) {
        let app = App::start(backend);
        let id = add(&app, "100% Zoë", true, false).0.to_string();
        let client = &mut app.client();
        let login = client.try_login("100% Zoë", PASSWORD);
        let token = crate::harness::app::token_of(&login);
        let user: serde_json::Value =
            serde_json::from_str(&client.with_token("GET", "/auth/user/", &token).text()).expect("JSON");
        let session = user["session"]["id"].as_str().expect("an id");
        for kind in KINDS {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "TRACE"] {
                for rest in ["", "?staff=1", "staff", "staff/", "staff//any/../thing%20?a=/admin/"] {
                    let what = format!("{method} {}", path(kind, rest));
                    let reply = client.ask(&token_request(method, &path(kind, rest), &token));
                    assert_eq!(reply.status, 200, "{what}");
                    assert_bare(&reply, &what);
                    for (name, expected) in [
                        ("Remote-User", "100%25%20Zo%C3%AB"),
                        ("Remote-Email", "100%25Zo%C3%AB@example.com"),
                        ("Remote-Groups", "staff"),
                        ("Remote-User-Id", &id),
                        ("Remote-Session", session),
                        ("Remote-Expires", ""),
                        ("Remote-Token-From", "header"),
                    ] {
                        assert_eq!(reply.header(name).as_deref(), Some(expected), "{what}: {name}");
                    }
                }
            }
        }
    }

    fn the_end_of_a_token_is_told(backend) {
        let app = App::start(backend);
        add(&app, "alice", false, false);
        let client = &mut app.client();
        let speech = crate::harness::dialects::ALL[1];
        let token = speech.login(client, "alice", PASSWORD).access;
        let user: serde_json::Value =
            serde_json::from_str(&speech.ask(client, "GET", "/auth/user/", &token).text()).expect("JSON");
        let reply = speech.ask(client, "GET", "/forward-auth/caddy/", &token);
        assert_eq!(reply.header("remote-expires").as_deref(), user["session"]["expiry"].as_str());
        assert_eq!(reply.header("remote-groups").as_deref(), Some(""), "set, although it is empty");
    }

    fn a_requirement_is_the_first_segment(backend) {
        let app = App::start(backend);
        let client = &mut app.client();
        for (name, is_staff, is_admin) in [("plain", false, false), ("staff", true, false), ("admin", false, true)] {
            add(&app, name, is_staff, is_admin);
            let token = client.login(name, PASSWORD);
            for kind in KINDS {
                for (segment, may_pass) in [("", true), ("staff", is_staff), ("admin", is_admin)] {
                    for rest in ["", "/", "/x/staff/admin?requirement=none"] {
                        let what = format!("{name}: {}", path(kind, segment)) + rest;
                        let request = token_request("GET", &(path(kind, segment) + rest), &token)
                            .header("X-Forwarded-Uri", format!("/forward-auth/{kind}/"))
                            .header("X-Original-URL", "/");
                        let reply = client.ask(&request);
                        assert_eq!(reply.status, if may_pass { 200 } else { 403 }, "{what}");
                        assert_bare(&reply, &what);
                    }
                }
                for rest in ["stafff", "Staff/", "%73taff/", "staff;/", "x/staff/"] {
                    let reply = client.with_token("GET", &path(kind, rest), &token);
                    let expected = match (kind, rest) {
                        // Every path below Envoy's is valid, since Envoy appends the client's path. An unreserved
                        // letter may be percent-encoded or not.
                        (_, "%73taff/") => if is_staff { 200 } else { 403 },
                        ("envoy", _) => 200,
                        _ => 404,
                    };
                    assert_eq!(reply.status, expected, "{name}: {}", path(kind, rest));
                    assert_bare(&reply, rest);
                }
            }
        }
    }
}

#[test]
fn without_the_setting_there_are_no_endpoints() {
    let mut setup = Setup::default();
    setup.http.options.forward_auth.enabled = false;
    let app = App::on(Database::migrated(Backend::Sqlite), setup);
    app.add_user("alice", PASSWORD);
    let token = app.client().login("alice", PASSWORD);
    for kind in KINDS {
        assert_eq!(app.client().with_token("GET", &path(kind, ""), &token).status, 404);
    }
}

/// The server neither waits for a body that the client announces nor reads one that it sends.
#[test]
fn a_body_does_no_harm() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    for framing in [Framing::Length, Framing::Chunked(7)] {
        let request = token_request("POST", "/forward-auth/envoy/", &token);
        let reply = client.ask(&Request { body: vec![b'x'; 40_000], framing, ..request });
        assert_eq!(reply.status, 200);
        assert_bare(&reply, "a body");
        assert_eq!(client.check(&token), 200);
    }
}
