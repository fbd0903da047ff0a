//! The instructions in the operators' documentation work.

use std::path::Path;
use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use crate::harness::app::{App, Backend, Database, Setup, on_each_database};
#[cfg(feature = "postgres")]
use crate::harness::postgres::cluster::Cluster;
use crate::harness::program::{BINARY, Program};

/// Runs SQL as an operator would, without the program.
fn run(database: &Database, statement: &str) {
    match database.url.strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path).expect("a connection").batch_execute(statement),
        #[cfg(feature = "postgres")]
        None => diesel::PgConnection::establish(&database.url).expect("a connection").batch_execute(statement),
        #[cfg(not(feature = "postgres"))]
        None => panic!("no SQLite file"),
    }
    .expect(statement);
}

on_each_database! {
    fn raising_all_epochs_by_hand_ends_all_sessions_of_a_running_server(backend) {
        let app = App::start(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let token = client.login("alice", "correct horse");
        assert_eq!(client.check(&token), 200);
        run(&app.database, "UPDATE users SET auth_epoch = auth_epoch + 1");
        assert_eq!(client.check(&token), 401);
        let token = client.login("alice", "correct horse");
        assert_eq!(client.check(&token), 200);
    }
}

#[test]
fn a_restored_backup_revives_nothing_once_all_epochs_are_raised() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", "correct horse");
    let client = &mut app.client();
    let token = client.login("alice", "correct horse");
    let restored = Database::empty(Backend::Sqlite);
    let file = restored.url.strip_prefix("sqlite://").expect("a file");
    run(&app.database, &format!("VACUUM INTO '{file}'"));
    assert_eq!(client.logout(&token), 200);

    let restored = App::on(restored, Setup::default());
    assert_eq!(restored.client().check(&token), 200, "what the document warns of");
    run(&restored.database, "UPDATE users SET auth_epoch = auth_epoch + 1");
    assert_eq!(restored.client().check(&token), 401);
}

/// What `doctor` reports about the server's statement log.
#[cfg(feature = "postgres")]
fn advice_on_the_statement_log(program: &Program) -> Vec<String> {
    let findings: serde_json::Value = serde_json::from_str(&program.run(&["--json", "doctor"]).out).expect("JSON");
    let findings = findings.as_array().expect("a list").iter().filter(|finding| finding["weight"] == "advice");
    findings.filter(|finding| finding["subject"] == "statement log").map(ToString::to_string).collect()
}

/// A server with a role and a database for Knoxide, as the documentation says; and the program on it.
#[cfg(feature = "postgres")]
fn own_server() -> (Cluster, diesel::PgConnection, Program) {
    let cluster = Cluster::start().expect("a server");
    let mut superuser = diesel::PgConnection::establish(&cluster.url()).expect("a connection");
    superuser.batch_execute("CREATE ROLE knoxide LOGIN").expect("a role");
    superuser.batch_execute("CREATE DATABASE knoxide OWNER knoxide").expect("a database");
    let url = format!("postgres://knoxide@{}/knoxide", cluster.address());
    let program = Program::on(Backend::Sqlite).with_admin().set("DATABASE_URL", &url);
    (cluster, superuser, program)
}

#[cfg(feature = "postgres")]
#[test]
fn the_statement_log_of_postgres_shows_secrets_until_the_documented_remedy() {
    use diesel::RunQueryDsl as _;
    use diesel::dsl::sql;
    use diesel::sql_types::Text;

    if crate::harness::postgres::shared().is_none() {
        return;
    }
    let (cluster, mut superuser, program) = own_server();
    let log = || std::fs::read_to_string(cluster.directory().join("log")).expect("a log");
    let url = format!("postgres://postgres@{}/knoxide", cluster.address());
    let secrets_now = || -> Vec<String> {
        let mut inside = diesel::PgConnection::establish(&url).expect("a connection");
        let all = "(SELECT string_agg(password_hash, ' ') FROM users) || ' ' || \
                   (SELECT string_agg(encode(secret, 'hex'), ' ') FROM signing_keys)";
        let all: String = diesel::select(sql::<Text>(all)).get_result(&mut inside).expect("secrets");
        all.split(' ').map(str::to_owned).collect()
    };
    program.json(&["migrate"]);
    assert_eq!(advice_on_the_statement_log(&program), Vec::<String>::new(), "as Postgres comes");

    for (setting, value) in [("log_statement", "mod"), ("log_min_duration_statement", "0")] {
        superuser.batch_execute(&format!("ALTER ROLE knoxide SET {setting} = '{value}'")).expect("a setting");
        let advice = advice_on_the_statement_log(&program);
        assert!(advice.len() == 1 && advice[0].contains(setting), "{advice:?}");
        assert!(advice[0].contains("ALTER ROLE knoxide SET log_parameter_max_length = 0"), "{advice:?}");
        superuser.batch_execute(&format!("ALTER ROLE knoxide RESET {setting}")).expect("a setting");
    }
    superuser.batch_execute("ALTER ROLE knoxide SET log_statement = 'all'").expect("a setting");
    program.start().stop();
    let shown = log();
    let secrets = secrets_now();
    assert_eq!(secrets.len(), 3, "a hash, and two keys");
    for secret in &secrets {
        assert!(shown.contains(secret), "what the document warns of");
    }

    superuser.batch_execute("ALTER ROLE knoxide SET log_parameter_max_length = 0").expect("a setting");
    assert_eq!(advice_on_the_statement_log(&program), Vec::<String>::new());
    program.add_user("alice", "correct-horse-9");
    assert_eq!(program.run(&["key", "rotate"]).code, Some(0));
    let server = program.start();
    server.client().login("alice", "correct-horse-9");
    server.stop();
    let shown = log();
    let new: Vec<String> = secrets_now().into_iter().filter(|secret| !secrets.contains(secret)).collect();
    assert_eq!(new.len(), 2, "a hash and a key");
    assert!(shown.matches("INSERT INTO \"signing_keys\"").count() > 2, "statements are still logged");
    for secret in &new {
        assert!(!shown.contains(secret), "the remedy does not help");
    }

    // Errors have a setting of their own.
    superuser.batch_execute("ALTER ROLE knoxide SET log_parameter_max_length_on_error = -1").expect("a setting");
    let advice = advice_on_the_statement_log(&program);
    assert!(advice.len() == 1 && advice[0].contains("log_parameter_max_length_on_error"), "{advice:?}");
}

#[test]
fn the_shipped_unit_is_one_that_systemd_reads_and_its_command_serves() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd/knoxide.service");
    let unit = std::fs::read_to_string(path).expect("the shipped unit");
    let command =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/knoxide ")).expect("a command");
    let program = Program::on(Backend::Sqlite).with_admin();
    let settings = program.write("settings", "KNOXIDE_LOG_FORMAT=plain\n");
    let words: Vec<&str> =
        command.split(' ').map(|word| if word == "/etc/knoxide/env" { &settings } else { word }).collect();
    assert!(words.contains(&settings.as_str()), "{command}");
    program.start_with(&words).stop();

    let here = unit.replace("/usr/local/bin/knoxide", BINARY);
    let file = program.write("knoxide.service", &here);
    match Command::new("systemd-analyze").args(["verify", "--man=no", &file]).output() {
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success() && said.is_empty(), "{said}");
        }
        Err(error) => eprintln!("NOT RUN: systemd-analyze verify ({error})"),
    }
}
