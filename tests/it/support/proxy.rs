//! A TCP proxy on the loopback address that can cut, refuse, freeze, delay and break off.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Which way bytes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Towards {
    /// From the client to the server behind the proxy.
    Server,
    /// From the server to the client.
    Client,
}

/// What the proxy does to traffic; the same for all connections.
#[derive(Debug, Default)]
struct Manners {
    frozen: bool,
    refusing: bool,
    delay: Duration,
    break_off: Option<(Towards, u64)>,
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
    is_stranded: AtomicBool,
}

impl Link {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.client.shutdown(Shutdown::Both).ok();
        self.server.shutdown(Shutdown::Both).ok();
    }
}

/// A proxy; it ends, with all its connections, when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy before `target`.
    pub(crate) fn to(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let of_acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || of_acceptor.accept_all(&listener, target));
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().links.len()
    }

    /// Ends all open connections; new ones are welcome.
    pub(crate) fn cut(&self) {
        for link in &self.shared.lock().links {
            link.cut();
        }
        self.shared.changed.notify_all();
    }

    /// What is open now stays open and silent until it is cut; new connections are welcome: a
    /// server that has stopped for ever, while another has taken its place.
    pub(crate) fn strand(&self) {
        for link in &self.shared.lock().links {
            link.is_stranded.store(true, Ordering::SeqCst);
        }
    }

    /// From now on new connections are closed at once, or no longer so.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.shared.lock().refusing = refusing;
    }

    /// Nothing passes any more, in either direction, but connections stay open.
    pub(crate) fn freeze(&self) {
        self.shared.lock().frozen = true;
    }

    /// Undoes [`Proxy::freeze`]; what was held back passes now.
    pub(crate) fn thaw(&self) {
        self.shared.lock().frozen = false;
        self.shared.changed.notify_all();
    }

    /// Each piece of data, in either direction, waits this long from now on.
    pub(crate) fn delay(&self, by: Duration) {
        self.shared.lock().delay = by;
    }

    /// From now on a connection is cut when exactly so many bytes have passed through it in this
    /// direction, counted from its start; `None`: never.
    pub(crate) fn break_off(&self, after: Option<(Towards, u64)>) {
        self.shared.lock().break_off = after;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.thaw();
        // Wakes the acceptor, which then sees that it shall stop.
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
                // A target that is down looks to the client like a connection closed at once.
                self.join(client, target).ok();
            }
        }
    }

    fn join(self: &Arc<Self>, client: TcpStream, target: SocketAddr) -> io::Result<()> {
        let server = TcpStream::connect(target)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let link =
            Arc::new(Link { client, server, is_cut: AtomicBool::new(false), is_stranded: AtomicBool::new(false) });
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

    /// Carries bytes in one direction until the connection ends.
    fn pump(&self, link: &Link, towards: Towards) -> io::Result<()> {
        let (mut from, mut to) = match towards {
            Towards::Server => (&link.client, &link.server),
            Towards::Client => (&link.server, &link.client),
        };
        let mut carried = 0;
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer)?;
            let Some(room) = self.admit(link, towards, carried) else { return Ok(()) };
            let passing = usize::try_from(room).map_or(read, |room| room.min(read));
            to.write_all(&buffer[..passing])?;
            carried += passing as u64;
            if read == 0 || passing as u64 == room {
                return Ok(());
            }
        }
    }

    /// Waits as long as the proxy's manners demand; then says how many more bytes may pass, or
    /// `None` when the connection was cut meanwhile.
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
