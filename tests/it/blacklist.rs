//! Logging out with a refresh token, at `/api/token/blacklist/`.

use std::time::Duration;

use knoxide::domain::audit::Event;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::{Policy, RefreshPolicy, RefreshRate};
use knoxide::domain::time::Clock as _;
use knoxide::store::{AdminStore as _, Effort, SessionFilter, SessionMatch};

use crate::harness::app::{App, Backend, Client, Database, Setup, on_each_database};
use crate::harness::dialects::{Speech, Tokens};

const WINDOW: Duration = Duration::from_secs(3600);
const IDLE: Duration = Duration::from_secs(1000);

/// A server whose sessions can refresh once an hour, and only within an hour of the login.
fn app(backend: Backend, change: fn(&mut Policy)) -> App {
    let mut policy = Policy::default();
    policy.dialects.get_mut(Dialect::Simplejwt).refresh = RefreshPolicy::Pair { ttl: 2 * WINDOW, window: Some(WINDOW) };
    policy.refresh_rate = RefreshRate { burst: Some(1), interval: WINDOW };
    change(&mut policy);
    let app = App::on(Database::migrated(backend), Setup { policy, ..Setup::default() });
    app.add_user("alice", "correct horse");
    app
}

fn speech() -> Speech {
    Speech::of(Dialect::Simplejwt)
}

/// Logs in; returns the access and the refresh token.
fn log_in(client: &mut Client) -> (String, String) {
    let Tokens { access, refresh } = speech().login(client, "alice", "correct horse");
    (access, refresh.expect("a refresh token"))
}

fn refresh(client: &mut Client, token: &str) -> u16 {
    speech().refresh(client, token).expect("an endpoint").status
}

fn blacklist(client: &mut Client, token: &str) -> u16 {
    speech().blacklist(client, token).expect("an endpoint").status
}

/// Why the newest session ended.
fn end_of_the_newest(app: &App) -> Option<Event> {
    let now = app.clock.now();
    let filter = SessionFilter {
        matching: SessionMatch::default(),
        with_ended: true,
        now,
        idle_limits: knoxide::domain::policy::IdleLimits::NONE,
        before: None,
        limit: 1,
        effort: Effort::UNBOUNDED,
    };
    app.store.list_sessions(&filter).expect("sessions").sessions.remove(0).end_reason
}

on_each_database! {
    fn a_refresh_token_logs_out_when_it_refreshes_no_more(backend) {
        let app = app(backend, |_| {});
        let client = &mut app.client();
        let (access, token) = log_in(client);
        assert_eq!([refresh(client, &token), refresh(client, &token)], [200, 429]);
        assert_eq!([speech().check(client, &access), blacklist(client, &token)], [200, 200]);
        assert_eq!([speech().check(client, &access), refresh(client, &token), blacklist(client, &token)], [401; 3]);
        assert_eq!(end_of_the_newest(&app), Some(Event::Logout));

        let (_, token) = log_in(client);
        app.clock.advance(WINDOW + Duration::from_secs(1));
        assert_eq!([refresh(client, &token), blacklist(client, &token)], [401, 200]);
        assert_eq!([refresh(client, &token), blacklist(client, &token)], [401; 2]);
        assert_eq!(end_of_the_newest(&app), Some(Event::Logout));
    }

    fn a_consumed_token_logs_out_within_the_grace_and_is_a_reuse_after_it(backend) {
        let app = app(backend, |policy| policy.dialects.get_mut(Dialect::Simplejwt).rotate = true);
        let client = &mut app.client();
        let grace = Policy::default().refresh_grace;
        for (waited, status, end) in [
            (grace, 200, Event::Logout),
            (grace + Duration::from_micros(1), 401, Event::RefreshReused),
        ] {
            let (access, token) = log_in(client);
            assert_eq!(refresh(client, &token), 200);
            app.clock.advance(waited);
            assert_eq!(speech().check(client, &access), 200);
            assert_eq!(blacklist(client, &token), status);
            assert_eq!([speech().check(client, &access), blacklist(client, &token)], [401; 2]);
            assert_eq!(end_of_the_newest(&app), Some(end));
        }
    }

    fn an_idle_session_is_refused_and_ends_as_idle(backend) {
        let app = app(backend, |policy| policy.idle_limit = Some(IDLE));
        let client = &mut app.client();
        let (_, token) = log_in(client);
        app.clock.advance(IDLE + Policy::default().touch_interval + Duration::from_micros(1));
        assert_eq!(blacklist(client, &token), 401);
        assert_eq!(end_of_the_newest(&app), Some(Event::Idle));
    }
}
