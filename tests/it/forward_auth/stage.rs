//! A proxy with the shipped configuration, between a service that echoes requests and an authentication server.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::harness::setting;

/// Longer than a proxy takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server of the test: it records each request, and answers as configured.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    heads: Vec<String>,
}

impl Listener {
    /// A service whose replies have as their body the head of the request, then its trailers, since a service may merge
    /// the two.
    pub(super) fn echo() -> Self {
        Self::start(|head| format!("HTTP/1.1 200 OK\r\nX-Echo: yes\r\nContent-Length: {}\r\n\r\n{head}", head.len()))
    }

    /// A server that computes its reply from the head of a request.
    pub(super) fn start(reply: fn(&str) -> String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                noted.lock().expect("no panic").connections += 1;
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || serve(stream, reply, &noted));
            }
        });
        Self { address, seen }
    }

    /// The heads of the requests so far, each with the trailers of its request.
    pub(super) fn heads(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").heads.clone()
    }

    /// How many connections were made so far.
    pub(super) fn connections(&self) -> usize {
        self.seen.lock().expect("no panic").connections
    }
}

/// Answers the requests of one connection until its end.
fn serve(mut stream: TcpStream, reply: fn(&str) -> String, seen: &Mutex<Seen>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a connection"));
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head).unwrap_or_default() == 0 {
                return;
            }
        }
        let mut head: String = head.into_iter().map(char::from).collect();
        if head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked") {
            // Up to the empty line after the last chunk and its trailers.
            let mut line = String::new();
            while line.trim_end() != "0" {
                line.clear();
                reader.read_line(&mut line).ok();
            }
            while !line.trim_end().is_empty() {
                line.clear();
                reader.read_line(&mut line).ok();
                head.push_str(&line);
            }
        } else {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            let mut body = vec![0; length.unwrap_or_default()];
            reader.read_exact(&mut body).ok();
        }
        seen.lock().expect("no panic").heads.push(head.clone());
        if stream.write_all(reply(&head).as_bytes()).is_err() {
            return;
        }
    }
}

/// The places where a token is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenIn {
    /// Only in the header: the configuration as it is shipped.
    Header,
    /// In a cookie too: with the changes that its comments describe.
    Cookie,
}

impl TokenIn {
    fn edited(self, text: String, changes: &[(String, &str)]) -> String {
        match self {
            Self::Header => text,
            Self::Cookie => changes.iter().fold(text, |text, (old, new)| replaced(&text, old, new)),
        }
    }
}

/// The proxies in Debian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    Caddy,
    Haproxy,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Nginx, Self::Caddy, Self::Haproxy];

    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        }
    }

    /// The program, if it is installed; Debian installs some outside the PATH of ordinary users.
    fn installed(self) -> Option<PathBuf> {
        let path = setting("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let found = folders.map(|folder| folder.join(self.name())).find(|program| program.is_file());
        if found.is_none() {
            assert_ne!(setting("CI").as_deref(), Some("true"), "{} must be there in CI", self.name());
            eprintln!("NOT RUN: forward authentication of {}, which is not installed", self.name());
        }
        found
    }

    /// Writes the shipped configuration, adapted to the test, and returns the command-line arguments for it.
    fn configure(self, folder: &Path, port: u16, [knoxide, service]: [SocketAddr; 2], token: TokenIn) -> Vec<String> {
        let write = |name: &str, text: String| {
            let file = folder.join(name);
            fs::write(&file, text).expect("a file");
            file.display().to_string()
        };
        let (checked, served) = (knoxide.to_string(), service.to_string());
        let at = folder.display();
        match self {
            Self::Nginx => {
                let shipped = shipped("nginx/forward-auth.conf");
                let here = replaced(&shipped, "server 127.0.0.1:8080;", &format!("server {checked};"));
                let here = replaced(&here, "server 127.0.0.1:3000;", &format!("server {served};"));
                let here = replaced(&here, "listen 80;", &format!("listen 127.0.0.1:{port};"));
                let lines = ["proxy_set_header Cookie", "proxy_set_header Origin"];
                let here = token.edited(here, &lines.map(|line| (format!("# {line}"), line)));
                let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
                let temporary: String = kinds.iter().map(|kind| format!("{kind}_temp_path {at}/{kind};\n")).collect();
                let whole = format!(
                    "daemon off; master_process off; pid {at}/pid; error_log stderr; events {{}}\n\
                     http {{ access_log off;\n{temporary}\n{here}\n}}\n"
                );
                let file = write("nginx.conf", whole);
                ["-c", &file, "-e", "stderr", "-p", &at.to_string()].map(str::to_owned).into()
            }
            Self::Caddy => {
                let here = replaced(&shipped("caddy/Caddyfile"), "127.0.0.1:8080", &checked);
                let here = replaced(&here, "127.0.0.1:3000", &served);
                let here = replaced(&here, ":80 {", &format!(":{port} {{\n\tbind 127.0.0.1"));
                let here = token.edited(here, &["Cookie", "Origin"].map(|name| (format!("header_up -{name}"), "")));
                let file = write("Caddyfile", format!("{{\n\tadmin off\n}}\n{here}"));
                ["run", "--config", &file, "--adapter", "caddyfile"].map(str::to_owned).into()
            }
            Self::Haproxy => {
                let script = replaced(&shipped("haproxy/knoxide.lua"), "127.0.0.1:8080", &checked);
                let (shorter, longer) = (r#"{ "authorization" }"#, r#"{ "authorization", "cookie", "origin" }"#);
                let script = write("knoxide.lua", token.edited(script, &[(shorter.to_owned(), longer)]));
                let here = replaced(&shipped("haproxy/haproxy.cfg"), "/etc/haproxy/knoxide.lua", &script);
                let here = replaced(&here, "server service 127.0.0.1:3000", &format!("server service {served}"));
                let here = replaced(&here, "bind :80", &format!("bind 127.0.0.1:{port}"));
                ["-db", "-q", "-f", &write("haproxy.cfg", here)].map(str::to_owned).into()
            }
        }
    }
}

/// A file shipped for operators.
pub(super) fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(name);
    fs::read_to_string(path).expect("the shipped configuration")
}

fn replaced(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replace(old, new)
}

/// A running proxy, which ends when this is dropped.
pub(super) struct Running {
    process: Child,
    pub(super) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Running {
    /// A proxy of this kind in front of the service, if it is installed.
    pub(super) fn start(kind: Kind, knoxide: SocketAddr, service: SocketAddr) -> Option<Self> {
        Self::with(kind, [knoxide, service], TokenIn::Header)
    }

    /// The same, with tokens read in these places.
    pub(super) fn with(kind: Kind, servers: [SocketAddr; 2], token: TokenIn) -> Option<Self> {
        let program = kind.installed()?;
        // Another process may take the port after it was chosen.
        (0..5).find_map(|_| {
            let port =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port").port();
            let folder = tempfile::tempdir().expect("a folder");
            let arguments = kind.configure(folder.path(), port, servers, token);
            let process = Command::new(&program)
                .args(arguments)
                .envs(["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].map(|name| (name, folder.path())))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a proxy");
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut running = Self { process, address, _folder: folder };
            running.wait().then_some(running)
        })
    }

    /// Waits until it accepts connections; false if it has ended.
    fn wait(&mut self) -> bool {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(started.elapsed() < PATIENCE, "the proxy does not answer");
            if self.process.try_wait().expect("a state").is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Sends these bytes and nothing more; returns the reply.
    pub(super) fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        // Each char is one byte.
        let bytes: Vec<u8> = request.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
        stream.write_all(&bytes).expect("a request is sent");
        let mut reply = Vec::new();
        // A proxy that refuses may reset the connection before it has read everything.
        stream.read_to_end(&mut reply).ok();
        let reply: String = reply.into_iter().map(char::from).collect();
        let status = reply.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("{request:?}: {reply:?}")), reply)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
