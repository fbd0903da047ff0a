//! Registered clients, remembered by the generation of a poll.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::service::tests::database::CLIENT;
use crate::service::tests::is_planted;

/// The number that stands for the client in the history, after those of the tokens.
const NUMBER: usize = TOKENS;

impl Stage {
    /// A request of the client, judged as the service does it.
    async fn ask(&self) {
        let begun = self.history.begin();
        let answer = self.answer().await;
        if answer == Answer::Unknown {
            self.seen.unknown.fetch_add(1, Ordering::Relaxed);
        }
        self.history.checked(NUMBER, begun, answer);
    }

    async fn answer(&self) -> Answer {
        let early = is_planted(Mistake::ClientReadBeforePoll).then(|| self.read());
        let generation = if is_planted(Mistake::ClientNotProved) {
            self.cache.generation()
        } else {
            match self.cache.prove().await {
                Ok(generation) => generation,
                Err(_) => return Answer::Unknown,
            }
        };
        if generation.and_then(|generation| self.cache.client(generation, CLIENT)).is_some() {
            self.seen.remembered.fetch_add(1, Ordering::Relaxed);
            return Answer::Yes;
        }
        match early.unwrap_or_else(|| self.read()) {
            None => Answer::Unknown,
            Some(None) => {
                self.seen.no.fetch_add(1, Ordering::Relaxed);
                Answer::No
            }
            Some(Some(record)) => {
                if let Some(generation) = generation {
                    self.cache.keep_client(generation, std::sync::Arc::new(record));
                }
                self.seen.read.fetch_add(1, Ordering::Relaxed);
                Answer::Yes
            }
        }
    }

    /// What is read of the client; `None`: it could not be read.
    fn read(&self) -> Option<Option<crate::domain::client::ClientRecord>> {
        catch_unwind(AssertUnwindSafe(|| self.database.find_client())).ok()?.ok()
    }

    /// Asks, while a token is checked, and then asks again; all of it this number of times.
    fn ask_again(&self, times: usize) {
        for _ in 0..times {
            shuttle::future::block_on(async {
                futures_util::future::join(self.ask(), self.check(1, u32::MAX)).await;
                self.ask().await;
            });
        }
    }

    fn delete(&self) {
        (0..thread_rng().gen_range(0..60_u32)).for_each(|_| yield_now());
        self.database.delete_client();
        self.history.ended(NUMBER);
        self.ask_again(1);
    }
}

/// Two threads ask while a third one deletes the client; then all is closed.
fn scenario(faults: u32, seen: &Arc<Seen>) {
    let stage = Stage::new(faults, seen);
    stage.ask_again(1);
    let on = |work: fn(&Stage)| {
        let stage = stage.clone();
        spawn(move || work(&stage))
    };
    let threads = [on(|stage| stage.ask_again(2)), on(|stage| stage.ask_again(2)), on(Stage::delete)];
    for thread in threads {
        thread.join().unwrap();
    }
    let until = Instant::now() + Duration::from_secs(86_400);
    stage.cache.close();
    stage.cache.drain(until);
    stage.ask_again(1);
    stage.history.judge();
}

fn run(faults: u32) -> (Arc<Seen>, impl Fn() + Send + Sync + Clone + 'static) {
    let seen = Arc::<Seen>::default();
    (Arc::clone(&seen), move || scenario(faults, &seen))
}

#[test]
fn clients_are_judged_strictly_while_the_database_works() {
    let (seen, scenario) = run(0);
    explore(1_000, scenario);
    assert_seen(&[("remembered", &seen.remembered), ("read", &seen.read), ("refused", &seen.no)]);
}

#[test]
fn clients_are_judged_strictly_while_the_database_breaks_hangs_and_panics() {
    let (seen, scenario) = run(5);
    explore(1_000, scenario);
    let Seen { remembered, read, no, unknown } = &*seen;
    assert_seen(&[("remembered", remembered), ("read", read), ("refused", no), ("unknown", unknown)]);
}

fn is_found(mistake: Mistake, faults: u32) {
    finds(mistake, "a promise was broken", 5_000, run(faults).1);
}

#[test]
fn a_client_that_is_read_before_the_poll_is_found() {
    is_found(Mistake::ClientReadBeforePoll, 0);
}

#[test]
fn a_client_that_is_not_proved_is_found() {
    is_found(Mistake::ClientNotProved, 0);
}

#[test]
fn invalidations_that_are_ignored_are_found() {
    is_found(Mistake::NewsUnheeded, 0);
}

#[test]
fn clients_that_outlive_the_feed_are_found() {
    is_found(Mistake::MemoryOutlivesFeed, 5);
}

#[test]
fn keeping_a_client_after_what_does_not_last_is_found() {
    is_found(Mistake::FleetingKept, 0);
}
