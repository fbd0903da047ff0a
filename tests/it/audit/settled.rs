//! On Postgres, transactions commit out of the order of their rows.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::time::{SystemClock, Timestamp};
use knoxide::store::{EventFilter, NewEvent, Store as _, SweepPolicy};

use super::{all, settled};
use crate::harness::admin::administrator;
use crate::harness::app::{Backend, Database};
use crate::harness::postgres::shared;

fn event(event: Event) -> NewEvent {
    let at = Timestamp::from_micros(1_700_000_000_000_000);
    let audit = AuditContext { event, actor: Actor::System, origin: Origin::default(), at, detail: None };
    NewEvent { audit, user: None, session: None, count: 1 }
}

/// Waits until `done`: transactions of other tests on the same server delay what is settled.
fn wait(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::yield_now();
    }
}

#[test]
fn an_event_whose_transaction_stays_open_is_delayed_and_not_skipped() {
    if shared().is_none() {
        return;
    }
    let database = Database::migrated(Backend::Postgres);
    let store = database.store();
    let mut connection = store.connect().expect("a connection");
    connection.record_events(&[event(Event::Login)]).expect("a write");
    let mut open = PgConnection::establish(&database.url).expect("a connection");
    open.batch_execute("BEGIN; INSERT INTO audit_events (at, event, actor) VALUES (1, 'logout', 'cli')")
        .expect("an open transaction");
    connection.record_events(&[event(Event::Revoked)]).expect("a write");

    let names = |events: Vec<knoxide::store::EventEntry>| -> Vec<String> {
        events.into_iter().map(|event| event.event).collect()
    };
    // The newest first shows what is visible; a reader who goes forward waits for the transaction.
    assert_eq!(names(all(&mut *connection)), ["login", "revoked"]);
    wait(|| !settled(&mut *connection).is_empty());
    assert_eq!(names(settled(&mut *connection)), ["login"]);

    open.batch_execute("COMMIT").expect("a commit");
    wait(|| settled(&mut *connection).len() == 3);
    assert_eq!(names(settled(&mut *connection)), ["login", "logout", "revoked"]);
    assert_eq!(names(all(&mut *connection)), ["login", "logout", "revoked"]);
}

/// The time limit of a request's connection is that of a check.
#[test]
fn a_list_for_administrators_may_take_longer_than_a_request() {
    if shared().is_none() {
        return;
    }
    let database = Database::migrated(Backend::Postgres);
    PgConnection::establish(&database.url)
        .expect("a connection")
        .batch_execute(
            "INSERT INTO audit_events (at, event, actor) VALUES (1, 'login', 'cli'); ALTER TABLE audit_events RENAME TO kept; \
             CREATE VIEW audit_events AS SELECT xid, id, at, event, current_setting('statement_timeout') AS actor, user_id, \
             session_id, address, user_agent, request_id, detail, count FROM kept",
        )
        .expect("a view");
    let store = database.store();
    assert_eq!(all(&mut *store.connect().expect("a connection"))[0].actor, "2s");
    let admin = administrator(store, SystemClock);
    let listed = admin.list_events(&EventFilter { limit: 1, ..EventFilter::default() }).expect("events").events;
    assert_eq!(listed[0].actor, "1min");
}

/// The numbers of transactions in a backup mean nothing to another server.
#[test]
fn events_restored_from_another_server_are_read_after_a_sweep() {
    if shared().is_none() {
        return;
    }
    let database = Database::migrated(Backend::Postgres);
    let store = database.store();
    let mut connection = store.connect().expect("a connection");
    connection.record_events(&[event(Event::Login)]).expect("a write");
    let mut shell = PgConnection::establish(&database.url).expect("a connection");
    shell.batch_execute("UPDATE audit_events SET xid = '9000000000000000000'").expect("a backup of another server");
    assert_eq!(settled(&mut *connection), []);
    store.sweep_until(None, &SweepPolicy::default(), &|| true).expect("a sweep");
    assert_eq!(settled(&mut *connection).len(), 1);
}
