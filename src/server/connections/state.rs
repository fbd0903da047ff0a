//! The state of one connection, and which of its deadlines has passed.
//!
//! The task that serves a connection writes these values and the sweeper reads them, so they are atomic;
//! no other data depends on them, so every access is relaxed. Times are milliseconds of the sweeper's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;

use super::framing::Section;

/// Progress in writing: this many bytes, or all that waited.
const PROGRESS_BYTES: usize = 4096;

/// Milliseconds since the sweeper started, as of its last sweep. Reading it needs no system call.
#[derive(Debug, Default)]
pub(super) struct CoarseClock(AtomicU64);

impl CoarseClock {
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum End {
    /// It does not end.
    None = 0,
    /// Reading stops; pending answers are sent.
    Quiet = 1,
    /// The same, and 408 is the last reply.
    Slow = 2,
    /// The same, and 431 is the last reply.
    HeadTooLarge = 3,
    /// It is dropped as it is.
    Dropped = 4,
}

impl End {
    const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Quiet,
            2 => Self::Slow,
            3 => Self::HeadTooLarge,
            _ => Self::Dropped,
        }
    }
}

/// Deadlines in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub(super) read: u64,
    pub(super) idle: u64,
    pub(super) write: u64,
    pub(super) drain: u64,
    /// The interval of sweeps: nothing ends too early, since times are
    /// rounded down to sweeps.
    pub(super) grain: u64,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct State {
    clock: Arc<CoarseClock>,
    waker: AtomicWaker,
    section: AtomicU8,
    /// Since when the client has been expected to act: since it was accepted or answered, the first byte of a head,
    /// or the last byte of a head or a body.
    since: AtomicU64,
    /// When the last request was complete, or the connection was accepted.
    last_request: AtomicU64,
    /// How many heads were read, how many requests reached the service, and how many it answered.
    heads: AtomicU32,
    called: AtomicU32,
    answered: AtomicU32,
    /// How many bytes wait to be written, how many of them were written since the last progress, and when that was.
    unwritten: AtomicUsize,
    written: AtomicUsize,
    write_since: AtomicU64,
    /// Whether reading is paused until an answer, or until something was written.
    held: AtomicBool,
    end: AtomicU8,
    end_since: AtomicU64,
}

impl State {
    pub(super) fn new(clock: Arc<CoarseClock>) -> Self {
        let now = clock.now();
        Self {
            clock,
            waker: AtomicWaker::new(),
            section: AtomicU8::new(Section::Between as u8),
            since: AtomicU64::new(now),
            last_request: AtomicU64::new(now),
            heads: AtomicU32::new(0),
            called: AtomicU32::new(0),
            answered: AtomicU32::new(0),
            unwritten: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            write_since: AtomicU64::new(now),
            held: AtomicBool::new(false),
            end: AtomicU8::new(End::None as u8),
            end_since: AtomicU64::new(now),
        }
    }

    /// Stores the waker for changes from outside the task.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// The first byte of a head arrived.
    pub(super) fn head_begun(&self) {
        self.section.store(Section::Head as u8, Ordering::Relaxed);
        // The first head counts from the start, and one after unanswered requests from their answer.
        if self.heads.load(Ordering::Relaxed) > 0 {
            self.since.store(self.clock.now(), Ordering::Relaxed);
        }
    }

    /// A head is complete.
    pub(super) fn head_done(&self, with_body: bool) {
        add(&self.heads);
        if with_body {
            self.section.store(Section::Body as u8, Ordering::Relaxed);
            self.since.store(self.clock.now(), Ordering::Relaxed);
        } else {
            self.request_done();
        }
    }

    /// A request is complete.
    pub(super) fn request_done(&self) {
        let now = self.clock.now();
        self.section.store(Section::Between as u8, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        self.last_request.store(now, Ordering::Relaxed);
    }

    /// A request reached the service.
    pub(super) fn called(&self) {
        add(&self.called);
    }

    /// The service answered.
    pub(super) fn answered(&self) {
        add(&self.answered);
        self.since.store(self.clock.now(), Ordering::Relaxed);
        self.release();
    }

    /// How many requests were read and not answered.
    pub(super) fn unanswered(&self) -> u32 {
        self.heads.load(Ordering::Relaxed).wrapping_sub(self.answered.load(Ordering::Relaxed))
    }

    /// Notes that `written` bytes were written, and that `left` wait.
    pub(super) fn wrote(&self, written: usize, left: usize) {
        let before = self.unwritten.load(Ordering::Relaxed);
        if before == 0 && left == 0 {
            return;
        }
        self.unwritten.store(left, Ordering::Relaxed);
        let total = self.written.load(Ordering::Relaxed) + written;
        if before == 0 || left == 0 || total >= PROGRESS_BYTES {
            self.write_since.store(self.clock.now(), Ordering::Relaxed);
            self.written.store(0, Ordering::Relaxed);
        } else {
            self.written.store(total, Ordering::Relaxed);
        }
        if left < before {
            self.release();
        }
    }

    /// How many bytes wait to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten.load(Ordering::Relaxed)
    }

    /// Notes that reading is paused.
    pub(super) fn hold(&self) {
        self.held.store(true, Ordering::Relaxed);
    }

    fn release(&self) {
        if self.held.load(Ordering::Relaxed) {
            self.held.store(false, Ordering::Relaxed);
            self.waker.wake();
        }
    }

    /// How it is ending.
    pub(super) fn end(&self) -> End {
        End::from_number(self.end.load(Ordering::Relaxed))
    }

    /// Ends it, unless it is ending already; dropping overrides any other end.
    pub(super) fn finish(&self, how: End) {
        if how == End::Dropped {
            self.end.store(how as u8, Ordering::Relaxed);
        } else if self.end.compare_exchange(0, how as u8, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.end_since.store(self.clock.now(), Ordering::Relaxed);
        }
        self.waker.wake();
    }

    /// Cancels the end if it is quiet: a request arrived at that moment.
    pub(super) fn resume(&self) {
        let _ = self.end.compare_exchange(End::Quiet as u8, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// When its last request was complete.
    pub(super) fn last_request(&self) -> u64 {
        self.last_request.load(Ordering::Relaxed)
    }

    /// Whether the service has a request, whose own deadlines end it.
    fn is_served(&self) -> bool {
        self.called.load(Ordering::Relaxed) != self.answered.load(Ordering::Relaxed)
    }

    /// Whether the service has a request whose body is not complete.
    fn awaits_body(&self) -> bool {
        self.section.load(Ordering::Relaxed) == Section::Body as u8 && self.unanswered() == 1
    }

    /// Whether it can be closed without losing the answer to a complete request whose client waits for it and reads.
    pub(super) fn can_give_way(&self) -> bool {
        let waits_for_us = self.is_served() && !self.awaits_body() && self.unwritten() == 0;
        self.end() != End::Dropped && !waits_for_us
    }

    /// Whether a deadline has passed, and how the connection ends then.
    pub(super) fn overdue(&self, now: u64, limits: &Deadlines, stopping: bool) -> Option<End> {
        let passed = |since: &AtomicU64, limit: u64| {
            now.saturating_sub(since.load(Ordering::Relaxed)) >= limit.saturating_add(limits.grain)
        };
        if self.unwritten() > 0 {
            return passed(&self.write_since, limits.write).then_some(End::Dropped);
        }
        let (heads, section) = (self.heads.load(Ordering::Relaxed), self.section.load(Ordering::Relaxed));
        if self.end() != End::None {
            let over = !self.is_served() && passed(&self.end_since, limits.drain);
            return over.then_some(End::Dropped);
        }
        if self.is_served() {
            // The reader of a body has the same deadline, and can reply, so this waits a little longer.
            let late = limits.read.saturating_add(4 * limits.grain);
            return (self.awaits_body() && passed(&self.since, late)).then_some(End::Quiet);
        }
        if section == Section::Body as u8 {
            passed(&self.since, limits.drain).then_some(End::Quiet)
        } else if section == Section::Between as u8 && (stopping || heads > 0) {
            (stopping || passed(&self.since, limits.idle)).then_some(End::Quiet)
        } else {
            passed(&self.since, limits.read).then_some(End::Slow)
        }
    }
}

/// Adds one; there is only one writer, so no locked instruction is needed.
fn add(counter: &AtomicU32) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
