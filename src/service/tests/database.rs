//! A database in which each step takes a while, and some do not come off.
//!
//! It holds one user with two sessions, and a token for each; and one registered client.

mod connection;
mod feed;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use shuttle::thread::yield_now;

use super::history::Answer;
use super::sync::pass;
use crate::domain::client::{ClientId, ClientRecord, Rights, SecretDigest};
use crate::domain::dialect::Dialect;
use crate::domain::session::{Session, SessionId, TokenRecord, judge};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenDigest, TokenKind};
use crate::domain::user::{Epoch, User, UserId};
use crate::service::tests::{Mistake, is_planted};
use crate::store::around::Surrounded;
use crate::store::{Connection, FeedKind, RevocationFeed, Revoked, Store, StoreError, StoreResult};

/// How many tokens there are.
pub(in crate::service) const TOKENS: usize = 2;

/// The user whose they are.
pub(in crate::service) const USER: UserId = UserId(7);

/// The registered client.
pub(in crate::service) const CLIENT: ClientId = ClientId::from_bytes([9; 16]);

/// Longer than any thread may be silent.
const VERY_LONG: Duration = Duration::from_secs(3);

/// A handle to it; clones are the same database.
#[derive(Clone)]
pub(in crate::service) struct Database(Arc<Inner>);

struct Inner {
    rows: Mutex<Rows>,
    digests: [TokenDigest; TOKENS],
    /// One statement in this many fails; 0: none.
    faults: u32,
}

/// What was committed.
#[derive(Clone, Default)]
struct Rows {
    ended: [bool; TOKENS],
    epoch: i64,
    client_deleted: bool,
    /// `None`: everything.
    log: Vec<Option<Revoked>>,
}

/// What may happen to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    BrokenBefore,
    BrokenAfter,
    HangsBefore,
    HangsAfter,
    Panics,
    TooFewRows,
}

/// The token with this number, as a client holds it.
pub(in crate::service) fn token(number: usize) -> Token {
    Token::from_id("", &[u8::try_from(number).unwrap(); 20])
}

/// The id of the session of the token with this number.
pub(in crate::service) fn session(number: usize) -> SessionId {
    SessionId::from_bytes([u8::try_from(number).unwrap(); 16])
}

/// What a check says of a record.
pub(in crate::service) fn verdict(record: Option<&TokenRecord>) -> Answer {
    match judge(record, Some(TokenKind::Access), Timestamp::from_micros(0), None) {
        Ok(_) => Answer::Yes,
        Err(_) => Answer::No,
    }
}

impl Database {
    pub(in crate::service) fn new(faults: u32) -> Self {
        let digests = std::array::from_fn(|number| token(number).digest());
        Self(Arc::new(Inner { rows: Mutex::default(), digests, faults }))
    }

    /// Ends the session of a token, as another node might do.
    pub(in crate::service) fn end_session(&self, number: usize) {
        a_while();
        self.commit(&[Revoked::Session(session(number))]);
        a_while();
    }

    /// Ends all sessions of the user.
    pub(in crate::service) fn end_user(&self) {
        a_while();
        self.commit(&[Revoked::User(USER)]);
        a_while();
    }

    /// Deletes the client, as another node might do.
    pub(in crate::service) fn delete_client(&self) {
        a_while();
        let mut rows = self.0.rows.lock().unwrap();
        rows.client_deleted = true;
        rows.log.push(None);
        drop(rows);
        a_while();
    }

    /// A read of the client; `None`: it is deleted.
    pub(in crate::service) fn find_client(&self) -> StoreResult<Option<ClientRecord>> {
        let (is_deleted, _) = self.statement(|| self.rows().client_deleted)?;
        let secret = SecretDigest::from_bytes([0; 64]);
        let (name, rights) = ("shop".to_owned(), Rights::USUAL);
        Ok((!is_deleted).then_some(ClientRecord { id: CLIENT, name, secret, old_secret: None, rights, limit: None }))
    }

    /// Whether the end of this session is committed.
    pub(in crate::service) fn has_ended(&self, number: usize) -> bool {
        let rows = self.rows();
        rows.ended[number] || rows.epoch > 0
    }

    /// How often all sessions of the user were ended.
    pub(in crate::service) fn epoch(&self) -> i64 {
        self.rows().epoch
    }

    /// Whether the end of this session was committed more than once.
    pub(in crate::service) fn was_repeated(&self, id: SessionId) -> bool {
        self.rows().log.iter().filter(|end| **end == Some(Revoked::Session(id))).count() > 1
    }

    fn commit(&self, ends: &[Revoked]) {
        let mut rows = self.0.rows.lock().unwrap();
        for end in ends {
            match end {
                Revoked::User(_) => rows.epoch += 1,
                Revoked::Session(id) => {
                    (0..TOKENS).filter(|one| session(*one) == *id).for_each(|one| rows.ended[one] = true);
                }
            }
            rows.log.push(Some(*end));
        }
    }

    fn rows(&self) -> Rows {
        self.0.rows.lock().unwrap().clone()
    }

    fn find(&self, rows: &Rows, digests: &[TokenDigest]) -> Vec<Option<TokenRecord>> {
        let numbers = digests.iter().map(|digest| self.0.digests.iter().position(|known| known == digest));
        numbers.map(|number| number.and_then(|number| rows.record(number))).collect()
    }

    /// A read: the rows as they were when it ran, and what they say of the digests; as they were
    /// when the last read ended, if that mistake is planted.
    fn read(&self, ahead: &mut Option<Rows>, digests: &[TokenDigest]) -> StoreResult<(Rows, Vec<Option<TokenRecord>>)> {
        let known = ahead.take();
        let (rows, is_short) = self.statement(|| known.unwrap_or_else(|| self.rows()))?;
        let mut found = self.find(&rows, digests);
        if is_short {
            found.pop();
        }
        if is_planted(Mistake::ReadAhead) {
            *ahead = Some(self.rows());
        }
        Ok((rows, found))
    }

    fn fault(&self) -> Option<Fault> {
        let mut random = thread_rng();
        if self.0.faults == 0 || !random.gen_ratio(1, self.0.faults) {
            return None;
        }
        let faults = [
            Fault::BrokenBefore,
            Fault::BrokenAfter,
            Fault::HangsBefore,
            Fault::HangsAfter,
            Fault::Panics,
            Fault::TooFewRows,
        ];
        Some(faults[random.gen_range(0..faults.len())])
    }

    /// Sends a statement, has `look` happen at one moment, and returns what it saw. Also whether
    /// the reply lacks a row.
    fn statement<T>(&self, look: impl FnOnce() -> T) -> StoreResult<(T, bool)> {
        let fault = self.fault();
        a_while();
        if fault == Some(Fault::HangsBefore) {
            hang();
        }
        if fault == Some(Fault::BrokenBefore) {
            return Err(broken());
        }
        let seen = look();
        if fault == Some(Fault::HangsAfter) {
            hang();
        }
        a_while();
        match fault {
            // Without the words that a panic prints.
            Some(Fault::Panics) => resume_unwind(Box::new("the driver panicked")),
            Some(Fault::BrokenAfter) => Err(broken()),
            Some(Fault::TooFewRows) => Ok((seen, true)),
            None | Some(Fault::BrokenBefore | Fault::HangsBefore | Fault::HangsAfter) => Ok((seen, false)),
        }
    }
}

impl Rows {
    /// An ended session has no token rows; those of an old epoch may still be there.
    fn record(&self, number: usize) -> Option<TokenRecord> {
        let at = Timestamp::from_micros(0);
        let user = User {
            id: USER,
            username: "ann".to_owned(),
            email: String::new(),
            is_active: true,
            is_staff: false,
            is_admin: false,
            epoch: Epoch(self.epoch),
        };
        let session = Session {
            id: session(number),
            kind: Dialect::Knox.into(),
            created: at,
            last_seen: at,
            epoch: Epoch(0),
            ended: None,
        };
        let record = TokenRecord {
            kind: TokenKind::Access,
            created: at,
            expires: None,
            consumed: None,
            session,
            user: Arc::new(user),
        };
        (!self.ended[number]).then_some(record)
    }
}

/// Others may run.
fn a_while() {
    for _ in 0..thread_rng().gen_range(0..3_u32) {
        yield_now();
    }
}

/// Time passes until no caller waits any more; then it goes on, sooner or later.
fn hang() {
    pass(VERY_LONG);
    for _ in 0..thread_rng().gen_range(0..100_u32) {
        yield_now();
    }
}

fn broken() -> StoreError {
    StoreError::Unavailable("it broke".to_owned())
}

impl Store for Database {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        let ((), _) = self.statement(|| ())?;
        Ok(Box::new(Surrounded(connection::FakeConnection::new(self.clone()))))
    }

    fn writers(&self) -> usize {
        1
    }

    fn feed_kind(&self) -> FeedKind {
        FeedKind::Shared
    }

    fn feed(&self) -> StoreResult<Box<dyn RevocationFeed>> {
        let ((), _) = self.statement(|| ())?;
        Ok(Box::new(feed::FakeFeed::new(self.clone())))
    }
}
