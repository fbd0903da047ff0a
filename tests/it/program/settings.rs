//! Which source of a setting takes precedence, and which values are refused, with which message.

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;

use crate::harness::app::{Backend, on_each_database};
use crate::harness::program::{BINARY, PASSWORD, Program};

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let program = Program::bare().with_admin().set("KNOXIDE_BCRYPT_COST", "10").set("KNOXIDE_ADMIN_LISTEN", "off");
    program.write(
        ".env",
        "DATABASE_URL=sqlite://from-file.db\nKNOXIDE_LISTEN=127.0.0.1:1\nKNOXIDE_COMPAT=package\nKNOXIDE_LOG=off\n",
    );
    let program = program.set("DATABASE_URL", "sqlite://from-environment.db").set("KNOXIDE_LISTEN", "127.0.0.1:2");
    let flags = ["--listen", "127.0.0.3:0", "--database-url", "sqlite://from-flag.db", "--log", "info"];
    let server = program.start_with(&[&["serve"], &flags[..]].concat());
    assert!(server.address().to_string().starts_with("127.0.0.3:"));
    let exists = |name: &str| program.folder().join(name).exists();
    assert!(exists("from-flag.db") && !exists("from-environment.db") && !exists("from-file.db"));
    // Settings without another source come from the file; and with the Django package's contract, logging out is a 204.
    let client = &mut server.client();
    let token = client.login("admin", PASSWORD);
    assert_eq!(client.logout(&token), 204);
    assert_eq!(client.check(&token), 401);
    server.stop();

    assert_eq!(program.run(&["migrate"]).code, Some(0));
    assert!(exists("from-environment.db") && !exists("from-file.db"));
    let other = program.write("other.env", "KNOXIDE_CREATE=perhaps\n");
    let done = program.run(&["migrate", "--env-file", &other]);
    assert!(done.code == Some(2) && done.err.contains("KNOXIDE_CREATE"), "{}", done.err);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let program = Program::bare()
        .set("DATABASE_URL", "mysql://knoxide:hunter2-hush@db/knoxide")
        .set("KNOXIDE_LISTEN", "nowhere")
        .set("KNOXIDE_WORKERS", "0")
        .set("KNOXIDE_READ_TIMEOUT", "5")
        .set("KNOXIDE_ADMIN_PASSWORD", "hush-ab")
        .set("KNOXIDE_LISTNE", "127.0.0.1:1");
    for command in [&["serve"][..], &["user", "list"]] {
        let done = program.run(command);
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""));
        for (name, _) in program.environment() {
            assert!(done.err.contains(name), "{name}: {}", done.err);
        }
        assert!(done.err.contains("did you mean") || done.err.contains("KNOXIDE_LISTEN"), "{}", done.err);
        assert!(!done.err.contains("hush"), "{}", done.err);
    }
    assert_eq!(std::fs::read_dir(program.folder()).expect("a folder").count(), 0);
}

/// Runs the program in a folder that its user may not enter.
fn run_shut_out(program: &Program, arguments: &[&str]) -> std::process::Output {
    // Root may enter every folder, unless it gives up the capabilities for that.
    let script = "chmod 0 . && if [ \"$(id -u)\" = 0 ]; then exec setpriv --inh-caps=-dac_override,-dac_read_search \
                  --bounding-set=-dac_override,-dac_read_search \"$@\"; fi; exec \"$@\"";
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", script, "sh", BINARY]).args(arguments);
    program.prepare(&mut command);
    let output = command.output().expect("a process");
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
    std::fs::set_permissions(program.folder(), mode).expect("a mode");
    output
}

#[test]
fn in_a_folder_that_cannot_be_entered_commands_run_without_its_settings() {
    let elsewhere = Program::on(Backend::Sqlite);
    let url = format!("sqlite://{}", elsewhere.folder().join("knoxide.db").display());
    assert_eq!(elsewhere.run(&["migrate"]).code, Some(0));
    let env_file = elsewhere.write("other.env", "KNOXIDE_BCRYPT_COST=1\n");
    let program = Program::bare().set("DATABASE_URL", &url).set("PATH", "/usr/bin:/bin");
    let run = |arguments: &[&str]| {
        let output = run_shut_out(&program, arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["user", "list"]);
    assert!(code == Some(0) && said.contains("no permission to enter the working directory"), "{said}");
    for arguments in [&["serve"][..], &[]] {
        let (code, said) = run(arguments);
        assert!(code == Some(2) && said.contains("--env-file"), "{said}");
    }
    // A file that was named is read, even if the folder is closed.
    let (code, said) = run(&["serve", "--env-file", &env_file]);
    assert!(code == Some(2) && said.contains("KNOXIDE_BCRYPT_COST") && !said.contains("permission to enter"), "{said}");
    // A file that exists and cannot be read is still an error.
    std::fs::create_dir(program.folder().join(".env")).expect("a folder of that name");
    let done = program.run(&["user", "list"]);
    assert!(done.code == Some(2) && done.err.contains(".env: cannot be read"), "{}", done.err);
}

#[test]
fn databases_that_cannot_be_used_are_refused() {
    let program = Program::on(Backend::Sqlite);
    for (url, reason) in [
        ("mysql://db/knoxide", "begins with `sqlite://`, `postgres://` or `postgresql://`"),
        ("postgres://knoxide:hush@db.example.org/knoxide", "postgres-tls"),
        ("postgres://knoxide:hush@127.0.0.1/knoxide?sslmode=require", "postgres-tls"),
        ("sqlite::memory:", "use a file"),
    ] {
        // A program with TLS could try to connect here.
        if reason == "postgres-tls" && cfg!(feature = "postgres-tls") {
            continue;
        }
        let done = program.run(&["serve", "--database-url", url]);
        assert_eq!(done.code, Some(2), "{url}: {}", done.err);
        assert!(done.err.contains(reason) && !done.err.contains("hush"), "{url}: {}", done.err);
    }
    let program = program.set("KNOXIDE_CREATE", "false");
    let done = program.run(&["serve"]);
    assert!(done.code != Some(0) && done.err.contains("knoxide.db"), "{}", done.err);
    assert!(!program.folder().join("knoxide.db").exists());
}

/// Runs this in the program's database, as another program would.
fn run_sql(program: &Program, backend: Backend, sql: &str) {
    match backend {
        Backend::Sqlite => {
            let path = program.folder().join("knoxide.db").display().to_string();
            diesel::SqliteConnection::establish(&path).expect("a connection").batch_execute(sql).expect(sql);
        }
        #[cfg(feature = "postgres")]
        Backend::Postgres => {
            let url = program.environment().find(|(name, _)| *name == "DATABASE_URL").expect("a URL").1;
            diesel::PgConnection::establish(url).expect("a connection").batch_execute(sql).expect(sql);
        }
    }
}

/// Every command that could create tables refuses to.
fn makes_nothing(program: &Program) {
    for command in [&["migrate"][..], &["user", "add", "alice", "--password-hash", "!"], &["serve"]] {
        let done = program.run(command);
        assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{command:?}: {}", done.err);
        assert!(done.err.contains("KNOXIDE_CREATE=true"), "{command:?}: {}", done.err);
    }
}

on_each_database! {
    fn without_create_nothing_is_made_in_an_empty_database_or_somebody_elses(backend) {
        let program = Program::on(backend).set("KNOXIDE_CREATE", "false").with_admin();
        let file = program.folder().join("knoxide.db");
        let bytes = || std::fs::read(&file).unwrap_or_default();
        if let Backend::Sqlite = backend {
            program.write("knoxide.db", "");
        }
        makes_nothing(&program);
        assert!(bytes().is_empty(), "an empty file stays empty");

        run_sql(&program, backend, "CREATE TABLE bookmarks (id INTEGER PRIMARY KEY)");
        let before = bytes();
        makes_nothing(&program);
        assert!(bytes() == before, "a foreign file stays unchanged");
        run_sql(&program, backend, "INSERT INTO bookmarks VALUES (1); DROP TABLE bookmarks");
        // Read-only commands are allowed.
        assert_eq!(program.run(&["migrate", "status"]).code, Some(1));

        let program = program.set("KNOXIDE_CREATE", "true");
        assert_eq!(program.run(&["migrate"]).code, Some(0));
        let program = program.set("KNOXIDE_CREATE", "false");
        program.start().client().login("admin", PASSWORD);
    }
}

#[test]
fn an_env_file_that_is_a_link_to_nothing_is_not_passed_over() {
    use std::os::unix::fs::symlink;
    for (target, words) in
        [("gone", "is a link to gone, where there is no file: put the file there"), (".env", "cannot be read")]
    {
        let program = Program::on(Backend::Sqlite).with_admin();
        symlink(target, program.folder().join(".env")).expect("a link");
        for (command, code) in [(&["doctor"][..], 1), (&["user", "list"], 2), (&["serve"], 2)] {
            let done = program.run(command);
            let said = done.out + &done.err;
            assert!(done.code == Some(code) && said.contains(words), "{target} {command:?}: {said}");
        }
    }
}
