//! What only the rows show of steps, and changes by SQL between them. What all stores promise is in
//! `src/store/conformance/`.

use super::*;
use crate::store::LimitPolicy;

#[test]
fn whom_a_raw_statement_shut_out_activation_does_not_revive() {
    on_each_database(|fixture, c, user| {
        let shut_out = |user: UserId| fixture.run(&format!("UPDATE users SET is_active = FALSE WHERE id = {user}"));
        open(c, &login(user, 0, 1));
        shut_out(user);
        assert_eq!(verdict(c, 1), Err(Refusal::InactiveUser));
        fixture.set_active(user, true);
        assert_eq!(verdict(c, 1), Err(Refusal::OldEpoch));
        // The same for shadow users.
        let shadow = NewUser { id: Some(UserId(77)), ..new_user("remote") };
        let epoch = c.put_shadow_user(&shadow, &audit(Event::Login)).expect("a write");
        open(c, &login(UserId(77), epoch.0, 2));
        shut_out(UserId(77));
        c.put_shadow_user(&shadow, &audit(Event::Login)).expect("a write");
        assert_eq!(verdict(c, 2), Err(Refusal::InactiveUser), "a login activates no user");
    });
}

#[test]
fn a_refused_login_is_no_last_login_and_what_a_limit_evicts_has_its_reason() {
    on_each_database(|fixture, c, user| {
        open(c, &login(user, 0, 1));
        let reject = SessionLimit { max: 1, policy: LimitPolicy::Reject, idle_limit: None };
        let mut refused = limited(login(user, 0, 2), reject);
        refused.audit.at = later(1);
        assert_eq!(c.open_session(&refused), Ok(Opening::LimitReached));
        assert_eq!(fixture.count(&format!("users WHERE last_login > {}", NOW.as_micros())), 0);
        open(c, &limited(login(user, 0, 3), SessionLimit { policy: LimitPolicy::EvictOldest, ..reject }));
        assert_eq!(fixture.count("sessions WHERE ended_reason = 'limit_reached'"), 1);
        assert_eq!(fixture.count("audit_events WHERE event = 'limit_reached'"), 1);
    });
}
