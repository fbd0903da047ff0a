//! Opening, finding and ending sessions.

use super::*;
use crate::store::{LimitPolicy, Refreshed, Successor};

pub(super) const CASES: &[Case] = &[
    ("an empty store can be used", empty_store),
    ("a login is found with everything a check needs", login_is_found),
    ("many digests are answered in the order asked", many_digests),
    ("a session may hold several tokens", several_tokens),
    ("a login needs an active user of the epoch that was seen", login_is_guarded),
    ("ids and digests are used once", duplicates_fail_whole),
    ("logout ends one session, once", logout),
    ("ending all ends all, and no login of before", logout_all),
    ("ending all of a user with many tokens ends them at once", logout_all_of_many),
    ("the limit rejects", limit_rejects),
    ("the limit evicts the oldest", limit_evicts),
    ("dead sessions do not count against the limit", limit_counts_live),
    ("last-seen times move forward only", touch_moves_forward),
    ("a session ends for idleness only if it was not used since", idle_end_is_guarded),
    ("expiry is kept to the microsecond", expiry_is_exact),
    ("a refresh adds to a living session", refresh_adds),
    ("a rotation consumes its token and names the successor", rotation_consumes),
    ("a dead token is not refreshed", dead_is_not_refreshed),
    ("grouped steps fail alone", group_isolates),
];

pub(super) const ADMIN_CASES: &[AdminCase] =
    &[("a token that an administrator ended is not refreshed", ended_is_not_refreshed)];

fn empty_store(store: &dyn Store) {
    assert!(store.writers() > 0);
    let conn = &mut *connect(store);
    assert_eq!((conn.ping(), conn.check_room()), (Ok(()), Ok(())));
}

fn login_is_found(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_and_log_in(conn, "alice", 1);
    let found = record_of(&mut *connect(store), 1);
    assert_eq!(found.kind, TokenKind::Access);
    assert_eq!((found.created, found.expires), (NOW, None));
    assert_eq!(found.session.id, session_id(1));
    assert_eq!((found.session.created, found.session.last_seen), (NOW, NOW));
    assert_eq!((found.session.kind, found.session.ended), (Dialect::Knox.into(), None));
    assert_eq!((found.user.id, found.user.username.as_str()), (user, "alice"));
    assert_eq!(found.user.email, "alice@example.com");
    assert_eq!((found.user.is_active, found.user.is_staff), (true, false));
    assert_eq!(found.user.epoch, found.session.epoch);
}

fn many_digests(store: &dyn Store) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    for number in 0..300 {
        log_in(conn, if number % 2 == 0 { alice } else { bob }, number);
    }
    assert_eq!(conn.find_many(&[]).expect("a read"), vec![]);
    // Live, unknown and repeated digests, in no particular order.
    let asked: Vec<u64> = (0..300).rev().flat_map(|n| [n, n + 1000]).chain([7, 7]).collect();
    let digests: Vec<_> = asked.iter().map(|n| digest(*n)).collect();
    let found = conn.find_many(&digests).expect("a read");
    assert_eq!(found.len(), asked.len());
    for (number, record) in asked.iter().zip(found) {
        let expected = (*number < 300).then(|| session_id(*number));
        assert_eq!(record.map(|r| r.session.id), expected, "{number}");
    }
}

fn several_tokens(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    let mut new = new_session(1, user, epoch_of(conn, user));
    new.tokens.push(token(2, TokenKind::Refresh, Some(after(60))));
    assert_eq!(conn.open_session(&new), Ok(Opening::Opened));
    assert_eq!(verdict(conn, 1), None);
    assert_eq!(verdict(conn, 2), Some(Refusal::WrongKind));
    assert_eq!(conn.end_session(session_id(1), &audit(Event::Logout)), Ok(true));
    assert_eq!(verdict(conn, 1), Some(Refusal::Unknown));
    assert_eq!(verdict(conn, 2), Some(Refusal::Unknown));
}

fn login_is_guarded(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    let Epoch(epoch) = epoch_of(conn, user);
    for (number, owner, seen) in [(1, user, epoch + 1), (2, user, epoch - 1), (3, UserId(4711), epoch)] {
        assert_eq!(conn.open_session(&new_session(number, owner, Epoch(seen))), Ok(Opening::Denied));
        assert_eq!(verdict(conn, number), Some(Refusal::Unknown));
    }
    put_user(conn, &NewUser { id: Some(user), is_active: false, ..new_user("alice") });
    let epoch = epoch_of(conn, user);
    assert_eq!(conn.open_session(&new_session(4, user, epoch)), Ok(Opening::Denied));
    assert_eq!(verdict(conn, 4), Some(Refusal::Unknown));
}

fn duplicates_fail_whole(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_and_log_in(conn, "alice", 1);
    let epoch = epoch_of(conn, user);
    let same_digest = NewSession { id: session_id(2), ..new_session(1, user, epoch) };
    assert!(conn.open_session(&same_digest).is_err());
    let same_id = NewSession { id: session_id(1), ..new_session(3, user, epoch) };
    assert!(conn.open_session(&same_id).is_err());
    assert_eq!(verdict(conn, 3), Some(Refusal::Unknown));
    assert!(is_live(conn, 1));
    assert_eq!(conn.end_session(session_id(2), &audit(Event::Logout)), Ok(false));
}

fn logout(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_and_log_in(conn, "alice", 1);
    log_in(conn, user, 2);
    assert_eq!(conn.end_session(session_id(1), &audit(Event::Logout)), Ok(true));
    let other = &mut *connect(store);
    assert_eq!(verdict(other, 1), Some(Refusal::Unknown));
    assert!(is_live(other, 2));
    assert_eq!(other.end_session(session_id(1), &audit(Event::Revoked)), Ok(false));
    assert_eq!(other.end_session(session_id(9), &audit(Event::Revoked)), Ok(false));
    assert_eq!(entry_of(other, 1).end_reason, Some(Event::Logout), "the first cause stays");
}

fn logout_all(store: &dyn Store) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    for number in 1..=3 {
        log_in(conn, alice, number);
    }
    log_in(conn, bob, 4);
    let before = epoch_of(conn, alice);
    assert_eq!(conn.end_all_sessions(alice, &audit(Event::LogoutAll)), Ok(true));
    for number in 1..=3 {
        let refusal = verdict(conn, number).expect("refused");
        assert!(matches!(refusal, Refusal::Unknown | Refusal::OldEpoch), "{refusal:?}");
        assert_eq!(conn.end_session(session_id(number), &audit(Event::Logout)), Ok(false));
    }
    assert!(is_live(conn, 4));
    assert_eq!(conn.open_session(&new_session(5, alice, before)), Ok(Opening::Denied));
    log_in(conn, alice, 6);
    assert!(is_live(conn, 6));
    assert_eq!(conn.end_all_sessions(UserId(4711), &audit(Event::LogoutAll)), Ok(false));
}

fn logout_all_of_many(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    for number in 0..250 {
        log_in(conn, user, number);
    }
    assert_eq!(conn.end_all_sessions(user, &audit(Event::LogoutAll)), Ok(true));
    let digests: Vec<_> = (0..250).map(digest).collect();
    for record in conn.find_many(&digests).expect("a read") {
        assert!(judge(record.as_ref(), Some(TokenKind::Access), NOW, None).is_err());
    }
}

const fn limit(max: u32, policy: LimitPolicy) -> SessionLimit {
    SessionLimit { max, policy, idle_limit: None }
}

fn limit_rejects(store: &dyn Store) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    let two = limit(2, LimitPolicy::Reject);
    assert_eq!(log_in_limited(conn, alice, 1, two), Opening::Opened);
    assert_eq!(log_in_limited(conn, alice, 2, two), Opening::Opened);
    assert_eq!(log_in_limited(conn, alice, 3, two), Opening::LimitReached);
    assert_eq!(verdict(conn, 3), Some(Refusal::Unknown));
    assert_eq!(log_in_limited(conn, bob, 4, two), Opening::Opened);
    conn.end_session(session_id(1), &audit(Event::Logout)).expect("a write");
    assert_eq!(log_in_limited(conn, alice, 5, two), Opening::Opened);
    conn.end_all_sessions(alice, &audit(Event::LogoutAll)).expect("a write");
    assert_eq!(log_in_limited(conn, alice, 6, two), Opening::Opened);
}

fn limit_evicts(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    for number in 1..=5 {
        log_in(conn, user, number);
    }
    assert_eq!(log_in_limited(conn, user, 6, limit(3, LimitPolicy::EvictOldest)), Opening::Opened);
    let live: Vec<u64> = (1..=6).filter(|number| is_live(conn, *number)).collect();
    // Ids of one microsecond are ordered by number here.
    assert_eq!(live, [4, 5, 6]);
}

fn limit_counts_live(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    log_in_until(conn, user, 1, NOW);
    let mut idle = new_session(2, user, epoch_of(conn, user));
    idle.audit.at = NOW.saturating_sub(Duration::from_secs(101));
    assert_eq!(conn.open_session(&idle), Ok(Opening::Opened));
    let one = SessionLimit { max: 1, policy: LimitPolicy::Reject, idle_limit: Some(Duration::from_secs(100)) };
    assert_eq!(log_in_limited(conn, user, 3, one), Opening::Opened);
    assert_eq!(log_in_limited(conn, user, 4, one), Opening::LimitReached);
}

fn touch_moves_forward(store: &dyn Store) {
    let conn = &mut *connect(store);
    add_and_log_in(conn, "alice", 1);
    let seen = |conn: &mut dyn Connection| record_of(conn, 1).session.last_seen;
    conn.touch(&[(session_id(1), after(10)), (session_id(99), after(10)), (session_id(1), after(7))]).expect("a write");
    assert_eq!(seen(conn), after(10));
    conn.touch(&[(session_id(1), after(5))]).expect("a write");
    assert_eq!(seen(conn), after(10));
    conn.touch(&[]).expect("a write");
}

fn idle_end_is_guarded(store: &dyn Store) {
    let conn = &mut *connect(store);
    add_and_log_in(conn, "alice", 1);
    conn.touch(&[(session_id(1), after(10))]).expect("a write");
    let idle = audit_at(Event::Idle, after(1000));
    assert_eq!(conn.end_idle_session(session_id(1), NOW, &idle), Ok(false));
    assert!(is_live(conn, 1));
    assert_eq!(conn.end_idle_session(session_id(1), after(10), &idle), Ok(true));
    assert_eq!(conn.end_idle_session(session_id(1), after(10), &idle), Ok(false));
    // A late report of use revives nothing.
    conn.touch(&[(session_id(1), after(999))]).expect("a write");
    assert!(!is_live(conn, 1));
}

fn expiry_is_exact(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    let end = Timestamp::from_micros(after(60).as_micros() + 1);
    log_in_until(conn, user, 1, end);
    assert_eq!(verdict_at(conn, 1, after(60)), None);
    assert_eq!(verdict_at(conn, 1, end), Some(Refusal::Expired));
}

fn refresh_adds(store: &dyn Store) {
    let conn = &mut *connect(store);
    add_and_log_in(conn, "alice", 1);
    assert_eq!(conn.refresh(&refreshing(1, 2, false)), Ok(Refreshed::Done));
    assert_eq!((is_live(conn, 1), is_live(conn, 2)), (true, true));
    assert_eq!(conn.find_successor(&digest(1)), Ok(None));
    let found = record_of(conn, 2);
    assert_eq!((found.session.id, found.created), (session_id(1), after(1)));
    conn.end_session(session_id(1), &audit(Event::Logout)).expect("a write");
    assert_eq!((is_live(conn, 1), is_live(conn, 2)), (false, false));
}

fn rotation_consumes(store: &dyn Store) {
    let conn = &mut *connect(store);
    add_and_log_in(conn, "alice", 1);
    assert_eq!(conn.refresh(&refreshing(1, 2, true)), Ok(Refreshed::Done));
    assert_eq!(verdict(conn, 1), Some(Refusal::Consumed));
    assert!(is_live(conn, 2));
    let successor = conn.find_successor(&digest(1)).expect("a read").expect("a successor");
    let expected = Successor { digest: digest(2), created: after(1), expires: Some(after(60)), key: Some(7) };
    assert_eq!(successor, expected);
    assert_eq!(conn.refresh(&refreshing(1, 3, true)), Ok(Refreshed::Consumed));
    assert_eq!(verdict(conn, 3), Some(Refusal::Unknown));
}

fn dead_is_not_refreshed(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    let changes: [fn(&mut dyn Connection, UserId, u64); 3] = [
        |conn, _, number| assert_eq!(conn.end_session(session_id(number), &audit(Event::Logout)), Ok(true)),
        |conn, user, _| assert_eq!(conn.end_all_sessions(user, &audit(Event::LogoutAll)), Ok(true)),
        |conn, user, _| put_user(conn, &NewUser { id: Some(user), is_active: false, ..new_user("alice") }),
    ];
    for (number, change) in (1..).map(|n| n * 10).zip(changes) {
        log_in(conn, user, number);
        change(conn, user, number);
        for rotate in [false, true] {
            assert_eq!(conn.refresh(&refreshing(number, number + 1, rotate)), Ok(Refreshed::Gone), "{number}");
        }
        assert_eq!(verdict(conn, number + 1), Some(Refusal::Unknown));
    }
    assert_eq!(conn.refresh(&refreshing(999, 1000, true)), Ok(Refreshed::Gone));
    let user = add_user(conn, "bob");
    log_in_until(conn, user, 500, after(1));
    assert_eq!(conn.refresh(&refreshing(500, 501, true)), Ok(Refreshed::Gone));
    assert_eq!(conn.refresh(&refreshing(500, 502, false)), Ok(Refreshed::Gone));
}

fn ended_is_not_refreshed(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    let password = PasswordHash::unusable();
    let change = |number: u64| match number {
        10 => store.set_password(user, &password, None, &audit(Event::PasswordChanged)),
        _ => store.set_active(user, false, LastAdmin::MayGo, &audit(Event::Deactivated)),
    };
    for number in [10, 20] {
        log_in(conn, user, number);
        assert_eq!(change(number), Ok(UserChanged::Done));
        for rotate in [false, true] {
            assert_eq!(conn.refresh(&refreshing(number, number + 1, rotate)), Ok(Refreshed::Gone), "{number}");
        }
        assert_eq!(verdict(conn, number + 1), Some(Refusal::Unknown));
    }
}

fn group_isolates(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    let epoch = epoch_of(conn, user);
    log_in(conn, user, 1);
    let mut outcomes = Vec::new();
    let grouped = conn.group(&mut |conn| {
        for number in [2, 1, 3] {
            outcomes.push(conn.open_session(&new_session(number, user, epoch)).ok());
        }
        outcomes.push(conn.open_session(&new_session(4, user, Epoch(epoch.0 + 1))).ok());
        assert!(is_live(conn, 2));
        assert_eq!(conn.end_session(session_id(2), &audit(Event::Logout)), Ok(true));
    });
    assert_eq!(grouped, Ok(()));
    let expected = [Some(Opening::Opened), None, Some(Opening::Opened), Some(Opening::Denied)];
    assert_eq!(outcomes, expected);
    let other = &mut *connect(store);
    let live: Vec<u64> = (1..=4).filter(|number| is_live(other, *number)).collect();
    assert_eq!(live, [1, 3]);
}
