//! The cache that all threads share: one feed, on a thread of its own.

#![expect(clippy::disallowed_methods, reason = "the test blocks here, not the service")]

use std::pin::Pin;
use std::time::{Duration, Instant};

use actix_web::rt::task::JoinHandle;
use knoxide::service::Unavailable;

use super::*;

mod stage;

use stage::{Followed, Stage};

/// A service with tokens of one user, each in a session of its own.
struct Scene {
    auth: Auth,
    stage: Arc<Stage>,
    tokens: Vec<String>,
}

async fn set(tokens: usize, timeout: Duration) -> Scene {
    let store = Followed::default();
    let stage = Arc::clone(&store.stage);
    let (hasher, new, audit) = ada();
    let UserCreation::Created(_) = store.behind.create_user(&new, SharedEmail::Allow, &audit).expect("a user") else {
        panic!("no user");
    };
    let auth = Auth::builder(store).hasher(hasher).check_timeout(timeout).build().expect("a service");
    let mut texts = Vec::new();
    for _ in 0..tokens {
        texts.push(auth.login(login()).await.expect("a login").access.token.expose().to_owned());
    }
    Scene { auth, stage, tokens: texts }
}

const LONG: Duration = Duration::from_secs(20);

impl Scene {
    fn check(&self, token: usize) -> Check {
        self.auth.resolve(Token::parse(self.tokens[token].as_bytes()).expect("a token"), Activity::Ignored)
    }

    async fn all_are_good(&self) {
        for answer in join_all((0..self.tokens.len()).map(|token| self.check(token))).await {
            answer.expect("a good token");
        }
    }

    /// A check whose poll has read, and stops there until the test releases it.
    async fn stopped_check(&self) -> JoinHandle<<Check as Future>::Output> {
        self.stage.state().stops = true;
        let check = actix_web::rt::spawn(self.check(0));
        let stage = Arc::clone(&self.stage);
        actix_web::rt::task::spawn_blocking(move || stage.wait_until(|state| state.stopped == 1)).await.expect("it");
        check
    }

    /// The number of row requests in each poll since the last call.
    fn asked(&self) -> Vec<usize> {
        std::mem::take(&mut self.stage.state().polls)
    }
}

#[test]
fn checks_of_one_turn_share_a_poll_and_cached_rows_are_not_read() {
    run(async {
        let scene = set(20, LONG).await;
        scene.all_are_good().await;
        assert_eq!(scene.asked(), [20]);
        scene.all_are_good().await;
        assert_eq!(scene.asked(), [0]);
        scene.check(3).await.expect("a good token");
        assert_eq!(scene.asked(), [0]);
    });
}

#[test]
fn a_check_whose_own_poll_revoked_it_joins_another() {
    run(async {
        let scene = set(3, LONG).await;
        scene.all_are_good().await;
        let who = scene.check(1).await.expect("a good token");
        scene.asked();
        scene.stage.state().invalidation = vec![Revoked::Session(who.session.id)];
        scene.all_are_good().await;
        assert_eq!(scene.asked(), [0, 1]);
        // Actually revoked, and reported by the very poll that the check waits for.
        scene.auth.logout(&who, Origin::default()).await.expect("a logout");
        scene.stage.state().invalidation = vec![Revoked::Session(who.session.id)];
        assert_eq!(scene.check(1).await, Err(CheckError::Refused(Refusal::Unknown)));
        assert_eq!(scene.asked(), [0, 1]);
        assert_eq!(scene.check(1).await, Err(CheckError::Refused(Refusal::Unknown)));
        assert_eq!(scene.asked(), [1], "a refusal is not remembered");
    });
}

#[test]
fn a_poll_already_sent_is_never_joined() {
    run(async {
        let scene = set(1, LONG).await;
        scene.all_are_good().await;
        let who = scene.check(0).await.expect("a good token");
        let early = scene.stopped_check().await;
        // The running poll has read; the logout and a later check follow.
        scene.auth.logout(&who, Origin::default()).await.expect("a logout");
        scene.stage.state().invalidation = vec![Revoked::Session(who.session.id)];
        let late = actix_web::rt::spawn(scene.check(0));
        actix_web::rt::task::yield_now().await;
        scene.stage.go_on();
        // It arrived before the logout: both answers are right.
        let _ = early.await.expect("no panic");
        assert_eq!(late.await.expect("no panic"), Err(CheckError::Refused(Refusal::Unknown)));
    });
}

#[test]
fn what_does_not_last_is_not_kept() {
    run(async {
        let scene = set(2, LONG).await;
        scene.stage.state().reads_only = true;
        scene.all_are_good().await;
        scene.all_are_good().await;
        assert_eq!(scene.asked(), [2, 2]);
    });
}

#[test]
fn a_check_that_is_given_up_leaves_nobody_waiting() {
    run(async {
        let scene = set(3, LONG).await;
        for polls in 1..=2 {
            let (mut first, second) = (Box::pin(scene.check(0)), scene.check(1));
            assert!(first.as_mut().now_or_never().is_none());
            let second = actix_web::rt::spawn(second);
            if polls == 2 {
                actix_web::rt::task::yield_now().await;
                // Polled again: now it hands the batch over, and leads.
                scene.stage.state().stops = true;
                assert!(first.as_mut().now_or_never().is_none());
            }
            drop(first);
            scene.stage.go_on();
            let third = actix_web::rt::spawn(scene.check(2));
            second.await.expect("no panic").expect("a good token");
            third.await.expect("no panic").expect("a good token");
        }
        // All checks of a turn are dropped; the next turn is not affected.
        let mut lost: Vec<_> = (0..3).map(|token| Box::pin(scene.check(token))).collect();
        assert!(lost.iter_mut().all(|check| check.as_mut().now_or_never().is_none()));
        drop(lost);
        scene.all_are_good().await;
    });
}

#[test]
fn a_cut_costs_no_check_and_an_outage_is_told_at_once() {
    run(async {
        let scene = set(2, LONG).await;
        scene.all_are_good().await;
        scene.stage.state().breaks = 1;
        scene.asked();
        scene.all_are_good().await;
        assert_eq!(scene.asked().last(), Some(&2), "nothing is left of the cache of the broken feed");
        assert_eq!(scene.stage.state().feeds, 2);
        {
            let mut state = scene.stage.state();
            (state.breaks, state.refuses) = (1, true);
        }
        let started = Instant::now();
        let refused = scene.check(0).await;
        assert!(matches!(refused, Err(CheckError::Unavailable(Unavailable::Store(_)))), "{refused:?}");
        let again = scene.check(0).await;
        let (feeds, took) = (scene.stage.state().feeds, started.elapsed());
        assert!(again.is_err());
        assert!(feeds == 3 || took > Duration::from_millis(100), "it reconnects too soon: {took:?}");
        scene.stage.state().refuses = false;
        while scene.check(0).await.is_err() {
            assert!(started.elapsed() < LONG);
            actix_web::rt::task::yield_now().await;
        }
    });
}

#[test]
fn a_feed_that_panics_costs_its_poll_alone() {
    run(async {
        let scene = set(2, LONG).await;
        scene.all_are_good().await;
        scene.stage.state().panics = true;
        assert!(matches!(scene.check(0).await, Err(CheckError::Unavailable(_))));
        scene.asked();
        scene.all_are_good().await;
        assert_eq!(scene.asked(), [2], "nothing is left of the cache of the feed that panicked");
    });
}

#[test]
fn a_silent_owner_is_replaced_and_its_late_answer_is_not_kept() {
    run(async {
        let scene = set(2, Duration::from_millis(200)).await;
        scene.stage.state().reads_only = true;
        let who = scene.check(0).await.expect("a good token");
        {
            let mut state = scene.stage.state();
            (state.reads_only, state.stops) = (false, true);
        }
        // This one reads that the session is live, but its answer is delayed.
        let started = Instant::now();
        let timed_out = Err(CheckError::Unavailable(Unavailable::TimedOut("checks")));
        loop {
            let outcome = scene.check(0).await;
            if outcome.is_ok() {
                break;
            }
            assert_eq!(outcome, timed_out);
            assert!(started.elapsed() < LONG);
        }
        let counts = {
            let state = scene.stage.state();
            (state.feeds, state.stopped)
        };
        assert_eq!(counts, (2, 1));
        scene.auth.logout(&who, Origin::default()).await.expect("a logout");
        scene.stage.state().invalidation = vec![Revoked::Session(who.session.id)];
        assert_eq!(scene.check(0).await, Err(CheckError::Refused(Refusal::Unknown)));
        scene.stage.go_on();
        for _ in 0..300 {
            assert_eq!(scene.check(0).await, Err(CheckError::Refused(Refusal::Unknown)));
        }
        scene.check(1).await.expect("a good token");
    });
}

#[test]
fn a_silent_owner_is_replaced_for_waiting_checks_while_others_arrive() {
    run(async {
        let scene = set(1, LONG).await;
        let first = scene.stopped_check().await;
        let mut waiting = Box::pin(scene.check(0));
        let mut others = Vec::new();
        let answer = loop {
            let short = Duration::from_millis(50);
            if let Ok(answer) = actix_web::rt::time::timeout(short, &mut waiting).await {
                break answer;
            }
            others.push(actix_web::rt::spawn(scene.check(0)));
        };
        answer.expect("a good token, long before the check's time is over");
        assert_eq!(scene.stage.state().feeds, 2);
        scene.stage.go_on();
        for other in others.into_iter().chain([first]) {
            other.await.expect("no panic").expect("a good token");
        }
    });
}

#[test]
fn more_checks_than_may_wait_are_refused() {
    run(async {
        let scene = set(1, LONG).await;
        let first = scene.stopped_check().await;
        // Polled until they have joined; they are handed over after the end of that turn.
        let mut crowd: Vec<_> = (0..20_000).map(|_| Box::pin(scene.check(0))).collect();
        let refused = |crowd: &mut Vec<Pin<Box<Check>>>| {
            crowd.retain_mut(|check| check.as_mut().now_or_never().is_none());
        };
        refused(&mut crowd);
        assert_eq!(crowd.len(), 20_000);
        for _ in 0..100 {
            actix_web::rt::task::yield_now().await;
        }
        refused(&mut crowd);
        assert_eq!(crowd.len(), 16_384);
        scene.stage.go_on();
        join_all(crowd).await.into_iter().for_each(|check| drop(check.expect("a good token")));
        first.await.expect("no panic").expect("a good token");
    });
}

#[test]
fn checks_that_waited_too_long_no_longer_count() {
    run(async {
        let scene = set(1, Duration::from_millis(300)).await;
        scene.all_are_good().await;
        let unavailable = |answer| matches!(answer, Err(CheckError::Unavailable(Unavailable::TimedOut(_))));
        let first = scene.stopped_check().await;
        assert!(join_all((0..16_000).map(|_| scene.check(0))).await.into_iter().all(unavailable));
        assert!(unavailable(first.await.expect("no panic")));
        scene.stage.go_on();
        // Until the owner has dropped the batches that no check waits for.
        actix_web::rt::time::timeout(LONG, async { while scene.check(0).await.is_err() {} }).await.expect("in time");
        let again = join_all((0..1_000).map(|_| scene.check(0))).await;
        assert!(again.iter().all(Result::is_ok));
    });
}

#[test]
fn what_waits_at_the_end_is_answered_and_what_comes_later_refused() {
    run(async {
        let scene = set(1, LONG).await;
        scene.all_are_good().await;
        let waiting = scene.stopped_check().await;
        scene.stage.go_on();
        let auth = scene.auth.clone();
        actix_web::rt::task::spawn_blocking(move || auth.close(LONG)).await.expect("no panic");
        waiting.await.expect("no panic").expect("a good token");
        assert!(matches!(scene.check(0).await, Err(CheckError::Unavailable(Unavailable::Store(_)))));
    });
}
