//! The idle limit: a session in use lives, and an unused one ends for good.

use std::time::Duration;

use knoxide::domain::policy::Policy;
use knoxide::domain::session::Refusal;
use knoxide::domain::token::Token;
use knoxide::service::{Activity, CheckError, Resolver as _};

use crate::harness::app::{App, Backend, Database, Setup, on_each_database};
use crate::harness::dialects::Speech;
use knoxide::domain::dialect::Dialect;

const LIMIT: Duration = Duration::from_secs(600);
const INTERVAL: Duration = Duration::from_secs(60);

fn limited(backend: Backend) -> App {
    let policy = Policy { idle_limit: Some(LIMIT), touch_interval: INTERVAL, ..Policy::default() };
    App::on(Database::migrated(backend), Setup { policy, ..Setup::default() })
}

fn use_it(app: &App, token: &str, activity: Activity) -> Result<(), CheckError> {
    let token = Token::parse(token.as_bytes()).expect("a token");
    actix_web::rt::System::new().block_on(app.auth.resolve(token, activity)).map(drop)
}

on_each_database! {
    fn a_session_in_use_lives_on(backend) {
        let app = limited(backend);
        app.add_user("alice", "correct horse");
        let token = app.client().login("alice", "correct horse");
        for _ in 0..5 {
            app.clock.advance(LIMIT);
            assert_eq!(use_it(&app, &token, Activity::Counts), Ok(()));
        }
    }

    fn looking_is_no_use_and_idleness_is_final(backend) {
        let app = limited(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let token = client.login("alice", "correct horse");
        app.clock.advance(LIMIT + INTERVAL);
        assert_eq!(client.check(&token), 200, "exact to two intervals");
        app.clock.advance(Duration::from_micros(1));
        assert_eq!(client.check(&token), 401, "this check did not count as use");
        // Even setting the clock back does not revive it.
        app.clock.set(crate::harness::app::start_of_time());
        assert_eq!(use_it(&app, &token, Activity::Counts), Err(CheckError::Refused(Refusal::Unknown)));
    }

    fn looking_is_a_use_where_the_operator_says_so(backend) {
        let policy =
            Policy { idle_limit: Some(LIMIT), touch_interval: INTERVAL, user_counts_as_use: true, ..Policy::default() };
        let app = App::on(Database::migrated(backend), Setup { policy, ..Setup::default() });
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let token = client.login("alice", "correct horse");
        for _ in 0..5 {
            app.clock.advance(LIMIT);
            assert_eq!(client.check(&token), 200);
        }
    }

    fn idleness_is_final_wherever_it_is_noticed(backend) {
        for verify in [true, false] {
            let app = limited(backend);
            app.add_user("alice", "correct horse");
            let client = &mut app.client();
            let speech = Speech::of(Dialect::Djoser);
            let tokens = speech.login(client, "alice", "correct horse");
            let refresh = tokens.refresh.expect("a refresh token");
            app.clock.advance(LIMIT + INTERVAL + Duration::from_micros(1));
            let reply = if verify { speech.verify(client, &refresh) } else { speech.refresh(client, &refresh) };
            assert_eq!(reply.expect("an endpoint").status, 400);
            app.clock.set(crate::harness::app::start_of_time());
            assert_eq!(speech.refresh(client, &refresh).expect("an endpoint").status, 400);
        }
    }

    fn a_use_that_is_not_written_down_yet_counts_and_is_written_down_at_the_end(backend) {
        let app = limited(backend);
        app.add_user("alice", "correct horse");
        let token = app.client().login("alice", "correct horse");
        app.clock.advance(LIMIT);
        assert_eq!(use_it(&app, &token, Activity::Counts), Ok(()));
        app.auth.close(Duration::from_secs(10));
        let digest = Token::parse(token.as_bytes()).expect("a token").digest();
        let found = app.connection().find_many(&[digest]).expect("a read").pop().flatten().expect("the token");
        assert_eq!(found.session.last_seen, crate::harness::app::start_of_time().saturating_add(LIMIT));
    }
}
