//! [`MemoryStore`] implements [`Store`] with plain maps behind one lock.
//!
//! It is for tests, examples and applications without a database. Above all, it specifies in the
//! simplest possible code what the other stores have to do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Connection, EventFilter, EventList, KeptSessions, LimitPolicy, NETWORKS_KEPT, NewEvent, NewSession, NewToken,
    Opening, PasswordChange, Refresh, Refreshed, SessionFilter, SessionList, Store, StoreError, StoreResult, Successor,
};
use crate::domain::audit::{AuditContext, Event};
use crate::domain::client::{ClientId, ClientRecord};
use crate::domain::session::{Session, SessionEntry, SessionId, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{
    Account, Epoch, LoginName, NewUser, PasswordHash, User, UserId, email_key, email_local_part, stand_in_name,
};

mod admin;
mod clients;
mod ends;
mod events;
mod findings;
mod networks;
mod tables;
#[cfg(test)]
mod tests;

/// A store in this process's memory; clones share it.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Tables>>);

#[derive(Default)]
struct Tables {
    accounts: HashMap<UserId, Account>,
    joined: HashMap<UserId, Timestamp>,
    last_logins: HashMap<UserId, Timestamp>,
    /// What raised a user's epoch to a number.
    raises: HashMap<(UserId, Epoch), AuditContext>,
    sessions: HashMap<SessionId, SessionRow>,
    tokens: HashMap<TokenDigest, TokenRow>,
    greatest_user_id: i64,
    networks: HashMap<(UserId, String), Timestamp>,
    events: Vec<NewEvent>,
    /// What ended all sessions from before a moment, and that moment.
    cutoff: Option<(Timestamp, AuditContext)>,
    past: findings::Past,
    clients: BTreeMap<ClientId, clients::ClientRow>,
}

struct SessionRow {
    user: UserId,
    session: Session,
    name: Option<String>,
    opened: AuditContext,
    ended: Option<AuditContext>,
    /// When the password was last given again.
    proven: Option<Timestamp>,
}

#[derive(Clone, Copy)]
struct TokenRow {
    session: SessionId,
    kind: TokenKind,
    created: Timestamp,
    expires: Option<Timestamp>,
    consumed: Option<Timestamp>,
    successor: Option<TokenDigest>,
    key: Option<i64>,
}

impl TokenRow {
    const fn new(session: SessionId, token: &NewToken, created: Timestamp) -> Self {
        let NewToken { kind, expires, key, .. } = *token;
        Self { session, kind, created, expires, consumed: None, successor: None, key }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on after a panic: that is a bug, but each operation leaves the maps consistent.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        Ok(Box::new(self.clone()))
    }

    fn writers(&self) -> usize {
        1
    }
}

impl Connection for MemoryStore {
    fn ping(&mut self) -> StoreResult<()> {
        Ok(())
    }

    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        let tables = self.tables();
        Ok(digests.iter().map(|digest| tables.record(digest)).collect())
    }

    fn find_account(&mut self, login: &LoginName) -> StoreResult<Option<Account>> {
        let tables = self.tables();
        let only = |fits: &dyn Fn(&User) -> bool| {
            let fitting: Vec<_> = tables.accounts.values().filter(|account| fits(&account.user)).collect();
            (fitting.len(), fitting.first().copied().cloned())
        };
        let (count, account) = match (login, only(&|user| login.is_exactly(user))) {
            (LoginName::Email(email), _) if email.is_empty() => (0, None),
            (LoginName::Email(email), (0, _)) => only(&|user| {
                email_key(&user.email) == email_key(email) && email_local_part(&user.email) == email_local_part(email)
            }),
            (LoginName::Username(_) | LoginName::Email(_), exact) => exact,
        };
        Ok(account.filter(|_| count == 1))
    }

    fn find_account_by_id(&mut self, user: UserId) -> StoreResult<Option<Account>> {
        Ok(self.tables().accounts.get(&user).cloned())
    }

    fn last_login_from(&mut self, user: UserId, network: &str) -> StoreResult<Option<Timestamp>> {
        Ok(self.tables().networks.get(&(user, network.to_owned())).copied())
    }

    fn open_session(&mut self, new: &NewSession) -> StoreResult<Opening> {
        let mut tables = self.tables();
        let is_admitted = |Account { user, .. }: &Account| {
            user.is_active && user.epoch == new.epoch && (user.is_admin || !new.kind.is_for_administration())
        };
        if !tables.accounts.get(&new.user).is_some_and(is_admitted) {
            return Ok(Opening::Denied);
        }
        if let Some(limit) = new.limit {
            let live = tables.live_sessions(new.user, limit, new.audit.at);
            let allowed_before = usize::try_from(limit.max.saturating_sub(1)).unwrap_or(usize::MAX);
            let surplus = live.len().saturating_sub(allowed_before);
            match limit.policy {
                LimitPolicy::Reject if surplus > 0 => return Ok(Opening::LimitReached),
                LimitPolicy::Reject => {}
                LimitPolicy::EvictOldest => {
                    for id in live.into_iter().take(surplus) {
                        tables.end(id, &AuditContext { event: Event::LimitReached, ..new.audit.clone() });
                    }
                }
            }
        }
        if tables.sessions.contains_key(&new.id) || new.tokens.iter().any(|t| tables.tokens.contains_key(&t.digest)) {
            return Err(StoreError::Failed("a session id or token digest exists already".to_owned()));
        }
        if let Some(network) = &new.network {
            tables.note_login_from(new.user, network, new.audit.at);
        }
        let session = Session {
            id: new.id,
            kind: new.kind,
            created: new.audit.at,
            last_seen: new.audit.at,
            epoch: new.epoch,
            ended: None,
        };
        if new.with_event {
            tables.tell_of_session(&new.audit, new.user, new.id);
        }
        let (name, opened) = (new.name.clone(), new.audit.clone());
        tables.sessions.insert(new.id, SessionRow { user: new.user, session, name, opened, ended: None, proven: None });
        tables.last_logins.insert(new.user, new.audit.at);
        for token in &new.tokens {
            tables.tokens.insert(token.digest, TokenRow::new(new.id, token, new.audit.at));
        }
        Ok(Opening::Opened)
    }

    fn refresh(&mut self, refresh: &Refresh) -> StoreResult<Refreshed> {
        let mut tables = self.tables();
        let lives = |record: &TokenRecord| {
            record.expires.is_none_or(|end| end > refresh.at)
                && record.user.is_active
                && record.session.ended.is_none()
                && record.session.epoch == record.user.epoch
        };
        let Some(record) = tables.record(&refresh.presented).filter(lives) else { return Ok(Refreshed::Gone) };
        if refresh.successor.is_some() && record.consumed.is_some() {
            return Ok(Refreshed::Consumed);
        }
        if refresh.tokens.iter().any(|token| tables.tokens.contains_key(&token.digest)) {
            return Err(StoreError::Failed("a token digest exists already".to_owned()));
        }
        for token in &refresh.tokens {
            tables.tokens.insert(token.digest, TokenRow::new(record.session.id, token, refresh.at));
        }
        if let (Some(successor), Some(row)) = (refresh.successor, tables.tokens.get_mut(&refresh.presented)) {
            row.consumed = Some(refresh.at);
            row.successor = Some(successor);
        }
        if let Some(limit) = refresh.limit.filter(|_| refresh.adds_access()) {
            tables.keep_within(record.session.id, refresh, limit);
        }
        Ok(Refreshed::Done)
    }

    fn find_successor(&mut self, digest: &TokenDigest) -> StoreResult<Option<Successor>> {
        let tables = self.tables();
        let lives = |record: &TokenRecord| {
            record.user.is_active && record.session.ended.is_none() && record.session.epoch == record.user.epoch
        };
        let lives = tables.record(digest).as_ref().is_some_and(lives);
        let successor = tables.tokens.get(digest).filter(|_| lives).and_then(|row| row.successor);
        Ok(successor.and_then(|digest| {
            let row = tables.tokens.get(&digest)?;
            Some(Successor { digest, created: row.created, expires: row.expires, key: row.key })
        }))
    }

    fn end_session(&mut self, session: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        Ok(self.tables().end(session, audit))
    }

    fn end_idle_session(
        &mut self,
        session: SessionId,
        last_seen: Timestamp,
        audit: &AuditContext,
    ) -> StoreResult<bool> {
        let mut tables = self.tables();
        let still = tables.sessions.get(&session).is_some_and(|row| row.session.last_seen == last_seen);
        Ok(still && tables.end(session, audit))
    }

    fn end_all_sessions(&mut self, user: UserId, audit: &AuditContext) -> StoreResult<bool> {
        let mut tables = self.tables();
        let is_known = tables.raise_epoch(user, audit);
        if is_known {
            tables.tell(audit, user);
        }
        Ok(is_known)
    }

    fn end_other_sessions(&mut self, user: UserId, keep: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        Ok(self.tables().raise_epoch_but_for(user, Some(keep), audit))
    }

    fn list_sessions(&mut self, filter: &SessionFilter) -> StoreResult<SessionList> {
        let tables = self.tables();
        let fits = |row: &&SessionRow| {
            row.fits(&filter.matching)
                && filter.before.is_none_or(|before| row.session.id < before)
                && (filter.with_ended || tables.is_live(row, filter.idle_limits, filter.now))
        };
        let mut rows: Vec<_> = tables.sessions.values().filter(fits).collect();
        rows.sort_by_key(|row| Reverse(row.session.id));
        rows.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
        Ok(rows.into_iter().map(|row| tables.session_entry(row)).collect::<Vec<_>>().into())
    }

    fn find_session(&mut self, session: SessionId) -> StoreResult<Option<SessionEntry>> {
        let tables = self.tables();
        Ok(tables.sessions.get(&session).map(|row| tables.session_entry(row)))
    }

    fn change_password(&mut self, change: &PasswordChange, audit: &AuditContext) -> StoreResult<bool> {
        let mut tables = self.tables();
        let PasswordChange { user, epoch, old, new, keep } = change;
        let is_unchanged =
            |account: &&mut Account| account.user.is_active && account.user.epoch == *epoch && account.password == *old;
        let Some(account) = tables.accounts.get_mut(user).filter(is_unchanged) else { return Ok(false) };
        account.password = new.clone();
        Ok(match keep {
            KeptSessions::None => tables.raise_epoch_but_for(*user, None, audit),
            KeptSessions::One(session) => tables.raise_epoch_but_for(*user, Some(*session), audit),
            KeptSessions::All => {
                tables.tell(audit, *user);
                true
            }
        })
    }

    fn upgrade_password_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool> {
        let mut tables = self.tables();
        let Some(account) = tables.accounts.get_mut(&user).filter(|a| a.password == *old) else { return Ok(false) };
        account.password = new.clone();
        Ok(true)
    }

    fn put_shadow_user(&mut self, new: &NewUser, audit: &AuditContext) -> StoreResult<Epoch> {
        let mut tables = self.tables();
        let mut others = tables.accounts.values_mut().filter(|account| new.id.is_some_and(|id| id != account.user.id));
        if let Some(holder) = others.find(|other| other.user.username == new.username) {
            if !holder.is_shadow() {
                return Err(StoreError::Failed("the name of a shadow user belongs to another user".to_owned()));
            }
            holder.user.username = stand_in_name(holder.user.id);
        }
        let id = match new.id {
            Some(id) if tables.accounts.contains_key(&id) => id,
            _ => {
                let id = tables.insert_user(new);
                tables.tell_as(Event::UserCreated, audit, id);
                id
            }
        };
        if !new.is_active && tables.accounts.get(&id).is_some_and(|account| account.user.is_active) {
            tables.switch(id, false, &AuditContext { event: Event::Deactivated, ..audit.clone() });
        }
        let Some(user) = tables.user_mut(id) else { return Ok(Epoch(0)) };
        user.username.clone_from(&new.username);
        user.email.clone_from(&new.email);
        user.is_staff = new.is_staff;
        Ok(user.epoch)
    }

    fn record_events(&mut self, events: &[NewEvent]) -> StoreResult<()> {
        self.tables().events.extend_from_slice(events);
        Ok(())
    }

    fn list_events(&mut self, filter: &EventFilter) -> StoreResult<EventList> {
        Ok(self.tables().list_events(filter).into())
    }

    fn touch(&mut self, seen: &[(SessionId, Timestamp)]) -> StoreResult<()> {
        let mut tables = self.tables();
        for (id, at) in seen {
            if let Some(row) = tables.sessions.get_mut(id).filter(|row| row.session.ended.is_none()) {
                row.session.last_seen = row.session.last_seen.max(*at);
            }
        }
        Ok(())
    }

    fn find_client(&mut self, client: ClientId) -> StoreResult<Option<ClientRecord>> {
        Ok(self.tables().clients.get(&client).map(|row| row.record.clone()))
    }

    fn touch_clients(&mut self, used: &[(ClientId, Timestamp)]) -> StoreResult<()> {
        let mut tables = self.tables();
        for (id, at) in used {
            if let Some(row) = tables.clients.get_mut(id) {
                row.last_used = row.last_used.max(Some(*at));
            }
        }
        Ok(())
    }

    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
        work(self);
        Ok(())
    }
}
