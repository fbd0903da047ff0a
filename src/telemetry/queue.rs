//! The bounded queue between the threads that log and the one thread that writes.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::threads::{Duty, Next, Options, Worker};

/// After each write, the writer lets lines gather for this time: under load it wakes once for many lines instead
/// of once for each, and takes less processor time from the threads that log.
const GATHER: Duration = Duration::from_millis(1);

/// How much capacity is kept for further lines.
const KEPT_BYTES: usize = 64 * 1024;

/// Whole lines that wait to be written, and the thread that writes them; clones share both.
#[derive(Clone)]
pub(super) struct Queue {
    worker: Worker<Writing>,
    capacity: usize,
}

/// Creates the line that says how many were dropped.
pub(super) type Notice = Box<dyn Fn(u64) -> String + Send + Sync>;

/// The duty of the thread. Only that thread uses the sink, so it never waits for its lock.
struct Writing {
    sink: Mutex<Box<dyn Write + Send>>,
    notice: Notice,
    /// The number of lines for which there was no space since the last notice.
    dropped: AtomicU64,
}

/// What the thread keeps from one write to the next.
#[derive(Default)]
struct Writer {
    /// An empty buffer for lines.
    spare: Vec<u8>,
    gathers_until: Option<Instant>,
}

impl Queue {
    /// Starts the thread, which writes to `sink`. Up to `capacity` bytes wait for it. After lines were dropped,
    /// the next write includes the `notice`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(capacity: usize, sink: Box<dyn Write + Send>, notice: Notice) -> io::Result<Self> {
        let duty = Writing { sink: Mutex::new(sink), notice, dropped: AtomicU64::new(0) };
        // Not supervised: two writers would mix their lines.
        let worker = Worker::new(Options { name: "log", threads: 1, supervised: false }, duty, Vec::new());
        worker.start()?;
        Ok(Self { worker, capacity })
    }

    /// Adds a line, or counts it as dropped. Never waits for the reader.
    pub(super) fn push(&self, line: &[u8]) {
        let added = self.worker.put(line, |waiting, line| {
            if waiting.len() + line.len() > self.capacity {
                return Err(line);
            }
            waiting.extend_from_slice(line);
            Ok(())
        });
        if added.is_err() {
            self.worker.duty().dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets the writer end once it has written the waiting lines.
    pub(super) fn close(&self) {
        self.worker.close();
    }

    /// Waits until nothing is left to write; `false` if that takes longer than `limit`.
    pub(super) fn wait_until_written(&self, limit: Duration) -> bool {
        self.worker.settle(Instant::now() + limit, Vec::is_empty)
    }
}

impl Duty for Writing {
    type Queue = Vec<u8>;
    type Task = Vec<u8>;
    type Own = Writer;

    fn begin(&self, _: u64) -> Writer {
        Writer::default()
    }

    /// All waiting lines, once they had time to gather; at once if the log is closed.
    fn next(&self, writer: &mut Writer, waiting: &mut Vec<u8>, is_closed: bool) -> Next<Vec<u8>> {
        let left = writer.gathers_until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(left) = left.filter(|left| !left.is_zero() && !is_closed) {
            return Next::Pause(left);
        }
        writer.gathers_until = None;
        match (waiting.is_empty(), is_closed) {
            (false, _) => Next::Do(std::mem::replace(waiting, std::mem::take(&mut writer.spare))),
            (true, true) => Next::End,
            (true, false) => Next::Wait(None),
        }
    }

    fn perform(&self, writer: &mut Writer, mut lines: Vec<u8>) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // There is no way to report that the reader is gone; the lines are lost either way.
        let _ = sink.write_all(&lines);
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let _ = sink.write_all((self.notice)(dropped).as_bytes());
        }
        let _ = sink.flush();
        lines.clear();
        lines.shrink_to(KEPT_BYTES);
        writer.spare = lines;
        writer.gathers_until = Some(Instant::now() + GATHER);
    }
}
