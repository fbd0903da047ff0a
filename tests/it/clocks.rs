//! Clocks that are set forward and back while the server runs.

use std::time::Duration;

use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::Policy;
use knoxide::domain::time::Clock as _;

use crate::harness::app::{App, Backend, Database, Setup, on_each_database};
use crate::harness::dialects::Speech;

const HOUR: Duration = Duration::from_secs(3600);
const TTL: Duration = Duration::from_secs(600);

/// A server whose knox tokens are good for ten minutes.
fn short_lived(backend: Backend) -> App {
    let mut policy = Policy::default();
    policy.dialects.get_mut(Dialect::Knox).access_ttl = Some(TTL);
    policy.dialects.get_mut(Dialect::Djoser).rotate = true;
    App::on(Database::migrated(backend), Setup { policy, ..Setup::default() })
}

fn set_back(app: &App, by: Duration) {
    app.clock.set(app.clock.now().saturating_sub(by));
}

fn set_ahead(app: &App, by: Duration) {
    app.clock.set(app.clock.now().saturating_add(by));
}

on_each_database! {
    fn what_was_refused_as_expired_stays_refused_when_the_clock_is_set_back(backend) {
        let app = short_lived(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let speech = Speech::of(Dialect::Djoser);
        let token = client.login("alice", "correct horse");
        let pair = speech.login(client, "alice", "correct horse");
        let refresh = pair.refresh.expect("a refresh token");
        app.clock.advance(TTL);
        assert_eq!((client.check(&token), speech.check(client, &pair.access)), (401, 401));
        assert_eq!(speech.verify(client, &refresh).expect("an endpoint").status, 200);
        app.clock.advance(24 * HOUR);
        assert_eq!(speech.verify(client, &refresh).expect("an endpoint").status, 400);
        for back in [TTL, HOUR, 24 * 365 * HOUR] {
            set_back(&app, back);
            assert_eq!((client.check(&token), speech.check(client, &pair.access)), (401, 401), "{back:?}");
            assert_ne!(speech.verify(client, &refresh).expect("an endpoint").status, 200);
            assert_ne!(speech.refresh(client, &refresh).expect("an endpoint").status, 200);
            // A login at this time gets a token with its full lifetime.
            let fresh = client.login("alice", "correct horse");
            assert_eq!(client.check(&fresh), 200);
            app.clock.advance(2 * TTL);
            assert_eq!(client.check(&fresh), 401);
        }
    }

    fn a_clock_that_ran_ahead_for_less_than_a_minute_logs_nobody_out(backend) {
        let app = short_lived(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let token = client.login("alice", "correct horse");
        set_ahead(&app, 24 * HOUR);
        assert_eq!(client.check(&token), 401, "by a clock that may be right");
        app.clock.advance(Duration::from_secs(59));
        assert_eq!(client.check(&token), 401);
        set_back(&app, 24 * HOUR);
        assert_eq!(client.check(&token), 200, "it was not");
        // After a minute the new time is trusted.
        set_ahead(&app, 24 * HOUR);
        assert_eq!(client.check(&token), 401);
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(client.check(&token), 401);
        set_back(&app, 24 * HOUR);
        assert_eq!(client.check(&token), 401);
    }

    fn a_machine_that_slept_finds_expired_what_expired_meanwhile(backend) {
        let app = short_lived(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let [short, long] = [(); 2].map(|()| client.login("alice", "correct horse"));
        app.clock.advance(Duration::from_secs(30));
        assert_eq!(client.check(&long), 200);
        // The monotonic clock does not advance meanwhile.
        set_ahead(&app, TTL);
        assert_eq!((client.check(&short), client.check(&long)), (401, 401));
        let fresh = client.login("alice", "correct horse");
        app.clock.advance(Duration::from_secs(61));
        assert_eq!(client.check(&fresh), 200);
        set_back(&app, TTL);
        assert_eq!((client.check(&fresh), client.check(&short)), (200, 401));
    }
}
