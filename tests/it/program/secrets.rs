//! Everything that the program writes is searched for tokens, passwords and client secrets, plain or encoded.

mod canaries;
mod clients;
mod traffic;

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::app::Backend;
#[cfg(feature = "postgres")]
use crate::harness::postgres::{cluster::Cluster, connect, shared};
use crate::harness::program::{PASSWORD, Program};

use canaries::Canaries;

/// A name that must be found in every searched place; otherwise the search proves nothing.
pub(super) const MARK: &str = "visible-name-4711";

/// What one run of the program left behind.
struct Traces {
    /// The server's log at the highest level, and what commands printed.
    logs: PathBuf,
    /// The location of the database.
    database: PathBuf,
}

/// Uses the program in every way that involves secrets, then searches.
fn use_and_search(program: Program, database: &Path, checkpoint: impl Fn()) {
    let records = tempfile::tempdir().expect("a folder");
    let canaries = &mut Canaries::default();
    canaries.watch(PASSWORD);
    let secrets = tempfile::tempdir().expect("a folder");
    let program = traffic::with_secret_files(program, secrets.path(), canaries);
    let traces = Traces { logs: records.path().to_owned(), database: database.to_owned() };

    let server = program.start();
    for file in ["cmdline", "environ"] {
        let seen = fs::read(format!("/proc/{}/{file}", server.id())).expect("a process");
        fs::write(traces.logs.join(file), seen).expect("a written file");
    }
    let unreachable = format!("postgres://knoxide:{}@127.0.0.1:1/x", canaries.password());
    let unreadable = format!("postgres://knoxide@127.0.0.1:x/x?password={}", canaries.password());
    let (printed, replies) = std::thread::scope(|scope| {
        let in_vain = [(&unreachable, 5), (&unreadable, 2)];
        let in_vain = in_vain.map(|(url, code)| scope.spawn(move || traffic::of_no_database(url, code)));
        let printed = traffic::of_commands(&program, secrets.path(), canaries);
        let mut replies = traffic::of_requests(&server, canaries);
        replies.extend(clients::use_secrets(&program, &server, canaries));
        let in_vain = in_vain.map(|one| one.join().expect("what was said"));
        (printed + &in_vain.concat(), replies)
    });
    assert!(printed.contains("not available"), "{printed}");
    fs::write(traces.logs.join("printed"), printed).expect("a written file");
    fs::write(traces.logs.join("replies"), replies).expect("a written file");
    checkpoint();
    // While the program runs there is a write-ahead log, with pages that are gone once it has stopped.
    canaries.assert_absent(&traces.database);
    canaries.assert_found(MARK, &traces.database);
    let log = server.stop();
    fs::write(traces.logs.join("log"), log).expect("a written file");
    canaries.assert_absent(&traces.database);
    canaries.assert_absent(program.folder());
    canaries.assert_log_is_quiet(&traces.logs);
    canaries.assert_found("DEBUG", &traces.logs);
}

#[test]
fn no_file_of_sqlite_and_no_log_holds_a_secret() {
    let program = Program::on(Backend::Sqlite);
    let folder = program.folder().to_owned();
    use_and_search(program, &folder, || ());
}

#[cfg(feature = "postgres")]
#[test]
fn no_file_of_postgres_and_no_log_holds_a_secret() {
    use diesel::connection::SimpleConnection as _;

    // This server is private, because its log shows every statement.
    if shared().is_none() {
        return;
    }
    let cluster = Cluster::start().expect("a Postgres");
    let mut admin = connect(&cluster.url());
    for statement in ["ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()"] {
        admin.batch_execute(statement).expect("a setting");
    }
    let program = Program::on(Backend::Sqlite).set("DATABASE_URL", &cluster.url());
    use_and_search(program, cluster.directory(), || {
        connect(&cluster.url()).batch_execute("CHECKPOINT").expect("a checkpoint");
    });
    let log = fs::read_to_string(cluster.directory().join("log")).expect("a log");
    assert!(log.contains("INSERT INTO"), "the server logged no statement");
}
