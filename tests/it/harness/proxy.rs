//! A TCP proxy on the loopback address that can cut, refuse, freeze, delay and break connections.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;
#[cfg(feature = "postgres")]
use std::time::Instant;

/// Longer than anything takes on a busy machine; reaching it is a failure.
#[cfg(feature = "postgres")]
const PATIENCE: Duration = Duration::from_secs(30);

/// The direction of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Towards {
    /// From the client to the server.
    Server,
    /// From the server to the client.
    Client,
}

/// The faults of the proxy, which apply to all connections.
#[derive(Debug, Default)]
struct Manners {
    frozen: bool,
    refusing: bool,
    delay: Duration,
    break_off: Option<(Towards, u64)>,
    swallowing: usize,
    swallowed: usize,
    links: Vec<Arc<Link>>,
}

/// The state that the proxy and its threads share.
#[derive(Debug, Default)]
struct Shared {
    manners: Mutex<Manners>,
    changed: Condvar,
    stopping: AtomicBool,
}

/// One connection through the proxy.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    is_cut: AtomicBool,
    /// Whether the client gets a reset at the end; it sees nothing until the last handle is closed.
    is_reset: AtomicBool,
    is_stranded: AtomicBool,
    /// Whether the client has sent anything since it was stranded.
    was_called: AtomicBool,
}

/// The tag in Postgres's answer to a commit.
const COMMITTED: &[u8] = b"COMMIT\0";

impl Link {
    fn new(client: TcpStream, server: TcpStream) -> Self {
        let no = || AtomicBool::new(false);
        Self { client, server, is_cut: no(), is_reset: no(), is_stranded: no(), was_called: no() }
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        if self.is_reset.load(Ordering::SeqCst) {
            return;
        }
        self.client.shutdown(Shutdown::Both).ok();
        self.server.shutdown(Shutdown::Both).ok();
    }

    /// Shuts it down so that closing it sends a reset.
    fn reset(&self) {
        self.is_reset.store(true, Ordering::SeqCst);
        self.is_cut.store(true, Ordering::SeqCst);
        socket2::SockRef::from(&self.client).set_linger(Some(Duration::ZERO)).ok();
        self.client.shutdown(Shutdown::Read).ok();
        self.server.shutdown(Shutdown::Both).ok();
    }
}

/// A proxy, which ends with all its connections when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy in front of `target`.
    pub(crate) fn to(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let of_acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || of_acceptor.accept_all(&listener, target));
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// The address for clients.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of open connections.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().links.len()
    }

    /// Ends all open connections; new ones are accepted.
    pub(crate) fn cut(&self) {
        for link in &self.shared.lock().links {
            link.cut();
        }
        self.shared.changed.notify_all();
    }

    /// As [`Proxy::cut`], but clients see a reset; returns when they do.
    #[cfg(feature = "postgres")]
    pub(crate) fn reset(&self) {
        let manners = self.shared.lock();
        manners.links.iter().for_each(|link| link.reset());
        // The socket is closed when its last handle is.
        let old: Vec<_> = manners.links.iter().map(Arc::downgrade).collect();
        drop(manners);
        self.shared.changed.notify_all();
        self.wait_until(|_| old.iter().all(|link| link.strong_count() == 0));
    }

    /// As [`Proxy::cut`]; returns once all of them are closed.
    #[cfg(feature = "postgres")]
    pub(crate) fn cut_and_wait(&self) {
        let old = self.shared.lock().links.clone();
        self.cut();
        self.wait_until(|links| !links.iter().any(|link| old.iter().any(|other| Arc::ptr_eq(link, other))));
    }

    /// Waits until clients have tried to use all but this many stranded connections.
    #[cfg(feature = "postgres")]
    pub(crate) fn wait_until_stranded_are_tried(&self, but: usize) {
        let untried =
            |link: &&Arc<Link>| link.is_stranded.load(Ordering::SeqCst) && !link.was_called.load(Ordering::SeqCst);
        self.wait_until(|links| links.iter().filter(untried).count() <= but);
    }

    #[cfg(feature = "postgres")]
    fn wait_until(&self, done: impl Fn(&[Arc<Link>]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut manners = self.shared.lock();
        while !done(&manners.links) {
            if Instant::now() >= deadline {
                drop(manners);
                panic!("the proxy's connections do not reach that state");
            }
            // Handles are closed without a notification, so this polls.
            let waited = self.shared.changed.wait_timeout(manners, Duration::from_millis(10));
            (manners, _) = waited.expect("no thread of the proxy panics while it holds the lock");
        }
    }

    /// The next commits, this many, succeed on the server, but their answers are lost with the connection.
    #[cfg(feature = "postgres")]
    pub(crate) fn swallow_commits(&self, times: usize) {
        let mut manners = self.shared.lock();
        (manners.swallowing, manners.swallowed) = (times, 0);
    }

    /// How many answers to commits were lost since [`Proxy::swallow_commits`].
    #[cfg(feature = "postgres")]
    pub(crate) fn swallowed(&self) -> usize {
        self.shared.lock().swallowed
    }

    /// Open connections stay open and silent until they are cut, while new connections are accepted: as if the server
    /// had stopped for good and another had replaced it.
    pub(crate) fn strand(&self) {
        for link in &self.shared.lock().links {
            link.is_stranded.store(true, Ordering::SeqCst);
        }
    }

    /// Starts or stops closing new connections at once.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.shared.lock().refusing = refusing;
    }

    /// Holds back all data in both directions; connections stay open.
    pub(crate) fn freeze(&self) {
        self.shared.lock().frozen = true;
    }

    /// Undoes [`Proxy::freeze`]; the data held back is delivered.
    pub(crate) fn thaw(&self) {
        self.shared.lock().frozen = false;
        self.shared.changed.notify_all();
    }

    /// Delays each piece of data, in either direction, by this time from now on.
    pub(crate) fn delay(&self, by: Duration) {
        self.shared.lock().delay = by;
    }

    /// From now on, cuts each connection when exactly this many bytes have passed through it in this direction, counted
    /// from its start; `None`: never.
    pub(crate) fn break_off(&self, after: Option<(Towards, u64)>) {
        self.shared.lock().break_off = after;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.thaw();
        // Wakes the acceptor, which then sees that it must stop.
        TcpStream::connect(self.address).ok();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Manners> {
        self.manners.lock().expect("no thread of the proxy panics while it holds the lock")
    }

    fn accept_all(self: &Arc<Self>, listener: &TcpListener, target: SocketAddr) {
        for client in listener.incoming() {
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            if !self.lock().refusing {
                // If the target is down, the client sees a connection that is closed at once.
                self.join(client, target).ok();
            }
        }
    }

    fn join(self: &Arc<Self>, client: TcpStream, target: SocketAddr) -> io::Result<()> {
        let server = TcpStream::connect(target)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let link = Arc::new(Link::new(client, server));
        self.lock().links.push(Arc::clone(&link));
        for towards in [Towards::Server, Towards::Client] {
            let (shared, link) = (Arc::clone(self), Arc::clone(&link));
            thread::spawn(move || {
                shared.pump(&link, towards).ok();
                link.cut();
                shared.lock().links.retain(|other| !Arc::ptr_eq(other, &link));
                shared.changed.notify_all();
            });
        }
        Ok(())
    }

    /// Forwards bytes in one direction until the connection ends.
    fn pump(&self, link: &Link, towards: Towards) -> io::Result<()> {
        let (mut from, mut to) = match towards {
            Towards::Server => (&link.client, &link.server),
            Towards::Client => (&link.server, &link.client),
        };
        let mut carried = 0;
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer)?;
            if towards == Towards::Server && read > 0 && link.is_stranded.load(Ordering::SeqCst) {
                link.was_called.store(true, Ordering::SeqCst);
            }
            if towards == Towards::Client && self.swallows(&buffer[..read]) {
                return Ok(());
            }
            let Some(room) = self.admit(link, towards, carried) else { return Ok(()) };
            let passing = usize::try_from(room).map_or(read, |room| room.min(read));
            to.write_all(&buffer[..passing])?;
            carried += passing as u64;
            if read == 0 || passing as u64 == room {
                return Ok(());
            }
        }
    }

    /// Whether this is the answer to a commit, and has to be lost.
    fn swallows(&self, answer: &[u8]) -> bool {
        if !answer.windows(COMMITTED.len()).any(|part| part == COMMITTED) {
            return false;
        }
        let mut manners = self.lock();
        let swallows = manners.swallowing > 0;
        if swallows {
            manners.swallowing -= 1;
            manners.swallowed += 1;
        }
        swallows
    }

    /// Waits while the proxy is frozen or delays data; then returns how many more bytes may pass, or `None` if the
    /// connection was cut meanwhile.
    fn admit(&self, link: &Link, towards: Towards, carried: u64) -> Option<u64> {
        let delay = self.lock().delay;
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let mut manners = self.lock();
        let held = |frozen| frozen || link.is_stranded.load(Ordering::SeqCst);
        while held(manners.frozen) && !link.is_cut.load(Ordering::SeqCst) {
            manners = self.changed.wait(manners).expect("no thread of the proxy panics while it holds the lock");
        }
        if link.is_cut.load(Ordering::SeqCst) {
            return None;
        }
        Some(match manners.break_off {
            Some((way, limit)) if way == towards => limit.saturating_sub(carried),
            _ => u64::MAX,
        })
    }
}
