//! What the program says of a database that it cannot use, and of one that it makes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::app::Backend;
use crate::harness::program::{BINARY, Done, PASSWORD, Program, tool};

/// A user who may do nothing that root may.
const NOBODY: u32 = 65_534;

/// Runs a command as [`NOBODY`], in a folder with a database of root's; `None` where no other user can be had.
fn as_nobody(program: &Program, folder: &Path, arguments: &[&str]) -> Option<Done> {
    if tool("id", &["-u"]).trim() != "0" {
        eprintln!("NOT RUN: only root can be another user");
        return None;
    }
    let copy = folder.join("knoxide-program");
    if !copy.exists() {
        fs::copy(BINARY, &copy).expect("a copy that everybody can reach");
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("a mode");
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
    command.arg(&copy).args(arguments).current_dir("/").env_clear().envs(program.environment());
    let output = command.stdin(Stdio::null()).output().expect("a process");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Done { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
}

#[test]
fn a_file_or_folder_that_cannot_be_written_is_named_with_its_owner_and_the_cure() {
    let outer = tempfile::tempdir().expect("a folder");
    fs::set_permissions(outer.path(), Permissions::from_mode(0o755)).expect("a mode");
    let folder = outer.path().join("data");
    fs::create_dir(&folder).expect("a folder");
    let file = folder.join("k.db");
    let program = Program::bare().set("DATABASE_URL", &format!("sqlite://{}", file.display()));
    program.json(&["migrate"]);
    let wal = folder.join("k.db-wal");
    fs::write(&wal, "").expect("a file");
    let nobody = Some(NOBODY);
    // Who owns the folder, the file and its log, and what is named.
    for (owners, named) in
        [([nobody, None, nobody], &file), ([None, nobody, nobody], &folder), ([nobody, nobody, None], &wal)]
    {
        for (path, owner) in [&folder, &file, &wal].into_iter().zip(owners) {
            chown(path, Some(owner.unwrap_or(0)), None).ok();
            fs::set_permissions(path, Permissions::from_mode(if path == &folder { 0o755 } else { 0o644 }))
                .expect("a mode");
        }
        for command in [&["doctor"][..], &["migrate"], &["user", "list"], &["serve"]] {
            let Some(done) = as_nobody(&program, outer.path(), command) else { return };
            let said = done.out + &done.err;
            let words = ["belongs to user 0", &format!("chown {NOBODY} {}", named.display())];
            assert!(done.code == Some(1) && words.iter().all(|words| said.contains(words)), "{command:?}: {said}");
        }
    }
    for path in [&folder, &file, &wal] {
        chown(path, nobody, None).ok();
    }
    let Some(done) = as_nobody(&program, outer.path(), &["doctor"]) else { return };
    assert!(done.out.contains("fine    writing: possible"), "{}", done.out);
}

#[test]
fn a_path_that_can_be_no_file_is_named_with_the_cure() {
    let program = Program::bare();
    let folder = program.folder().display().to_string();
    program.write("text", "");
    for (path, words) in [
        (folder.clone(), "is a folder: name a file in it"),
        (format!("{folder}/"), "is a folder: name a file in it"),
        (format!("{folder}/none/k.db"), "there is no folder"),
        (format!("{folder}/text/k.db"), "is no folder"),
    ] {
        for command in [&["migrate"][..], &["serve"], &["doctor"]] {
            let done = program.run(&[&["--database-url", &format!("sqlite://{path}")], command].concat());
            let said = done.out + &done.err;
            let is_said = said.contains(words) || command == ["doctor"] && said.contains("there is no database file");
            assert!(done.code == Some(1) && is_said, "{command:?} {path}: {said}");
        }
    }
}

#[test]
fn a_new_database_is_told_of_and_what_only_reads_makes_none() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let file = program.folder().join("knoxide.db");
    let path = fs::canonicalize(program.folder()).expect("a folder").join("knoxide.db").display().to_string();
    for command in [
        &["user", "list"][..],
        &["user", "show", "alice"],
        &["user", "deactivate", "alice"],
        &["session", "list"],
        &["key", "list"],
        &["key", "rotate"],
        &["token", "create", "alice", "--name", "x"],
        &["sweep"],
        &["migrate", "status"],
        &["doctor"],
    ] {
        let done = program.run(command);
        assert!(!file.exists(), "{command:?} made a database");
        assert!(command == ["doctor"] || done.err.contains(&path), "{command:?}: {}", done.err);
    }
    let hash = ["user", "add", "alice", "--password-hash", "!"];
    for (command, is_told) in [(&["migrate"][..], true), (&["migrate"], false), (&hash, false)] {
        let done = program.run(command);
        assert_eq!((done.code, done.err.contains(&path)), (Some(0), is_told), "{command:?}: {}", done.err);
    }
    fs::remove_file(&file).expect("no file");
    let done = program.run(&hash);
    assert_eq!((done.code, done.err.contains(&path)), (Some(0), true), "{}", done.err);
    fs::remove_file(&file).expect("no file");
    let log = program.start().stop();
    assert!(log.contains("a new database is made"), "{log}");
    assert!(!program.start().stop().contains("a new database is made"));
}

#[test]
fn an_answer_that_cannot_be_written_is_told_of() {
    let program = Program::on(Backend::Sqlite);
    program.json(&["migrate"]);
    for arguments in
        [&["user", "add", "alice", "--password-hash", "!"][..], &["--json", "user", "list"], &["--help"], &["settings"]]
    {
        let full = fs::File::options().write(true).open("/dev/full").expect("a device");
        let output = program.command(arguments).stdout(full).output().expect("a process");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("carried out") && said.contains("No space left"), "{arguments:?}: {said}");
    }
    assert!(program.run(&["user", "list"]).out.contains("alice"));
}

#[test]
fn two_servers_on_one_file_refuse_what_either_has_ended() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let servers = [program.start(), program.start()];
    let (mut one, mut other) = (servers[0].client(), servers[1].client());
    for _ in 0..20 {
        let token = one.login("admin", PASSWORD);
        assert_eq!((one.check(&token), other.check(&token)), (200, 200));
        assert_eq!(one.logout(&token), 200);
        assert_eq!((other.check(&token), one.check(&token)), (401, 401));
        std::mem::swap(&mut one, &mut other);
    }
    for server in servers {
        server.stop();
    }
}

#[test]
fn a_password_that_is_not_encoded_is_neither_shown_nor_sent() {
    for (password, code) in
        [("hush@w0rd", "%40"), ("hush/w0rd", "%2F"), ("hush?w0rd", "%3F"), ("hush w0rd", "%20"), ("hush%w0rd", "%25")]
    {
        let url = format!("postgres://knoxide:{password}@127.0.0.1/knoxide");
        let program = Program::bare().set("KNOXIDE_LOG", "trace").set("DATABASE_URL", &url);
        for command in ["serve", "migrate", "doctor"] {
            let done = program.run(&[command]);
            let said = done.out + &done.err;
            assert_eq!(done.code, Some(if command == "doctor" { 1 } else { 2 }), "{command}: {said}");
            let is_hidden = !said.contains("hush") && !said.contains("w0rd");
            assert!(said.contains(code) && is_hidden, "{command} {password}: {said}");
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::{Duration, Instant};

    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;

    use super::*;
    use crate::harness::pgbouncer::PgBouncer;
    use crate::harness::postgres::cluster::Cluster;
    use crate::harness::postgres::{connect, shared, with_database};

    /// A server that asks all but its superuser for passwords; `None` if the Postgres half of the tests is left out.
    fn server() -> Option<Cluster> {
        shared()?;
        let cluster = Cluster::start().expect("a server");
        let rules = "host all postgres all trust\nhost refused all all reject\nhost all all all scram-sha-256\n";
        fs::write(cluster.directory().join("data/pg_hba.conf"), rules).expect("a file");
        let mut superuser = connect(&cluster.url());
        for statement in [
            "SELECT pg_reload_conf()",
            "CREATE ROLE knoxide LOGIN PASSWORD 'good@/? %'",
            "CREATE ROLE group_only PASSWORD 'good@/? %'",
            "CREATE DATABASE knoxide OWNER knoxide",
            "CREATE DATABASE refused",
            "CREATE DATABASE private",
            "REVOKE CONNECT ON DATABASE private FROM PUBLIC",
        ] {
            superuser.batch_execute(statement).expect(statement);
        }
        // The rules are read a moment later.
        while diesel::PgConnection::establish(&format!("postgres://nobody@{}/postgres", cluster.address()))
            .is_err_and(|error: diesel::ConnectionError| !error.to_string().contains("password"))
        {}
        Some(cluster)
    }

    #[test]
    fn what_waiting_does_not_mend_is_said_at_once() {
        let Some(cluster) = server() else { return };
        let (at, good) = (cluster.address(), "good%40%2F%3F%20%25");
        for (login, rest, words) in [
            (format!("knoxide:hush@{at}"), "knoxide", "password authentication failed"),
            (format!("knoxide@{at}"), "knoxide", "no password supplied"),
            (format!("group_only:{good}@{at}"), "knoxide", "not permitted to log in"),
            (format!("knoxide:{good}@{at}"), "none", "does not exist"),
            (format!("knoxide:{good}@{at}"), "refused", "pg_hba.conf"),
            (format!("knoxide:{good}@{at}"), "private", "permission denied for database"),
            (format!("knoxide:{good}@{at}"), "knoxide?schema=public", "invalid URI query parameter"),
            (format!("knoxide:{good}@{at}"), "knoxide?connect_timeout=long", "invalid integer value"),
            (format!("knoxide:{good}@{at}"), "knoxide?sslmode=never", "invalid sslmode"),
        ] {
            let url = format!("postgres://{login}/{rest}");
            let program = Program::bare().set("KNOXIDE_LOG", "trace").set("DATABASE_URL", &url);
            for command in ["migrate", "serve"] {
                let begun = Instant::now();
                let done = program.run(&[command]);
                assert_eq!(done.code, Some(1), "{command} {rest}: {}", done.err);
                // The first try of many took 10 s with its followers.
                assert!(begun.elapsed() < Duration::from_secs(8), "{command} {rest}: {}", done.err);
                assert!(done.err.matches(words).count() == 1 && !done.err.contains("hush"), "{rest}: {}", done.err);
            }
        }
        let url = format!("postgres://knoxide:{good}@{at}/knoxide");
        Program::bare().set("DATABASE_URL", &url).json(&["migrate"]);
    }

    #[test]
    fn a_database_that_cannot_store_every_name_is_refused() {
        let Some(shared) = shared() else { return };
        let database = shared.empty_database();
        for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
            let name = format!("knoxide_{}_{}", encoding.to_ascii_lowercase(), std::process::id());
            let mut superuser = connect(database.url());
            let create = format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
            superuser.batch_execute(&create).expect("a database");
            let program = Program::bare().set("DATABASE_URL", &with_database(database.url(), &name));
            for command in ["migrate", "serve", "doctor"] {
                let done = program.run(&[command]);
                let said = done.out + &done.err;
                assert!(
                    done.code == Some(1) && said.contains(&format!("the encoding {encoding},")),
                    "{command}: {said}"
                );
                assert!(said.contains("ENCODING 'UTF8'"), "{command}: {said}");
            }
            superuser.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).expect("no database");
        }
    }

    #[test]
    fn a_pooler_that_gives_away_server_processes_is_named() {
        if shared().is_none() {
            return;
        }
        let cluster = Cluster::start().expect("a server");
        let Some(pooler) = PgBouncer::before(cluster.address(), "transaction") else {
            eprintln!("NOT RUN: there is no PgBouncer");
            return;
        };
        let url = format!("postgres://postgres@{}/postgres", pooler.address());
        let program = Program::bare().set("DATABASE_URL", &url);
        // The first one may be lucky: nobody was there before.
        program.run(&["migrate"]);
        for command in ["serve", "doctor"] {
            let done = program.run(&[command]);
            let said = done.out + &done.err;
            assert!(done.code == Some(1) && said.contains("pool_mode = session"), "{command}: {said}");
            assert!(!said.contains("whether the server runs"), "{command}: {said}");
        }
    }

    #[test]
    fn only_the_url_itself_consents_to_a_connection_without_tls() {
        // Where the environment points to; whoever connects there is heard.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("a port").port().to_string();
        let folder = tempfile::tempdir().expect("a folder");
        let services = folder.path().join("services");
        fs::write(&services, format!("[far]\nhost=127.0.0.1\nhostaddr=127.0.0.1\nport={port}\n")).expect("a file");
        let services = services.display().to_string();
        for environment in [
            &[("PGHOST", "127.0.0.1"), ("PGPORT", &port)][..],
            &[("PGHOSTADDR", "127.0.0.1"), ("PGPORT", &port)],
            &[("PGSERVICE", "far"), ("PGSERVICEFILE", &services)],
        ] {
            for url in [
                "postgres:///x",
                "postgres:///x?host=/nowhere",
                "postgres://:1/x",
                "postgres:///x?host=/nowhere&sslmode=disable",
                "postgres://127.0.0.9/x?sslmode=disable",
            ] {
                let program = Program::bare().set(
                    "DATABASE_URL",
                    &format!("{url}{}connect_timeout=2", if url.contains('?') { '&' } else { '?' }),
                );
                let program = environment.iter().fold(program, |program, (name, value)| program.set(name, value));
                program.run(&["doctor"]);
                assert!(listener.accept().is_err(), "{url} {environment:?} was followed");
            }
        }
        for (name, value) in [("PGSSLMODE", "disable"), ("PGHOSTADDR", "127.0.0.1"), ("PGSERVICE", "far")] {
            let program = Program::bare().set("DATABASE_URL", "postgres://db.example/x").set(name, value);
            let done = program.run(&["migrate"]);
            assert!(done.code == Some(2) && done.err.contains("sslmode=disable into the URL"), "{name}: {}", done.err);
        }
    }
}
