//! What the acts of administrators do, and what their events say.

use knoxide::domain::session::SessionId;
use knoxide::domain::time::Clock as _;

use super::*;
use crate::harness::app::on_each_database;

on_each_database! {
    fn a_user_from_the_first_day_to_the_last(backend) {
        let bench = Bench::new(backend);
        let root = bench.root();
        let new = json!({ "username": "erin", "email": "e@example.org", "password": PASSWORD });
        let (status, erin) = bench.post(&root, "/admin/api/users/", new);
        assert_eq!((status, &erin["username"], &erin["is_active"]), (201, &json!("erin"), &json!(true)));
        assert_eq!((&erin["is_admin"], &erin["last_login"]), (&json!(false), &Value::Null));
        let path = format!("/admin/api/users/{}/", erin["id"]);
        assert_eq!(bench.get(&root, &path), erin);
        let token = bench.app.client().login("erin", PASSWORD);
        let change = |change: Value| bench.ask(&root, "PATCH", &path, Some(change));
        assert_eq!(change(json!({ "email": "erin@example.org" })).1["email"], "erin@example.org");
        assert_eq!(change(json!({ "is_staff": true })).1["is_staff"], true);
        assert_eq!(bench.app.client().check(&token), 200, "no session has ended");
        assert_eq!(change(json!({ "is_active": false })).1["is_active"], false);
        assert_eq!(bench.app.client().check(&token), 401);
        assert_eq!(change(json!({ "is_active": true })).1["is_active"], true);
        assert_eq!(bench.app.client().check(&token), 401);
        let password = json!({ "password": "another-horse-9" });
        assert_eq!(bench.post(&root, &format!("{path}password/"), password).0, 204);
        let token = bench.app.client().login("erin", "another-horse-9");
        assert_eq!(bench.post(&root, &format!("{path}end-sessions/"), json!({})).0, 204);
        assert_eq!(bench.app.client().check(&token), 401);
        let (status, reset) = bench.post(&root, &format!("{path}reset-password/"), json!({}));
        let once = reset["one_time_password"].as_str().expect("a value");
        assert_eq!((status, bench.app.client().try_login("erin", once).status), (200, 400));
        let change = json!({ "username": "erin", "current_password": once, "new_password": "a-third-horse-9" });
        let asked = crate::harness::admin::request("POST", "/auth/password/change/", None, Some(&change));
        assert!(matches!(bench.app.client().ask(&asked).status, 200..=204));
        bench.app.client().login("erin", "a-third-horse-9");
        assert_eq!(bench.ask(&root, "DELETE", &path, None).0, 204);
        assert_eq!(bench.ask(&root, "GET", &path, None).0, 404);
        assert_eq!(bench.ask(&root, "DELETE", &path, None).0, 404);
    }

    fn a_session_is_found_and_ended(backend) {
        let bench = Bench::new(backend);
        let root = bench.root();
        let tokens = [(); 3].map(|()| {
            bench.app.clock.advance(std::time::Duration::from_secs(1));
            bench.app.client().login("alice", PASSWORD)
        });
        let of_alice = format!("/admin/api/sessions/?user={}", bench.alice);
        let listed = bench.get(&root, &of_alice);
        let ids: Vec<_> = listed["results"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect();
        assert_eq!((ids.len(), &listed["next"]), (3, &Value::Null));
        // The newest comes first.
        let path = format!("/admin/api/sessions/{}/", ids[0].as_str().expect("an id"));
        assert_eq!(bench.get(&root, &path)["dialect"], "knox");
        assert_eq!(bench.ask(&root, "DELETE", &path, None).0, 204);
        let statuses = tokens.map(|token| bench.app.client().check(&token));
        assert_eq!(statuses, [200, 200, 401]);
        let ended = bench.get(&root, &path);
        assert_eq!((&ended["end_reason"], &ended["ended_by"]), (&json!("revoked"), &json!(format!("user:{}", bench.root))));
        assert_eq!(bench.ask(&root, "DELETE", &path, None).0, 404);
        assert_eq!(bench.get(&root, &of_alice)["results"].as_array().map(Vec::len), Some(2));
        let with_ended = bench.get(&root, &format!("{of_alice}&ended=true"));
        assert_eq!(with_ended["results"].as_array().map(Vec::len), Some(3));
    }

    fn pages_follow_each_other_while_rows_come_and_go(backend) {
        let bench = Bench::new(backend);
        let root = bench.root();
        let made: Vec<_> = (0..7).map(|number| bench.app.add_user(&format!("page{number}"), PASSWORD)).collect();
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = bench.get(&root, &format!("/admin/api/users/?q=page&limit=2{cursor}"));
            seen.extend(page["results"].as_array().expect("rows").iter().map(|row| row["id"].clone()));
            // The last row of the page goes, and a new one comes at the end.
            if seen.len() == 2 {
                bench.app.change(made[1], knoxide::service::admin::Admin::delete_user);
                bench.app.add_user("page-last", PASSWORD);
            }
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen.len(), 8, "{seen:?}");
        let distinct: std::collections::HashSet<_> = seen.iter().map(ToString::to_string).collect();
        assert_eq!(distinct.len(), 8);
    }
}

on_each_database! {
    fn old_sessions_and_then_all_end_at_once(backend) {
        let bench = Bench::new(backend);
        let old = bench.app.client().login("alice", PASSWORD);
        bench.app.clock.advance(std::time::Duration::from_secs(1));
        let moment = bench.app.clock.now().to_string();
        let (root, new) = (bench.root(), bench.app.client().login("alice", PASSWORD));
        let revoke = |body: Value| bench.post(&root, "/admin/api/sessions/revoke/", body);
        assert_eq!(revoke(json!({})).0, 400);
        assert_eq!(revoke(json!({ "all": true, "before": moment })).0, 400);
        assert_eq!(revoke(json!({ "before": "2100-01-01T00:00:00Z" })).0, 400);
        assert_eq!(revoke(json!({ "before": moment })).0, 200);
        assert_eq!([&old, &new].map(|token| bench.app.client().check(token)), [401, 200]);
        assert_eq!(revoke(json!({ "all": true })).0, 200);
        assert_eq!(bench.app.client().check(&new), 401);
        // That includes the session of the administrator.
        assert_eq!(revoke(json!({ "all": true })).0, 401);
        assert_eq!(bench.get(&bench.root(), "/admin/api/me/")["user"]["username"], "root");
    }
}

on_each_database! {
    fn each_act_leaves_one_event_and_each_refusal_too(backend) {
        let bench = Bench::new(backend);
        let root = bench.root();
        let actor = format!("user:{}", bench.root);
        let named = |query: &str| {
            let page = bench.get(&root, &format!("/admin/api/events/?actor={actor}&{query}"));
            page["results"].as_array().expect("rows").clone()
        };
        let names = || named("").iter().map(|row| row["event"].as_str().expect("a name").to_owned()).collect::<Vec<_>>();
        assert_eq!(names(), ["admin_login"]);
        let path = format!("/admin/api/users/{}/", bench.alice);
        assert_eq!(bench.ask(&root, "PATCH", &path, Some(json!({ "is_staff": true }))).0, 200);
        assert_eq!(bench.ask(&root, "PATCH", &path, Some(json!({ "email": "stan@example.com" }))).0, 409);
        assert_eq!(bench.post(&root, "/admin/api/throttle/clear/", json!({ "all": true })).0, 200);
        assert_eq!(bench.post(&root, "/admin/api/verify-password/", json!({ "password": PASSWORD })).0, 204);
        bench.app.clock.advance(std::time::Duration::from_secs(301));
        assert_eq!(bench.post(&root, "/admin/api/keys/rotate/", json!({})).0, 403);
        let expected = ["act_refused", "password_verified", "throttle_cleared", "act_refused", "staff_granted", "admin_login"];
        assert_eq!(names(), expected);
        let refused = named("event=act_refused");
        assert_eq!(refused[0]["detail"], json!({ "act": "POST /admin/api/keys/rotate/", "reason": "password_required" }));
        assert_eq!(refused[1]["user_id"], json!(bench.alice));
        assert!(refused.iter().all(|row| row["address"] == "127.0.0.1" && row["request_id"].is_string()));
        // Also where there is no such user or session, and not where one is only looked at.
        let nothing = "/admin/api/users/4711/";
        let session = format!("/admin/api/sessions/{}/", SessionId::from_bytes([7; 16]));
        for (method, path, status) in [
            ("DELETE", nothing, 404),
            ("POST", "/admin/api/users/4711/end-sessions/", 404),
            ("DELETE", &session, 404),
            ("GET", nothing, 404),
        ] {
            assert_eq!(bench.ask(&root, method, path, (method == "POST").then(|| json!({}))).0, status, "{path}");
        }
        let refused = named("event=act_refused");
        let acts: Vec<_> = refused.iter().map(|row| (&row["detail"]["act"], &row["detail"]["reason"])).collect();
        assert_eq!(acts.len(), 5, "{acts:?}");
        assert!(acts[..3].iter().all(|(_, reason)| *reason == "not_found"), "{acts:?}");
        // In pages, and from the oldest on.
        let page = bench.get(&root, &format!("/admin/api/events/?actor={actor}&order=oldest&limit=4"));
        let next = page["next"].as_str().expect("a cursor");
        assert_eq!(page["results"][0]["event"], "admin_login");
        let rest = named(&format!("order=oldest&cursor={next}"));
        assert_eq!(rest.len(), 5);
        assert_eq!(bench.ask(&root, "GET", "/admin/api/events/?event=nonsense", None).0, 400);
    }
}

on_each_database! {
    fn what_became_of_a_session_or_a_token_is_explained(backend) {
        let bench = Bench::new(backend);
        let root = bench.root();
        let token = bench.app.client().login("alice", PASSWORD);
        let session = bench.app.sessions_of(bench.alice).remove(0).to_string();
        let explain = |body: Value| bench.post(&root, "/admin/api/explain/", body);
        assert_eq!(explain(json!({ "token": token })).1["state"], "live");
        assert_eq!(bench.ask(&root, "DELETE", &format!("/admin/api/sessions/{session}/"), None).0, 204);
        for question in [json!({ "token": token }), json!({ "session_id": session })] {
            let (status, answer) = explain(question);
            assert_eq!((status, &answer["state"]), (200, &json!("ended")), "{answer}");
            assert_eq!((&answer["reason"], &answer["actor"]), (&json!("revoked"), &json!(format!("user:{}", bench.root))));
        }
        assert_eq!(explain(json!({ "token": "unknown" })).1["state"], "unknown");
        assert_eq!(explain(json!({})).0, 400);
        assert_eq!(explain(json!({ "token": token, "session_id": session })).0, 400);
        assert_eq!(explain(json!({ "session_id": token })).0, 400);
    }
}

#[test]
fn the_last_administrator_stays() {
    let bench = Bench::new(Backend::Sqlite);
    let (root, id) = (bench.root(), bench.root);
    bench.app.change(bench.second, |admin, user| admin.set_admin(user, false));
    for change in [json!({ "is_admin": false }), json!({ "is_active": false })] {
        let (status, json) = bench.ask(&root, "PATCH", &format!("/admin/api/users/{id}/"), Some(change));
        assert_eq!((status, refusal(&json).0.as_str()), (409, "conflict"));
    }
    assert_eq!(bench.ask(&root, "DELETE", &format!("/admin/api/users/{id}/"), None).0, 409);
    assert_eq!(bench.ask(&root, "GET", "/admin/api/me/", None).0, 200);
}

#[test]
fn a_script_gets_a_token_for_clients_or_for_administration() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    let create = |body: Value| bench.post(&root, "/admin/api/tokens/", body);
    let (status, made) = create(json!({ "user": bench.alice, "name": "backup", "expires_in": 3600 }));
    assert_eq!(status, 201);
    let token = made["token"].as_str().expect("a token");
    assert_eq!(bench.app.client().check(token), 200);
    let path = format!("/admin/api/tokens/{}/", made["id"].as_str().expect("an id"));
    assert_eq!(bench.ask(&root, "DELETE", &path, None).0, 204);
    assert_eq!(bench.app.client().check(token), 401);
    // One for administration needs an end and an administrator.
    let (status, json) = create(json!({ "user": bench.root, "name": "ci", "admin": true }));
    assert_eq!((status, refusal(&json).1), (400, vec!["expires_in".to_owned()]));
    assert_eq!(create(json!({ "user": bench.alice, "name": "ci", "admin": true, "expires_in": 60 })).0, 409);
    let (_, made) = create(json!({ "user": bench.root, "name": "ci", "admin": true, "expires_in": 60 }));
    let token = made["token"].as_str().expect("a token");
    assert_eq!(bench.get(token, "/admin/api/me/")["is_script"], true);
    assert_eq!(bench.app.client().check(token), 401);
    bench.app.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(bench.ask(token, "GET", "/admin/api/me/", None).0, 401);
}

#[test]
fn keys_are_listed_without_their_secrets_and_rotated() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    let keys = || bench.get(&root, "/admin/api/keys/")["results"].as_array().expect("keys").clone();
    let before = keys();
    assert!(before.iter().all(|key| key["secret"].is_null()));
    let (status, made) = bench.post(&root, "/admin/api/keys/rotate/", json!({ "algorithm": "EdDSA" }));
    assert_eq!((status, &made["algorithm"]), (201, &json!("EdDSA")));
    assert_eq!(keys().len(), before.len() + 1);
    let (status, json) = bench.post(&root, "/admin/api/keys/rotate/", json!({ "algorithm": "none" }));
    assert_eq!((status, refusal(&json).1), (400, vec!["algorithm".to_owned()]));
}

#[test]
fn throttled_logins_are_listed_and_forgiven() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    for _ in 0..10 {
        assert_eq!(bench.app.client().try_login("alice", "a wrong guess").status, 400);
    }
    assert_eq!(bench.app.client().try_login("alice", PASSWORD).status, 429);
    let rows = bench.get(&root, "/admin/api/throttle/")["results"].as_array().expect("rows").clone();
    let pair = rows.iter().find(|row| row["bucket"] == "pair").expect("the pair");
    assert_eq!((&pair["account"], &pair["address"]), (&json!(bench.alice.to_string()), &json!("127.0.0.1")));
    assert_eq!((&pair["failures"], &pair["is_full"]), (&json!(10), &json!(true)));
    let clear = |body: Value| bench.post(&root, "/admin/api/throttle/clear/", body);
    assert_eq!(clear(json!({})).0, 400);
    assert_eq!(clear(json!({ "all": true, "address": "127.0.0.1" })).0, 400);
    assert_eq!(clear(json!({ "user": 4711 })).0, 404);
    let (status, cleared) = clear(json!({ "user": bench.alice }));
    assert_eq!(status, 200);
    assert!(cleared["cleared"].as_u64().expect("a number") > 0);
    assert_eq!(bench.app.client().try_login("alice", PASSWORD).status, 200);
}
