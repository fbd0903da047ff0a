//! Minutes of load by many clients that stall, send slowly and do not read: run by `scripts/soak connections`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::bounds::memory;
use super::raw::PING;
use crate::harness::app::{Backend, token_request};
use crate::harness::number;
use crate::harness::program::{BINARY, PASSWORD, Program, Running};

/// The pause after a refusal, so that the clients themselves do not use up the machine.
const BREATH: Duration = Duration::from_millis(10);

/// A way to hold a connection.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A chunked body without end.
    Chunked,
    /// A complete request, and a byte of the next.
    Byte,
    /// A head, dripped.
    Drip,
    /// 800 kB of requests, with no reply read.
    Unread,
}

/// Connections of each kind.
const CROWD: [(Kind, usize); 4] = [(Kind::Chunked, 1000), (Kind::Byte, 1000), (Kind::Drip, 1000), (Kind::Unread, 200)];

struct Attack {
    target: SocketAddr,
    addresses: u8,
    over: AtomicBool,
    opened: AtomicU64,
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    socket.connect(to).await
}

/// Opens one connection after another, until the attack ends.
async fn hold(attack: Arc<Attack>, kind: Kind, number: usize) {
    let last = u8::try_from(number % usize::from(attack.addresses)).unwrap_or_default();
    let unread = PING.repeat(800_000 / PING.len());
    while !attack.over.load(Ordering::Relaxed) {
        let Ok(mut stream) = connect(Ipv4Addr::new(127, 1, 1, last), attack.target).await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        attack.opened.fetch_add(1, Ordering::Relaxed);
        let first = match kind {
            Kind::Chunked => "POST /auth/login/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            Kind::Byte => format!("{PING}G"),
            Kind::Drip => format!("{PING}GET / HTTP/1.1\r\nX: "),
            Kind::Unread => unread.clone(),
        };
        let mut sent = stream.write_all(first.as_bytes()).await;
        let mut buffer = [0; 4096];
        while sent.is_ok() {
            sent = match kind {
                Kind::Unread => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    stream.write_all(PING.as_bytes()).await
                }
                Kind::Chunked | Kind::Byte | Kind::Drip => {
                    match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await {
                        Ok(Ok(0) | Err(_)) => break,
                        Ok(Ok(_)) => Ok(()),
                        Err(_) if matches!(kind, Kind::Drip) => stream.write_all(b"x").await,
                        Err(_) => Ok(()),
                    }
                }
            };
        }
    }
}

/// What a well-behaved client saw.
#[derive(Default)]
struct Seen {
    kept: Vec<Duration>,
    new: Vec<Duration>,
    reopened: usize,
    failed: usize,
}

async fn check(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<()> {
    stream.write_all(request).await?;
    let mut reply = [0; 4096];
    let read = stream.read(&mut reply).await?;
    if reply.get(..read).is_some_and(|reply| reply.starts_with(b"HTTP/1.1 200")) {
        return Ok(());
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

/// Checks on a kept connection and on new ones, for this long.
async fn ask(target: SocketAddr, request: Vec<u8>, cacheable: Duration) -> Seen {
    let (from, began) = (Ipv4Addr::new(127, 9, 9, 9), Instant::now());
    let mut seen = Seen::default();
    let mut kept: Option<TcpStream> = None;
    while began.elapsed() < cacheable {
        let start = Instant::now();
        let done = async {
            if kept.is_none() {
                kept = Some(connect(from, target).await?);
            }
            let stream = kept.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
            check(stream, &request).await
        };
        if done.await.is_err() {
            // Closed while it was idle: a client repeats the request.
            (kept, seen.reopened) = (None, seen.reopened + 1);
        } else {
            seen.kept.push(start.elapsed());
        }
        let start = Instant::now();
        let done = async { check(&mut connect(from, target).await?, &request).await };
        match tokio::time::timeout(Duration::from_secs(30), done).await {
            Ok(Ok(())) => seen.new.push(start.elapsed()),
            Ok(Err(_)) | Err(_) => seen.failed += 1,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen
}

fn p99(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
}

fn on_a_runtime<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn tell(name: &str, alone: &Seen, during: &Seen) {
    for (kind, before, after) in [("kept", &alone.kept, &during.kept), ("new", &alone.new, &during.new)] {
        let (before, now) = (p99(before), p99(after));
        let ratio = now.as_secs_f64() / before.as_secs_f64();
        println!(
            "{name}: {kind} connections: p99 {before:?} alone, {now:?} during ({ratio:.1} times), {} checks",
            after.len()
        );
    }
    let slow = during.new.iter().filter(|time| **time > Duration::from_secs(1)).count() + during.failed;
    let all = during.new.len() + during.failed;
    println!(
        "{name}: new connections that waited over 1 s or failed: {slow} of {all}; kept ones reopened: {}",
        during.reopened
    );
}

fn run(name: &str, addresses: u8, cacheable: Duration) {
    let program = Program::on(Backend::Sqlite).with_admin();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -n 1024; exec \"$1\"", "sh", BINARY]);
    program.prepare(&mut command);
    let mut server = Running::of(&mut command);
    let token = server.client().login("admin", PASSWORD);
    let request = token_request("GET", "/auth/user/", &token).to_bytes();
    let target = server.address();
    let alone = on_a_runtime(ask(target, request.clone(), (cacheable / 10).max(Duration::from_secs(3))));
    let attack = Attack { target, addresses, over: AtomicBool::new(false), opened: AtomicU64::new(0) };
    let attack = Arc::new(attack);
    let (during, early, late) = std::thread::scope(|scope| {
        let crowd = Arc::clone(&attack);
        scope.spawn(move || {
            on_a_runtime(async {
                let mut tasks = JoinSet::new();
                for (kind, count) in CROWD {
                    for number in 0..count {
                        tasks.spawn(hold(Arc::clone(&crowd), kind, number));
                    }
                }
                while !crowd.over.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                tasks.shutdown().await;
            });
        });
        let seen = on_a_runtime(ask(target, request.clone(), cacheable * 2 / 5));
        let early = memory(&server, "VmRSS");
        let more = on_a_runtime(ask(target, request, cacheable * 3 / 5));
        let late = memory(&server, "VmRSS");
        let during = Seen {
            kept: [seen.kept, more.kept].concat(),
            new: [seen.new, more.new].concat(),
            reopened: seen.reopened + more.reopened,
            failed: seen.failed + more.failed,
        };
        let peak = memory(&server, "VmHWM");
        println!("{name}: memory in KiB: {early} at two fifths, {late} at the end, {peak} at most");
        let began = Instant::now();
        server.signal(Signal::TERM);
        let (status, log) = server.end();
        println!("{name}: stopped after {:?}, {status}", began.elapsed());
        attack.over.store(true, Ordering::Relaxed);
        assert!(status.success(), "{log}");
        assert!(peak <= 200 * 1024, "{peak} KiB");
        (during, early, late)
    });
    println!("{name}: connections opened by the crowd: {}", attack.opened.load(Ordering::Relaxed));
    tell(name, &alone, &during);
    assert!(late <= early + early / 10 + 8 * 1024, "memory grew from {early} to {late} KiB");
}

#[test]
#[ignore = "takes minutes: scripts/soak connections"]
fn crowds_that_stall() {
    let limit = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).expect("the highest limit of open files");
    let cacheable = Duration::from_secs(number("KNOXIDE_SOAK_SECONDS").unwrap_or(300));
    run("one address", 1, cacheable);
    run("200 addresses", 200, cacheable);
}
