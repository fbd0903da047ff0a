//! Work that takes longer than a page may. It runs on a thread for long work and continues even if nobody is looking;
//! pages wait a moment for the result, and show its progress until then.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::request::PageRequest;
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;
use crate::http::admin::call::Call;
use crate::http::admin::error::ApiError;
use crate::service::admin::desk::Length;
use crate::service::admin::{Admin, AdminError};

/// How long a page waits for work that is under way.
const PATIENCE: Duration = Duration::from_millis(100);

/// For how long a page about work that has begun looks again every second.
const SOON: Duration = Duration::from_secs(10);

/// How many jobs are known at once. More are refused while none of them is done.
const MOST: usize = 32;

/// For how long the result of a job is known after somebody has looked at it.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// The outcome of a job.
type Outcome<T> = Result<T, ApiError>;

/// How far a job is, and whether anybody wants its result.
#[derive(Default)]
pub(super) struct Progress {
    so_far: AtomicU64,
    is_unwanted: AtomicBool,
}

impl Progress {
    /// Tells how far the work is.
    pub(super) fn set(&self, so_far: u64) -> ControlFlow<()> {
        self.so_far.store(so_far, Ordering::Relaxed);
        if self.is_unwanted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A piece of work; clones are handles to the same.
pub(super) struct Job<T> {
    begun: Instant,
    progress: Arc<Progress>,
    outcome: Arc<watch::Sender<Option<Outcome<T>>>>,
}

impl<T> Clone for Job<T> {
    fn clone(&self) -> Self {
        Self { begun: self.begun, progress: Arc::clone(&self.progress), outcome: Arc::clone(&self.outcome) }
    }
}

impl<T: Clone + Send + Sync + 'static> Job<T> {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), progress: Arc::default(), outcome: Arc::new(watch::Sender::new(None)) }
    }

    /// Begins it, with the administrator of this request as its actor.
    pub(super) fn begin(
        call: &Call,
        work: impl FnOnce(&Admin, &Progress) -> Result<T, AdminError> + Send + 'static,
    ) -> Self {
        let (job, call) = (Self::new(), call.in_background());
        let (progress, done) = (Arc::clone(&job.progress), job.clone());
        actix_web::rt::spawn(async move {
            done.end(call.run(Length::Long, move |admin| work(admin, &progress)).await);
        });
        job
    }

    pub(super) fn end(&self, outcome: Outcome<T>) {
        self.outcome.send_replace(Some(outcome));
    }

    /// Its outcome; `None`: it is not done yet.
    pub(super) fn outcome(&self) -> Option<Outcome<T>> {
        self.outcome.borrow().clone()
    }

    /// The same after a moment in which it may be done.
    pub(super) async fn wait(&self) -> Option<Outcome<T>> {
        let mut outcome = self.outcome.subscribe();
        let _ = tokio::time::timeout(PATIENCE, outcome.wait_for(Option::is_some)).await;
        self.outcome()
    }

    /// How far it is.
    pub(super) fn so_far(&self) -> u64 {
        self.progress.so_far.load(Ordering::Relaxed)
    }

    /// After how many seconds to look again: what has taken long is not looked at all the time, since each look reads the
    /// page anew to those who have it read out.
    pub(super) fn next_look(&self) -> u64 {
        if self.begun.elapsed() < SOON { 1 } else { 5 }
    }

    fn is_done(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    /// Nobody wants its result any more.
    fn give_up(&self) {
        self.progress.is_unwanted.store(true, Ordering::Relaxed);
    }
}

/// What a job is about: who signed in, and what is asked for. It stands in no page, so that another node, which does not
/// know the job, finds in the same request what it needs to begin its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    session: SessionId,
    what: String,
}

impl About {
    /// # Errors
    /// At a page that needs nobody.
    pub(super) fn of(asked: &PageRequest, what: String) -> Result<Self, ApiError> {
        Ok(Self { session: asked.call.acting()?.who.session.id, what })
    }
}

struct Entry<T> {
    about: About,
    job: Job<T>,
    /// When somebody last looked at it.
    looked_at: Timestamp,
}

/// The jobs of one kind, each about something else. Handles are shared.
pub(super) struct Jobs<T>(Arc<Mutex<Vec<Entry<T>>>>);

impl<T> Default for Jobs<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + Sync + 'static> Jobs<T> {
    /// That which is about this, under way or lately done.
    pub(super) fn find(&self, about: &About, now: Timestamp) -> Option<Job<T>> {
        let mut entries = self.lock();
        entries.retain(|entry| !entry.job.is_done() || now.since(entry.looked_at) < KEPT);
        let found = entries.iter_mut().find(|entry| entry.about == *about)?;
        found.looked_at = now;
        Some(found.job.clone())
    }

    /// Begins another one in the place of that which is about the same.
    ///
    /// # Errors
    /// When too many are under way.
    pub(super) fn begin(
        &self,
        about: About,
        now: Timestamp,
        begin: impl FnOnce() -> Job<T>,
    ) -> Result<Job<T>, ApiError> {
        self.forget(&about);
        let mut entries = self.lock();
        if entries.len() >= MOST {
            let done = entries.iter().enumerate().filter(|(_, entry)| entry.job.is_done());
            let Some((oldest, _)) = done.min_by_key(|(_, entry)| entry.looked_at) else {
                return Err(ApiError::unavailable(&"too much work of administrators is under way"));
            };
            entries.swap_remove(oldest);
        }
        let job = begin();
        entries.push(Entry { about, job: job.clone(), looked_at: now });
        Ok(job)
    }

    /// Nobody asks for this one again.
    pub(super) fn forget(&self, about: &About) {
        let mut entries = self.lock();
        for entry in entries.iter().filter(|entry| entry.about == *about) {
            entry.job.give_up();
        }
        entries.retain(|entry| entry.about != *about);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(what: &str) -> About {
        About { session: SessionId::from_bytes([1; 16]), what: what.to_owned() }
    }

    fn begin(jobs: &Jobs<u64>, what: &str, now: Timestamp) -> Job<u64> {
        jobs.begin(about(what), now, Job::new).expect("a job")
    }

    #[test]
    fn jobs_are_found_by_what_they_are_about_and_by_who_began_them() {
        let (jobs, now) = (Jobs::default(), Timestamp::EPOCH);
        begin(&jobs, "a", now).end(Ok(7));
        assert_eq!(jobs.find(&about("a"), now).and_then(|job| job.outcome()).and_then(Result::ok), Some(7));
        let other = About { session: SessionId::from_bytes([2; 16]), ..about("a") };
        assert!(jobs.find(&about("b"), now).is_none() && jobs.find(&other, now).is_none());
        jobs.forget(&about("a"));
        assert!(jobs.find(&about("a"), now).is_none());
    }

    #[test]
    fn a_new_one_takes_the_place_of_the_old_one_which_breaks_off() {
        let (jobs, now) = (Jobs::default(), Timestamp::EPOCH);
        let first = begin(&jobs, "a", now);
        assert!(first.progress.set(5).is_continue());
        let second = begin(&jobs, "a", now);
        assert!(first.progress.set(6).is_break() && second.progress.set(1).is_continue());
        assert_eq!(jobs.find(&about("a"), now).map(|job| job.so_far()), Some(1));
    }

    #[test]
    fn results_are_forgotten_after_a_time_and_work_under_way_is_not() {
        let (jobs, start) = (Jobs::default(), Timestamp::EPOCH);
        let job = begin(&jobs, "a", start);
        let later = start.saturating_add(KEPT * 3);
        assert!(jobs.find(&about("a"), later).is_some());
        job.end(Ok(1));
        let end = later.saturating_add(KEPT);
        assert!(jobs.find(&about("a"), end.saturating_sub(Duration::from_micros(1))).is_some(), "looked at, it stays");
        assert!(jobs.find(&about("a"), end).is_some());
        assert!(jobs.find(&about("a"), end.saturating_add(KEPT)).is_none());
    }

    #[test]
    fn their_number_is_bounded() {
        let (jobs, now) = (Jobs::default(), Timestamp::EPOCH);
        let under_way: Vec<_> = (0..MOST).map(|number| begin(&jobs, &number.to_string(), now)).collect();
        assert!(jobs.begin(about("one more"), now, Job::new).is_err());
        under_way[3].end(Ok(1));
        begin(&jobs, "one more", now);
        assert!(jobs.find(&about("3"), now).is_none() && jobs.find(&about("4"), now).is_some());
        assert_eq!(jobs.lock().len(), MOST);
    }
}
