//! The suite that every [`Store`] passes: [`run`] it on yours, and [`run_admin`] if it is an [`AdminStore`].
//!
//! Each case gets a new, empty store. A case panics if the store breaks a promise,
//! and the suite then names all cases that failed.

#![expect(clippy::expect_used, clippy::panic, reason = "a test suite fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{AdminStore, Connection, NewSession, NewToken, Opening, SessionLimit, Store};
use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::session::{Refusal, SessionId, judge};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Epoch, LoginName, NewUser, PasswordHash, UserId};

mod accounts;
mod administration;
mod clients;
mod cutoff;
mod events;
mod feed;
mod findings;
mod layered;
mod networks;
mod races;
mod search;
mod self_service;
mod sessions;
mod tokens;

pub use layered::{Layer, Layered};

type Case = (&'static str, fn(&dyn Store));
type AdminCase = (&'static str, fn(&dyn AdminStore));

/// Runs the cases of a [`Store`], each on a store of its own made by `make`.
///
/// # Panics
/// When at least one case failed, with the names of all failed cases.
pub fn run(make: &mut dyn FnMut() -> Box<dyn Store>) {
    let cases = [
        sessions::CASES,
        tokens::CASES,
        accounts::CASES,
        races::CASES,
        feed::CASES,
        networks::CASES,
        events::CASES,
        self_service::CASES,
        clients::CASES,
    ];
    run_each(cases.into_iter().flatten().map(|(name, case)| {
        let store = make();
        (*name, catch_unwind(AssertUnwindSafe(|| case(&*store))).is_ok())
    }));
}

/// Runs the cases of an [`AdminStore`], each on a store of its own made by `make`.
///
/// # Panics
/// When at least one case failed, with the names of all failed cases.
pub fn run_admin(make: &mut dyn FnMut() -> Box<dyn AdminStore>) {
    let cases = [
        accounts::ADMIN_CASES,
        sessions::ADMIN_CASES,
        tokens::ADMIN_CASES,
        races::ADMIN_CASES,
        feed::ADMIN_CASES,
        administration::ADMIN_CASES,
        cutoff::ADMIN_CASES,
        findings::ADMIN_CASES,
        search::ADMIN_CASES,
        self_service::ADMIN_CASES,
        clients::ADMIN_CASES,
    ];
    run_each(cases.into_iter().flatten().map(|(name, case)| {
        let store = make();
        (*name, catch_unwind(AssertUnwindSafe(|| case(&*store))).is_ok())
    }));
}

fn run_each(outcomes: impl Iterator<Item = (&'static str, bool)>) {
    let failed: Vec<_> = outcomes.filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "the store broke its promise in: {}", failed.join(", "));
}

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn after(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn connect(store: &dyn Store) -> Box<dyn Connection> {
    store.connect().expect("a connection")
}

fn audit(event: Event) -> AuditContext {
    audit_at(event, NOW)
}

fn audit_at(event: Event, at: Timestamp) -> AuditContext {
    let origin = Origin {
        address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        user_agent: Some("conformance".to_owned()),
        request_id: Some("r-1".to_owned()),
    };
    AuditContext { event, actor: Actor::System, origin, at, detail: None }
}

fn new_user(name: &str) -> NewUser {
    NewUser {
        id: None,
        username: name.to_owned(),
        email: format!("{name}@example.com"),
        password: PasswordHash::from_stored(format!("hash of {name}")),
        is_active: true,
        is_staff: false,
        is_admin: false,
        created: NOW,
    }
}

/// Creates a user as a user provider does, which every store supports.
fn add_user(conn: &mut dyn Connection, name: &str) -> UserId {
    put_user(conn, &new_user(name));
    let account = conn.find_account(&LoginName::Username(name.to_owned())).expect("a read");
    account.expect("the user").user.id
}

fn put_user(conn: &mut dyn Connection, user: &NewUser) {
    conn.put_shadow_user(user, &audit(Event::UserCreated)).expect("a write");
}

/// A digest that no other number has.
fn digest(number: u64) -> TokenDigest {
    let mut bytes = [0_u8; 64];
    for (target, source) in bytes.iter_mut().zip(number.to_be_bytes()) {
        *target = source;
    }
    TokenDigest::from_bytes(bytes)
}

fn session_id(number: u64) -> SessionId {
    let mut random = [0_u8; 10];
    for (target, source) in random.iter_mut().skip(2).zip(number.to_be_bytes()) {
        *target = source;
    }
    SessionId::new(NOW, &random)
}

/// A session with one access token, both made from `number`.
fn new_session(number: u64, user: UserId, epoch: Epoch) -> NewSession {
    NewSession {
        id: session_id(number),
        user,
        epoch,
        kind: Dialect::Knox.into(),
        name: None,
        tokens: vec![NewToken { digest: digest(number), kind: TokenKind::Access, expires: None, key: None }],
        limit: None,
        network: None,
        with_event: true,
        audit: AuditContext { actor: Actor::User(user), ..audit(Event::Login) },
    }
}

fn epoch_of(conn: &mut dyn Connection, user: UserId) -> Epoch {
    conn.find_account_by_id(user).expect("a read").expect("the user").user.epoch
}

/// Logs in as the service does, with the epoch read before.
fn log_in(conn: &mut dyn Connection, user: UserId, number: u64) {
    let epoch = epoch_of(conn, user);
    let opening = conn.open_session(&new_session(number, user, epoch)).expect("a write");
    assert_eq!(opening, Opening::Opened);
}

fn log_in_limited(conn: &mut dyn Connection, user: UserId, number: u64, limit: SessionLimit) -> Opening {
    let epoch = epoch_of(conn, user);
    let new = NewSession { limit: Some(limit), ..new_session(number, user, epoch) };
    conn.open_session(&new).expect("a write")
}

fn verdict_at(conn: &mut dyn Connection, number: u64, now: Timestamp) -> Option<Refusal> {
    let mut found = conn.find_many(&[digest(number)]).expect("a read");
    assert_eq!(found.len(), 1, "one answer for one digest");
    judge(found.pop().flatten().as_ref(), Some(TokenKind::Access), now, None).err()
}

fn verdict(conn: &mut dyn Connection, number: u64) -> Option<Refusal> {
    verdict_at(conn, number, NOW)
}

fn is_live(conn: &mut dyn Connection, number: u64) -> bool {
    verdict(conn, number).is_none()
}
