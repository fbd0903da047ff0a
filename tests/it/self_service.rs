//! What users can do with their own sessions and passwords, as `docs/sessions.md` describes.

mod long_lists;
mod one_time;
mod password;
mod sessions;

use std::sync::Arc;

use knoxide::config::HttpSettings;
use knoxide::domain::policy::Policy;
use knoxide::domain::user::{LoginName, Password, UserId};
use knoxide::service::{Auth, ExternalUser, UserProvider, UserProviderError};
use knoxide::store::LastAdmin;
use serde_json::{Value, json};

use crate::harness::app::{App, Backend, Client, Database, Served, Setup, cheap_hasher, token_of};
use crate::harness::dialects::{ALL, members};
use crate::harness::wire::{Framing, Reply, Request};

const SESSIONS: &str = "/auth/sessions/";
const OTHERS: &str = "/auth/sessions/revoke-others/";
const REVOKE_ALL: &str = "/auth/sessions/revoke-all/";
const CHANGE: &str = "/auth/password/change/";
const PASSWORD: &str = "correct horse";
const NEW_PASSWORD: &str = "battery staple";

/// The refusal of a login with knox.
const DENIED: &str = r#"{"non_field_errors":["Unable to log in with provided credentials."]}"#;

/// What a request can carry.
#[derive(Clone, Copy, Default)]
struct With<'a> {
    token: Option<&'a str>,
    address: Option<&'a str>,
}

fn with_token(token: &str) -> With<'_> {
    With { token: Some(token), address: None }
}

/// Without a token.
const ANONYMOUS: With<'_> = With { token: None, address: None };

fn post(client: &mut Client, path: &str, with: With<'_>, body: &Value) -> Reply {
    let mut request = Request::new("POST", path).header("Content-Type", "application/json");
    if let Some(token) = with.token {
        request = request.header("Authorization", format!("Token {token}"));
    }
    if let Some(address) = with.address {
        request = request.header("X-Forwarded-For", address);
    }
    client.ask(&request.body(body.to_string(), Framing::Length))
}

fn delete(client: &mut Client, id: &str, token: &str) -> (u16, String) {
    let reply = client.with_token("DELETE", &format!("{SESSIONS}{id}/"), token);
    (reply.status, reply.text())
}

/// The first page of the list of sessions.
fn sessions(client: &mut Client, token: &str) -> Vec<Value> {
    let reply = client.with_token("GET", SESSIONS, token);
    assert_eq!(reply.status, 200, "{}", reply.text());
    members(&reply)["results"].as_array().expect("a list").clone()
}

fn current(client: &mut Client, token: &str) -> String {
    let reply = client.with_token("GET", "/auth/user/", token);
    members(&reply)["session"]["id"].as_str().expect("an id").to_owned()
}

/// Another node on the same database.
fn another_node(app: &App) -> Served {
    let auth = Auth::builder(app.database.store()).clock(app.clock.clone()).hasher(cheap_hasher());
    Served::start(auth.password_threads(1).build().expect("a service"), Setup::default().http)
}

/// A user provider that accepts everyone.
struct Elsewhere;

impl UserProvider for Elsewhere {
    fn verify(&self, login: &LoginName, _: &Password) -> Result<Option<ExternalUser>, UserProviderError> {
        let (LoginName::Username(name) | LoginName::Email(name)) = login;
        Ok(Some(ExternalUser { id: UserId(7), username: name.clone(), email: String::new(), is_staff: false }))
    }
}

#[test]
fn where_users_live_elsewhere_no_endpoint_takes_a_password() {
    let app = App::start(Backend::Sqlite);
    let auth = Auth::builder(Arc::clone(&app.store)).user_provider(Elsewhere).build().expect("a service");
    let served = Served::start(auth, Setup::default().http);
    let client = &mut served.client();
    let token = client.login("ada", "anything");
    let change = json!({ "username": "ada", "current_password": "anything", "new_password": NEW_PASSWORD });
    let all = json!({ "username": "ada", "password": "anything" });
    for with in [with_token(&token), ANONYMOUS] {
        for (path, body) in [(CHANGE, &change), (REVOKE_ALL, &all)] {
            let reply = post(client, path, with, body);
            assert_eq!((reply.status, reply.text().as_str()), (404, r#"{"detail":"Not found."}"#), "{path}");
        }
    }
    // Their sessions are Knoxide's.
    let other = client.login("ada", "anything");
    assert_eq!(sessions(client, &token).len(), 2);
    assert_eq!(client.with_token("POST", OTHERS, &token).status, 204);
    assert_eq!((client.check(&token), client.check(&other)), (200, 401));
}

#[test]
fn they_move_with_the_prefix_of_knox_and_go_with_it() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", PASSWORD);
    let token = app.client().login("alice", PASSWORD);
    let mut moved = Setup::default().http;
    moved.options.dialects.knox.prefix = "/v1".to_owned();
    let mut without = Setup::default().http;
    without.options.dialects.knox.enabled = false;
    let status = |http: HttpSettings, path: &str| {
        let served = app.beside(http);
        served.client().with_token("GET", path, &token).status
    };
    assert_eq!(status(moved.clone(), "/v1/auth/sessions/"), 200);
    assert_eq!(status(moved, SESSIONS), 404);
    assert_eq!(status(without, SESSIONS), 404);
}
