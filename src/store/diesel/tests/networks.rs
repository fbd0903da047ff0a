//! The networks from which users logged in.

use super::*;
use crate::store::{NETWORKS_KEPT, SweepPolicy};

const DAY: u64 = 24 * 60 * 60;

fn log_in_from(connection: &mut dyn Connection, user: UserId, (number, network): (u32, &str), at: Timestamp) {
    let mut new = NewSession { network: Some(network.to_owned()), ..login(user, 0, number) };
    new.audit.at = at;
    open(connection, &new);
}

#[test]
fn networks_are_kept_for_a_while_and_for_each_user_in_a_bounded_number() {
    on_each_database(|fixture, c, alice| {
        let bob = add_user(c, "bob");
        for number in 0..70 {
            log_in_from(c, alice, (number, &format!("10.0.0.{number}")), later(number.into()));
        }
        log_in_from(c, bob, (100, "10.0.0.1"), later(DAY));
        assert_eq!(fixture.count("login_networks"), NETWORKS_KEPT as i64 + 1);
        assert_eq!(c.last_login_from(alice, "10.0.0.69"), Ok(Some(later(69))));
        assert_eq!(c.last_login_from(alice, "10.0.0.1"), Ok(None));

        let sweep = |seconds| fixture.store.sweep(later(seconds), &SweepPolicy::default(), &|| true).expect("a sweep");
        assert_eq!(sweep(30 * DAY).login_networks, 0);
        assert_eq!(sweep(30 * DAY + 100).login_networks, NETWORKS_KEPT);
        assert_eq!(c.last_login_from(bob, "10.0.0.1"), Ok(Some(later(DAY))));
        fixture.run("DELETE FROM users");
        assert_eq!(fixture.count("login_networks"), 0);
    });
}
