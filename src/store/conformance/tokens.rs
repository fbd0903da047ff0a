//! Sessions with many tokens: how they end, and how many they keep.

use super::*;
use crate::store::{AccessLimit, Refreshed};

pub(super) const CASES: &[Case] = &[
    ("a session of many tokens ends at once", many_tokens_end_at_once),
    ("access tokens beyond the limit are deleted", access_tokens_give_way),
    ("tokens that are still needed stay", needed_tokens_stay),
    ("successors that a repeat has to find stay", recent_successors_stay),
    ("a lowered limit is reached over several refreshes", lowered_limit),
];

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("the rest of an ended session says nothing about its user", left_over_and_deactivated),
    ("the rest of all sessions of a user says nothing about the user", left_over_of_all),
];

/// More than ending a session deletes by itself.
const MANY: u64 = 250;

fn adding(presented: u64, new: u64, expires: Timestamp, limit: Option<AccessLimit>) -> Refresh {
    let token = token(new, TokenKind::Access, Some(expires));
    let at = Timestamp::from_micros(NOW.as_micros() + i64::try_from(new).unwrap_or(i64::MAX));
    Refresh { presented: digest(presented), tokens: vec![token], successor: None, at, limit }
}

fn rotating(presented: u64, new: u64, kind: TokenKind) -> Refresh {
    let mut refresh = adding(presented, new, after(3600), None);
    refresh.successor = Some(digest(new));
    for token in &mut refresh.tokens {
        token.kind = kind;
    }
    refresh
}

const fn at_most(max: u32) -> Option<AccessLimit> {
    Some(AccessLimit { max, successors_from: NOW })
}

/// A session with the access token `number` and the refresh token `number + 1`.
fn log_in_for_pair(conn: &mut dyn Connection, user: UserId, number: u64) {
    let mut new = new_session(number, user, epoch_of(conn, user));
    new.tokens.push(token(number + 1, TokenKind::Refresh, Some(after(9000))));
    assert_eq!(conn.open_session(&new), Ok(Opening::Opened));
}

/// The numbers of those tokens that exist, of any kind and with any verdict.
fn known(conn: &mut dyn Connection, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let digests: Vec<_> = numbers.clone().map(digest).collect();
    let found = conn.find_many(&digests).expect("a read");
    numbers.zip(found).filter(|(_, record)| record.is_some()).map(|(number, _)| number).collect()
}

fn assert_gone(conn: &mut dyn Connection, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let refusal = verdict_at(conn, number, after(5000)).expect("refused");
        assert!(matches!(refusal, Refusal::Unknown | Refusal::SessionEnded | Refusal::OldEpoch), "{refusal:?}");
    }
}

/// A session with the tokens 10 to 10 + `MANY`, of which 11 is a refresh token and 12 its successor.
fn log_in_with_many(conn: &mut dyn Connection, user: UserId) {
    log_in_for_pair(conn, user, 10);
    assert_eq!(conn.refresh(&rotating(11, 12, TokenKind::Refresh)), Ok(Refreshed::Done));
    for number in 13..10 + MANY {
        assert_eq!(conn.refresh(&adding(12, number, after(60), None)), Ok(Refreshed::Done));
    }
}

fn many_tokens_end_at_once(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    log_in_with_many(conn, user);
    assert!(conn.find_successor(&digest(11)).expect("a read").is_some());
    assert_eq!(conn.end_session(session_id(10), &audit(Event::Logout)), Ok(true));
    let other = &mut *connect(store);
    assert_gone(other, 10..10 + MANY);
    for presented in [10, 11, 12, 9 + MANY] {
        assert_eq!(other.find_successor(&digest(presented)), Ok(None));
        assert_eq!(other.refresh(&adding(presented, 1000, after(60), None)), Ok(Refreshed::Gone));
        assert_eq!(other.refresh(&rotating(presented, 1000, TokenKind::Refresh)), Ok(Refreshed::Gone));
    }
    assert_eq!(verdict(other, 1000), Some(Refusal::Unknown));
}

fn left_over_and_deactivated(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    log_in_with_many(conn, user);
    assert_eq!(conn.end_session(session_id(10), &audit(Event::Logout)), Ok(true));
    for active in [false, true, false] {
        switch(store, user, active);
        assert_gone(conn, 10..10 + MANY);
    }
}

fn left_over_of_all(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    log_in_with_many(conn, user);
    assert_eq!(conn.end_all_sessions(user, &audit(Event::LogoutAll)), Ok(true));
    assert_gone(conn, 10..10 + MANY);
    switch(store, user, false);
    assert_gone(conn, 10..10 + MANY);
}

fn access_tokens_give_way(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    log_in_for_pair(conn, user, 10);
    // Token 14 is over when 15 and 16 are made; the others are not.
    for number in 12..=16 {
        let expires = if number == 14 { NOW } else { after(3600) };
        assert_eq!(conn.refresh(&adding(11, number, expires, at_most(3))), Ok(Refreshed::Done));
        let left = known(conn, 10..20);
        let expected: &[u64] = match number {
            12 => &[10, 11, 12],
            13 => &[10, 11, 12, 13],
            // The oldest is deleted: 14 itself is new, although it has expired.
            14 => &[11, 12, 13, 14],
            15 => &[11, 12, 13, 15],
            _ => &[11, 13, 15, 16],
        };
        assert_eq!(left, expected);
    }
    // The limit is per session.
    log_in_for_pair(conn, user, 30);
    assert_eq!(conn.refresh(&adding(31, 32, after(60), at_most(3))), Ok(Refreshed::Done));
    assert_eq!(known(conn, 10..40), [11, 13, 15, 16, 30, 31, 32]);
}

fn needed_tokens_stay(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    log_in_for_pair(conn, user, 10);
    // 11 is consumed, and must be found if it is used again.
    assert_eq!(conn.refresh(&rotating(11, 12, TokenKind::Refresh)), Ok(Refreshed::Done));
    // The access token 10 is presented: if nothing else can be deleted, the limit is exceeded.
    for number in 13..=15 {
        assert_eq!(conn.refresh(&adding(10, number, after(60), at_most(1))), Ok(Refreshed::Done));
        assert_eq!(known(conn, 10..20), [10, 11, 12, number]);
    }
    assert_eq!(verdict(conn, 11), Some(Refusal::WrongKind));
    assert_eq!(conn.refresh(&rotating(11, 16, TokenKind::Refresh)), Ok(Refreshed::Consumed));
}

fn recent_successors_stay(store: &dyn Store) {
    let conn = &mut *connect(store);
    add_and_log_in(conn, "alice", 1);
    assert_eq!(conn.refresh(&rotating(1, 2, TokenKind::Access)), Ok(Refreshed::Done));
    assert_eq!(conn.refresh(&adding(2, 3, after(60), None)), Ok(Refreshed::Done));
    // The successor 2 is the oldest one that could be deleted, but a repeat of the refresh needs it.
    let limit = Some(AccessLimit { max: 1, successors_from: NOW });
    assert_eq!(conn.refresh(&adding(3, 4, after(60), limit)), Ok(Refreshed::Done));
    assert_eq!(known(conn, 1..5), [1, 2, 3, 4]);
    assert_eq!(conn.find_successor(&digest(1)).expect("a read").map(|found| found.digest), Some(digest(2)));
    // After the grace time no repeat does. The consumed token 1 stays.
    let limit = Some(AccessLimit { max: 2, successors_from: after(10) });
    assert_eq!(conn.refresh(&adding(4, 5, after(60), limit)), Ok(Refreshed::Done));
    assert_eq!(known(conn, 1..6), [1, 4, 5]);
}

fn lowered_limit(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    log_in_with_many(conn, user);
    let mut before = known(conn, 10..1000).len();
    for number in 1000..1005 {
        assert_eq!(conn.refresh(&adding(12, number, after(60), at_most(5))), Ok(Refreshed::Done));
        let left = known(conn, 10..1010).len();
        assert!(before + 1 - left <= 100, "from {before} to {left}");
        before = left;
    }
    // The two refresh tokens, and five access tokens.
    assert_eq!(before, 7);
}
