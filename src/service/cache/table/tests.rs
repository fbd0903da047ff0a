//! What is cached, and for how long.

use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::domain::dialect::Dialect;
use crate::domain::random::SystemRandom;
use crate::domain::session::Session;
use crate::domain::user::{Epoch, User, UserId};

/// The token of one session of a user.
fn record(user: i64, session: u8) -> (Token, TokenRecord) {
    let mut random = [session; 10];
    random[2..].copy_from_slice(&user.to_be_bytes());
    let record = TokenRecord {
        kind: TokenKind::Access,
        created: Timestamp::EPOCH,
        expires: None,
        consumed: None,
        session: Session {
            id: SessionId::new(Timestamp::EPOCH, &random),
            kind: Dialect::Knox.into(),
            created: Timestamp::EPOCH,
            last_seen: Timestamp::EPOCH,
            epoch: Epoch(1),
            ended: None,
        },
        user: Arc::new(User {
            id: UserId(user),
            username: user.to_string(),
            email: String::new(),
            is_active: true,
            is_staff: false,
            is_admin: false,
            epoch: Epoch(1),
        }),
    };
    (Token::parse(format!("{user}-{session}").as_bytes()).expect("a token"), record)
}

fn held(cache: &Cache) -> [usize; 4] {
    [cache.entries.len(), cache.by_key.len(), cache.by_session.len(), cache.users.len()]
}

#[test]
fn nothing_grows_beyond_the_capacity_however_tokens_go() {
    let keys = KeyMaker::new(&SystemRandom).expect("a key");
    let mut cache = Cache::new(4);
    for user in 0..1_000 {
        let two = [1, 2].map(|session| record(user, session));
        for (token, record) in &two {
            cache.keep(keys.key(token), record);
            assert_eq!(cache.get(keys.key(token)).as_ref(), Some(record));
        }
        match user % 4 {
            0 => two.iter().for_each(|(_, record)| cache.forget_one(Revoked::Session(record.session.id))),
            1 => cache.forget_one(Revoked::User(UserId(user))),
            2 => cache.clear(),
            _ => {}
        }
        let gone = two.iter().all(|(token, _)| cache.get(keys.key(token)).is_none());
        assert_eq!(gone, user % 4 != 3, "what is revoked is forgotten, and only that");
        let [entries, keys, sessions, users] = held(&cache);
        assert!(entries <= 4 && keys <= 4 && sessions <= 4 && users <= 4, "{:?}", held(&cache));
    }
}

#[test]
fn all_tokens_of_a_user_are_forgotten_though_the_user_changed_between_them() {
    let keys = KeyMaker::new(&SystemRandom).expect("a key");
    let mut cache = Cache::new(4);
    let (before, known) = record(1, 1);
    let (after, mut changed) = record(1, 2);
    Arc::make_mut(&mut changed.user).email = "new@example.org".to_owned();
    cache.keep(keys.key(&before), &known);
    cache.keep(keys.key(&after), &changed);
    assert_eq!(cache.get(keys.key(&after)).as_ref(), Some(&changed));
    cache.forget_one(Revoked::User(UserId(1)));
    assert!([before, after].iter().all(|token| cache.get(keys.key(token)).is_none()));
}

#[test]
fn only_live_access_tokens_are_kept() {
    let keys = KeyMaker::new(&SystemRandom).expect("a key");
    let changes: [fn(&mut TokenRecord); 5] = [
        |record| record.kind = TokenKind::Refresh,
        |record| record.consumed = Some(Timestamp::EPOCH),
        |record| record.session.ended = Some(Timestamp::EPOCH),
        |record| record.session.epoch = Epoch(0),
        |record| Arc::make_mut(&mut record.user).is_active = false,
    ];
    for change in changes {
        let mut cache = Cache::new(4);
        let (token, mut record) = record(1, 1);
        change(&mut record);
        cache.keep(keys.key(&token), &record);
        assert_eq!(held(&cache), [0; 4]);
    }
}

/// A source of numbers that is random enough for a test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, many: u8) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from((self.0 >> 33) % u64::from(many)).expect("less than a byte")
    }
}

#[test]
fn all_tokens_of_a_session_are_forgotten_with_it_whatever_became_of_some() {
    let keys = KeyMaker::new(&SystemRandom).expect("a key");
    let mut dice = Dice(1);
    // Enough that some are replaced while most of a session are in the cache.
    let mut cache = Cache::new(24);
    let mut live: HashSet<(u8, u8, u8)> = HashSet::new();
    for _ in 0..20_000 {
        let one @ (user, session, _) = (dice.below(3), dice.below(3), dice.below(4));
        let key = |(user, session, number): (u8, u8, u8)| {
            keys.key(&Token::parse(format!("{user}-{session}-{number}").as_bytes()).expect("a token"))
        };
        let (_, record) = record(user.into(), session);
        match dice.below(40) {
            0 => {
                cache.clear();
                live.clear();
            }
            1 => {
                cache.forget_one(Revoked::User(record.user.id));
                live.retain(|(known, ..)| *known != user);
            }
            2..6 => {
                cache.forget_one(Revoked::Session(record.session.id));
                live.retain(|(known, of, _)| (*known, *of) != (user, session));
            }
            _ => {
                cache.keep(key(one), &record);
                live.insert(one);
                assert_eq!(cache.get(key(one)), Some(record));
            }
        }
        let all =
            (0..3).flat_map(|user| (0..3).flat_map(move |session| (0..4).map(move |number| (user, session, number))));
        let known = all.filter(|one| cache.get(key(*one)).is_some());
        let known: HashSet<_> = known.collect();
        assert!(known.is_subset(&live), "{known:?} of {live:?}");
        let sessions: HashSet<_> = known.iter().map(|(user, session, _)| (user, session)).collect();
        assert!(cache.by_session.len() >= sessions.len() && cache.users.len() <= 24, "{:?}", held(&cache));
    }
}
