//! The suite that every [`Store`] passes: [`run`] it on yours, and [`run_admin`] if it is an [`AdminStore`].
//!
//! Each case gets a new, empty store. A case panics if the store breaks a promise,
//! and the suite then names all cases that failed.

#![expect(clippy::expect_used, clippy::panic, reason = "a test suite fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{
    AdminStore, Connection, LastAdmin, NewSession, NewToken, Opening, Refresh, SessionLimit, SharedEmail, Store,
    UserChanged, UserCreation,
};
use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::session::{Refusal, SessionEntry, SessionId, TokenRecord, judge};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};

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
#[cfg(all(test, any(feature = "sqlite", feature = "postgres")))]
pub(in crate::store) use races::{Job, together};

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

fn create(store: &dyn AdminStore, new: &NewUser) -> UserId {
    match store.create_user(new, SharedEmail::Allow, &audit(Event::UserCreated)) {
        Ok(UserCreation::Created(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn switch(store: &dyn AdminStore, user: UserId, active: bool) {
    let event = if active { Event::Activated } else { Event::Deactivated };
    assert_eq!(store.set_active(user, active, LastAdmin::MayGo, &audit(event)), Ok(UserChanged::Done));
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
    session_id_at(number, NOW)
}

fn session_id_at(number: u64, at: Timestamp) -> SessionId {
    let mut random = [0_u8; 10];
    for (target, source) in random.iter_mut().skip(2).zip(number.to_be_bytes()) {
        *target = source;
    }
    SessionId::new(at, &random)
}

/// A token made from `number`.
fn token(number: u64, kind: TokenKind, expires: Option<Timestamp>) -> NewToken {
    NewToken { digest: digest(number), kind, expires, key: None }
}

/// A session with one access token, both made from `number`.
fn new_session(number: u64, user: UserId, epoch: Epoch) -> NewSession {
    NewSession {
        id: session_id(number),
        user,
        epoch,
        kind: Dialect::Knox.into(),
        name: None,
        tokens: vec![token(number, TokenKind::Access, None)],
        limit: None,
        network: None,
        with_event: true,
        audit: AuditContext { actor: Actor::User(user), ..audit(Event::Login) },
    }
}

fn account_of(conn: &mut dyn Connection, user: UserId) -> Account {
    conn.find_account_by_id(user).expect("a read").expect("the user")
}

fn epoch_of(conn: &mut dyn Connection, user: UserId) -> Epoch {
    account_of(conn, user).user.epoch
}

/// What is known of the token with this number.
fn record_of(conn: &mut dyn Connection, number: u64) -> TokenRecord {
    conn.find_many(&[digest(number)]).expect("a read").pop().flatten().expect("the token")
}

/// The session with this number, as it is listed.
fn entry_of(conn: &mut dyn Connection, number: u64) -> SessionEntry {
    conn.find_session(session_id(number)).expect("a read").expect("the session")
}

/// Logs in as the service does, with the epoch read before.
fn log_in(conn: &mut dyn Connection, user: UserId, number: u64) {
    let epoch = epoch_of(conn, user);
    let opening = conn.open_session(&new_session(number, user, epoch)).expect("a write");
    assert_eq!(opening, Opening::Opened);
}

/// A new user with a session.
fn add_and_log_in(conn: &mut dyn Connection, name: &str, number: u64) -> UserId {
    let user = add_user(conn, name);
    log_in(conn, user, number);
    user
}

/// Logs in for a token that expires at `end`.
fn log_in_until(conn: &mut dyn Connection, user: UserId, number: u64, end: Timestamp) {
    let tokens = vec![token(number, TokenKind::Access, Some(end))];
    let new = NewSession { tokens, ..new_session(number, user, epoch_of(conn, user)) };
    assert_eq!(conn.open_session(&new), Ok(Opening::Opened));
}

/// Makes an access token `new` for the session of `presented`; if that is rotated, `new` is its successor.
fn refreshing(presented: u64, new: u64, rotate: bool) -> Refresh {
    let token = NewToken { key: Some(7), ..token(new, TokenKind::Access, Some(after(60))) };
    let successor = rotate.then_some(token.digest);
    Refresh { presented: digest(presented), tokens: vec![token], successor, at: after(1), limit: None }
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
