//! The load: many keep-alive connections driven by one thread, which does less work for each request than any server
//! can.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use crate::Fallible;
use crate::load::connection::{Connection, Progress};

mod connection;

/// The `Retry-After` of the servers' 503 replies, which clients in a closed loop respect.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Writes the next request; `false`: there are no more.
pub(crate) type Source<'a> = Box<dyn FnMut(&mut Vec<u8>) -> bool + 'a>;

/// When a connection sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As soon as the last reply has arrived, unless that asks the client to retry later.
    Closed,
    /// At fixed times, whether or not the server keeps up: if a late reply delays the next request, the delay counts as
    /// the server's time.
    Every(Duration),
}

/// Clients that behave alike.
pub(crate) struct Group<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) connections: u16,
    pub(crate) pace: Pace,
    /// The delay after the start before the first client sends.
    pub(crate) first: Duration,
    pub(crate) source: Source<'a>,
    /// The statuses of good replies.
    pub(crate) good: &'static [u16],
}

/// What a group saw during the counted time.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Times of good replies in nanoseconds.
    pub(crate) times: Histogram<u64>,
    /// Other replies by status; 0 counts connections that the server closed.
    pub(crate) failed: BTreeMap<u16, u64>,
    pub(crate) seconds: f64,
}

impl Outcome {
    /// Good replies.
    pub(crate) fn done(&self) -> u64 {
        self.times.len()
    }

    /// A quantile in milliseconds.
    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        self.times.value_at_quantile(quantile) as f64 / 1e6
    }
}

/// How long a load lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// How long to wait beforehand for the machine to become quiet.
    pub(crate) patience: Duration,
    /// Not counted.
    pub(crate) warm_up: Duration,
    /// Counted, after that.
    pub(crate) counted: Duration,
}

/// Runs all groups at once, until the time is over or no client has another request. `edge` is called when the counted
/// time begins and when it ends.
///
/// # Errors
/// When connections cannot be made.
pub(crate) fn run(groups: Vec<Group<'_>>, span: Span, edge: &mut dyn FnMut()) -> Fallible<Vec<Outcome>> {
    Loop::new(groups)?.run(span, edge)
}

struct Loop<'a> {
    poll: Poll,
    groups: Vec<Group<'a>>,
    outcomes: Vec<Outcome>,
    connections: Vec<Connection>,
    /// Connections that wait until their next request is due, soonest first.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Connections that have no more requests.
    finished: usize,
}

impl<'a> Loop<'a> {
    fn new(groups: Vec<Group<'a>>) -> Fallible<Self> {
        let poll = Poll::new()?;
        let begun = Instant::now();
        let (mut connections, mut due, mut outcomes) = (Vec::new(), BinaryHeap::new(), Vec::new());
        for (number, group) in groups.iter().enumerate() {
            for place in 0..group.connections {
                let mut connection = Connection::open(group.address, number)?;
                poll.registry().register(connection.stream(), Token(connections.len()), Interest::READABLE)?;
                let offset = match group.pace {
                    Pace::Closed => Duration::ZERO,
                    Pace::Every(interval) => interval * u32::from(place) / u32::from(group.connections),
                };
                due.push(Reverse((begun + group.first + offset, connections.len())));
                connections.push(connection);
            }
            let times = Histogram::new(3)?;
            outcomes.push(Outcome { times, failed: BTreeMap::new(), seconds: 0.0 });
        }
        Ok(Self { poll, groups, outcomes, connections, due, finished: 0 })
    }

    fn run(mut self, span: Span, edge: &mut dyn FnMut()) -> Fallible<Vec<Outcome>> {
        let mut events = Events::with_capacity(1024);
        let mut now = Instant::now();
        let start = now + span.warm_up;
        let end = start + span.counted;
        let mut counting = None;
        while now < end && self.finished < self.connections.len() {
            if counting.is_none() && now >= start {
                edge();
                counting = Some(Instant::now());
            }
            self.send_due(now)?;
            if self.finished >= self.connections.len() {
                break;
            }
            let next = if counting.is_some() { end } else { start };
            let next = self.due.peek().map_or(next, |Reverse((at, _))| next.min(*at));
            self.poll.poll(&mut events, Some(next.saturating_duration_since(Instant::now())))?;
            // Paced groups come first: the closed loops keep this thread busy, so replies to the others would wait for
            // it.
            for closed in [false, true] {
                for index in events.iter().map(|event| event.token().0) {
                    if self.is_closed(index) == closed {
                        self.receive(index, counting.is_some())?;
                    }
                }
            }
            now = Instant::now();
        }
        let seconds = counting.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        edge();
        self.outcomes.iter_mut().for_each(|outcome| outcome.seconds = seconds);
        Ok(self.outcomes)
    }

    /// Whether this connection is in a closed loop.
    fn is_closed(&self, index: usize) -> bool {
        let group = self.connections.get(index).and_then(|connection| self.groups.get(connection.group()));
        group.is_some_and(|group| matches!(group.pace, Pace::Closed))
    }

    fn send_due(&mut self, now: Instant) -> Fallible<()> {
        while let Some(Reverse((at, index))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.due.pop();
            self.send(index, at, now)?;
        }
        Ok(())
    }

    /// Sends the next request of a connection, which was due at `meant`.
    fn send(&mut self, index: usize, meant: Instant, now: Instant) -> Fallible<()> {
        let connection = self.connections.get_mut(index).ok_or("no connection")?;
        let group = self.groups.get_mut(connection.group()).ok_or("no group")?;
        if (group.source)(connection.request()) {
            // A small delay is this program's own fault, unless the previous reply was late.
            connection.send(meant, if connection.is_behind() { meant } else { now })?;
        } else {
            self.finished += 1;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize, counts: bool) -> Fallible<()> {
        let connection = self.connections.get_mut(index).ok_or("no connection")?;
        let number = connection.group();
        let (group, outcome) = self.groups.get_mut(number).zip(self.outcomes.get_mut(number)).ok_or("no group")?;
        let (status, at, meant) = match connection.receive()? {
            Progress::Waiting => return Ok(()),
            Progress::Reply { status, sent, meant } => {
                let now = Instant::now();
                if counts && group.good.contains(&status) {
                    outcome.times.record(u64::try_from((now - sent).as_nanos())?)?;
                }
                (status, now, meant)
            }
            Progress::Closed => {
                let mut fresh = Connection::open(group.address, number)?;
                self.poll.registry().register(fresh.stream(), Token(index), Interest::READABLE)?;
                *connection = fresh;
                (0, Instant::now(), None)
            }
        };
        if counts && !group.good.contains(&status) {
            *outcome.failed.entry(status).or_default() += 1;
        }
        match group.pace {
            Pace::Closed if status == 503 => {
                self.due.push(Reverse((at + RETRY_AFTER, index)));
                Ok(())
            }
            Pace::Closed => self.send(index, at, at),
            Pace::Every(interval) => {
                let next = meant.unwrap_or(at) + interval;
                connection.set_behind(next < at);
                self.due.push(Reverse((next, index)));
                Ok(())
            }
        }
    }
}
