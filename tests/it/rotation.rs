//! Rotation: one winner, the same successor for repeats within the grace time, and the end of the session for later
//! ones.

use std::sync::Mutex;
use std::time::Duration;

use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::{Policy, RefreshPolicy};

use crate::harness::app::{App, Backend, Database, Setup, on_each_database};
use crate::harness::dialects::{ALL, Speech, members};

fn rotating(backend: Backend) -> App {
    rotating_with(backend, |_| {})
}

fn rotating_with(backend: Backend, change: fn(&mut Policy)) -> App {
    let mut policy = Policy::default();
    change(&mut policy);
    for dialect in Dialect::ALL {
        policy.dialects.get_mut(dialect).rotate = true;
    }
    App::on(Database::migrated(backend), Setup { policy, ..Setup::default() })
}

fn refreshable() -> impl Iterator<Item = Speech> {
    ALL.into_iter().filter(|speech| speech.dialect != Dialect::Knox)
}

/// The token that replaces the presented one.
fn successor(speech: &Speech, reply: &crate::harness::wire::Reply) -> String {
    if speech.has_refresh_token {
        members(reply)["refresh"].as_str().expect("a refresh token").to_owned()
    } else {
        speech.refreshed(reply)
    }
}

on_each_database! {
    fn a_repeat_within_the_grace_gets_the_same_successor(backend) {
        let app = rotating(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        for speech in refreshable() {
            let first = speech.refreshable(&speech.login(client, "alice", "correct horse"));
            let reply = speech.refresh(client, &first).expect("an endpoint");
            let second = successor(&speech, &reply);
            assert_ne!(first, second);
            app.clock.advance(Duration::from_secs(30));
            let repeat = speech.refresh(client, &first).expect("an endpoint");
            assert_eq!(successor(&speech, &repeat), second, "{:?}", speech.dialect);
            let accesses = [&reply, &repeat].map(|reply| speech.refreshed(reply));
            assert_eq!(accesses[0] == accesses[1], !speech.has_refresh_token);
            for access in accesses {
                assert_eq!(speech.check(client, &access), 200);
            }
            assert_eq!(speech.refresh(client, &second).expect("an endpoint").status, 200);
        }
    }

    fn a_repeat_within_the_grace_is_refused_once_the_window_is_over(backend) {
        let mut policy = Policy::default();
        let window = Duration::from_secs(3600);
        for dialect in Dialect::ALL {
            let policy = policy.dialects.get_mut(dialect);
            policy.rotate = true;
            policy.access_ttl = Some(2 * window);
            policy.refresh = match policy.refresh {
                RefreshPolicy::None => RefreshPolicy::None,
                RefreshPolicy::Access { .. } => RefreshPolicy::Access { window },
                RefreshPolicy::Pair { ttl, .. } => RefreshPolicy::Pair { ttl, window: Some(window) },
            };
        }
        let app = App::on(Database::migrated(backend), Setup { policy, ..Setup::default() });
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        for speech in refreshable() {
            let first = speech.refreshable(&speech.login(client, "alice", "correct horse"));
            app.clock.advance(window - Duration::from_secs(5));
            let reply = speech.refresh(client, &first).expect("an endpoint");
            let second = successor(&speech, &reply);
            app.clock.advance(Duration::from_secs(5));
            assert_eq!(successor(&speech, &speech.refresh(client, &first).expect("an endpoint")), second);
            app.clock.advance(Duration::from_secs(1));
            // Both get the same refusal, and the session stays live.
            let refusals = [&first, &second].map(|token| speech.refresh(client, token).expect("an endpoint"));
            assert!(matches!(refusals[0].status, 400 | 401), "{:?}", speech.dialect);
            assert_eq!(refusals[0].text(), refusals[1].text(), "{:?}", speech.dialect);
            assert_eq!(speech.check(client, &speech.refreshed(&reply)), 200, "{:?}", speech.dialect);
        }
    }

    fn a_repeat_after_the_grace_ends_the_session(backend) {
        let app = rotating(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        for speech in refreshable() {
            let other = speech.login(client, "alice", "correct horse");
            let first = speech.refreshable(&speech.login(client, "alice", "correct horse"));
            let reply = speech.refresh(client, &first).expect("an endpoint");
            let (second, access) = (successor(&speech, &reply), speech.refreshed(&reply));
            app.clock.advance(Duration::from_micros(30_000_001));
            let replay = speech.refresh(client, &first).expect("an endpoint");
            assert!(matches!(replay.status, 400 | 401), "{}", replay.text());
            assert_eq!(speech.check(client, &access), 401, "{:?}", speech.dialect);
            assert!(matches!(speech.refresh(client, &second).expect("an endpoint").status, 400 | 401));
            assert_eq!(speech.check(client, &other.access), 200, "another session of the user");
        }
    }

    fn many_clients_of_one_token_agree_on_its_successor(backend) {
        let rounds = crate::harness::setting("KNOXIDE_TEST_ROUNDS").map_or(5, |text| text.parse().expect("a number"));
        storm(backend, rounds);
    }
}

/// In each round, 100 clients refresh the same token at once. One reply in ten is lost, and its client tries again;
/// halfway through the rounds, the signing key is replaced.
fn storm(backend: Backend, rounds: usize) {
    const CLIENTS: usize = 100;
    let app = rotating_with(backend, |policy| policy.refresh_rate.burst = None);
    app.add_user("alice", "correct horse");
    for speech in [Speech::of(Dialect::Djoser), Speech::of(Dialect::DrfJwt)] {
        let mut token = speech.refreshable(&speech.login(&mut app.client(), "alice", "correct horse"));
        let clients: Vec<_> = (0..CLIENTS).map(|_| Mutex::new(app.client())).collect();
        for round in 0..rounds {
            let successors: Vec<String> = std::thread::scope(|scope| {
                let (speech, token) = (&speech, token.as_str());
                let asked: Vec<_> = (clients.iter().enumerate())
                    .map(|(number, client)| {
                        scope.spawn(move || {
                            let client = &mut *client.lock().expect("a client");
                            let mut reply = speech.refresh(client, token).expect("an endpoint");
                            if (number + round) % 10 == 0 {
                                // As if the reply had never arrived.
                                reply = speech.refresh(client, token).expect("an endpoint");
                            }
                            assert_eq!(reply.status, 200, "logged out by accident: {}", reply.text());
                            successor(speech, &reply)
                        })
                    })
                    .collect();
                asked.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            });
            assert!(successors.iter().all(|other| *other == successors[0]), "one successor per round");
            assert_ne!(successors[0], token);
            token.clone_from(&successors[0]);
            if round == rounds / 2 {
                app.rotate_key();
                app.clock.advance(knoxide::domain::jwt::PUBLISHED_FIRST);
            }
        }
    }
}
