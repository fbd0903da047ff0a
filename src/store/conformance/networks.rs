//! The networks from which users logged in. A store may keep none; those that it keeps are right.

use super::{Case, NOW, add_user, after, connect, epoch_of, new_session};
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;
use crate::store::{Connection, NETWORKS_KEPT, NewSession, Opening, Store};

pub(super) const CASES: &[Case] = &[
    ("networks_belong_to_their_user", networks_belong_to_their_user),
    ("a_late_note_moves_no_time_back", a_late_note_moves_no_time_back),
    ("the_latest_networks_are_kept", the_latest_networks_are_kept),
];

/// The login `number` of a user from a network.
fn log_in_from(conn: &mut dyn Connection, number: u64, (user, network): (UserId, &str), at: Timestamp) {
    let epoch = epoch_of(conn, user);
    let mut new = NewSession { network: Some(network.to_owned()), ..new_session(number, user, epoch) };
    new.audit.at = at;
    assert_eq!(conn.open_session(&new), Ok(Opening::Opened));
}

fn networks_belong_to_their_user(store: &dyn Store) {
    let mut conn = connect(store);
    let (alice, bob) = (add_user(&mut *conn, "alice"), add_user(&mut *conn, "bob"));
    assert_eq!(conn.last_login_from(alice, "203.0.113.9"), Ok(None));
    log_in_from(&mut *conn, 1, (alice, "203.0.113.9"), NOW);
    let seen = conn.last_login_from(alice, "203.0.113.9").expect("a read");
    assert!(seen.is_none_or(|seen| seen == NOW));
    assert_eq!(conn.last_login_from(alice, "203.0.113.8"), Ok(None));
    assert_eq!(conn.last_login_from(bob, "203.0.113.9"), Ok(None));
}

fn a_late_note_moves_no_time_back(store: &dyn Store) {
    let mut conn = connect(store);
    let alice = add_user(&mut *conn, "alice");
    for (number, at) in [(1, after(10)), (2, after(20)), (3, NOW)] {
        log_in_from(&mut *conn, number, (alice, "2001:db8::/64"), at);
    }
    let seen = conn.last_login_from(alice, "2001:db8::/64").expect("a read");
    assert!(seen.is_none_or(|seen| seen == after(20)));
}

fn the_latest_networks_are_kept(store: &dyn Store) {
    let mut conn = connect(store);
    let alice = add_user(&mut *conn, "alice");
    let networks = NETWORKS_KEPT as u64 + 10;
    for number in 0..networks {
        log_in_from(&mut *conn, number, (alice, &format!("10.0.0.{number}")), after(number));
    }
    let mut seen = |number: u64| conn.last_login_from(alice, &format!("10.0.0.{number}")).expect("a read");
    assert_eq!(seen(9), None, "the oldest are deleted");
    assert!(seen(networks - 1).is_none() || seen(10).is_some(), "the latest are kept");
}
