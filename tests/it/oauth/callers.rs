//! Which callers get answers: registered clients with the right for it, and scripts of administrators.

use std::time::Duration;

use serde_json::json;

use super::stage::{PASSWORD, Stage, basic, batch_request, form_request, members};
use crate::harness::app::on_each_database;
use crate::harness::dialects::Speech;
use crate::harness::wire::{Reply, Request};
use knoxide::domain::dialect::Dialect;

/// The request to each endpoint, about this token.
fn questions(token: &str) -> [(&'static str, Request); 3] {
    [
        ("introspect", form_request("/introspect/", &[("token", token)])),
        ("batch", batch_request(&json!({ "tokens": [token] }))),
        ("revoke", form_request("/revoke/", &[("token", token)])),
    ]
}

fn assert_refused(reply: &Reply, status: u16, error: &str, what: &str) {
    assert_eq!((reply.status, members(reply)["error"].as_str()), (status, Some(error)), "{what}");
    let scheme = match error {
        "invalid_client" => Some("Basic realm=\"knoxide\""),
        "invalid_token" => Some("Bearer realm=\"knoxide\", error=\"invalid_token\""),
        _ => None,
    };
    assert_eq!(reply.header("www-authenticate").as_deref(), scheme, "{what}");
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"), "{what}");
    assert!(members(reply)["error_description"].is_string(), "{what}");
}

on_each_database! {
    fn only_those_who_may_are_answered(backend) {
        let stage = Stage::set(backend);
        let (alice, root) = (stage.app.add_user("alice", PASSWORD), stage.app.add_user("root", PASSWORD));
        stage.promote(root);
        stage.promote(stage.app.add_user("other", PASSWORD));
        let client = &mut stage.app.client();
        let id = stage.service.id.to_string();
        let pair = Speech::of(Dialect::Simplejwt).login(client, "root", PASSWORD);
        let for_user = stage.app.change(alice, |admin, user| {
            admin.create_token(user, "script".to_owned(), None, Dialect::Knox.into())
        });
        let former = stage.script_token(root);
        stage.app.change(root, |admin, user| admin.set_admin(user, false));
        stage.promote(root);
        let bearer = |token: &str| format!("Bearer {token}");
        let strangers: Vec<(&str, String, &str)> = vec![
            ("no such client", basic("0190d8a0-0000-7000-8000-000000000000", "kxc_x"), "invalid_client"),
            ("no id", basic("service", stage.service.secret.expose()), "invalid_client"),
            ("a wrong secret", basic(&id, &"kxc_".repeat(11)), "invalid_client"),
            ("an empty secret", basic(&id, ""), "invalid_client"),
            ("the id as secret", basic(&id, &id), "invalid_client"),
            ("no base64", "Basic !!!!".to_owned(), "invalid_client"),
            ("no colon", "Basic YWJj".to_owned(), "invalid_client"),
            ("nothing behind Basic", "Basic".to_owned(), "invalid_client"),
            ("another scheme", "Digest username=\"a\"".to_owned(), "invalid_client"),
            ("an empty header", String::new(), "invalid_client"),
            ("the secret as bearer", bearer(stage.service.secret.expose()), "invalid_token"),
            ("a user's token", bearer(&client.login("alice", PASSWORD)), "invalid_token"),
            ("a user's script", bearer(for_user.token.expose()), "invalid_token"),
            ("an administrator's token of a dialect", bearer(&pair.access), "invalid_token"),
            ("an administrator's refresh token", bearer(&pair.refresh.expect("a token")), "invalid_token"),
            ("an administrator's own session", bearer(&stage.session_token("root")), "invalid_token"),
            ("an administrator's page", bearer(&stage.page_token(knoxide::service::Pages::Admin, "root")), "invalid_token"),
            ("a former administrator's script", bearer(&former), "invalid_token"),
            ("an unknown token", bearer("0123456789012345678901234567890123456789"), "invalid_token"),
            ("no token", "Bearer a b".to_owned(), "invalid_token"),
        ];
        let token = client.login("alice", PASSWORD);
        for (what, header, error) in &strangers {
            for (right, question) in questions(&token) {
                let reply = client.ask(&question.header("Authorization", header.as_str()));
                assert_refused(&reply, 401, error, &format!("{what}, {right}"));
            }
        }
        // Without credentials, a revocation accepts the token as proof.
        for (right, question) in questions(&token).into_iter().take(2) {
            assert_refused(&client.ask(&question), 401, "invalid_client", right);
        }
        assert_eq!(client.check(&token), 200, "nobody ended it");
        for (right, question) in questions(&token) {
            let script = bearer(&stage.script_token(root));
            for header in [script.replace("Bearer", "token"), script, stage.header()] {
                let reply = client.ask(&question.clone().header("Authorization", header.as_str()));
                assert_eq!(reply.status, 200, "{right}: {}", reply.text());
            }
        }
        assert_eq!(client.check(&token), 401, "the last of them");
    }

    fn each_right_is_for_its_own_endpoint(backend) {
        let stage = Stage::set(backend);
        stage.app.add_user("alice", PASSWORD);
        let client = &mut stage.app.client();
        let token = client.login("alice", PASSWORD);
        for only in ["introspect", "batch", "revoke"] {
            let added = Stage::register(&stage.app, only, only);
            let header = basic(&added.id.to_string(), added.secret.expose());
            for (right, question) in questions(&token) {
                let reply = client.ask(&question.header("Authorization", header.as_str()));
                if right == only {
                    assert_eq!(reply.status, 200, "{right}");
                } else {
                    assert_refused(&reply, 403, "unauthorized_client", right);
                }
            }
        }
    }

    fn the_end_of_a_client_or_of_its_secret_counts_at_once(backend) {
        let stage = Stage::set(backend);
        let client = &mut stage.app.client();
        let ask = |client: &mut crate::harness::app::Client, header: &str| {
            let request = form_request("/introspect/", &[("token", "x")]).header("Authorization", header);
            client.ask(&request).status
        };
        let id = stage.service.id;
        let old = stage.header();
        assert_eq!([ask(client, &old), ask(client, &old)], [200, 200]);
        let rotated = stage.app.admin().rotate_client(id, Duration::from_secs(60)).expect("a new secret");
        let new = basic(&id.to_string(), rotated.secret.expose());
        assert_eq!([ask(client, &new), ask(client, &old)], [200, 200], "for a while both are good");
        stage.app.clock.advance(Duration::from_secs(60));
        assert_eq!([ask(client, &new), ask(client, &old)], [200, 401]);
        let rotated = stage.app.admin().rotate_client(id, Duration::ZERO).expect("a new secret");
        let newer = basic(&id.to_string(), rotated.secret.expose());
        assert_eq!([ask(client, &newer), ask(client, &new)], [200, 401]);
        stage.app.admin().delete_client(id).expect("a write");
        assert_eq!(ask(client, &newer), 401);
    }

    fn a_client_has_a_limit(backend) {
        let stage = Stage::set(backend);
        let client = &mut stage.app.client();
        let rights = knoxide::domain::client::Rights::USUAL;
        let added = stage.app.admin().add_client("slow".to_owned(), rights, Some(2)).expect("a client");
        let header = basic(&added.id.to_string(), added.secret.expose());
        let ask = form_request("/introspect/", &[("token", "x")]).header("Authorization", header);
        let replies: Vec<Reply> = (0..3).map(|_| client.ask(&ask)).collect();
        assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [200, 200, 429]);
        assert_refused(&replies[2], 429, "too_many_requests", "the third");
        assert_eq!(replies[2].header("retry-after").as_deref(), Some("1"));
        stage.app.clock.advance(Duration::from_secs(1));
        assert_eq!(client.ask(&ask).status, 200);
    }

    fn calls_are_counted_and_not_listed(backend) {
        let stage = Stage::set(backend);
        let root = stage.app.add_user("root", PASSWORD);
        stage.promote(root);
        let client = &mut stage.app.client();
        let script = format!("Bearer {}", stage.script_token(root));
        for header in [stage.header(), stage.header(), script, "Basic YTpi".to_owned()] {
            client.ask(&form_request("/introspect/", &[("token", "x")]).header("Authorization", header));
        }
        client.ask(&form_request("/introspect/", &[("token", "x")]));
        stage.app.auth.close(Duration::from_secs(10));
        let events = crate::audit::all(&mut *stage.app.connection());
        let of = |name: &str| {
            let events = events.iter().filter(|event| event.event == name);
            let mut counts: Vec<(String, u64)> = events.map(|event| (event.actor.clone(), event.count)).collect();
            counts.sort();
            counts
        };
        let (service, admin) = (format!("client:{}", stage.service.id), format!("user:{}", root.0));
        assert_eq!(of("client_called"), [(service, 2), (admin, 1)]);
        assert_eq!(of("client_refused"), [("anonymous".to_owned(), 2)]);
    }
}
