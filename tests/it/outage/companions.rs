//! The files that SQLite keeps beside the database, `-wal` and `-shm`, are removed or replaced under the running
//! program.

use std::path::PathBuf;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use rustix::process::Signal;

use crate::harness::app::Backend;
use crate::harness::program::{PASSWORD, Program};
use crate::harness::wire::Request;

const WAL: &str = "knoxide.db-wal";
const SHM: &str = "knoxide.db-shm";

/// What happens to a companion.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Removed,
    /// Replaced by a copy of itself.
    Replaced,
    /// Moved away, and moved back after another process has written.
    Moved,
}

use Damage::{Moved, Removed, Replaced};

fn companion(program: &Program, name: &str) -> PathBuf {
    program.folder().join(name)
}

/// Moves the log into the database file, so that a process with different companions finds the tables and the users.
fn checkpoint(program: &Program) {
    let path = program.folder().join("knoxide.db").display().to_string();
    let mut other = SqliteConnection::establish(&path).expect("the file opens");
    other.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
}

fn damage(program: &Program, names: &[&str], how: Damage) {
    for name in names {
        let path = companion(program, name);
        match how {
            Removed => std::fs::remove_file(&path).expect("removed"),
            Replaced => {
                let copy = path.with_extension("copy");
                std::fs::copy(&path, &copy).expect("copied");
                std::fs::rename(&copy, &path).expect("replaced");
            }
            Moved => std::fs::rename(&path, path.with_extension(format!("{name}.aside"))).expect("moved"),
        }
    }
}

fn put_back(program: &Program, names: &[&str]) {
    for name in names {
        let path = companion(program, name);
        std::fs::rename(path.with_extension(format!("{name}.aside")), path).expect("moved back");
    }
}

/// A server with a cache and one without, each stopped in a different way.
const SERVERS: [(&str, Signal); 2] = [("1000", Signal::KILL), ("0", Signal::TERM)];

fn a_lost_companion_is_noticed(names: &[&str], how: Damage) {
    for (cached, end) in SERVERS {
        let case = format!("{names:?} {how:?}, {cached} tokens cached");
        let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_CACHE_TOKENS", cached);
        let mut server = program.start();
        let client = &mut server.client();
        let [token, other] = [(); 2].map(|()| client.login("admin", PASSWORD));
        assert_eq!([client.check(&token), client.check(&token), client.check(&other)], [200; 3], "{case}");

        checkpoint(&program);
        damage(&program, names, how);
        let is_deactivated = program.run(&["user", "deactivate", "admin", "--force"]).code == Some(0);
        assert!(is_deactivated || names.len() < 2, "{case}: a command notices no problem");
        assert_eq!(client.check(&token), 503, "{case}: a check");
        if matches!(how, Moved) {
            put_back(&program, names);
            assert_eq!(client.check(&token), 503, "{case}: a check, once everything is restored");
        }
        assert_eq!(client.ask(&Request::new("GET", "/readyz")).status, 503, "{case}: readiness");
        assert_eq!(client.logout(&other), 503, "{case}: what would be lost is not acknowledged");
        assert_eq!(client.try_login("admin", PASSWORD).status, 503, "{case}: a login");
        assert_eq!(client.ask(&Request::new("GET", "/healthz")).status, 200, "{case}");

        server.signal(end);
        server.end();
        // A file that was put together from two may be damaged for good.
        let restarted = program.command(&["doctor"]).output().expect("a process").status.success();
        if is_deactivated && restarted && !matches!(how, Moved) {
            let server = program.start();
            assert_eq!(server.client().check(&token), 401, "{case}: a deactivation that ended with 0 outlives the end");
        }
    }
}

#[test]
fn without_its_log_nothing_is_answered() {
    a_lost_companion_is_noticed(&[WAL], Removed);
}

#[test]
fn without_the_index_of_its_log_nothing_is_answered() {
    a_lost_companion_is_noticed(&[SHM], Removed);
}

#[test]
fn without_either_nothing_is_answered() {
    a_lost_companion_is_noticed(&[WAL, SHM], Removed);
}

#[test]
fn with_another_log_nothing_is_answered() {
    a_lost_companion_is_noticed(&[WAL], Replaced);
}

#[test]
fn with_another_index_nothing_is_answered() {
    a_lost_companion_is_noticed(&[SHM], Replaced);
}

#[test]
fn with_two_others_nothing_is_answered() {
    a_lost_companion_is_noticed(&[WAL, SHM], Replaced);
}

#[test]
fn companions_that_were_away_for_a_while_are_not_believed() {
    a_lost_companion_is_noticed(&[WAL, SHM], Moved);
}

/// The companions now belong to the new file: what commands wrote there survives the end of the server.
#[test]
fn a_replaced_database_file_keeps_what_is_written_to_it() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let server = program.start();
    let client = &mut server.client();
    let token = client.login("admin", PASSWORD);
    checkpoint(&program);
    damage(&program, &["knoxide.db"], Replaced);
    assert_eq!(client.check(&token), 503);
    assert_eq!(program.run(&["user", "deactivate", "admin", "--force"]).code, Some(0));
    server.stop();
    let server = program.start();
    assert_eq!(server.client().check(&token), 401);
}

#[test]
fn what_others_may_do_is_no_loss() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let server = program.start();
    let client = &mut server.client();
    let token = client.login("admin", PASSWORD);
    let path = program.folder().join("knoxide.db").display().to_string();
    for sql in [
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "VACUUM",
        "VACUUM INTO 'FOLDER/copy.db'",
        "PRAGMA wal_checkpoint(RESTART); PRAGMA optimize; ANALYZE",
    ] {
        // Opened and closed each time: the last process to close the database may remove the companions.
        let mut other = SqliteConnection::establish(&path).expect("the file opens");
        other.batch_execute(&sql.replace("FOLDER", &program.folder().display().to_string())).expect(sql);
        drop(other);
        assert_eq!(client.check(&token), 200, "{sql}");
        program.json(&["user", "list"]);
        assert_eq!(client.ask(&Request::new("GET", "/readyz")).status, 200, "{sql}");
        program.json(&["sweep"]);
    }
    assert_eq!(client.logout(&token), 200);
    assert_eq!(client.check(&token), 401);
}

#[test]
fn the_doctor_and_commands_ask_the_running_server() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let socket = program.folder().join("socket").display().to_string();
    let program = program.set("KNOXIDE_LISTEN", &format!("127.0.0.1:0,unix:{socket}"));
    let server = program.start();
    let tcp = server.address().to_string();
    let unix = format!("unix:{socket}");
    let ask = |listen: &str, arguments: &[&str]| {
        let output = program.command(arguments).env("KNOXIDE_LISTEN", listen).output().expect("a process");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    for listen in [&tcp, &unix] {
        let (code, out, _) = ask(listen, &["doctor"]);
        assert!(out.contains("fine    server: runs and is ready"), "{code:?} {out}");
        let (code, _, err) = ask(listen, &["user", "list"]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
    }
    checkpoint(&program);
    damage(&program, &[WAL, SHM], Removed);
    for listen in [&tcp, &unix] {
        let (code, out, _) = ask(listen, &["doctor"]);
        assert_eq!(code, Some(1));
        assert!(out.contains("wrong   server: runs but is not ready"), "{out}");
        let (code, _, err) = ask(listen, &["user", "deactivate", "admin", "--force"]);
        assert_eq!(code, Some(0));
        assert!(err.contains("the running server is not ready"), "{err}");
    }
    let (_, out, _) = ask("127.0.0.1:0", &["doctor"]);
    assert!(out.contains("server: not found"), "{out}");
}
