//! A web application in another language, as a process.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::wire::{Reply, Request, Wire};

/// Longer than an application takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running application, which ends when this is dropped.
pub(super) struct Site {
    process: Child,
    address: SocketAddr,
    path: &'static str,
    log: PathBuf,
}

impl Site {
    /// Starts an application in `folder` with the command for a port, and returns when it listens; `path` is the
    /// protected path.
    pub(super) fn start(folder: &Path, path: &'static str, command: impl Fn(u16) -> Command) -> Self {
        // Another process may take the port after it was chosen.
        for _ in 0..5 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("a port");
            if let Some(site) = Self::try_at(folder, path, command(free.port()), free) {
                return site;
            }
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("the application does not start:\n{log}");
    }

    fn try_at(folder: &Path, path: &'static str, mut command: Command, address: SocketAddr) -> Option<Self> {
        let log = folder.join("log");
        let output = File::create(&log).expect("a file");
        command.current_dir(folder).stdin(Stdio::null()).stdout(output.try_clone().expect("a file")).stderr(output);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut site = Self { process, address, path, log };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < PATIENCE, "the application does not listen:\n{}", site.log());
            if site.process.try_wait().expect("a state").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(site)
    }

    /// Sends a request with these `Authorization` headers.
    pub(super) fn get(&self, headers: &[&str]) -> Reply {
        let mut request = Request::new("GET", self.path);
        for header in headers {
            request = request.header("Authorization", *header);
        }
        let reply = Wire::connect(self.address).and_then(|mut wire| wire.ask(&request));
        reply.unwrap_or_else(|error| panic!("{error}; the log of the application:\n{}", self.log()))
    }

    /// Everything that it printed.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
