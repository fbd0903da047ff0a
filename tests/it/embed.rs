//! The examples run as a reader would run them: as separate programs.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::harness::app::{App, Backend, Client};
use crate::harness::wire::Request;
use crate::remote::stage::register;

/// A running example, which ends when this is dropped.
struct Example {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Example {
    fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_with(name, arguments, &[])
    }

    fn start_with(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let program = program(name);
        let mut command = Command::new(&program);
        command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| {
            panic!("{} (built by `cargo test` and `cargo build --examples`): {error}", program.display())
        });
        let output = BufReader::new(process.stdout.take().expect("an output"));
        Self { process, output }
    }

    /// The address that it reports.
    fn address(&mut self) -> SocketAddr {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().rsplit('/').next().and_then(|address| address.parse().ok()).expect(&line)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Cargo puts the examples next to the folder of the tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("the path of this program");
    tests.parent().and_then(|folder| folder.parent()).expect("a folder of the build").join("examples").join(name)
}

#[test]
fn an_application_with_users_of_its_own_is_protected() {
    let mut example = Example::start("embed", &["127.0.0.1:0"]);
    let client = &mut Client::connect(example.address());

    let notes = client.ask(&Request::new("GET", "/notes"));
    assert_eq!((notes.status, notes.header("WWW-Authenticate").as_deref()), (401, Some("Token")));
    let greeting = client.ask(&Request::new("GET", "/greeting"));
    assert_eq!((greeting.status, greeting.text().as_str()), (200, "hello, stranger"));

    assert_eq!(client.try_login("ada", "babbage").status, 400);
    let token = client.login("ada", "lovelace");
    assert_eq!(client.with_token("GET", "/notes", &token).text(), "the notes of ada");
    assert_eq!(client.with_token("GET", "/greeting", &token).text(), "hello, ada");
    let user = client.with_token("GET", "/auth/user/", &token).text();
    assert!(user.starts_with(r#"{"id":1815,"username":"ada","email":"ada@example.com","#), "{user}");

    assert_eq!(client.with_token("GET", "/auth/events/", &token).status, 404, "external users have no list of events");

    assert_eq!(client.logout(&token), 200);
    assert_eq!(client.with_token("GET", "/notes", &token).status, 401);
    let refused = client.with_token("GET", "/greeting", &token);
    assert_eq!(refused.status, 401, "a bad token is not anonymous");
}

#[test]
fn an_application_beside_the_server_is_protected() {
    let app = App::start(Backend::Sqlite);
    app.add_user("ada", "lovelace");
    let registered = register(&app, "batch");
    let environment = [
        ("KNOXIDE_URL", &*format!("http://{}", app.address)),
        ("KNOXIDE_CLIENT_ID", &registered.id.to_string()),
        ("KNOXIDE_CLIENT_SECRET", registered.secret.expose()),
    ];
    let mut example = Example::start_with("remote_app", &["127.0.0.1:0"], &environment);
    let client = &mut Client::connect(example.address());

    let notes = client.ask(&Request::new("GET", "/notes"));
    assert_eq!((notes.status, notes.header("WWW-Authenticate").as_deref()), (401, Some("Token")));
    let greeting = client.ask(&Request::new("GET", "/greeting"));
    assert_eq!((greeting.status, greeting.text().as_str()), (200, "hello, stranger"));

    let token = app.client().login("ada", "lovelace");
    assert_eq!(client.with_token("GET", "/notes", &token).text(), "the notes of ada");
    assert_eq!(client.with_token("GET", "/greeting", &token).text(), "hello, ada");

    assert_eq!(app.client().logout(&token), 200);
    assert_eq!(client.with_token("GET", "/notes", &token).status, 401);
    assert_eq!(client.with_token("GET", "/greeting", &token).status, 401, "a bad token is not anonymous");
    drop(app);
    assert_eq!(client.with_token("GET", "/notes", &token).status, 503, "the server is gone");
}

#[cfg(feature = "conformance")]
#[test]
fn a_store_of_somebody_else_can_be_used() {
    use std::io::Read as _;

    let mut example = Example::start("custom_store", &[]);
    let mut said = String::new();
    example.output.read_to_string(&mut said).expect("what it said");
    assert!(example.process.wait().expect("its end").success(), "{said}");
    for line in ["the store keeps its promises", "logged in as ada", "logged out: true, after 2 reads"] {
        assert!(said.lines().any(|said| said == line), "{line} is not in:\n{said}");
    }
}
