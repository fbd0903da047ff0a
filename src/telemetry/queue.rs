//! The bounded queue between those who log and the one thread that writes.

use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After it wrote, the writer lets lines gather for so long: under load it wakes for many, not for
/// each, and takes no turn from those who log.
const GATHER: Duration = Duration::from_millis(1);

/// Room that is kept for lines to come, in bytes.
const KEPT: usize = 64 * 1024;

/// Whole lines that wait to be written.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    arrived: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Lines, one after the other.
    waiting: Vec<u8>,
    /// Lines that found no room since that was last said.
    dropped: u64,
    /// Whether the writer waits for a line, and is to be told.
    idle: bool,
    /// Whether the writer is busy with what it took.
    writing: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default(), arrived: Condvar::new(), written: Condvar::new() }
    }

    /// Adds a line, or counts it as dropped. Never waits for the reader.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.closed || state.waiting.len() + line.len() > self.capacity {
            state.dropped += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        if idle {
            self.arrived.notify_one();
        }
    }

    /// Lets the writer end once it has written what waits.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Waits until nothing is left to write; `false` if that takes longer than `limit`.
    pub(super) fn wait_until_written(&self, limit: Duration) -> bool {
        let unfinished = |state: &mut State| state.writing || !state.waiting.is_empty();
        let waited = self.written.wait_timeout_while(self.lock(), limit, unfinished);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits for lines and takes all of them into `lines`, which is empty. Says how many were
    /// dropped before, or `None` when there will be no more.
    fn take(&self, lines: &mut Vec<u8>) -> Option<u64> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state.idle = true;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        state.writing = true;
        std::mem::swap(&mut state.waiting, lines);
        Some(std::mem::take(&mut state.dropped))
    }

    /// Lets lines gather, unless somebody waits for the end.
    fn gather(&self) {
        let is_open = |state: &mut State| !state.closed;
        drop(self.arrived.wait_timeout_while(self.lock(), GATHER, is_open));
    }

    /// How many lines were dropped since that was last asked.
    fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Notes that what was taken has been written.
    fn done(&self) {
        self.lock().writing = false;
        self.written.notify_all();
    }

    /// A thread that panicked while it held the lock left whole lines behind: only `push` and
    /// its like run under it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what arrives until the queue is closed and empty. Once something got through after
/// lines were dropped, `notice` makes the line that says how many.
pub(super) fn write_all_to(queue: &Queue, mut sink: impl Write, notice: &dyn Fn(u64) -> String) {
    let mut lines = Vec::new();
    while let Some(dropped_before) = queue.take(&mut lines) {
        // A reader who is gone cannot be told so; the lines are lost either way.
        let _ = sink.write_all(&lines);
        let dropped = dropped_before + queue.take_dropped();
        if dropped > 0 {
            let _ = sink.write_all(notice(dropped).as_bytes());
        }
        let _ = sink.flush();
        lines.clear();
        lines.shrink_to(KEPT);
        queue.done();
        queue.gather();
    }
}
