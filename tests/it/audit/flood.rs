//! Floods of logins leave a bounded number of rows, with counts that add up, and a throttled one writes nothing for
//! each request.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use knoxide::domain::audit::{Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::ThrottlePolicy;
use knoxide::domain::user::{LoginName, Password};
use knoxide::service::LoginRequest;
use knoxide::store::{AdminStore as _, LastAdmin, UserChange};

use super::all;
use crate::harness::app::{App, Database, Setup, on_each_database};
use crate::harness::number;

fn request(password: &str) -> LoginRequest {
    LoginRequest {
        dialect: Dialect::Knox,
        login: LoginName::Username("alice".to_owned()),
        password: Password::new(password.to_owned()),
        session_name: None,
        origin: Origin { address: Some([192, 0, 2, 1].into()), ..Origin::default() },
    }
}

/// Logs in so often, and returns how often it succeeded.
fn log_in(app: &App, password: &str, times: u64) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut succeeded = 0;
    for _ in 0..times.div_ceil(100) {
        let logins = (0..100).map(|_| app.auth.login(request(password)));
        let outcomes = runtime.block_on(join_all(logins));
        succeeded += outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
    }
    succeeded
}

/// The rows of each event, and what they stand for.
fn counts(app: &App) -> BTreeMap<String, (usize, u64)> {
    let mut counts = BTreeMap::new();
    for event in all(&mut *app.connection()) {
        let (rows, count) = counts.entry(event.event).or_insert((0, 0));
        *rows += 1;
        *count += event.count;
    }
    counts.remove("user_created");
    counts
}

fn expected<const N: usize>(counts: [(&str, (usize, u64)); N]) -> BTreeMap<String, (usize, u64)> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

on_each_database! {
    fn floods_leave_few_rows_and_counts_that_add_up(backend) {
        let times = number("KNOXIDE_AUDIT_LOGINS").unwrap_or(1_000);
        let throttle = ThrottlePolicy { enabled: false, ..ThrottlePolicy::default() };
        let app = App::on(Database::migrated(backend), Setup { throttle, ..Setup::default() });
        app.add_user("alice", "correct horse");
        assert_eq!(log_in(&app, "wrong", times), 0);
        assert_eq!(log_in(&app, "correct horse", times), times);
        assert_eq!(counts(&app), expected([("login", (60, 60)), ("login_failed", (60, 60))]));
        app.auth.close(Duration::from_secs(60));
        assert_eq!(counts(&app), expected([("login", (61, times)), ("login_failed", (61, times))]));
    }

    fn each_login_of_an_administrator_is_a_row(backend) {
        let app = App::on(Database::migrated(backend), Setup::default());
        let alice = app.add_user("alice", "correct horse");
        let change = UserChange::Admin(true, LastAdmin::Keep);
        app.store.change_user(alice, &change, &app.audit(Event::AdminGranted)).expect("a write");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        for _ in 0..70 {
            let LoginRequest { login, password, origin, .. } = request("correct horse");
            runtime.block_on(app.auth.log_in_administrator(login, password, origin)).expect("a login");
        }
        assert_eq!(counts(&app)["admin_login"], (70, 70));
    }

    fn throttled_logins_are_one_row(backend) {
        let app = App::on(Database::migrated(backend), Setup::default());
        let alice = app.add_user("alice", "correct horse");
        assert_eq!(log_in(&app, "wrong", 300), 0);
        assert_eq!(counts(&app), expected([("login_failed", (10, 10))]));
        app.auth.close(Duration::from_secs(60));
        assert_eq!(counts(&app), expected([("login_failed", (10, 10)), ("throttled", (1, 290))]));
        let throttled = all(&mut *app.connection()).pop().expect("an event");
        assert_eq!((throttled.user_id, throttled.actor.as_str()), (Some(alice), "anonymous"));
    }
}
