//! Which thread computes which job, and when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::fair_queue::FairQueue;
use super::{HashPoolOptions, Task, Work};
use crate::service::throttle::Share;
use crate::threads::Next;

/// The thread of ordinary priority rests until it has computed for one part in this many of the time.
pub(super) const FLOOR_SHARE: u32 = 5;
/// It helps a job that has waited for this long.
const FLOOR_WAIT: Duration = Duration::from_millis(100);
/// How often it checks whether it is needed while there is work.
const FLOOR_INTERVAL: Duration = Duration::from_millis(25);
/// The assumed time of a hash before any was computed.
const FIRST_GUESS: Duration = Duration::from_millis(250);
/// How long the other threads begin nothing after one of them was found starving: they may be unable to finish
/// for minutes what they begin.
const HOLD_BACK: Duration = Duration::from_secs(2);

/// A job with the facts that the queue needs.
#[derive(Clone)]
pub(super) struct Queued {
    pub(super) task: Arc<dyn Task>,
    pub(super) work: Work,
    pub(super) account: u64,
}

/// A job that a thread of the lowest priority is computing.
struct Running {
    number: u64,
    queued: Queued,
    since: Instant,
    /// Whether the other kind of thread computes it too, since this one gets no processor.
    helped: bool,
}

/// Waiting and running jobs, and estimates of their cost.
pub(super) struct Schedule {
    queue: FairQueue<Queued>,
    running: Vec<Running>,
    next_number: u64,
    /// The processor time of a hash, approximately.
    cost: Duration,
    /// The time of a job from its begin to its end, approximately.
    pace: Duration,
    hold_back_until: Option<Instant>,
}

/// A finished job.
pub(super) struct Done {
    pub(super) number: u64,
    pub(super) work: Work,
    pub(super) spent: Spent,
}

/// A job that a thread has taken.
pub(super) struct Begun {
    pub(super) number: u64,
    pub(super) queued: Queued,
}

/// The cost of a job.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
}

impl Schedule {
    pub(super) fn new(options: HashPoolOptions) -> Self {
        Self {
            queue: FairQueue::new(options.queue),
            running: Vec::new(),
            next_number: 0,
            cost: FIRST_GUESS,
            pace: Duration::ZERO,
            hold_back_until: None,
        }
    }

    /// Adds a job; the error is a job that will not be computed: this one, if it would come too late, or
    /// another one that it displaces.
    pub(super) fn put(&mut self, queued: Queued, share: Share, options: HashPoolOptions) -> Result<(), Queued> {
        if self.wait_for(share, options) > options.patience {
            return Err(queued);
        }
        self.queue.push(queued, share, Instant::now()).map_or(Ok(()), Err)
    }

    /// How long a new job would wait, approximately.
    fn wait_for(&self, share: Share, options: HashPoolOptions) -> Duration {
        let ahead = u32::try_from(self.queue.ahead(share)).unwrap_or(u32::MAX);
        let each = if self.is_holding_back(Instant::now()) {
            self.cost.saturating_mul(FLOOR_SHARE)
        } else {
            self.pace / u32::try_from(options.threads.max(1)).unwrap_or(u32::MAX)
        };
        each.saturating_mul(ahead)
    }

    fn is_holding_back(&self, now: Instant) -> bool {
        self.hold_back_until.is_some_and(|until| until > now)
    }

    /// The next job; large ones of one account alternate.
    fn take(&mut self) -> Option<(Queued, Instant)> {
        loop {
            let running = &self.running;
            let may = |queued: &Queued| {
                let same =
                    |other: &Running| other.queued.work == Work::LargeHash && other.queued.account == queued.account;
                queued.work != Work::LargeHash || !running.iter().any(same)
            };
            let taken = self.queue.pop(may)?;
            if taken.job.task.is_wanted() {
                return Some((taken.job, taken.since));
            }
        }
    }

    /// Notes that a job is being computed; `helped` if it needs no help.
    fn begin(&mut self, queued: Queued, now: Instant, helped: bool) -> Begun {
        let number = self.next_number;
        self.next_number += 1;
        self.running.push(Running { number, queued: queued.clone(), since: now, helped });
        Begun { number, queued }
    }

    /// Notes the end of a job, and returns whether the other kind of thread had to help.
    fn end(&mut self, number: u64) -> bool {
        let helped = self.running.iter().any(|running| running.number == number && running.helped);
        self.running.retain(|running| running.number != number);
        helped
    }

    /// A job that takes much longer than expected, because its thread gets no processor time.
    fn take_starving(&mut self, now: Instant) -> Option<Queued> {
        let patience = self.cost * 2 + FLOOR_WAIT;
        let starving = self.running.iter_mut().find(|running| {
            !running.helped
                && running.queued.work != Work::Ask
                && now.saturating_duration_since(running.since) > patience
                && running.queued.task.is_wanted()
        })?;
        starving.helped = true;
        Some(starving.queued.clone())
    }

    /// Learns from a job how long such jobs take. A job that was `helped` says nothing about the speed.
    fn learn(&mut self, spent: Spent, work: Work, helped: bool) {
        let blend = |old: Duration, new: Duration| if old.is_zero() { new } else { (old * 3 + new) / 4 };
        if !helped {
            self.pace = blend(self.pace, spent.wall);
        }
        if work != Work::Ask {
            self.cost = blend(self.cost, spent.cpu);
        }
    }

    /// What a thread of the lowest priority does next.
    pub(super) fn next_low(&mut self, now: Instant, is_closed: bool) -> Next<Begun> {
        let holding_back = !is_closed && self.is_holding_back(now);
        let taken = if holding_back { None } else { self.take() };
        if let Some((queued, _)) = taken {
            Next::Do(self.begin(queued, now, false))
        } else if is_closed && self.queue.is_empty() {
            Next::End
        } else if holding_back || !self.queue.is_empty() {
            Next::Wait(Some(FLOOR_WAIT))
        } else {
            Next::Wait(None)
        }
    }

    /// Notes the result of a thread of the lowest priority.
    pub(super) fn end_low(&mut self, Done { number, work, spent }: &Done, now: Instant) {
        let helped = self.end(*number);
        if helped && spent.wall > spent.cpu * 3 {
            self.hold_back_until = Some(now + HOLD_BACK);
        }
        self.learn(*spent, *work, helped);
    }

    /// Notes the result of the thread of ordinary priority.
    pub(super) fn end_at_the_floor(&mut self, Done { number, work, spent }: &Done) {
        self.end(*number);
        self.learn(*spent, *work, false);
    }

    /// What the thread of ordinary priority does next.
    pub(super) fn next_at_the_floor(&mut self, now: Instant, is_closed: bool) -> Next<Begun> {
        if is_closed && self.queue.is_empty() {
            return Next::End;
        }
        if let Some(queued) = self.needed(now) {
            return Next::Do(self.begin(queued, now, true));
        }
        let is_idle = self.queue.is_empty() && self.running.is_empty();
        Next::Wait((!is_idle).then_some(FLOOR_INTERVAL))
    }

    /// The job that the thread of ordinary priority should compute now, if any.
    fn needed(&mut self, now: Instant) -> Option<Queued> {
        if let Some(starving) = self.take_starving(now) {
            self.hold_back_until = Some(now + HOLD_BACK);
            return Some(starving);
        }
        let waited_for_long =
            self.queue.iter().any(|waiting| now.saturating_duration_since(waiting.since) > FLOOR_WAIT);
        if !waited_for_long {
            return None;
        }
        if self.is_holding_back(now) && !self.running.is_empty() {
            // They still starve: their jobs have not ended.
            self.hold_back_until = Some(now + HOLD_BACK);
        }
        self.take().map(|(queued, _)| queued)
    }
}
