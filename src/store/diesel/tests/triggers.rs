//! The revocation log: every writer's changes reach the caches.

use super::*;

/// Runs `work` and returns what it wrote into the log: the number of rows about users, about
/// sessions, and about everything.
fn logged(fixture: &Fixture, work: impl FnOnce()) -> (i64, i64, i64) {
    let count = || {
        (
            fixture.count("revocation_log WHERE user_id IS NOT NULL"),
            fixture.count("revocation_log WHERE session_id IS NOT NULL"),
            fixture.count("revocation_log WHERE user_id IS NULL AND session_id IS NULL"),
        )
    };
    let before = count();
    work();
    let after = count();
    (after.0 - before.0, after.1 - before.1, after.2 - before.2)
}

#[test]
fn revocations_are_logged_once_and_logins_not_at_all() {
    on_each_database(|fixture, c, user| {
        assert_eq!(logged(fixture, || (1..=4).for_each(|n| open(c, &login(user, 0, n)))), (0, 0, 0));
        assert_eq!(logged(fixture, || c.touch(&[(session(1), later(5))]).expect("touched")), (0, 0, 0));
        let hashes = ["hash", "better"].map(|t| PasswordHash::from_stored(t.to_owned()));
        assert_eq!(
            logged(fixture, || assert_eq!(c.upgrade_password_hash(user, &hashes[0], &hashes[1]), Ok(true))),
            (0, 0, 0)
        );
        let logout = audit(Event::Logout);
        assert_eq!(logged(fixture, || assert_eq!(c.end_session(session(1), &logout), Ok(true))), (0, 1, 0));
        assert_eq!(logged(fixture, || assert_eq!(c.end_all_sessions(user, &logout), Ok(true))), (1, 0, 0));
        for (active, told) in [(false, 1), (false, 0), (true, 1)] {
            assert_eq!(logged(fixture, || fixture.set_active(user, active)), (told, 0, 0));
        }
        open(c, &login(user, 3, 7));
        let kept = logged(fixture, || {
            assert_eq!(fixture.store.set_password(user, &hashes[0], Some(session(7)), &logout), Ok(UserChanged::Done));
        });
        assert_eq!(kept, (1, 0, 0));
    });
}

#[test]
fn raw_statements_are_logged_too() {
    on_each_database(|fixture, c, alice| {
        let bob = add_user(c, "bob");
        for n in 1..=5 {
            open(c, &login(alice, 0, n));
        }
        open(c, &login(bob, 0, 6));
        let run = |sql: &str| logged(fixture, || fixture.run(sql));
        assert_eq!(run("UPDATE users SET is_staff = TRUE"), (2, 0, 0));
        assert_eq!(run("UPDATE users SET is_staff = TRUE"), (0, 0, 0));
        assert_eq!(run("UPDATE users SET last_login = 5, password_hash = 'x'"), (0, 0, 0));
        assert_eq!(run("UPDATE users SET is_active = FALSE"), (2, 0, 0));
        assert_eq!(run("UPDATE users SET is_active = TRUE"), (2, 0, 0));
        assert_eq!(run("UPDATE users SET email = 'new' WHERE username = 'bob'"), (1, 0, 0));
        assert_eq!(run("UPDATE users SET username = 'rob' WHERE username = 'bob'"), (1, 0, 0));
        let first = "(SELECT id FROM sessions ORDER BY id LIMIT 1)";
        // Including a reason that only the sweeper writes.
        let ending = format!("UPDATE sessions SET ended_at = 1, ended_reason = 'expired' WHERE id = {first}");
        assert_eq!(run(&ending), (0, 1, 0));
        assert_eq!(run(&format!("DELETE FROM tokens WHERE session_id = {first}")), (0, 0, 0));
        let second = "(SELECT id FROM sessions WHERE ended_at IS NULL ORDER BY id LIMIT 1)";
        assert_eq!(run(&format!("UPDATE tokens SET expires = 1 WHERE session_id = {second}")), (0, 1, 0));
        assert_eq!(run(&format!("UPDATE tokens SET consumed = 1 WHERE session_id = {second}")), (0, 1, 0));
        assert_eq!(run(&format!("DELETE FROM tokens WHERE session_id = {second}")), (0, 1, 0));
        assert_eq!(run(&format!("DELETE FROM sessions WHERE id = {second}")), (0, 1, 0));
        assert_eq!(run(&format!("UPDATE sessions SET auth_epoch = -1 WHERE id = {second}")), (0, 1, 0));
        assert_eq!(run("DELETE FROM users WHERE username = 'rob'"), (1, 0, 0));
        assert_eq!(verdict(c, 6), Err(Refusal::Unknown));
        assert_eq!(run("DELETE FROM sessions"), (0, 2, 0));
    });
}

#[test]
fn truncating_a_table_flushes_everything() {
    let Some(fixture) = Fixture::postgres() else { return };
    for table in ["tokens", "sessions", "users"] {
        let (_, _, all) = logged(&fixture, || fixture.run(&format!("TRUNCATE {table} CASCADE")));
        assert!(all >= 1, "{table}");
    }
    assert_eq!(fixture.count("revocation_log WHERE xid IS NULL"), 0);
}
