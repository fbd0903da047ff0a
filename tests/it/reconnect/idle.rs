//! All connections are cut while they are idle: the next request is answered as if nothing had happened.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::time::Clock as _;
use knoxide::store::{AdminStore as _, SweepPolicy, UserFilter};

use super::{Behind, PASSWORD, USER, patient};
use crate::harness::app::{App, Client, Database, Setup, login_request, token_of};
use crate::harness::dialects::{Speech, Tokens};
use crate::harness::postgres::cluster::Cluster;
use crate::harness::postgres::{connect, shared};
use crate::harness::wire::Request;

/// The first request after a cut, which can use the results of earlier logins.
type First = (&'static str, fn(&mut Client, &Given) -> u16, u16);

/// What was created before the cut.
struct Given {
    knox: Vec<String>,
    jwt: Tokens,
}

impl Given {
    fn make(client: &mut Client) -> Self {
        let knox = (0..4).map(|_| client.login(USER, PASSWORD)).collect();
        Self { knox, jwt: simplejwt().login(client, USER, PASSWORD) }
    }
}

fn simplejwt() -> Speech {
    Speech::of(Dialect::Simplejwt)
}

const FIRST: [First; 8] = [
    ("readiness", |client, _| client.ask(&Request::new("GET", "/readyz")).status, 200),
    ("a login", |client, _| client.ask(&login_request(USER, PASSWORD)).status, 200),
    ("logouts", |client, given| worst(given.knox.iter().map(|token| client.logout(token)).collect()), 200),
    ("a logout of all", |client, given| client.logout_all(&given.knox[0]), 200),
    ("checks", |client, given| worst(given.knox.iter().map(|token| client.check(token)).collect()), 200),
    ("an unknown token", |client, _| client.check(&"0".repeat(64)), 401),
    ("refreshes", |client, given| worst((0..4).map(|_| refresh(client, given)).collect()), 200),
    ("a verification", |client, given| simplejwt().verify(client, &given.jwt.access).expect("an endpoint").status, 200),
];

fn refresh(client: &mut Client, given: &Given) -> u16 {
    let token = given.jwt.refresh.as_deref().expect("a refresh token");
    simplejwt().refresh(client, token).expect("an endpoint").status
}

fn worst(statuses: Vec<u16>) -> u16 {
    statuses.into_iter().max().unwrap_or_default()
}

/// After each cut, a different request is the first.
fn nothing_is_noticed(how: &str, app: &App, mut cut: impl FnMut()) {
    for (what, ask, wanted) in FIRST {
        let client = &mut app.client();
        let given = Given::make(client);
        cut();
        assert_eq!(ask(client, &given), wanted, "{what} after {how}");
        // And everything afterwards.
        let token = token_of(&client.ask(&login_request(USER, PASSWORD)));
        assert_eq!((client.check(&token), client.logout(&token), client.check(&token)), (200, 200, 401), "{how}");
    }
    for _ in 0..2 {
        cut();
        app.store.list_users(&UserFilter::default()).unwrap_or_else(|error| panic!("a command after {how}: {error}"));
        let swept = app.store.sweep(app.clock.now(), &SweepPolicy::default(), &|| true);
        swept.unwrap_or_else(|error| panic!("a sweep after {how}: {error}"));
        cut();
        app.store.list_keys().unwrap_or_else(|error| panic!("the keys after {how}: {error}"));
    }
}

#[test]
fn idle_connections_that_were_closed_are_replaced() {
    let Some(behind) = Behind::proxy(Setup::default()) else { return };
    behind.warm_up();
    nothing_is_noticed("an end of all connections", &behind.app, || behind.proxy.cut_and_wait());
}

#[test]
fn idle_connections_that_were_reset_are_replaced() {
    let Some(behind) = Behind::proxy(Setup::default()) else { return };
    behind.warm_up();
    nothing_is_noticed("a reset of all connections", &behind.app, || behind.proxy.reset());
}

/// The server's last message before it closes the connection is read in place of the next answer.
#[test]
fn idle_connections_that_the_server_ended_are_replaced() {
    let Some(behind) = Behind::proxy(Setup::default()) else { return };
    behind.warm_up();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = 'knoxide'";
    nothing_is_noticed("the server ended all connections", &behind.app, || {
        connect(&behind.direct).batch_execute(end).expect("they are told");
        behind.wait_until_unconnected();
    });
}

#[test]
fn an_idle_session_timeout_of_the_server_costs_nothing() {
    let Some(behind) = Behind::proxy(Setup::default()) else { return };
    let name: &str = behind.direct.rsplit('/').next().and_then(|name| name.split('?').next()).expect("a name");
    let set = format!("ALTER DATABASE {name} SET idle_session_timeout = '500ms'");
    connect(&behind.direct).batch_execute(&set).expect("a setting");
    // Connections opened before do not have the setting.
    behind.proxy.cut_and_wait();
    nothing_is_noticed("a time-out of idle sessions", &behind.app, || behind.wait_until_unconnected());
}

#[test]
fn a_restart_of_the_server_between_two_requests_costs_nothing() {
    if shared().is_none() {
        return;
    }
    let mut cluster = Cluster::start().expect("a server");
    let app = App::on(Database::at(cluster.url()), patient(Setup::default()));
    app.add_user(USER, PASSWORD);
    nothing_is_noticed("a restart", &app, || {
        cluster.stop();
        cluster.resume().expect("it starts again");
    });
}

/// Nothing is closed, but no answer arrives any more: only a probe notices that before a request does.
#[test]
fn idle_connections_that_were_dropped_in_silence_are_found_before_a_request_is() {
    let setup = Setup { probe_idle_after: Duration::from_millis(100), ..Setup::default() };
    let Some(behind) = Behind::proxy(setup) else { return };
    behind.warm_up();
    let client = &mut behind.app.client();
    let given = Given::make(client);
    behind.proxy.strand();
    // All except the connection that commands have used.
    behind.proxy.wait_until_stranded_are_tried(1);
    let ends = |what: &str| what.starts_with("a logout") || what.starts_with("logouts");
    let (last, first): (Vec<First>, Vec<First>) = FIRST.into_iter().partition(|(what, ..)| ends(what));
    for (what, ask, wanted) in first.into_iter().chain(last.into_iter().take(1)) {
        assert_eq!(ask(client, &given), wanted, "{what} after silence");
    }
}
