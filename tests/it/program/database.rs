//! What the program reports about a database that it cannot use, and about one that it creates.

use std::fs;

use crate::harness::app::{Backend, on_each_database};
use crate::harness::program::{PASSWORD, Program};

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
            assert!(done.code == Some(1) && said.contains(words), "{command:?} {path}: {said}");
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

on_each_database! {
    fn tables_that_are_made_are_told_of_with_their_place(backend) {
        let file = serde_json::json!({ "format": 1, "users": [{ "id": 7, "username": "zoe" }] }).to_string();
        let add = ["user", "add", "alice", "--password-hash", "!"];
        for command in [&add[..], &["import", "users.json"], &["migrate"], &["serve"]] {
            let program = Program::on(backend).with_admin();
            program.write("users.json", &file);
            let url = program.environment().find(|(name, _)| *name == "DATABASE_URL").map(|(_, url)| url.to_owned());
            // A URL is shown without the user and the password.
            let place = match url.as_deref().and_then(|url| url.split_once('@')) {
                Some((_, place)) => place.to_owned(),
                None => "knoxide.db".to_owned(),
            };
            if command == ["serve"] {
                let log = program.start().stop();
                assert!(log.lines().any(|line| line.contains("the tables are up to date") && line.contains(&place)), "{log}");
                continue;
            }
            let done = program.run(command);
            let words = format!("so {} created: ", if url.is_some() { "they were" } else { "a new one was" });
            assert_eq!((done.code, done.err.lines().count()), (Some(0), 1), "{command:?}: {}", done.err);
            assert!(done.err.contains(&words) && done.err.trim_end().ends_with(&place), "{command:?}: {}", done.err);
            let again = program.run(&["user", "add", "bob", "--password-hash", "!"]);
            assert_eq!((again.code, again.err.as_str()), (Some(0), ""), "{command:?}");
        }
    }
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
    use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
    use std::time::{Duration, Instant};

    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;
    use serde_json::Value;

    use super::*;
    use crate::harness::pgbouncer::{PgBouncer, Statements};
    use crate::harness::postgres::cluster::Cluster;
    use crate::harness::postgres::{connect, shared, with_database};

    /// A server that requires passwords from everyone but its superuser; `None` if the Postgres half of the tests is
    /// omitted.
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
        // The rules are reloaded a moment later.
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
                // The first of many attempts used to take 10 s, followed by the others.
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
        let Some(pooler) = PgBouncer::before(cluster.address(), "transaction", Statements::Forgotten) else {
            eprintln!("NOT RUN: there is no PgBouncer");
            return;
        };
        let url = format!("postgres://postgres@{}/postgres", pooler.address());
        let program = Program::bare().set("DATABASE_URL", &url);
        // The first connection may succeed by luck, since no client has used the pooler before.
        program.run(&["migrate"]);
        for command in ["serve", "doctor"] {
            let done = program.run(&[command]);
            let said = done.out + &done.err;
            assert!(done.code == Some(1) && said.contains("pool_mode = session"), "{command}: {said}");
            assert!(!said.contains("whether the server runs"), "{command}: {said}");
        }
    }

    #[test]
    fn a_pooler_that_knows_prepared_statements_serves_in_transaction_mode() {
        if shared().is_none() {
            return;
        }
        let cluster = Cluster::start().expect("a server");
        let Some(pooler) = PgBouncer::before(cluster.address(), "transaction", Statements::Known) else {
            eprintln!("NOT RUN: there is no PgBouncer of 1.21 or later");
            return;
        };
        let url = format!("postgres://postgres@{}/postgres", pooler.address());
        let program = Program::on(Backend::Sqlite).with_admin().set("DATABASE_URL", &url);
        let server = program.start();
        let clients = (0..8).map(|_| {
            let mut client = server.client();
            std::thread::spawn(move || {
                for _ in 0..20 {
                    let token = client.login("admin", PASSWORD);
                    assert_eq!(client.check(&token), 200);
                    assert_eq!(client.logout(&token), 200);
                    assert_eq!(client.check(&token), 401);
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().for_each(|client| client.join().expect("no panic"));
        let log = server.stop();
        assert!(!log.contains("__diesel_stmt_"), "{log}");
    }

    /// An address of this machine other than a loopback one; `None` if it has no network. Nothing is sent.
    fn own_address() -> Option<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
    }

    #[test]
    fn the_doctor_tells_what_crosses_a_network_in_the_clear() {
        if shared().is_none() {
            return;
        }
        let cluster = Cluster::start().expect("a server");
        let advice = |place: SocketAddr| {
            let url = format!("postgres://postgres@{place}/postgres?sslmode=disable");
            let program = Program::on(Backend::Sqlite).set("DATABASE_URL", &url);
            program.json(&["migrate"]);
            let done = program.run(&["--json", "doctor"]);
            let mut findings: Vec<Value> = serde_json::from_str(&done.out).expect("JSON");
            findings.retain(|finding| finding["subject"] == "transport");
            findings
        };
        assert_eq!(advice(cluster.address()), Vec::<Value>::new());
        let Some(address) = own_address() else {
            eprintln!("NOT RUN: a connection over the network, because this machine has none");
            return;
        };
        // The server listens only on a loopback address.
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let (place, server) = (listener.local_addr().expect("an address"), cluster.address());
        std::thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let Ok(to) = TcpStream::connect(server) else { return };
                let copy = |mut from: TcpStream, mut to: TcpStream| {
                    std::io::copy(&mut from, &mut to).ok();
                    to.shutdown(Shutdown::Both).ok();
                };
                let (back, forth) = (to.try_clone().expect("a socket"), from.try_clone().expect("a socket"));
                std::thread::spawn(move || copy(back, forth));
                std::thread::spawn(move || copy(from, to));
            }
        });
        let found = advice(place);
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!(finding["weight"], "advice", "{finding}");
        assert!(finding["fact"].as_str().is_some_and(|fact| fact.contains("in the clear")), "{finding}");
        let remedy = finding["remedy"].as_str().expect("a remedy");
        assert!(remedy.contains("take sslmode=disable out of DATABASE_URL"), "{finding}");
        assert_eq!(remedy.contains("postgres-tls"), cfg!(not(feature = "postgres-tls")), "{finding}");
    }

    // A build with TLS does connect to the address in its environment, to ask for TLS.
    #[cfg(not(feature = "postgres-tls"))]
    #[test]
    fn only_the_url_itself_consents_to_a_connection_without_tls() {
        // The address that the environment names; any connection to it is noticed.
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
