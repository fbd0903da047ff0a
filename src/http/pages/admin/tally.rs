//! What the overview shows. Counting a million sessions takes seconds, so it is done on a thread for long work, at most
//! once at a time, and its result is shown with its age.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::background::Job;
use super::request::PageRequest;
use crate::domain::audit::Event;
use crate::domain::time::Timestamp;
use crate::service::admin::{Admin, AdminError, EventEntry, EventFilter, SessionMatch};

/// For how long numbers are shown before they are counted again; and for as many times as long as counting takes.
const FRESH: Duration = Duration::from_secs(30);
const FRESH_FACTOR: u32 = 20;

/// How many of the latest acts are shown. They may lie behind a million logins.
const ACTS: u32 = 10;

/// How far back events are counted.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers {
    /// When counting began.
    pub(super) at: Timestamp,
    took: Duration,
    /// Live sessions.
    pub(super) sessions: u64,
    events: BTreeMap<String, u64>,
    /// The latest acts of administrators.
    pub(super) acts: Vec<EventEntry>,
}

impl Numbers {
    /// How many of these events there were in the last day.
    pub(super) fn of(&self, events: &[Event]) -> u64 {
        events.iter().filter_map(|event| self.events.get(event.as_str())).sum()
    }
}

#[derive(Default)]
struct State {
    latest: Option<Numbers>,
    counting: Option<Job<Numbers>>,
}

/// The numbers of one listener.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<State>>);

impl Tally {
    /// The latest numbers; `None`: they are being counted, for the first time.
    pub(super) async fn numbers(&self, asked: &PageRequest) -> Option<Numbers> {
        let (latest, begun) = {
            let mut state = self.lock();
            state.settle();
            let is_due = state.is_due(asked.call.auth().now());
            if is_due {
                state.counting = Some(Job::begin(&asked.call, |admin, _| count(admin)));
            }
            (state.latest.clone(), state.counting.clone().filter(|_| is_due || state.latest.is_none()))
        };
        match begun {
            Some(job) => job.wait().await.and_then(Result::ok).or(latest),
            None => latest,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes over what was counted.
    fn settle(&mut self) {
        if let Some(counted) = self.counting.as_ref().and_then(Job::outcome) {
            self.counting = None;
            self.latest = counted.ok().or_else(|| self.latest.take());
        }
    }

    /// Whether it is time to count.
    fn is_due(&self, now: Timestamp) -> bool {
        let is_fresh = |numbers: &Numbers| now.since(numbers.at) < FRESH.max(numbers.took * FRESH_FACTOR);
        self.counting.is_none() && !self.latest.as_ref().is_some_and(is_fresh)
    }
}

/// Whether an administrator did it, and changed something.
fn is_act(event: Event) -> bool {
    !event.is_routine() && !matches!(event, Event::UserUpdated | Event::PasswordVerified)
}

fn count(admin: &Admin) -> Result<Numbers, AdminError> {
    let at = admin.clock.now();
    let sessions = admin.dry_run(&SessionMatch::default())?.count;
    let events = admin.count_events(at.saturating_sub(DAY))?;
    let acts = admin.search_events(&EventFilter {
        events: Event::ALL.into_iter().filter(|event| is_act(*event)).collect(),
        limit: ACTS,
        ..EventFilter::default()
    })?;
    Ok(Numbers { at, took: admin.clock.now().since(at), sessions, events, acts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::admin::error::ApiError;

    fn numbers(at: Timestamp, took: Duration) -> Numbers {
        let events = [("login".to_owned(), 3), ("logout".to_owned(), 5)].into();
        Numbers { at, took, sessions: 1, events, acts: Vec::new() }
    }

    #[test]
    fn one_counts_at_a_time_and_not_again_too_soon() {
        let (mut state, start) = (State::default(), Timestamp::EPOCH);
        let at = |seconds| start.saturating_add(Duration::from_secs(seconds));
        let end = |state: &mut State, counted| {
            let job = state.counting.get_or_insert_with(Job::new);
            job.end(counted);
            state.settle();
        };
        assert!(state.is_due(start));
        state.counting = Some(Job::new());
        state.settle();
        assert!(!state.is_due(at(1000)));
        end(&mut state, Err(ApiError::not_found()));
        assert!(state.is_due(at(1000)));
        end(&mut state, Ok(numbers(at(1000), Duration::from_secs(1))));
        assert!(!state.is_due(at(1029)) && state.is_due(at(1030)));
        end(&mut state, Err(ApiError::not_found()));
        assert!(state.latest.is_some(), "an error takes nothing away");
        end(&mut state, Ok(numbers(at(1030), Duration::from_secs(10))));
        assert!(!state.is_due(at(1229)) && state.is_due(at(1230)));
        assert_eq!(numbers(start, Duration::ZERO).of(&[Event::Login, Event::LoginFailed]), 3);
    }
}
