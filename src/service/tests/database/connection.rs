//! A connection to the database, as far as pools need it.

use super::{Database, Rows};
use crate::domain::audit::AuditContext;
use crate::domain::session::{SessionId, TokenRecord};
use crate::domain::token::TokenDigest;
use crate::domain::user::UserId;
use crate::service::tests::{Mistake, is_planted};
use crate::store::around::{Around, Repeat, Surrounded};
use crate::store::{Connection, Revoked, StoreError, StoreResult};

pub(super) struct FakeConnection {
    database: Database,
    /// What a group has written so far.
    group: Option<Vec<Revoked>>,
    /// Read when the last read ended, if that mistake is planted.
    ahead: Option<Rows>,
}

impl FakeConnection {
    pub(super) const fn new(database: Database) -> Self {
        Self { database, group: None, ahead: None }
    }

    /// Writes: at once, or when the group ends.
    fn write(&mut self, end: Revoked) -> StoreResult<bool> {
        let database = self.database.clone();
        let Some(group) = &mut self.group else {
            begin(&database)?;
            let committed = database.statement(|| commit(&database, vec![end]));
            return committed.map(|_| true).map_err(|error| {
                if is_planted(Mistake::CalledNotBegun) { StoreError::NotBegun("it broke".to_owned()) } else { error }
            });
        };
        database.statement(|| group.push(end))?;
        Ok(true)
    }
}

/// Opens a transaction: if that fails, nothing was done.
fn begin(database: &Database) -> StoreResult<()> {
    database.statement(|| ()).map(|_| ()).map_err(|_| StoreError::NotBegun("it broke before it began".to_owned()))
}

fn commit(database: &Database, ends: Vec<Revoked>) {
    if is_planted(Mistake::AcknowledgedEarly) {
        let database = database.clone();
        shuttle::thread::spawn(move || database.commit(&ends));
    } else {
        database.commit(&ends);
    }
}

impl Around for FakeConnection {
    fn around<T>(
        &mut self,
        method: &'static str,
        _: Repeat,
        _: impl FnMut(&mut dyn Connection) -> StoreResult<T>,
    ) -> StoreResult<T> {
        Err(StoreError::Failed(format!("this database knows no {method}")))
    }

    fn ping(&mut self) -> StoreResult<()> {
        self.database.statement(|| ()).map(|_| ())
    }

    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        self.database.read(&mut self.ahead, digests).map(|(_, found)| found)
    }

    fn end_session(&mut self, session: SessionId, _: &AuditContext) -> StoreResult<bool> {
        self.write(Revoked::Session(session))
    }

    fn end_all_sessions(&mut self, user: UserId, _: &AuditContext) -> StoreResult<bool> {
        self.write(Revoked::User(user))
    }

    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
        let database = self.database.clone();
        begin(&database)?;
        let mut inside = Surrounded(Self { database: database.clone(), group: Some(Vec::new()), ahead: None });
        work(&mut inside);
        let written = inside.0.group.unwrap_or_default();
        database.statement(|| {
            if !is_planted(Mistake::GroupCameToNothing) {
                commit(&database, written);
            }
        })?;
        Ok(())
    }
}
