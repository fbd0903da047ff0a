//! The shipped configuration for nginx, in front of the real server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::dsl::sql;
use diesel::sql_types::{Nullable, Text};
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
use knoxide::http::address::Proxies;
use socket2::{Domain, Socket, Type};

use crate::harness::app::{App, Backend, Database, Setup};
use crate::harness::program::{PASSWORD, Program, Running, tool};
use crate::harness::setting;
use crate::harness::wire::{Framing, Request, Wire};

/// An unprivileged user, and that user's group.
const NOBODY: u32 = 65_534;

/// Longer than nginx takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running nginx, which ends when this is dropped.
struct Nginx {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// nginx with the shipped configuration, in front of a server at `upstream`.
    fn before(program: &Path, upstream: SocketAddr) -> Self {
        Self::started(Command::new(program), &upstream.to_string())
    }

    /// The same, in front of a Unix socket, as an unprivileged user and in this group.
    fn of_nobody(program: &Path, group: u32, socket: &Path) -> Self {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={NOBODY}"), &format!("--regid={group}"), "--clear-groups"]).arg(program);
        Self::started(command, &format!("unix:{}", socket.display()))
    }

    fn started(mut command: Command, upstream: &str) -> Self {
        // Another process may take the port after it was chosen.
        for _ in 0..5 {
            let port =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("a port").port();
            if let Some(running) = Self::try_at(&mut command, upstream, port) {
                return running;
            }
        }
        panic!("nginx does not start; its messages are above");
    }

    fn try_at(command: &mut Command, upstream: &str, port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        // nginx may run as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("a mode");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/nginx/knoxide.conf");
        let shipped = fs::read_to_string(shipped).expect("the shipped configuration");
        let here = replaced(&shipped, "server 127.0.0.1:8080;", &format!("server {upstream};"));
        // All of 127.0.0.0/8, so that clients can use several addresses.
        let here = replaced(&here, "listen 80;", &format!("listen 0.0.0.0:{port};"));
        let at = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .collect();
        let whole = format!(
            "daemon off; master_process off; pid {at}/pid; error_log stderr; events {{}}\n\
             http {{ access_log off;\n{temporary}\n{here}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, whole).expect("a file");
        let mut command = again(command);
        command.arg("-c").arg(&file).args(["-e", "stderr", "-p"]).arg(folder.path());
        let mut process = command.stdin(Stdio::null()).spawn().expect("nginx");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < PATIENCE, "nginx does not answer");
            if process.try_wait().expect("a state").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { process, address, _folder: folder })
    }

    /// The status and the text of the reply to a client with the address `source`.
    fn ask_from(&self, source: Ipv4Addr, request: &Request) -> (u16, String) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("an address of this machine");
        socket.connect(&self.address.into()).expect("a connection");
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let request = request.clone().header("Connection", "close");
        stream.write_all(&request.to_bytes()).expect("a request is sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("a reply");
        let status = reply.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, reply)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A copy of the command, to which arguments can be added.
fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}

fn replaced(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replace(old, new)
}

/// nginx, if it is installed; Debian installs it outside the PATH of ordinary users.
fn installed() -> Option<PathBuf> {
    let path = setting("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("nginx")).find(|program| program.is_file());
    if found.is_none() {
        assert_ne!(setting("CI").as_deref(), Some("true"), "nginx must be there in CI");
        eprintln!("NOT RUN: the configuration for nginx, which is not installed");
    }
    found
}

/// The addresses of the sessions' logins, oldest first.
fn addresses(database: &Database) -> Vec<Option<String>> {
    let path = database.url.strip_prefix("sqlite://").expect("a SQLite file");
    let mut connection = SqliteConnection::establish(path).expect("a connection");
    diesel::select(sql::<Nullable<Text>>("address FROM sessions ORDER BY created, id"))
        .load(&mut connection)
        .expect("the sessions")
}

#[test]
fn the_shipped_configuration_limits_logins() {
    let Some(program) = installed() else { return };
    let app = App::on(Database::migrated(Backend::Sqlite), Setup::default());
    let nginx = Nginx::before(&program, app.address);
    // Neither request needs a password hash.
    let login = |path: &str| Request::new("POST", path).body("", Framing::Length);
    let paths = ["/auth/login", "/auth/login/", "/api-token-auth", "/api/token/", "/auth/access_token/", "/jwt/create"];
    let flood = |client: Ipv4Addr| {
        let replies = (0..200).map(|n| nginx.ask_from(client, &login(paths[n % paths.len()])));
        replies.collect::<Vec<_>>().into_iter().rfind(|(status, _)| *status == 429)
    };
    let (_, refused) = flood(Ipv4Addr::new(127, 0, 0, 3)).expect("a refusal");
    for part in ["Retry-After: 1\r\n", "application/json", "{\"detail\":\"Request was throttled."] {
        assert!(refused.contains(part), "{refused}");
    }
    let neighbour = Ipv4Addr::new(127, 0, 0, 4);
    assert_ne!(nginx.ask_from(neighbour, &login("/auth/login/")).0, 429, "another address");
    let check = Request::new("GET", "/auth/user/");
    assert_eq!(nginx.ask_from(Ipv4Addr::new(127, 0, 0, 3), &check).0, 401, "checks are not limited");
}

#[test]
fn the_shipped_configuration_works_and_tells_addresses_right() {
    let Some(program) = installed() else { return };
    let nginx_itself = IpAddr::V4(Ipv4Addr::LOCALHOST).into();
    let mut setup = Setup::default();
    setup.http.options.proxies = Proxies { networks: vec![nginx_itself], unix: false };
    let app = App::on(Database::migrated(Backend::Sqlite), setup);
    app.add_user("alice", "correct horse");
    let nginx = Nginx::before(&program, app.address);
    let login = Request::new("POST", "/auth/login/").header("Content-Type", "application/json");
    let login = login.body(r#"{"username":"alice","password":"correct horse"}"#, Framing::Length);

    let client = Ipv4Addr::new(127, 0, 0, 2);
    let mut expected = Vec::new();
    for forged in [None, Some("203.0.113.9"), Some("203.0.113.9, 127.0.0.1"), Some("nonsense")] {
        app.clock.advance(Duration::from_secs(1));
        let request = match forged {
            Some(forged) => login.clone().header("X-Forwarded-For", forged),
            None => login.clone(),
        };
        let (status, reply) = nginx.ask_from(client, &request);
        assert_eq!(status, 200, "{reply}");
        expected.push(Some(client.to_string()));
    }
    assert_eq!(addresses(&app.database), expected);

    // A token's whole life, over a connection that nginx keeps open.
    let mut client = crate::harness::app::Client { wire: Wire::connect(nginx.address).expect("a connection") };
    let token = client.login("alice", "correct horse");
    assert_eq!(client.check(&token), 200);
    assert_eq!(client.logout(&token), 200);
    assert_eq!(client.check(&token), 401);
    let huge = Request::new("POST", "/auth/login/").body(vec![b'x'; 17 * 1024], Framing::Length);
    assert_eq!(client.ask(&huge).status, 413);
    assert_eq!(client.ask(&Request::new("GET", "/healthz")).status, 200);
    assert_eq!(client.ask(&Request::new("GET", "/readyz")).status, 404);
}

#[test]
fn a_proxy_of_another_user_reaches_a_socket_that_its_mode_opens_to_it() {
    let Some(nginx) = installed() else { return };
    if tool("id", &["-u"]).trim() != "0" {
        eprintln!("NOT RUN: only root can be another user");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let socket = folder.path().join("socket");
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_TRUSTED_PROXIES", "unix");
    let program = program.set("KNOXIDE_LISTEN", &format!("unix:{}", socket.display()));
    let client = Ipv4Addr::new(127, 0, 0, 5);
    let body = format!(r#"{{"username":"admin","password":"{PASSWORD}"}}"#);
    let login = Request::new("POST", "/auth/login/").header("Content-Type", "application/json");
    let login = login.body(body, Framing::Length);
    // With mode 660 the server's group can use the socket, with 666 everybody can.
    for (mode, group, status) in [("660", NOBODY, 502), ("660", 0, 200), ("666", NOBODY, 200)] {
        let server = Running::of(program.command(&[]).env("KNOXIDE_SOCKET_MODE", mode));
        let nginx = Nginx::of_nobody(&nginx, group, &socket);
        let (answered, reply) = nginx.ask_from(client, &login);
        assert_eq!(answered, status, "{mode} {group}: {reply}");
        server.stop();
    }
    let sessions = program.json(&["session", "list"]);
    let addresses = sessions.as_array().expect("a list").iter().map(|session| session["address"].as_str());
    assert_eq!(addresses.collect::<Vec<_>>(), [Some("127.0.0.5"); 2]);
}
