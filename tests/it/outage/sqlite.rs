//! The SQLite file is removed or locked under the running server.

use std::path::{Path, PathBuf};
use std::time::Instant;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use futures_util::future::join_all;
use knoxide::domain::audit::Origin;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::user::{LoginName, Password};
use knoxide::service::{LoginError, LoginRequest};

use super::{BACK_WITHIN, CHECK_LIMIT, Load, PASSWORD, SLACK, USER, is_live};
use crate::harness::app::{App, Backend, Client};
use crate::harness::dialects::{ALL, Speech, Tokens};
use crate::harness::wire::Request;

fn path(app: &App) -> PathBuf {
    PathBuf::from(app.database.url.strip_prefix("sqlite://").expect("a file"))
}

/// Logs in with each dialect.
fn log_in_everywhere(client: &mut Client) -> Vec<(Speech, Tokens)> {
    ALL.into_iter().map(|speech| (speech, speech.login(client, USER, PASSWORD))).collect()
}

/// Requires 503 from every endpoint.
fn assert_unavailable(client: &mut Client, logins: &[(Speech, Tokens)]) {
    assert_eq!(client.ask(&Request::new("GET", "/readyz")).status, 503);
    for (speech, tokens) in logins {
        let refreshable = speech.refreshable(tokens);
        let mut statuses = vec![speech.try_login(client, USER, PASSWORD).status];
        statuses.push(speech.check(client, &tokens.access));
        statuses.push(speech.ask(client, "POST", "/auth/logout/", &tokens.access).status);
        statuses.push(speech.ask(client, "POST", "/auth/logoutall/", &tokens.access).status);
        statuses.extend(speech.verify(client, &refreshable).map(|reply| reply.status));
        statuses.extend(speech.refresh(client, &refreshable).map(|reply| reply.status));
        statuses.extend(speech.blacklist(client, &refreshable).map(|reply| reply.status));
        assert!(statuses.iter().all(|status| *status == 503), "{:?}: {statuses:?}", speech.dialect);
    }
    assert_eq!(client.ask(&Request::new("GET", "/healthz")).status, 200);
}

/// The first answer that is not 503: a thread that found no database waits for a moment before it tries again.
fn answer(mut ask: impl FnMut() -> u16) -> u16 {
    let back = Instant::now();
    loop {
        match ask() {
            503 => assert!(back.elapsed() < BACK_WITHIN + SLACK, "nothing is answered again"),
            status => return status,
        }
    }
}

/// Replaces a file by another, in one step.
fn replace(path: &Path, by: &Path) {
    std::fs::rename(by, path).expect("a file is renamed");
}

#[test]
fn without_its_file_nothing_is_answered_until_it_is_back() {
    let app = App::start(Backend::Sqlite);
    app.add_user(USER, PASSWORD);
    let (client, path) = (&mut app.client(), path(&app));
    let token = client.login(USER, PASSWORD);
    let logins = log_in_everywhere(client);
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).expect("the file is moved away");
    assert_unavailable(client, &logins);
    assert!(!path.exists(), "no new file may appear");
    replace(&path, &aside);
    assert_eq!(answer(|| client.ask(&Request::new("GET", "/readyz")).status), 200);
    assert_eq!(answer(|| client.check(&token)), 200);
    assert_eq!(answer(|| client.logout(&token)), 200);
    assert_eq!(answer(|| client.check(&token)), 401);
}

/// Otherwise acknowledged writes would be lost with the old file, and other processes' writes to the new one would be
/// missed. If the new file were opened with the log of the old one, it could even be damaged.
#[test]
fn another_file_in_its_place_is_not_used() {
    let app = App::start(Backend::Sqlite);
    app.add_user(USER, PASSWORD);
    let (client, path) = (&mut app.client(), path(&app));
    let token = client.login(USER, PASSWORD);
    let logins = log_in_everywhere(client);
    let (copy, aside) = (path.with_extension("copy"), path.with_extension("aside"));
    let mut connection = SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("the file opens");
    connection.batch_execute(&format!("VACUUM INTO '{}'", copy.display())).expect("a copy");
    drop(connection);
    std::fs::hard_link(&path, &aside).expect("a second name");
    replace(&path, &copy);
    assert_unavailable(client, &logins);
    assert_unavailable(client, &logins);
    replace(&path, &aside);
    assert_eq!(answer(|| client.check(&token)), 200);
}

#[test]
fn checks_go_on_while_somebody_else_writes_for_long() {
    let app = App::start(Backend::Sqlite);
    app.add_user(USER, PASSWORD);
    let load = Load::start(app.address, USER, PASSWORD, false);
    let mut writer = SqliteConnection::establish(path(&app).to_str().expect("UTF-8")).expect("the file opens");
    writer.batch_execute("PRAGMA busy_timeout = 30000; BEGIN IMMEDIATE").expect("the lock");
    let locked = Instant::now();
    // Enough at once for accounts to be looked up together.
    let logins = (0..64).map(|_| {
        app.auth.login(LoginRequest {
            dialect: Dialect::Knox,
            login: LoginName::Username(USER.to_owned()),
            password: Password::new(PASSWORD.to_owned()),
            session_name: None,
            origin: Origin::default(),
        })
    });
    let logins = actix_web::rt::System::new().block_on(join_all(logins));
    assert!(logins.iter().all(|login| matches!(login, Err(LoginError::Unavailable(_)))), "{logins:?}");
    assert_eq!(app.client().try_login(USER, PASSWORD).status, 503);
    let during = load.between(locked, Instant::now());
    assert!(during.iter().any(is_live), "no check was answered");
    let unanswered: Vec<_> = during.iter().filter(|answer| answer.status == 503).take(8).collect();
    assert!(unanswered.is_empty(), "{unanswered:#?}");
    writer.batch_execute("ROLLBACK").expect("the lock is released");
    assert_eq!(app.client().try_login(USER, PASSWORD).status, 200);
    load.finish(CHECK_LIMIT + SLACK);
}
