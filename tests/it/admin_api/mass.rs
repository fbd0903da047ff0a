//! Searches by conditions, and the end of all sessions that meet them.

use std::time::Duration;

use super::*;
use crate::harness::app::on_each_database;

/// The values of a field in a page.
fn column(page: &Value, field: &str) -> Vec<Value> {
    page["results"].as_array().expect("rows").iter().map(|row| row[field].clone()).collect()
}

on_each_database! {
    fn a_set_ends_as_it_was_shown(backend) {
        let bench = Bench::new(backend);
        let tokens: Vec<_> = (0..3).map(|_| bench.app.client().login("alice", PASSWORD)).collect();
        let stan = bench.app.client().login("stan", PASSWORD);
        let root = bench.root();
        let revoke = |body: Value| bench.post(&root, "/admin/api/sessions/revoke/", body);
        let statuses = || tokens.iter().map(|token| bench.app.client().check(token)).collect::<Vec<_>>();
        let (status, shown) = revoke(json!({ "user": bench.alice, "address": "127.0.0.0/8", "dry_run": true }));
        assert_eq!((status, &shown["count"]), (200, &json!(3)));
        assert_eq!(shown["sample"].as_array().map(Vec::len), Some(3));
        assert_eq!(statuses(), [200; 3]);
        // More would end than were shown; fewer than that is no reason.
        let set = |count: u64| {
            json!({ "user": bench.alice, "address": "127.0.0.0/8", "moment": shown["moment"], "count": count })
        };
        let (status, refused) = revoke(set(2));
        assert_eq!((status, refusal(&refused).0.as_str()), (409, "conflict"));
        assert_eq!((&refused["error"]["shown"], &refused["error"]["found"]), (&json!(2), &json!(3)));
        assert_eq!(statuses(), [200; 3]);
        // What was opened after the moment stays.
        bench.app.clock.advance(Duration::from_secs(1));
        let later = bench.app.client().login("alice", PASSWORD);
        assert_eq!(revoke(set(3)), (200, json!({ "ended": 3 })));
        assert_eq!(statuses(), [401; 3]);
        assert_eq!([&stan, &later].map(|token| bench.app.client().check(token)), [200, 200]);
        let events = bench.get(&root, "/admin/api/events/?event=mass_end_started,mass_end_done");
        assert_eq!(column(&events, "event"), ["mass_end_done", "mass_end_started"]);
        // Without conditions, a moment or a count nothing ends.
        for body in [
            json!({ "dry_run": true }),
            json!({ "user": bench.stan }),
            json!({ "user": bench.stan, "all": true }),
            json!({ "user": bench.stan, "moment": shown["moment"] }),
            json!({ "user": bench.stan, "before": shown["moment"] }),
        ] {
            assert_eq!(revoke(body.clone()).0, 400, "{body}");
        }
        assert_eq!(bench.app.client().check(&stan), 200);
        assert_eq!(revoke(json!({ "all": true, "dry_run": true })).1["count"], 3);
        assert_eq!(bench.app.client().check(&stan), 200);
    }

    fn users_and_sessions_are_found_by_what_they_are(backend) {
        let bench = Bench::new(backend);
        let root = bench.root();
        bench.app.client().login("alice", PASSWORD);
        let users = |query: &str| column(&bench.get(&root, &format!("/admin/api/users/?{query}")), "username");
        assert_eq!(users("admin=true"), ["root", "second"]);
        assert_eq!(users("staff=true&active=true"), ["stan"]);
        assert_eq!(users("beginning=s"), ["second", "stan"]);
        assert_eq!(users("email=ALICE@example.com"), ["alice"]);
        assert_eq!(users("q=lic"), ["alice"]);
        let sessions = |query: &str| column(&bench.get(&root, &format!("/admin/api/sessions/?{query}")), "username");
        assert_eq!(sessions("dialect=admin"), ["root"]);
        assert_eq!(sessions("dialect=knox&address=127.0.0.1"), ["alice"]);
        assert_eq!(sessions("address=192.0.2.0/24"), Vec::<Value>::new());
        assert_eq!(sessions("created_before=2026-01-01T00:00:00Z"), Vec::<Value>::new());
        for wrong in ["dialect=x", "address=127.0.0.1/33", "created_from=now", "user=alice"] {
            assert_eq!(bench.ask(&root, "GET", &format!("/admin/api/sessions/?{wrong}"), None).0, 400, "{wrong}");
        }
    }

    fn a_text_to_search_for_has_a_length_and_is_visible(backend) {
        let bench = Bench::new(backend);
        let root = bench.root();
        let stan = bench.app.client().login("stan", PASSWORD);
        for value in [String::new(), "%20".to_owned(), "%00".to_owned(), "a%00".to_owned(), "x".repeat(201)] {
            for (list, field) in
                [("users", "q"), ("users", "beginning"), ("users", "email"), ("sessions", "device"), ("sessions", "name")]
            {
                let (status, refused) = bench.ask(&root, "GET", &format!("/admin/api/{list}/?{field}={value}"), None);
                assert_eq!(status, 400, "{field}={value}");
                assert!(refused["error"]["fields"][field].is_string(), "{refused}");
            }
        }
        let longest = "%C3%A4".repeat(200);
        assert_eq!(column(&bench.get(&root, &format!("/admin/api/sessions/?device={longest}")), "id").len(), 0);
        let revoke = |body: Value| bench.post(&root, "/admin/api/sessions/revoke/", body).0;
        for device in ["", " ", "\0", "\u{200b}"] {
            assert_eq!(revoke(json!({ "device": device, "dry_run": true })), 400, "{device:?}");
            assert_eq!(revoke(json!({ "device": device, "moment": "2030-01-01T00:00:00Z", "count": 9 })), 400, "{device:?}");
        }
        assert_eq!(bench.app.client().check(&stan), 200);
    }

    fn tokens_of_scripts_are_listed_and_ended_by_name(backend) {
        let bench = Bench::new(backend);
        let root = bench.root();
        bench.app.client().login("alice", PASSWORD);
        let make = |user: UserId, name: &str| {
            let (status, made) = bench.post(&root, "/admin/api/tokens/", json!({ "user": user, "name": name }));
            assert_eq!(status, 201);
            made["token"].as_str().expect("a token").to_owned()
        };
        let tokens = [make(bench.alice, "ci"), make(bench.alice, "ci"), make(bench.alice, "ci-2"), make(bench.stan, "ci")];
        let names = |query: &str| {
            let mut names = column(&bench.get(&root, &format!("/admin/api/tokens/?{query}")), "name");
            names.sort_by_key(ToString::to_string);
            names
        };
        assert_eq!(names(""), ["ci", "ci", "ci", "ci-2"]);
        assert_eq!(names(&format!("user={}&name=2", bench.alice)), ["ci-2"]);
        let revoke = json!({ "user": bench.alice, "name": "ci" });
        assert_eq!(bench.post(&root, "/admin/api/tokens/revoke/", revoke.clone()), (200, json!({ "ended": 2 })));
        assert_eq!(tokens.map(|token| bench.app.client().check(&token)), [401, 401, 200, 200]);
        assert_eq!(bench.post(&root, "/admin/api/tokens/revoke/", revoke).0, 404);
        assert_eq!(names(""), ["ci", "ci-2"]);
        assert_eq!(names("ended=true").len(), 4);
    }
}
