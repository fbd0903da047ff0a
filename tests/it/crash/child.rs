//! A server in a process of its own, so that it can be killed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use knoxide::config::{HttpSettings, ListenAddress};
use knoxide::server::Server;
use knoxide::service::Auth;
use knoxide::store::diesel::{DieselStore, StoreOptions};

use crate::support::app::cheap_hasher;
use crate::support::setting;

/// Says which database the child serves.
const SERVE: &str = "KNOXIDE_TEST_SERVE";

/// What the child says before its address.
const LISTENING: &str = "listening on ";

/// A child process that serves a database; killed when dropped.
pub(super) struct Child {
    process: std::process::Child,
}

impl Child {
    /// Starts it, and waits for nothing.
    pub(super) fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "crash::child::the_child_serves", "--nocapture"]).env(SERVE, url);
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child process");
        Self { process }
    }

    /// Where it listens, as soon as it does.
    pub(super) fn address(&mut self) -> SocketAddr {
        let output = self.process.stdout.as_mut().expect("a pipe, asked for once");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let said = lines.find_map(|line| Some(line.strip_prefix(LISTENING)?.to_owned()));
        said.expect("a child that listens").parse().expect("an address")
    }

    /// Kills it with SIGKILL after this time.
    pub(super) fn kill_after(self, time: Duration) {
        // The moment is the very thing that is tried out.
        std::thread::sleep(time);
        drop(self);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Not a test by itself: the child, which is this very program, runs this.
#[test]
fn the_child_serves() {
    let Some(url) = setting(SERVE) else { return };
    std::thread::spawn(|| {
        // The parent never writes: this is its end.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
    let store = Arc::new(DieselStore::open(&url, StoreOptions::default()).expect("a store"));
    let auth = Auth::builder(store).hasher(cheap_hasher()).password_threads(1).build().expect("a service");
    let listen = vec![ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
    let http = HttpSettings { listen, workers: 1, ..HttpSettings::default() };
    actix_web::rt::System::new().block_on(async move {
        let server = Server::bind(&http, auth).expect("a bound server");
        println!("\n{LISTENING}{}", server.tcp_address().expect("an address"));
        server.run().await.expect("a server that runs");
    });
}
