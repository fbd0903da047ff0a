//! The file of SQLite is taken away or locked under the running server.

use std::path::{Path, PathBuf};
use std::time::Instant;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use super::{CHECK_LIMIT, Load, PASSWORD, PATIENCE, SLACK, USER, is_live, wait_for_return};
use crate::outage::load::Ask;
use crate::support::app::{App, Backend, Client};
use crate::support::wire::Request;

fn path(app: &App) -> PathBuf {
    PathBuf::from(app.database.url.strip_prefix("sqlite://").expect("a file"))
}

/// Everything that a server can be asked is a 503.
fn assert_unavailable(client: &mut Client, token: &str) {
    let ready = client.ask(&Request::new("GET", "/readyz"));
    let statuses = [ready.status, client.check(token), client.try_login(USER, PASSWORD).status, client.logout(token)];
    assert_eq!(statuses, [503; 4]);
    assert_eq!(client.ask(&Request::new("GET", "/healthz")).status, 200);
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
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).expect("the file is moved away");
    assert_unavailable(client, &token);
    assert!(!path.exists(), "no new file may appear");
    replace(&path, &aside);
    assert_eq!(client.ask(&Request::new("GET", "/readyz")).status, 200);
    assert_eq!((client.check(&token), client.logout(&token), client.check(&token)), (200, 200, 401));
}

/// What is acknowledged would be lost with the old file, and what others write into the new
/// one be overlooked. Opened beside the old one's log, the new one could even be damaged.
#[test]
fn another_file_in_its_place_is_not_used() {
    let app = App::start(Backend::Sqlite);
    app.add_user(USER, PASSWORD);
    let (client, path) = (&mut app.client(), path(&app));
    let token = client.login(USER, PASSWORD);
    let (copy, aside) = (path.with_extension("copy"), path.with_extension("aside"));
    SqliteConnection::establish(path.to_str().expect("UTF-8"))
        .and_then(|mut connection| {
            connection.batch_execute(&format!("VACUUM INTO '{}'", copy.display())).expect("a copy");
            Ok(())
        })
        .expect("the file opens");
    std::fs::hard_link(&path, &aside).expect("a second name");
    replace(&path, &copy);
    assert_unavailable(client, &token);
    assert_unavailable(client, &token);
    replace(&path, &aside);
    assert_eq!(client.check(&token), 200);
}

#[test]
fn checks_go_on_while_somebody_else_writes_for_long() {
    let app = App::start(Backend::Sqlite);
    app.add_user(USER, PASSWORD);
    let load = Load::start(app.address, USER, PASSWORD, true);
    // More logins at once than there are threads that could wait for them.
    let crowd: Vec<_> = (0..8).map(|_| Load::start(app.address, USER, PASSWORD, true)).collect();
    let mut writer = SqliteConnection::establish(path(&app).to_str().expect("UTF-8")).expect("the file opens");
    writer.batch_execute("PRAGMA busy_timeout = 30000; BEGIN IMMEDIATE").expect("the lock");
    let locked = Instant::now();
    load.wait_for("a login that cannot be", locked, locked + PATIENCE, |answer| {
        answer.ask == Ask::Login && answer.status == 503
    });
    let until = Instant::now();
    let during = load.between(locked, until);
    assert!(during.iter().any(is_live), "no check was answered");
    let wrong: Vec<_> = during
        .iter()
        .filter(|answer| if answer.is_check() { answer.status == 503 } else { answer.status == 200 })
        .take(8)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    writer.batch_execute("ROLLBACK").expect("the lock is given back");
    wait_for_return(&load, "a lock", Instant::now(), true);
    load.finish(CHECK_LIMIT + SLACK);
    for load in crowd {
        load.finish(CHECK_LIMIT + SLACK);
    }
}
