//! The answer about a token in each state, at each endpoint.

use std::path::PathBuf;
use std::time::Duration;

use knoxide::domain::dialect::Dialect;
use serde_json::{Value, json};

use super::stage::{
    IDLE_LIMIT, INACTIVE, PASSWORD, Stage, TOUCH_INTERVAL, batch_request, every_state, form_request, members,
};
use crate::harness::app::{Backend, on_each_database};
use crate::harness::dialects::{ALL, Speech};
use crate::harness::wire::{Reply, Request};

/// The headers that are the same in every reply.
fn constant_headers(reply: &Reply) -> Vec<(String, String)> {
    let named = reply.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    named.filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str())).collect()
}

on_each_database! {
    fn a_token_that_is_not_live_is_inactive_and_nothing_else(backend) {
        let (stage, states) = every_state(backend);
        let client = &mut stage.app.client();
        let root = stage.app.admin().find_user("root").expect("root").id;
        let (id, secret) = (stage.service.id.to_string(), stage.service.secret.expose());
        let script = format!("Bearer {}", stage.script_token(root));
        let mut headers = None;
        // Twice: what the server learnt about a token the first time changes nothing.
        for presented in states.iter().chain(&states) {
            let token = ("token", presented.token.as_str());
            let ways = [
                form_request("/introspect/", &[token]).header("Authorization", stage.header()),
                form_request("/introspect", &[token, ("token_type_hint", "refresh_token")])
                    .header("Authorization", script.as_str()),
                form_request("/introspect/", &[token, ("client_id", &id), ("client_secret", secret)]),
            ];
            for request in ways {
                let reply = client.ask(&request);
                assert_eq!(reply.status, 200, "{}: {}", presented.what, reply.text());
                if presented.is_live {
                    assert_eq!(members(&reply)["active"], true, "{}", presented.what);
                    continue;
                }
                assert_eq!(reply.text(), INACTIVE, "{}", presented.what);
                let known = headers.get_or_insert_with(|| constant_headers(&reply));
                assert_eq!(*known, constant_headers(&reply), "{}", presented.what);
                assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
                assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
            }
        }
    }

    fn a_live_token_is_described_in_every_dialect(backend) {
        let stage = Stage::set(backend);
        let user = stage.app.add_user("Zo\u{eb} \"\u{1f980}\"", PASSWORD);
        stage.app.change(user, |admin, user| admin.set_email(user, "zoe@example.com", knoxide::store::SharedEmail::Allow));
        stage.app.change(user, |admin, user| admin.set_staff(user, true));
        let client = &mut stage.app.client();
        for speech in ALL {
            let (name, password) = ("Zo\u{eb} \"\u{1f980}\"", PASSWORD);
            let token = match speech.dialect {
                Dialect::Simplejwt => speech.login(client, "zoe", password).access,
                Dialect::Knox | Dialect::DrfJwt | Dialect::AccessToken | Dialect::Djoser => {
                    speech.login(client, name, password).access
                }
            };
            let me = members(&speech.ask(client, "GET", "/auth/user/", &token));
            let said = members(&stage.introspect(client, &token));
            let seconds = |time: &Value| {
                let time = knoxide::domain::time::Timestamp::parse(time.as_str()?)?;
                Some(json!(time.as_seconds()))
            };
            let keyword = match speech.dialect {
                Dialect::Knox | Dialect::AccessToken => "Token",
                Dialect::DrfJwt | Dialect::Djoser => "JWT",
                Dialect::Simplejwt => "Bearer",
            };
            let mut expected = json!({
                "active": true,
                "token_type": keyword,
                "iat": seconds(&me["session"]["created"]),
                "sub": me["id"].to_string(),
                "username": name,
                "sid": me["session"]["id"],
                "email": "zoe@example.com",
                "is_staff": true,
                "is_admin": false,
                "session": me["session"],
            });
            if let Some(end) = seconds(&me["session"]["expiry"]) {
                expected["exp"] = end;
            }
            assert_eq!(said, expected, "{:?}", speech.dialect);
            assert_eq!(said.get("exp").is_some(), speech.dialect != Dialect::Knox);
        }
    }

    fn an_introspection_by_a_client_counts_as_use_unless_it_says_otherwise(backend) {
        let stage = Stage::set(backend);
        let root = stage.app.add_user("root", PASSWORD);
        stage.promote(root);
        stage.app.add_user("alice", PASSWORD);
        let client = &mut stage.app.client();
        let script = format!("Bearer {}", stage.script_token(root));
        let ways: [(&str, bool, Request); 8] = [
            ("by a client", true, form_request("/introspect/", &[]).header("Authorization", stage.header())),
            ("that says no", false, form_request("/introspect/", &[("counts_as_use", "false")])
                .header("Authorization", stage.header())),
            ("that says yes", true, form_request("/introspect/", &[("counts_as_use", "true")])
                .header("Authorization", stage.header())),
            ("by a script", false, form_request("/introspect/", &[]).header("Authorization", script.as_str())),
            ("by a script that says yes", true, form_request("/introspect/", &[("counts_as_use", "true")])
                .header("Authorization", script.as_str())),
            ("in a batch", false, batch_request(&json!({})).header("Authorization", stage.header())),
            ("in a batch that says no", false, batch_request(&json!({ "counts_as_use": false }))
                .header("Authorization", stage.header())),
            ("in a batch that says yes", true, batch_request(&json!({ "counts_as_use": true }))
                .header("Authorization", stage.header())),
        ];
        let tokens: Vec<String> = ways.iter().map(|_| client.login("alice", PASSWORD)).collect();
        let with_token = |request: &Request, token: &str| {
            let mut request = request.clone();
            request.body = match request.body.strip_prefix(b"{") {
                Some(b"}") => format!("{{\"tokens\":[\"{token}\"]}}").into_bytes(),
                Some(rest) => [format!("{{\"tokens\":[\"{token}\"],").as_bytes(), rest].concat(),
                None => [format!("token={token}&").as_bytes(), &request.body].concat(),
            };
            request
        };
        stage.app.clock.advance(IDLE_LIMIT);
        for ((what, _, request), token) in ways.iter().zip(&tokens) {
            let reply = client.ask(&with_token(request, token));
            assert!(reply.status == 200 && reply.text().contains("\"active\":true"), "{what}: {}", reply.text());
        }
        stage.app.clock.advance(TOUCH_INTERVAL + Duration::from_secs(1));
        for ((what, counts, _), token) in ways.iter().zip(&tokens) {
            let status = client.check(token);
            assert_eq!(status, if *counts { 200 } else { 401 }, "{what}");
        }
        let mut request = form_request("/introspect/", &[("token", "x"), ("counts_as_use", "1")]);
        request = request.header("Authorization", stage.header());
        assert_eq!(client.ask(&request).status, 400);
    }
}

/// An outage gives known and unknown callers the same answer, and no token is reported as inactive.
#[test]
fn an_outage_is_503_for_every_question() {
    let stage = Stage::set(Backend::Sqlite);
    stage.app.add_user("alice", PASSWORD);
    let client = &mut stage.app.client();
    let token = Speech::of(Dialect::Knox).login(client, "alice", PASSWORD).access;
    assert!(stage.is_active(client, &token));
    let file = PathBuf::from(stage.app.database.url.strip_prefix("sqlite://").expect("a file"));
    std::fs::rename(&file, file.with_extension("aside")).expect("the file is moved away");
    let headers = [Some(stage.header()), Some("Bearer 0123456789012345678901234567890123456789".to_owned()), None];
    for header in headers {
        for token in [token.as_str(), "0123456789012345678901234567890123456789"] {
            let questions = [
                form_request("/introspect/", &[("token", token)]),
                form_request("/revoke/", &[("token", token)]),
                batch_request(&json!({ "tokens": [token, "no token!"] })),
            ];
            for request in questions {
                // Without credentials, only the revocation needs the database.
                if header.is_none() && request.target != b"/revoke/" {
                    continue;
                }
                let request =
                    header.iter().fold(request, |request, header| request.header("Authorization", header.as_str()));
                let reply = client.ask(&request);
                assert_eq!(reply.status, 503, "{}", reply.text());
                assert_eq!(members(&reply)["error"], "temporarily_unavailable");
                assert_eq!(reply.header("retry-after").as_deref(), Some("1"));
                assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
            }
        }
    }
    std::fs::rename(file.with_extension("aside"), &file).expect("the file is back");
}
