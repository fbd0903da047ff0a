//! From which networks a user logged in. A store may keep none of it; what it keeps is right.

use super::{Case, NOW, add_user, after, connect};
use crate::store::{NETWORKS_KEPT, Store};

pub(super) const CASES: &[Case] = &[
    ("networks_belong_to_their_user", networks_belong_to_their_user),
    ("a_late_note_moves_no_time_back", a_late_note_moves_no_time_back),
    ("the_latest_networks_are_kept", the_latest_networks_are_kept),
];

fn networks_belong_to_their_user(store: &dyn Store) {
    let mut conn = connect(store);
    let (alice, bob) = (add_user(&mut *conn, "alice"), add_user(&mut *conn, "bob"));
    assert_eq!(conn.last_login_from(alice, "203.0.113.9"), Ok(None));
    conn.note_login_from(alice, "203.0.113.9", NOW).expect("a write");
    let seen = conn.last_login_from(alice, "203.0.113.9").expect("a read");
    assert!(seen.is_none_or(|seen| seen == NOW));
    assert_eq!(conn.last_login_from(alice, "203.0.113.8"), Ok(None));
    assert_eq!(conn.last_login_from(bob, "203.0.113.9"), Ok(None));
}

fn a_late_note_moves_no_time_back(store: &dyn Store) {
    let mut conn = connect(store);
    let alice = add_user(&mut *conn, "alice");
    for at in [after(10), after(20), NOW] {
        conn.note_login_from(alice, "2001:db8::/64", at).expect("a write");
    }
    let seen = conn.last_login_from(alice, "2001:db8::/64").expect("a read");
    assert!(seen.is_none_or(|seen| seen == after(20)));
}

fn the_latest_networks_are_kept(store: &dyn Store) {
    let mut conn = connect(store);
    let alice = add_user(&mut *conn, "alice");
    let networks = NETWORKS_KEPT as u64 + 10;
    for number in 0..networks {
        conn.note_login_from(alice, &format!("10.0.0.{number}"), after(number)).expect("a write");
    }
    let mut seen = |number: u64| conn.last_login_from(alice, &format!("10.0.0.{number}")).expect("a read");
    assert_eq!(seen(9), None, "the oldest make room");
    assert!(seen(networks - 1).is_none() || seen(10).is_some(), "the latest are kept");
}
