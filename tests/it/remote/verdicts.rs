//! The server's verdicts reach the checks that asked for them, at once and without being mixed up.

use std::time::{Duration, UNIX_EPOCH};

use actix_web::rt::System;
use knoxide::domain::time::Clock as _;
use knoxide_remote::{Dialect, Remote, Unavailable, Verified};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::stage::{as_client, register, remote};
use crate::harness::app::{App, Database, Setup, on_each_database};
use crate::harness::dialects::{ALL, members};

const PASSWORD: &str = "correct horse";

fn check(remote: &Remote, token: &str) -> Result<Option<Verified>, Unavailable> {
    System::new().block_on(remote.check(token))
}

fn name(remote: &Remote, token: &str) -> Option<String> {
    check(remote, token).expect("an answer").map(|who| who.user.username)
}

on_each_database! {
    fn a_revocation_counts_at_once(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        // Another node, and a worker that gets no request.
        let other = app.beside(Setup::default().http);
        let (remote, client) = (remote(&app), &mut other.client());
        for _ in 0..20 {
            let token = client.login("alice", PASSWORD);
            assert_eq!(name(&remote, &token).as_deref(), Some("alice"));
            assert_eq!(client.logout(&token), 200);
            assert_eq!(name(&remote, &token), None);
        }
    }

    /// Many checks of users at once, grouped into calls at random.
    fn checks_of_many_users_are_not_mixed_up(backend) {
        let app = App::start(backend);
        let client = &mut app.client();
        let mut tokens = Vec::new();
        for number in 0..8 {
            let user = format!("user{number}");
            app.add_user(&user, PASSWORD);
            for is_live in [true, false] {
                let token = client.login(&user, PASSWORD);
                assert!(is_live || client.logout(&token) == 200);
                tokens.push((token, is_live.then(|| user.clone())));
            }
        }
        tokens.push(("unknown".to_owned(), None));
        let remote = remote(&app);
        let indexes = vec(0..tokens.len(), 1..300);
        let mut runner = TestRunner::new(ProptestConfig { cases: 20, failure_persistence: None, ..Default::default() });
        let mixed = runner.run(&indexes, |indexes| {
            let checks: Vec<_> = indexes.iter().map(|index| (*index, remote.check(&tokens[*index].0))).collect();
            System::new().block_on(async {
                for (index, check) in checks {
                    let name = check.await.expect("an answer").map(|who| who.user.username);
                    prop_assert_eq!(&name, &tokens[index].1);
                }
                Ok(())
            })
        });
        mixed.expect("unmixed answers");
    }

    fn user_session_and_times_are_those_of_the_server(backend) {
        let mut setup = Setup::default();
        setup.policy.dialects.drf_jwt.access_ttl = Some(Duration::from_secs(300));
        let app = App::on(Database::migrated(backend), setup);
        let alice = app.add_user("alice", PASSWORD);
        app.change(alice, |admin, user| admin.set_staff(user, true));
        let (remote, client) = (remote(&app), &mut app.client());
        for speech in ALL {
            let token = speech.login(client, "alice", PASSWORD).access;
            let told = members(&speech.ask(client, "GET", "/auth/user/", &token));
            let who = check(&remote, &token).expect("an answer").expect("a live token");
            assert_eq!(Some(who.session.dialect), Dialect::from_name(speech.dialect.as_str()));
            assert_eq!(Some(who.session.id.as_str()), told["session"]["id"].as_str());
            let user = (who.user.id.0, who.user.username.as_str(), who.user.email.as_str());
            assert_eq!(user, (alice.0, "alice", "alice@example.com"));
            assert!(who.user.is_staff && !who.user.is_admin);
            let now = u64::try_from(app.clock.now().as_seconds()).expect("after 1970");
            assert_eq!(who.issued, UNIX_EPOCH + Duration::from_secs(now));
            if speech.dialect.as_str() == "drf_jwt" {
                assert_eq!(who.expires, Some(UNIX_EPOCH + Duration::from_secs(now + 300)));
            }
        }
    }

    fn a_check_counts_as_use_unless_told_otherwise(backend) {
        const IDLE: Duration = Duration::from_secs(600);
        let mut setup = Setup::default();
        setup.policy.idle_limit = Some(IDLE);
        setup.policy.touch_interval = Duration::from_secs(60);
        let app = App::on(Database::migrated(backend), setup);
        app.add_user("alice", PASSWORD);
        let client = register(&app, "batch");
        let [counting, looking] =
            [true, false].map(|counts| as_client(&app, &client).counts_as_use(counts).build().expect("a remote"));
        let [used, seen] = [(); 2].map(|()| app.client().login("alice", PASSWORD));
        for _ in 0..3 {
            app.clock.advance(IDLE);
            assert_eq!(name(&counting, &used).as_deref(), Some("alice"));
        }
        assert_eq!(name(&looking, &seen), None);
    }

    fn whoever_may_not_ask_learns_nothing(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let token = app.client().login("alice", PASSWORD);
        let [able, unable] = ["batch", "introspect,revoke"].map(|rights| register(&app, rights));
        let [able_remote, unable] =
            [&able, &unable].map(|client| as_client(&app, client).build().expect("a remote"));
        assert_eq!(name(&able_remote, &token).as_deref(), Some("alice"));
        for bad in [&token, "unknown"] {
            assert_eq!(check(&unable, bad), Err(Unavailable), "no right");
        }
        let url = format!("http://{}/", app.address);
        let stranger = Remote::at(&url, &able.id.to_string(), "kxc_0").build().expect("a remote");
        assert_eq!(check(&stranger, &token), Err(Unavailable), "a wrong secret");
        app.admin().delete_client(able.id).expect("a deletion");
        assert_eq!(check(&able_remote, &token), Err(Unavailable), "a deleted client");
    }
}
