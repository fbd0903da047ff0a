//! Listing, naming and ending one's own sessions.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::harness::app::{login_request, on_each_database};

fn ids(page: &Value) -> Vec<String> {
    let results = page["results"].as_array().expect("a list");
    results.iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect()
}

on_each_database! {
    fn every_live_session_is_on_one_page_and_the_current_one_on_the_first(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        app.add_user("bob", PASSWORD);
        let client = &mut app.client();
        client.login("bob", PASSWORD);
        let oldest = client.login("alice", PASSWORD);
        let mut tokens = vec![oldest.clone()];
        for _ in 0..6 {
            app.clock.advance(Duration::from_secs(60));
            tokens.push(client.login("alice", PASSWORD));
        }
        client.logout(&tokens.pop().expect("a token"));
        let newest_first: Vec<String> = tokens.iter().rev().map(|token| current(client, token)).collect();
        for (asked, asked_as_newest) in [(&oldest, false), (&tokens[5], true)] {
            let own = current(client, asked);
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            for page in 0..4 {
                let path = format!("{SESSIONS}?limit=2&cursor={cursor}");
                let body = members(&client.with_token("GET", &path, asked));
                let marks = body["results"].as_array().expect("a list").iter().map(|entry| entry["current"] == true);
                assert_eq!(marks.filter(|mark| *mark).count(), usize::from(page == 0), "{body}");
                seen.extend(ids(&body));
                let Some(next) = body["next"].as_str() else { break };
                next.clone_into(&mut cursor);
            }
            let listed: BTreeSet<_> = seen.iter().collect();
            assert_eq!((seen.len(), listed.len()), (6, 6), "{seen:?}");
            if asked_as_newest {
                assert_eq!(seen, newest_first);
            } else {
                assert_eq!(seen[2], own, "older than the sessions of the first page, and added at its end");
                assert_eq!(seen[..2], newest_first[..2]);
            }
        }
    }

    fn a_session_is_described_and_no_part_of_a_token_is_shown(backend) {
        let mut setup = Setup::default();
        setup.policy.dialects.simplejwt.access_ttl = Some(Duration::from_secs(600));
        let app = App::on(Database::migrated(backend), setup);
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let body = json!({ "username": "alice", "password": PASSWORD, "session_name": "Work laptop" });
        let request = Request::new("POST", "/auth/login/").header("Content-Type", "application/json");
        let login = client.ask(&request.header("User-Agent", "curl/8").body(body.to_string(), Framing::Length));
        let token = token_of(&login);
        let tokens = ALL.map(|speech| speech.login(client, "alice", PASSWORD));
        app.clock.advance(Duration::from_secs(90));
        let page = client.with_token("GET", SESSIONS, &token);
        let listed = sessions(client, &token);
        let dialects: Vec<_> = listed.iter().map(|entry| entry["dialect"].as_str().expect("a name")).collect();
        assert_eq!(BTreeSet::from_iter(&dialects).len(), ALL.len(), "{dialects:?}");
        let own = listed.iter().find(|entry| entry["current"] == true).expect("the current one");
        let expected = json!({
            "id": current(client, &token), "dialect": "knox", "name": "Work laptop",
            "created": "2026-01-02T03:04:05.678901Z", "last_seen": "2026-01-02T03:04:05.678901Z", "expiry": null,
            "address": "127.0.0.1", "user_agent": "curl/8", "current": true,
        });
        assert_eq!(*own, expected);
        let all = tokens.iter().flat_map(|tokens| [Some(&tokens.access), tokens.refresh.as_ref()]).flatten();
        for secret in all.chain([&token]) {
            assert!(!page.text().contains(&secret[..12.min(secret.len())]) || secret.starts_with("eyJ"), "{secret}");
            assert!(!page.text().contains(secret.as_str()));
        }
    }

    fn one_session_ends_and_every_node_knows(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        app.add_user("bob", PASSWORD);
        let (client, node) = (&mut app.client(), another_node(&app));
        let elsewhere = &mut node.client();
        let (mine, stolen) = (client.login("alice", PASSWORD), client.login("alice", PASSWORD));
        let bobs = client.login("bob", PASSWORD);
        assert_eq!((elsewhere.check(&stolen), elsewhere.check(&mine)), (200, 200));
        let (stolen_id, bobs_id) = (current(client, &stolen), current(client, &bobs));
        let gone = (404, r#"{"detail":"Not found."}"#.to_owned());
        for nothing in [bobs_id.as_str(), "0190d8a0-0000-7000-8000-000000000000", "x", "revoke"] {
            assert_eq!(delete(client, nothing, &mine), gone, "{nothing}");
        }
        assert_eq!(delete(client, &stolen_id, &mine), (204, String::new()));
        assert_eq!((elsewhere.check(&stolen), client.check(&stolen)), (401, 401));
        assert_eq!(delete(client, &stolen_id, &mine), gone, "it has ended");
        assert_eq!(delete(client, &stolen_id, &stolen).0, 401);
        assert_eq!((elsewhere.check(&mine), elsewhere.check(&bobs)), (200, 200));
        // Ending the current one has the effect of a logout.
        let mine_id = current(client, &mine);
        assert_eq!(delete(client, &mine_id, &mine), (204, String::new()));
        assert_eq!((elsewhere.check(&mine), client.check(&mine)), (401, 401));
        let told = app.connection().find_session(knoxide::domain::session::SessionId::parse(&stolen_id).expect("an id"));
        let told = told.expect("a read").expect("the session");
        assert_eq!(told.end_reason.map(knoxide::domain::audit::Event::as_str), Some("revoked_by_user"));
    }

    fn all_others_end_whatever_their_dialect(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        app.add_user("bob", PASSWORD);
        let (client, node) = (&mut app.client(), another_node(&app));
        let elsewhere = &mut node.client();
        let bobs = client.login("bob", PASSWORD);
        for kept in ALL {
            let others = ALL.map(|speech| (speech, speech.login(client, "alice", PASSWORD)));
            let mine = kept.login(client, "alice", PASSWORD);
            assert_eq!(kept.check(elsewhere, &mine.access), 200);
            let reply = kept.ask(client, "POST", OTHERS, &mine.access);
            assert_eq!((reply.status, reply.text().as_str()), (204, ""));
            for (speech, tokens) in others {
                assert_eq!(speech.check(elsewhere, &tokens.access), 401, "{:?} by {:?}", speech.dialect, kept.dialect);
            }
            for client in [&mut *client, &mut *elsewhere] {
                assert_eq!(kept.check(client, &mine.access), 200, "{:?}", kept.dialect);
            }
            let refreshed = kept.refresh(client, &kept.refreshable(&mine)).map(|reply| reply.status);
            assert!(refreshed.is_none_or(|status| status == 200), "{:?}: {refreshed:?}", kept.dialect);
            assert_eq!(members(&kept.ask(client, "GET", SESSIONS, &mine.access))["results"].as_array().map(Vec::len), Some(1));
        }
        assert_eq!(elsewhere.check(&bobs), 200);
    }

    fn name_and_password_log_out_everywhere_and_open_nothing(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        for (field, name) in [("username", "alice"), ("email", "alice@example.com")] {
            let tokens = ALL.map(|speech| (speech, speech.login(client, "alice", PASSWORD)));
            for (name, password) in [(name, "guess"), ("nobody", PASSWORD)] {
                let reply = post(client, REVOKE_ALL, ANONYMOUS, &json!({ field: name, "password": password }));
                assert_eq!((reply.status, reply.text().as_str()), (400, DENIED));
            }
            assert!(tokens.iter().all(|(speech, tokens)| speech.check(client, &tokens.access) == 200));
            let reply = post(client, REVOKE_ALL, ANONYMOUS, &json!({ field: name, "password": PASSWORD }));
            assert_eq!((reply.status, reply.text().as_str()), (204, ""));
            assert!(tokens.iter().all(|(speech, tokens)| speech.check(client, &tokens.access) == 401));
        }
        let reply = post(client, REVOKE_ALL, ANONYMOUS, &json!({}));
        let expected = r#"{"username":["This field is required."],"password":["This field is required."]}"#;
        assert_eq!((reply.status, reply.text().as_str()), (400, expected));
    }

    fn the_name_of_a_session_is_taken_in_every_dialect_and_never_an_error(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let long = "x".repeat(101);
        let cases = [
            (json!("<script>alert(1)</script>"), None, Some("<script>alert(1)</script>")),
            (json!("Zoë \u{2019}s 📱"), Some("ignored"), Some("Zoë \u{2019}s 📱")),
            (Value::Null, Some("From the header"), Some("From the header")),
            (json!("a\u{1b}[2Jb"), Some("Second choice"), Some("Second choice")),
            (json!(["x"]), None, None),
            (json!(true), None, None),
            (json!(""), Some(""), None),
            (json!(long), Some("a\u{202e}b"), None),
        ];
        let logins = [
            ("/auth/login/", "username", "alice"),
            ("/api-token-auth/", "username", "alice"),
            ("/api/token/", "email", "alice@example.com"),
            ("/auth/access_token/", "username", "alice"),
            ("/jwt/create/", "username", "alice"),
        ];
        let reader = client.login("alice", PASSWORD);
        for (path, field, name) in logins {
            for (in_body, in_header, expected) in &cases {
                app.clock.advance(Duration::from_secs(1));
                let body = json!({ field: name, "password": PASSWORD, "session_name": in_body });
                let mut request = Request::new("POST", path).header("Content-Type", "application/json");
                if let Some(text) = in_header {
                    request = request.header("X-Session-Name", *text);
                }
                let reply = client.ask(&request.body(body.to_string(), Framing::Length));
                assert_eq!(reply.status, 200, "{path} {in_body}: {}", reply.text());
                let newest = &sessions(client, &reader)[0];
                assert_eq!(newest["name"].as_str(), *expected, "{path} {in_body} {in_header:?}");
            }
        }
    }
}

#[test]
fn what_a_query_cannot_mean_is_told_by_its_field() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    let cases = [
        ("limit=0", r#"{"limit":["Ensure this value is greater than or equal to 1."]}"#),
        ("limit=-1", r#"{"limit":["Ensure this value is greater than or equal to 1."]}"#),
        ("limit=101", r#"{"limit":["Ensure this value is less than or equal to 100."]}"#),
        ("limit=9999999999", r#"{"limit":["Ensure this value is less than or equal to 100."]}"#),
        ("limit=ten", r#"{"limit":["A valid integer is required."]}"#),
        ("limit=99999999999999999999", r#"{"limit":["A valid integer is required."]}"#),
        ("cursor=1", r#"{"cursor":["Invalid cursor."]}"#),
        ("cursor=%00", r#"{"cursor":["Invalid cursor."]}"#),
    ];
    for (query, expected) in cases {
        let reply = client.with_token("GET", &format!("{SESSIONS}?{query}"), &token);
        assert_eq!((reply.status, reply.text().as_str()), (400, expected), "{query}");
    }
    for query in ["", "limit=", "cursor=", "limit=100", "limit=ten&limit=1", "other=1"] {
        assert_eq!(client.with_token("GET", &format!("{SESSIONS}?{query}"), &token).status, 200, "{query}");
    }
}

#[test]
fn a_session_that_is_idle_or_expired_is_not_listed() {
    let mut policy = Policy { idle_limit: Some(Duration::from_secs(600)), ..Policy::default() };
    policy.dialects.djoser.access_ttl = Some(Duration::from_secs(60));
    let app = App::on(Database::migrated(Backend::Sqlite), Setup { policy, ..Setup::default() });
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    client.login("alice", PASSWORD);
    app.clock.advance(Duration::from_secs(3_600));
    let token = client.login("alice", PASSWORD);
    assert_eq!(sessions(client, &token).len(), 1, "the other one is idle");
    assert_eq!(client.ask(&login_request("alice", PASSWORD)).status, 200);
    assert_eq!(sessions(client, &token).len(), 2);
}
