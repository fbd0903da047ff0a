//! Signing keys: what a running server does when they change, and which nodes it refuses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use knoxide::config::{ListenAddress, Settings};
use knoxide::domain::audit::Event;
use knoxide::domain::jwt::{Algorithm, PUBLISHED_FIRST};
use knoxide::domain::random::SystemRandom;
use knoxide::domain::time::ManualClock;
use knoxide::server::{PasswordDelivery, StartError, serve};
use knoxide::store::{AdminStore as _, KeyError};
use serde_json::{Value, json};

use crate::harness::app::{App, Database, Setup, jwt, on_each_database, start_of_time};
use crate::harness::wire::{Framing, Request};

fn post(app: &App, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::new("POST", path).header("Content-Type", "application/json");
    let reply = app.client().ask(&request.body(body.to_string(), Framing::Length));
    (reply.status, serde_json::from_str(&reply.text()).expect("JSON"))
}

/// A new pair of tokens.
fn log_in(app: &App) -> (String, String) {
    let (status, body) = post(app, "/jwt/create/", &json!({ "username": "alice", "password": "correct horse" }));
    assert_eq!(status, 200, "{body}");
    let token = |name: &str| body[name].as_str().expect("a token").to_owned();
    (token("access"), token("refresh"))
}

/// The ids of the published keys, newest first.
fn published(app: &App) -> Vec<Value> {
    let reply = app.client().ask(&Request::new("GET", "/.well-known/jwks.json"));
    assert_eq!((reply.status, reply.header("Content-Type").as_deref()), (200, Some("application/jwk-set+json")));
    let set: Value = serde_json::from_str(&reply.text()).expect("JSON");
    set["keys"].as_array().expect("keys").iter().map(|key| key["kid"].clone()).collect()
}

/// The id of the key that signed a token.
fn key_of(token: &str) -> Value {
    let header = token.split('.').next().expect("a header");
    let header = BASE64_URL_SAFE_NO_PAD.decode(header).expect("base64");
    serde_json::from_slice::<Value>(&header).expect("JSON")["kid"].clone()
}

fn is_good(app: &App, token: &str) -> bool {
    post(app, "/jwt/verify/", &json!({ "token": token })).0 == 200
}

on_each_database! {
    fn a_new_key_takes_over_and_nobody_notices(backend) {
        let setup = Setup { jwt: jwt(Algorithm::EdDsa, None), ..Setup::default() };
        let app = App::on(Database::migrated(backend), setup);
        app.add_user("alice", "correct horse");
        let first = published(&app);
        assert_eq!(first.len(), 1);
        let (access, refresh) = log_in(&app);
        assert_eq!((key_of(&access), key_of(&refresh)), (first[0].clone(), Value::Null));

        app.store.rotate_key(Algorithm::EdDsa, None, &SystemRandom, &app.audit(Event::KeyRotated)).expect("a new key");
        app.reload_keys();
        let both = published(&app);
        assert_eq!((both.len(), &both[1]), (2, &first[0]));
        assert_eq!(key_of(&log_in(&app).0), first[0], "the new key is published before it signs");
        app.clock.advance(PUBLISHED_FIRST);
        assert_eq!(key_of(&log_in(&app).0), both[0]);
        assert!(is_good(&app, &access) && is_good(&app, &refresh));
        let (status, body) = post(&app, "/jwt/refresh/", &json!({ "refresh": refresh }));
        assert_eq!((status, key_of(body["access"].as_str().expect("a token"))), (200, both[0].clone()));

        // The longest lifetime of an access token, which the old key may have signed up to the last moment.
        app.clock.advance(Duration::from_secs(8_000_000 - 1));
        assert_eq!(published(&app), both);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(published(&app), both[..1]);
    }

    fn a_retired_key_is_gone_at_once(backend) {
        let setup = Setup { jwt: jwt(Algorithm::EdDsa, None), ..Setup::default() };
        let app = App::on(Database::migrated(backend), setup);
        app.add_user("alice", "correct horse");
        let (access, _) = log_in(&app);
        app.store.rotate_key(Algorithm::EdDsa, None, &SystemRandom, &app.audit(Event::KeyRotated)).expect("a new key");
        let old = app.store.list_keys().expect("keys").len() - 1;
        app.store.retire_key(i64::try_from(old).expect("a number"), &app.audit(Event::KeyRetired)).expect("a write");
        app.reload_keys();
        let left = published(&app);
        assert_eq!((left.len(), left.contains(&key_of(&access))), (1, false));
        assert_eq!(key_of(&log_in(&app).0), left[0], "there is no other key to sign with meanwhile");
        assert!(is_good(&app, &access), "a token is good for its digest, whatever signed it");
    }

    fn keys_that_do_not_fit_change_nothing(backend) {
        let secret = "a secret of more than 32 bytes, no better";
        let app = App::on(Database::migrated(backend), Setup { jwt: jwt(Algorithm::EdDsa, Some(secret)), ..Setup::default() });
        app.add_user("alice", "correct horse");
        let (before, (access, refresh)) = (published(&app), log_in(&app));
        app.store.rotate_key(Algorithm::Hs256, None, &SystemRandom, &app.audit(Event::KeyRotated)).expect("another secret");
        app.reload_keys();
        assert_eq!(published(&app), before);
        assert!(is_good(&app, &access) && is_good(&app, &refresh));
        log_in(&app);
    }

    fn a_node_with_another_secret_does_not_start(backend) {
        let database = Database::empty(backend);
        let start = |secret: Option<&str>| {
            let mut settings = Settings::default();
            settings.database.url = database.url.parse().expect("a URL");
            settings.passwords.bcrypt_cost = 10;
            settings.jwt = jwt(Algorithm::Hs256, secret);
            // The start fails here unless it has failed before.
            settings.http.listen = vec![ListenAddress::Unix(PathBuf::from("/nowhere/at/all"))];
            let folder = tempfile::tempdir().expect("a folder");
            let (clock, delivery) = (ManualClock::new(start_of_time()), PasswordDelivery::File(folder.path().to_owned()));
            serve(settings, Arc::new(clock), Arc::new(SystemRandom), &delivery, &mut |_| {}).expect_err("an end")
        };
        let (own, other) = ("a secret of more than 32 bytes, no better", "another secret of more than 32 bytes.....");
        assert!(matches!(start(Some(own)), StartError::Bind(_)), "the first one makes the keys");
        let refused = start(Some(other));
        assert!(matches!(refused, StartError::Keys(KeyError::OtherSecret)), "{refused}");
        assert!(refused.to_string().contains("KNOXIDE_JWT_SECRET") && !refused.to_string().contains(other));
        assert!(matches!(start(None), StartError::Keys(KeyError::SecretNotGiven)));
        assert!(matches!(start(Some(own)), StartError::Bind(_)));
    }
}
