//! The signals that end `tail`, also while nobody reads its output.

use std::io;
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::threads::{Duty, Next, Options, Worker};

/// How long the command may take to end after a signal. It takes longer only if its output or the database stalls.
const GRACE: Duration = Duration::from_secs(1);

/// The orders to stop.
pub(super) struct Orders {
    stop: Receiver<()>,
    _worker: Worker<Watch>,
}

/// Waits for a signal, and ends the process if the command does not end by itself.
struct Watch(Mutex<Option<Signals>>);

struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    order: Sender<()>,
}

impl Orders {
    pub(super) fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let (order, stop) = channel();
        let watch = Watch(Mutex::new(Some(Signals { runtime, terminate, interrupt, order })));
        let worker = Worker::new(Options { name: "signals", threads: 1, supervised: false }, watch, ());
        worker.start()?;
        Ok(Self { stop, _worker: worker })
    }

    /// Whether a signal comes within this time.
    pub(super) fn stop_within(&self, limit: Duration) -> bool {
        self.stop.recv_timeout(limit) != Err(RecvTimeoutError::Timeout)
    }
}

impl Duty for Watch {
    type Queue = ();
    type Task = Signals;
    type Own = ();

    fn begin(&self, _: u64) {}

    fn next(&self, (): &mut (), (): &mut (), _: bool) -> Next<Signals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Next::End, Next::Do)
    }

    fn perform(&self, (): &mut (), signals: Signals) {
        let Signals { runtime, mut terminate, mut interrupt, order } = signals;
        let number = runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
            }
        });
        if order.send(()).is_err() {
            return;
        }
        thread::sleep(GRACE);
        // As a shell words an end by a signal.
        process::exit(128 + number.as_raw_value());
    }
}
