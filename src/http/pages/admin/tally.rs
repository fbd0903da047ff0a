//! What the overview shows. Counting a million sessions takes seconds, so it is done on a thread for long work, at most
//! once at a time, and its result is shown with its age.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::request::Asked;
use crate::domain::audit::Event;
use crate::domain::time::Timestamp;
use crate::service::admin::desk::Length;
use crate::service::admin::{Admin, AdminError, EventEntry, EventFilter, SessionMatch};

/// How long a page waits for numbers that are being counted.
const PATIENCE: Duration = Duration::from_millis(100);

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
    is_counting: bool,
}

/// The numbers of one listener.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    counted: Notify,
}

impl Tally {
    /// The latest numbers; `None`: they are being counted, for the first time.
    pub(super) async fn numbers(&self, asked: &Asked) -> Option<Numbers> {
        let counted = self.0.counted.notified();
        if self.begin(asked.call.auth().now()) {
            let (tally, call) = (self.clone(), asked.call.in_background());
            actix_web::rt::spawn(async move {
                let counted = call.run(Length::Long, count).await;
                tally.end(counted.ok());
            });
        } else if self.lock().latest.is_some() {
            return self.lock().latest.clone();
        }
        let _ = tokio::time::timeout(PATIENCE, counted).await;
        self.lock().latest.clone()
    }

    /// Whether it is time to count.
    fn begin(&self, now: Timestamp) -> bool {
        let mut state = self.lock();
        let is_fresh = |numbers: &Numbers| now.since(numbers.at) < FRESH.max(numbers.took * FRESH_FACTOR);
        let is_due = !state.is_counting && !state.latest.as_ref().is_some_and(is_fresh);
        state.is_counting |= is_due;
        is_due
    }

    fn end(&self, counted: Option<Numbers>) {
        let mut state = self.lock();
        state.is_counting = false;
        if counted.is_some() {
            state.latest = counted;
        }
        drop(state);
        self.0.counted.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    let acts = admin.list_events(&EventFilter {
        events: Event::ALL.into_iter().filter(|event| is_act(*event)).collect(),
        limit: ACTS,
        ..EventFilter::default()
    })?;
    Ok(Numbers { at, took: admin.clock.now().since(at), sessions, events, acts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(at: Timestamp, took: Duration) -> Numbers {
        let events = [("login".to_owned(), 3), ("logout".to_owned(), 5)].into();
        Numbers { at, took, sessions: 1, events, acts: Vec::new() }
    }

    #[test]
    fn one_counts_at_a_time_and_not_again_too_soon() {
        let (tally, start) = (Tally::default(), Timestamp::EPOCH);
        let at = |seconds| start.saturating_add(Duration::from_secs(seconds));
        assert!(tally.begin(start) && !tally.begin(at(1000)));
        tally.end(None);
        assert!(tally.begin(at(1000)));
        tally.end(Some(numbers(at(1000), Duration::from_secs(1))));
        assert!(!tally.begin(at(1029)));
        assert!(tally.begin(at(1030)));
        tally.end(Some(numbers(at(1030), Duration::from_secs(10))));
        assert!(!tally.begin(at(1229)) && tally.begin(at(1230)));
        assert_eq!(numbers(start, Duration::ZERO).of(&[Event::Login, Event::LoginFailed]), 3);
    }
}
