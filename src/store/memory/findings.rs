//! What is known of tokens and sessions after their time. Nothing is forgotten here, because nothing is swept.

use std::collections::{HashMap, HashSet};

use super::{SessionRow, Tables, TokenRow};
use crate::domain::audit::AuditContext;
use crate::domain::session::{Session, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenDigest;
use crate::store::{EndScope, Findings, FoundEnd, FoundEvent, FoundSession, FoundToken, KeptSession, LastEnd, Subject};

/// What is left of deleted tokens and of the sessions of deleted users.
#[derive(Default)]
pub(super) struct Past {
    traces: HashMap<[u8; 16], FoundToken>,
    removed: HashMap<SessionId, FoundSession>,
    /// Sessions that ended as members of a set.
    pub(super) ended_in_a_set: HashSet<SessionId>,
}

impl Past {
    /// Deletes the tokens of a session. Each leaves a trace, unless it is a JWT that expired before the end.
    pub(super) fn keep(
        &mut self,
        tokens: &mut HashMap<TokenDigest, TokenRow>,
        session: SessionId,
        ended: Option<Timestamp>,
    ) {
        tokens.retain(|digest, token| {
            let is_over = || token.expires.zip(ended).is_some_and(|(expires, ended)| expires <= ended);
            if token.session == session && !(token.key.is_some() && is_over()) {
                self.traces.entry(digest.trace()).or_insert(FoundToken { has_row: false, ..found(token) });
            }
            token.session != session
        });
    }

    /// Deletes a token that gives way to newer ones; if it is good then, it leaves a trace.
    pub(super) fn evict(&mut self, tokens: &mut HashMap<TokenDigest, TokenRow>, digest: &TokenDigest, at: Timestamp) {
        let good = tokens.remove(digest).filter(|token| token.expires.is_none_or(|end| end > at));
        if let Some(token) = good {
            let trace = FoundToken { has_row: false, evicted: Some(at), ..found(&token) };
            self.traces.entry(digest.trace()).or_insert(trace);
        }
    }

    /// Records that a session was removed with its user.
    pub(super) fn remove(&mut self, id: SessionId, row: &SessionRow, audit: &AuditContext) {
        let removed = match &row.ended {
            Some(ended) => FoundSession::Told { id, user: Some(row.user), event: event(ended) },
            None => FoundSession::Removed { id, user: row.user, at: audit.at, event: Some(event(audit)) },
        };
        self.removed.insert(id, removed);
    }
}

fn found(token: &TokenRow) -> FoundToken {
    let TokenRow { session, kind, expires, consumed, .. } = *token;
    FoundToken { session, kind, expires, consumed, evicted: None, has_row: true }
}

fn event(audit: &AuditContext) -> FoundEvent {
    FoundEvent {
        at: audit.at,
        name: audit.event.as_str().to_owned(),
        actor: audit.actor.to_string(),
        address: audit.origin.address_text(),
        request_id: audit.origin.request_id.clone(),
    }
}

fn end(audit: &AuditContext, scope: EndScope) -> FoundEnd {
    let FoundEvent { at, name, actor, address, request_id } = event(audit);
    FoundEnd { at, reason: Some(name), actor: Some(actor), scope, address, request_id }
}

impl Tables {
    /// See [`crate::store::AdminStore::look_up`].
    pub(super) fn look_up(&self, subject: &Subject) -> Findings {
        let (token, id) = match subject {
            Subject::Session(id) => (None, *id),
            Subject::Token(digest) => {
                let row = self.tokens.get(digest).map(found);
                match row.or_else(|| self.past.traces.get(&digest.trace()).copied()) {
                    Some(token) => (Some(token), token.session),
                    None => return Findings::default(),
                }
            }
        };
        let kept = self.sessions.get(&id).and_then(|row| self.kept(row)).map(|kept| FoundSession::Kept(Box::new(kept)));
        Findings { token, session: kept.or_else(|| self.past.removed.get(&id).cloned()) }
    }

    fn kept(&self, row: &SessionRow) -> Option<KeptSession> {
        let SessionRow { user, session, name, opened, ended, .. } = row;
        let user = &self.accounts.get(user)?.user;
        let in_a_set = self.past.ended_in_a_set.contains(&session.id);
        let own_scope = if in_a_set { EndScope::Others } else { EndScope::Alone };
        let own = ended.as_ref().map(|audit| (audit, own_scope));
        let with_others = || self.end_with_others(row).map(|audit| (audit, EndScope::Others));
        Some(KeptSession {
            session: Session { ended: ended.as_ref().map(|audit| audit.at), ..session.clone() },
            user: user.clone(),
            name: name.clone(),
            address: opened.origin.address_text(),
            user_agent: opened.origin.user_agent.clone(),
            last_end: self.last_end(session.id),
            end: own.or_else(with_others).map(|(audit, scope)| end(audit, scope)),
        })
    }

    fn last_end(&self, session: SessionId) -> LastEnd {
        let tokens = self.tokens.values().filter(|token| token.session == session && token.consumed.is_none());
        let ends = tokens.map(|token| token.expires.map_or(LastEnd::Never, LastEnd::At));
        ends.max_by_key(|end| match end {
            LastEnd::NoToken => i64::MIN,
            LastEnd::At(at) => at.as_micros(),
            LastEnd::Never => i64::MAX,
        })
        .unwrap_or(LastEnd::NoToken)
    }
}
