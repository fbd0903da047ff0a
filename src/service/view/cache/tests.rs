//! What is kept, and for how long.

use super::*;
use crate::dialect::Dialect;
use crate::random::SystemRandom;

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
            dialect: Dialect::Knox,
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
            epoch: Epoch(1),
        }),
    };
    (Token::parse(format!("{user}-{session}").as_bytes()).expect("a token"), record)
}

fn held(cache: &Cache) -> [usize; 4] {
    [cache.entries.len(), cache.by_key.len(), cache.sessions.len(), cache.users.len()]
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
