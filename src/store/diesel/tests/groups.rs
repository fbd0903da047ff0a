//! Steps that become durable together.

use super::*;
use crate::store::StoreError;

#[cfg(feature = "sqlite")]
#[test]
fn nothing_of_a_group_is_seen_before_it_is_durable() {
    let fixture = Fixture::sqlite();
    let (mut c, mut other) = (fixture.connect(), fixture.connect());
    let user = add_user(&mut *c, "alice");
    c.group(&mut |c| {
        open(c, &login(user, 0, 1));
        assert_eq!(verdict(&mut *other, 1), Err(Refusal::Unknown));
    })
    .expect("a group");
    assert_eq!(verdict(&mut *other, 1), Ok(()));
}

#[cfg(feature = "sqlite")]
#[test]
fn when_the_database_drops_the_transaction_nothing_of_the_group_has_happened() {
    let fixture = Fixture::sqlite();
    let mut c = fixture.connect();
    let user = add_user(&mut *c, "alice");
    // A full disk would do the same: the whole transaction is rolled back inside a step.
    fixture.run(
        "CREATE TRIGGER drop_all BEFORE INSERT ON tokens WHEN NEW.kind = 'refresh'
         BEGIN SELECT RAISE(ROLLBACK, 'dropped'); END",
    );
    let mut answers = Vec::new();
    let grouped = c.group(&mut |c| {
        answers.push(c.open_session(&login(user, 0, 1)));
        let mut dropped = login(user, 0, 2);
        dropped.tokens[0].kind = TokenKind::Refresh;
        answers.push(c.open_session(&dropped));
        answers.push(c.open_session(&login(user, 0, 3)));
    });
    assert!(grouped.is_err() && answers[0].is_ok() && answers[1].is_err() && answers[2].is_err(), "{answers:?}");
    assert_eq!(fixture.count("sessions"), 0);
    let mut fresh = fixture.connect();
    open(&mut *fresh, &login(user, 0, 4));
}

#[cfg(feature = "sqlite")]
#[test]
fn a_panic_in_a_group_undoes_it_and_the_connection_goes_on() {
    let fixture = Fixture::sqlite();
    let mut c = fixture.connect();
    let user = add_user(&mut *c, "alice");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        c.group(&mut |c| {
            open(c, &login(user, 0, 1));
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    open(&mut *c, &login(user, 0, 2));
    let mut other = fixture.connect();
    assert_eq!((verdict(&mut *other, 1), verdict(&mut *other, 2)), (Err(Refusal::Unknown), Ok(())));
}

#[cfg(feature = "sqlite")]
#[test]
fn a_writer_in_the_way_is_busy_and_the_connection_goes_on() {
    let fixture = Fixture::sqlite();
    let options = StoreOptions { busy_timeout: Duration::from_millis(20), ..StoreOptions::default() };
    let hasty = DieselStore::open(&fixture.url, options).expect("a store");
    let (mut c, mut waiting) = (fixture.connect(), hasty.connect().expect("a connection"));
    let user = add_user(&mut *c, "alice");
    c.group(&mut |_| {
        assert!(matches!(waiting.open_session(&login(user, 0, 1)), Err(StoreError::Busy(_))));
        assert_eq!(verdict(&mut *waiting, 1), Err(Refusal::Unknown));
    })
    .expect("a group");
    open(&mut *waiting, &login(user, 0, 1));
}

#[test]
fn a_row_locked_by_somebody_else_is_busy_on_postgres() {
    let Some(fixture) = Fixture::postgres() else { return };
    let options = StoreOptions { busy_timeout: Duration::from_millis(20), ..StoreOptions::default() };
    let hasty = DieselStore::open(&fixture.url, options).expect("a store");
    let mut c = hasty.connect().expect("a connection");
    let user = add_user(&mut *c, "alice");
    let mut holder = fixture.raw();
    holder.batch_execute("BEGIN; UPDATE users SET last_login = 1").expect("a lock");
    assert!(matches!(c.open_session(&login(user, 0, 1)), Err(StoreError::Busy(_))));
    holder.batch_execute("ROLLBACK").expect("no lock");
    open(&mut *c, &login(user, 0, 1));
}

#[test]
fn a_connection_that_the_server_ended_is_told_to_be_given_up() {
    let Some(fixture) = Fixture::postgres() else { return };
    let mut c = fixture.connect();
    let user = add_user(&mut *c, "alice");
    fixture.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()");
    let error = c.open_session(&login(user, 0, 1)).expect_err("a broken connection");
    assert!(error.is_broken_connection(), "{error}");
    let error = c.find_many(&[digest(1)]).expect_err("a broken connection");
    assert!(error.is_broken_connection(), "{error}");
    open(&mut *fixture.connect(), &login(user, 0, 1));
}
