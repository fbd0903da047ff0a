//! The knox dialect, end to end.

use std::time::Duration;

use knoxide::domain::audit::Event;
use knoxide::domain::policy::Policy;
use knoxide::http::Compat;
use knoxide::store::{AdminStore as _, LastAdmin, LimitPolicy};

use crate::harness::app::{App, Database, Setup, on_each_database};

on_each_database! {
    fn log_in_check_log_out(backend) {
        let app = App::start(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let (first, second) = (client.login("alice", "correct horse"), client.login("alice", "correct horse"));
        assert_eq!((client.check(&first), client.check(&second)), (200, 200));
        assert_eq!(client.logout(&first), 200);
        assert_eq!((client.check(&first), client.check(&second)), (401, 200));
        assert_eq!(client.logout(&first), 401);
        let third = client.login("alice", "correct horse");
        assert_eq!(client.logout_all(&second), 200);
        for token in [first, second, third] {
            assert_eq!(client.check(&token), 401);
        }
    }

    fn what_others_change_is_seen_by_the_next_check(backend) {
        let app = App::start(backend);
        let alice = app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let token = client.login("alice", "correct horse");
        assert_eq!(client.check(&token), 200);
        app.store.set_active(alice, false, LastAdmin::MayGo, &app.audit(Event::Deactivated)).expect("a write");
        let reply = client.with_token("GET", "/auth/user/", &token);
        assert_eq!((reply.status, reply.text().as_str()), (401, r#"{"detail":"User inactive or deleted."}"#));
        app.store.set_active(alice, true, LastAdmin::MayGo, &app.audit(Event::Activated)).expect("a write");
        let reply = client.with_token("GET", "/auth/user/", &token);
        assert_eq!((reply.status, reply.text().as_str()), (401, r#"{"detail":"Invalid token."}"#));
    }

    fn a_token_lives_for_its_time(backend) {
        let mut policy = Policy::default();
        policy.dialects.knox.access_ttl = Some(Duration::from_secs(3600));
        let app = App::on(Database::migrated(backend), Setup { policy, ..Setup::default() });
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let reply = client.try_login("alice", "correct horse");
        let body: serde_json::Value = serde_json::from_str(&reply.text()).expect("JSON");
        assert_eq!(body["expiry"], "2026-01-02T04:04:05.678901Z");
        let token = body["token"].as_str().expect("a token");
        app.clock.advance(Duration::from_micros(3_599_999_999));
        assert_eq!(client.check(token), 200);
        app.clock.advance(Duration::from_micros(1));
        assert_eq!(client.check(token), 401);
    }

    fn the_limit_is_knoxs(backend) {
        let policy = Policy { token_limit: Some(2), ..Policy::default() };
        let app = App::on(Database::migrated(backend), Setup { policy, ..Setup::default() });
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let token = client.login("alice", "correct horse");
        client.login("alice", "correct horse");
        let reply = client.try_login("alice", "correct horse");
        assert_eq!(reply.status, 403);
        assert_eq!(reply.text(), r#"{"error":"Maximum amount of tokens allowed per user exceeded."}"#);
        client.logout(&token);
        assert_eq!(client.try_login("alice", "correct horse").status, 200);
    }

    fn the_oldest_gives_way(backend) {
        let policy =
            Policy { token_limit: Some(2), limit_policy: LimitPolicy::EvictOldest, ..Policy::default() };
        let app = App::on(Database::migrated(backend), Setup { policy, ..Setup::default() });
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let tokens = [(); 3].map(|()| {
            app.clock.advance(Duration::from_secs(1));
            client.login("alice", "correct horse")
        });
        assert_eq!(tokens.each_ref().map(|token| client.check(token)), [401, 200, 200]);
    }

    fn prefix_and_keyword_are_settings(backend) {
        let policy = Policy { token_prefix: "kx_".to_owned(), ..Policy::default() };
        let mut setup = Setup { policy, ..Setup::default() };
        setup.http.options.dialects.knox.keywords = vec!["Knox".to_owned()];
        let app = App::on(Database::migrated(backend), setup);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let token = client.login("alice", "correct horse");
        assert!(token.starts_with("kx_") && token.len() == 43, "{token}");
        let reply = client.with_token("GET", "/auth/user/", &token);
        assert_eq!((reply.status, reply.header("WWW-Authenticate").as_deref()), (401, Some("Knox")));
        let request = crate::harness::wire::Request::new("GET", "/auth/user/");
        let reply = client.ask(&request.header("Authorization", format!("knox {token}")));
        assert_eq!(reply.status, 200);
    }

    fn logging_out_as_the_package_does_is_204(backend) {
        let mut setup = Setup::default();
        setup.http.options.compat = Compat::Package;
        let app = App::on(Database::migrated(backend), setup);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let (first, second) = (client.login("alice", "correct horse"), client.login("alice", "correct horse"));
        assert_eq!((client.logout(&first), client.logout_all(&second)), (204, 204));
        assert_eq!((client.check(&first), client.check(&second)), (401, 401));
    }
}
