//! `POST /revoke/`: by a token's holder, and by callers that may end any session.

use std::time::Duration;

use knoxide::domain::dialect::Dialect;

use super::stage::{PASSWORD, Presented, Stage, basic, every_state, form_request, members};
use crate::harness::app::{App, Client, Database, Setup, on_each_database};
use crate::harness::dialects::{ALL, Speech};
use crate::harness::wire::Reply;

fn revoke(client: &mut Client, token: &str) -> Reply {
    let reply = client.ask(&form_request("/revoke/", &[("token", token)]));
    assert_eq!((reply.status, reply.text().as_str()), (200, ""), "{token}");
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
    reply
}

/// The events of ended sessions, with their actors.
fn ends(app: &App) -> Vec<(String, String)> {
    let wanted = ["logout", "revoked", "refresh_reused", "idle"];
    let events = crate::audit::all(&mut *app.connection());
    let ends = events.into_iter().filter(|event| wanted.contains(&event.event.as_str()));
    ends.map(|event| (event.event, event.actor)).collect()
}

on_each_database! {
    fn whoever_holds_a_token_can_end_its_session(backend) {
        let app = App::start(backend);
        let alice = app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let mut ended = 0;
        for speech in ALL {
            let other = speech.login(client, "alice", PASSWORD);
            for by_refresh in [false, true] {
                let tokens = speech.login(client, "alice", PASSWORD);
                let presented = if by_refresh { tokens.refresh.clone() } else { Some(tokens.access.clone()) };
                let Some(presented) = presented else { continue };
                revoke(client, &presented);
                ended += 1;
                assert_eq!(speech.check(client, &tokens.access), 401, "{:?}", speech.dialect);
                if let Some(reply) = speech.refresh(client, &speech.refreshable(&tokens)) {
                    assert_ne!(reply.status, 200, "{:?}", speech.dialect);
                }
                // Again, and with the session's other tokens.
                revoke(client, &presented);
                revoke(client, &tokens.access);
            }
            assert_eq!(speech.check(client, &other.access), 200, "only that session");
        }
        assert_eq!(ended, 7);
        assert_eq!(ends(&app), vec![("logout".to_owned(), format!("user:{}", alice.0)); 7], "each once");
    }

    fn an_expired_access_token_ends_its_session_and_an_expired_refresh_token_does_not(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let (client, simplejwt) = (&mut app.client(), Speech::of(Dialect::Simplejwt));
        let tokens = simplejwt.login(client, "alice", PASSWORD);
        let refresh = tokens.refresh.expect("a refresh token");
        app.clock.advance(Duration::from_secs(301));
        assert_eq!(simplejwt.check(client, &tokens.access), 401, "expired");
        revoke(client, &tokens.access);
        assert_eq!(simplejwt.refresh(client, &refresh).expect("an endpoint").status, 401, "the session is over");
        assert_eq!(ends(&app).len(), 1);

        // Here the last access token outlives the refresh token.
        let mut setup = Setup::default();
        let minute = Duration::from_secs(60);
        setup.policy.dialects.simplejwt.access_ttl = Some(minute);
        setup.policy.dialects.simplejwt.refresh =
            knoxide::domain::policy::RefreshPolicy::Pair { ttl: minute, window: None };
        let app = App::on(Database::migrated(backend), setup);
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let refresh = simplejwt.login(client, "alice", PASSWORD).refresh.expect("a refresh token");
        app.clock.advance(Duration::from_secs(59));
        let access = simplejwt.refreshed(&simplejwt.refresh(client, &refresh).expect("an endpoint"));
        app.clock.advance(Duration::from_secs(2));
        revoke(client, &refresh);
        assert_eq!(simplejwt.check(client, &access), 200);
        assert_eq!(ends(&app), []);
    }

    fn a_consumed_refresh_token_logs_out_at_first_and_is_a_reuse_later(backend) {
        let mut setup = Setup::default();
        setup.policy.dialects.simplejwt.rotate = true;
        let app = App::on(Database::migrated(backend), setup);
        let alice = app.add_user("alice", PASSWORD);
        let (client, simplejwt) = (&mut app.client(), Speech::of(Dialect::Simplejwt));
        for (pause, event) in [(1, "logout"), (31, "refresh_reused")] {
            let refresh = simplejwt.login(client, "alice", PASSWORD).refresh.expect("a refresh token");
            let access = simplejwt.refreshed(&simplejwt.refresh(client, &refresh).expect("an endpoint"));
            app.clock.advance(Duration::from_secs(pause));
            assert_eq!(simplejwt.check(client, &access), 200);
            revoke(client, &refresh);
            assert_eq!(simplejwt.check(client, &access), 401);
            assert_eq!(ends(&app).last(), Some(&(event.to_owned(), format!("user:{}", alice.0))));
        }
    }

    fn what_is_no_live_token_is_200_too_and_ends_nothing(backend) {
        let (stage, states) = every_state(backend);
        let client = &mut stage.app.client();
        let before = ends(&stage.app).len();
        let ends_nothing = |presented: &&Presented| {
            !presented.is_live
                && !["of an idle session", "an expired access token"].contains(&presented.what)
                && !presented.what.contains("a live refresh")
                && !presented.what.contains("consumed")
                && !presented.what.contains("administrator")
                && !presented.what.contains("dialect")
                && !presented.what.contains("page")
        };
        let dead: Vec<&Presented> = states.iter().filter(ends_nothing).collect();
        assert!(dead.len() > 15, "{}", dead.len());
        for presented in &dead {
            revoke(client, &presented.token);
        }
        assert_eq!(ends(&stage.app).len(), before);
        for presented in states.iter().filter(|presented| presented.is_live) {
            assert!(stage.is_active(client, &presented.token), "{}", presented.what);
        }
        // Sessions of all other tokens can be ended, including those for administration.
        for presented in &states {
            revoke(client, &presented.token);
        }
        for presented in &states {
            assert!(!stage.is_active(client, &presented.token), "{}", presented.what);
        }
        let reply = client.ask(&form_request("/introspect/", &[("token", "x")])
            .header("Authorization", format!("Bearer {}", states.iter()
                .find(|presented| presented.what.contains("script")).expect("a script").token)));
        assert_eq!(reply.status, 401, "its session is over");
    }

    fn whoever_has_the_right_ends_any_session_under_its_own_name(backend) {
        let stage = Stage::with(backend, Setup::default());
        let root = stage.app.add_user("root", PASSWORD);
        stage.promote(root);
        stage.app.add_user("alice", PASSWORD);
        let client = &mut stage.app.client();
        let simplejwt = Speech::of(Dialect::Simplejwt);
        let (id, secret) = (stage.service.id.to_string(), stage.service.secret.expose());
        let script = format!("Bearer {}", stage.script_token(root));
        let service = format!("client:{id}");
        for (actor, header) in [(service.clone(), Some(stage.header())), (format!("user:{}", root.0), Some(script)), (service, None)] {
            let tokens = simplejwt.login(client, "alice", PASSWORD);
            // An expired refresh token too.
            stage.app.clock.advance(Duration::from_secs(86_401));
            let refresh = tokens.refresh.expect("a refresh token");
            let token = ("token", refresh.as_str());
            let request = match &header {
                Some(header) => form_request("/revoke/", &[token]).header("Authorization", header.as_str()),
                None => form_request("/revoke/", &[token, ("client_id", &id), ("client_secret", secret)]),
            };
            let reply = client.ask(&request);
            assert_eq!((reply.status, reply.text().as_str()), (200, ""));
            assert_eq!(ends(&stage.app).last(), Some(&("revoked".to_owned(), actor)));
        }
        let before = ends(&stage.app).len();
        for unknown in ["0123456789012345678901234567890123456789", "no token"] {
            let request = form_request("/revoke/", &[("token", unknown)]).header("Authorization", stage.header());
            assert_eq!(client.ask(&request).status, 200);
        }
        assert_eq!(ends(&stage.app).len(), before);
        // A client that lacks the right cannot use the token itself as proof either.
        let added = Stage::register(&stage.app, "other", "introspect,batch");
        let token = client.login("alice", PASSWORD);
        let header = basic(&added.id.to_string(), added.secret.expose());
        let reply = client.ask(&form_request("/revoke/", &[("token", &token)]).header("Authorization", header));
        assert_eq!((reply.status, members(&reply)["error"].as_str()), (403, Some("unauthorized_client")));
        assert_eq!(client.check(&token), 200);
        // A public client's id is no credential.
        let request = form_request("/revoke/", &[("token", &token), ("client_id", "app"), ("token_type_hint", "x")]);
        assert_eq!(client.ask(&request).status, 200);
        assert_eq!(client.check(&token), 401);
    }
}
