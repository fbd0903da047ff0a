//! Administration of users, sessions and clients in memory. There are no signing keys, no imports, and nothing to sweep.

use std::ops::ControlFlow;

use super::clients::ClientRow;
use super::{MemoryStore, SessionRow, Tables};
use crate::domain::audit::{AuditContext, Event};
use crate::domain::client::{ClientEntry, ClientId, ClientRecord, OldSecret};
use crate::domain::session::SessionId;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::{Account, NewUser, PasswordHash, User, UserId, email_key, lookalike_key};
use crate::store::{
    AdminStore, ClientCreation, ClientRotation, Findings, LastAdmin, LiveSet, NewClient, SessionCount, SessionMatch,
    SharedEmail, StoreError, StoreResult, Subject, UserChange, UserChanged, UserCreation, UserEntry, UserFilter,
};

impl AdminStore for MemoryStore {
    fn create_user(&self, new: &NewUser, shared: SharedEmail, audit: &AuditContext) -> StoreResult<UserCreation> {
        let mut tables = self.tables();
        if new.id.is_some_and(|id| tables.accounts.contains_key(&id)) {
            return Ok(UserCreation::Taken);
        }
        match tables.holder_of_name(&new.username, None) {
            Some(name) if name == new.username => return Ok(UserCreation::Taken),
            Some(name) => return Ok(UserCreation::Lookalike(name)),
            None => {}
        }
        if let Some(holder) = tables.holder_of_email(&new.email, None, shared) {
            return Ok(UserCreation::EmailTaken(holder));
        }
        let id = tables.insert_user(new);
        tables.tell(audit, id);
        Ok(UserCreation::Created(id))
    }

    fn change_user(&self, id: UserId, change: &UserChange, audit: &AuditContext) -> StoreResult<UserChanged> {
        let mut tables = self.tables();
        match change {
            UserChange::Username(name) => match tables.holder_of_name(name, Some(id)) {
                Some(other) if other == *name => return Ok(UserChanged::NameTaken),
                Some(other) => return Ok(UserChanged::Lookalike(other)),
                None => {}
            },
            UserChange::Email(email, shared) => {
                if let Some(other) = tables.holder_of_email(email, Some(id), *shared) {
                    return Ok(UserChanged::EmailTaken(other));
                }
            }
            UserChange::Admin(false, last) if tables.is_last_admin(id, *last) => return Ok(UserChanged::LastAdmin),
            UserChange::Staff(_) | UserChange::Admin(..) => {}
        }
        let Some(user) = tables.user_mut(id) else { return Ok(UserChanged::NoSuchUser) };
        match change {
            UserChange::Username(name) => user.username.clone_from(name),
            UserChange::Email(email, _) => user.email.clone_from(email),
            UserChange::Staff(is_staff) => user.is_staff = *is_staff,
            UserChange::Admin(is_admin, _) => user.is_admin = *is_admin,
        }
        if !user.is_admin {
            tables.end_administration(id, audit);
        }
        tables.tell(audit, id);
        Ok(UserChanged::Done)
    }

    fn set_password(
        &self,
        user: UserId,
        new: &PasswordHash,
        keep: Option<SessionId>,
        audit: &AuditContext,
    ) -> StoreResult<UserChanged> {
        let mut tables = self.tables();
        if new.is_unusable() && tables.is_last_admin(user, LastAdmin::Keep) {
            return Ok(UserChanged::LastAdmin);
        }
        let Some(account) = tables.accounts.get_mut(&user) else { return Ok(UserChanged::NoSuchUser) };
        account.password = new.clone();
        tables.raise_epoch_but_for(user, keep, audit);
        Ok(UserChanged::Done)
    }

    fn set_active(
        &self,
        user: UserId,
        active: bool,
        last: LastAdmin,
        audit: &AuditContext,
    ) -> StoreResult<UserChanged> {
        let mut tables = self.tables();
        if !active && tables.is_last_admin(user, last) {
            return Ok(UserChanged::LastAdmin);
        }
        Ok(done(tables.switch(user, active, audit)))
    }

    fn end_everybody(&self, audit: &AuditContext) -> StoreResult<()> {
        let mut tables = self.tables();
        let users: Vec<_> = tables.accounts.keys().copied().collect();
        for user in users {
            tables.raise_epoch(user, audit);
        }
        tables.tell_of_all(audit);
        Ok(())
    }

    fn end_issued_before(&self, moment: Timestamp, audit: &AuditContext) -> StoreResult<()> {
        let mut tables = self.tables();
        if tables.cutoff.as_ref().is_none_or(|(before, _)| *before < moment) {
            tables.cutoff = Some((moment, audit.clone()));
        }
        tables.tell_of_all(audit);
        Ok(())
    }

    fn delete_user(&self, user: UserId, last: LastAdmin, audit: &AuditContext) -> StoreResult<UserChanged> {
        let mut tables = self.tables();
        if tables.is_last_admin(user, last) {
            return Ok(UserChanged::LastAdmin);
        }
        let Tables { sessions, tokens, past, .. } = &mut *tables;
        for (id, row) in sessions.iter().filter(|(_, row)| row.user == user) {
            past.keep(tokens, *id, row.session.ended);
            past.remove(*id, row, audit);
        }
        sessions.retain(|_, row| row.user != user);
        tables.networks.retain(|(owner, _), _| *owner != user);
        let is_known = tables.accounts.remove(&user).is_some();
        if is_known {
            tables.tell(audit, user);
        }
        Ok(done(is_known))
    }

    fn list_users(&self, filter: &UserFilter) -> StoreResult<Vec<UserEntry>> {
        let tables = self.tables();
        let fits = |user: &User| {
            let key = lookalike_key(&user.username);
            let named = |text: &String| {
                user.username.contains(text) || user.email.contains(text) || key.contains(&lookalike_key(text))
            };
            filter.text.as_ref().is_none_or(named)
                && filter.beginning.as_ref().is_none_or(|text| key.starts_with(&lookalike_key(text)))
                && filter.email.as_ref().is_none_or(|email| email_key(email) == email_key(&user.email))
                && (filter.ids.is_empty() || filter.ids.contains(&user.id))
                && filter.is_active.is_none_or(|is_active| user.is_active == is_active)
                && filter.is_staff.is_none_or(|is_staff| user.is_staff == is_staff)
                && filter.is_admin.is_none_or(|is_admin| user.is_admin == is_admin)
                && filter.after.is_none_or(|after| user.id > after)
        };
        let mut users: Vec<_> =
            tables.accounts.values().map(|account| &account.user).filter(|user| fits(user)).collect();
        users.sort_by_key(|user| user.id);
        users.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
        Ok(users.into_iter().map(|user| tables.user_entry(user)).collect())
    }

    fn note_password_given(&self, session: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        let mut tables = self.tables();
        let row = tables.sessions.get_mut(&session).filter(|row| row.session.ended.is_none());
        Ok(row.map(|row| row.proven = Some(audit.at)).is_some())
    }

    fn password_given_at(&self, session: SessionId) -> StoreResult<Option<Timestamp>> {
        Ok(self.tables().sessions.get(&session).and_then(|row| row.proven))
    }

    fn add_client(&self, new: &NewClient, audit: &AuditContext) -> StoreResult<ClientCreation> {
        let mut tables = self.tables();
        if tables.clients.values().any(|row| row.record.name == new.name) {
            return Ok(ClientCreation::NameTaken);
        }
        if tables.clients.contains_key(&new.id) {
            return Err(StoreError::Failed("a client's id exists already".to_owned()));
        }
        let NewClient { id, name, secret, rights, limit } = new.clone();
        let record = ClientRecord { id, name, secret, old_secret: None, rights, limit };
        tables.clients.insert(id, ClientRow { record, created: audit.at, rotated: None, last_used: None });
        tables.tell_of_all(audit);
        Ok(ClientCreation::Created)
    }

    fn list_clients(&self, after: Option<ClientId>, limit: u32) -> StoreResult<Vec<ClientEntry>> {
        let tables = self.tables();
        let later = tables.clients.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
        Ok(later.map(|(_, row)| row.entry()).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
    }

    fn rotate_client(&self, rotation: &ClientRotation, audit: &AuditContext) -> StoreResult<bool> {
        let mut tables = self.tables();
        let Some(row) = tables.clients.get_mut(&rotation.client) else { return Ok(false) };
        let replaced = std::mem::replace(&mut row.record.secret, rotation.secret);
        row.record.old_secret = rotation.keep_old_until.map(|until| OldSecret { digest: replaced, until });
        row.rotated = Some(audit.at);
        tables.tell_of_all(audit);
        Ok(true)
    }

    fn delete_client(&self, client: ClientId, audit: &AuditContext) -> StoreResult<bool> {
        let mut tables = self.tables();
        let is_known = tables.clients.remove(&client).is_some();
        if is_known {
            tables.tell_of_all(audit);
        }
        Ok(is_known)
    }

    fn look_up(&self, subject: &Subject) -> StoreResult<Findings> {
        Ok(self.tables().look_up(subject))
    }

    fn count_sessions(
        &self,
        set: &LiveSet,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> StoreResult<SessionCount> {
        let tables = self.tables();
        let created: Vec<_> = tables.live_set(set).map(|row| row.session.created).collect();
        let sessions = u64::try_from(created.len()).unwrap_or(u64::MAX);
        // It is all in one step, so that nothing is left to break off.
        let _ = progress(sessions);
        Ok(SessionCount { sessions, newest: created.into_iter().max() })
    }

    fn end_sessions(
        &self,
        set: &LiveSet,
        audit: &AuditContext,
        clock: &dyn Clock,
        progress: &mut dyn FnMut(u64),
    ) -> StoreResult<u64> {
        let audit = &AuditContext { at: clock.now().max(audit.at), ..audit.clone() };
        let mut tables = self.tables();
        let ids: Vec<_> = tables.live_set(set).map(|row| row.session.id).collect();
        tables.past.ended_in_a_set.extend(ids.iter().copied());
        let ended = ids.into_iter().filter(|id| tables.end(*id, audit)).count();
        let ended = u64::try_from(ended).unwrap_or(u64::MAX);
        progress(ended);
        Ok(ended)
    }
}

impl SessionRow {
    pub(super) fn fits(&self, wanted: &SessionMatch) -> bool {
        let (session, origin) = (&self.session, &self.opened.origin);
        let has = |text: &Option<String>, part: &String| {
            text.as_ref().is_some_and(|text| text.to_ascii_lowercase().contains(&part.to_ascii_lowercase()))
        };
        wanted.user.is_none_or(|user| self.user == user)
            && wanted.covers(origin.address_text().as_deref())
            && wanted.created_from.is_none_or(|from| session.created >= from)
            && wanted.created_before.is_none_or(|before| session.created < before)
            && wanted.last_seen_before.is_none_or(|before| session.last_seen < before)
            && wanted.kind.is_none_or(|kind| session.kind == kind)
            && wanted.device.as_ref().is_none_or(|part| has(&origin.user_agent, part))
            && wanted.name.as_ref().is_none_or(|part| has(&self.name, part))
            && (!wanted.for_script || self.opened.event == Event::TokenCreated)
    }
}

const fn done(found: bool) -> UserChanged {
    if found { UserChanged::Done } else { UserChanged::NoSuchUser }
}

impl Tables {
    fn live_set(&self, set: &LiveSet) -> impl Iterator<Item = &SessionRow> {
        let is_in = |row: &&SessionRow| {
            row.fits(&set.matching)
                && set.opened_until.is_none_or(|until| row.session.created <= until)
                && self.is_live(row, set.idle_limits, set.now)
        };
        self.sessions.values().filter(is_in)
    }

    /// Whether nobody else could administer the users if `user` could no longer.
    fn is_last_admin(&self, user: UserId, last: LastAdmin) -> bool {
        let can =
            |account: &&Account| account.user.is_admin && account.user.is_active && !account.password.is_unusable();
        let mut admins = self.accounts.values().filter(can).map(|account| account.user.id);
        last == LastAdmin::Keep && admins.next() == Some(user) && admins.next().is_none()
    }

    /// The name of another user than `user` that is this name or, if there is none, looks like it.
    fn holder_of_name(&self, name: &str, user: Option<UserId>) -> Option<String> {
        let key = lookalike_key(name);
        let alike = self.others(user).map(|other| &other.username).filter(|other| lookalike_key(other) == key);
        alike.min_by_key(|other| *other != name).cloned()
    }

    /// The name of another user than `user` who has this e-mail address, if that matters.
    fn holder_of_email(&self, email: &str, user: Option<UserId>, shared: SharedEmail) -> Option<String> {
        if email.is_empty() || shared == SharedEmail::Allow {
            return None;
        }
        let holder = self.others(user).find(|other| email_key(&other.email) == email_key(email));
        holder.map(|other| other.username.clone())
    }

    fn others(&self, user: Option<UserId>) -> impl Iterator<Item = &User> {
        self.accounts.values().map(|account| &account.user).filter(move |other| Some(other.id) != user)
    }

    fn user_entry(&self, user: &User) -> UserEntry {
        let created = self.joined.get(&user.id).copied().unwrap_or(Timestamp::EPOCH);
        UserEntry { user: user.clone(), last_login: self.last_logins.get(&user.id).copied(), created }
    }
}
