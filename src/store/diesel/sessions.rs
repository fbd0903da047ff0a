//! Finding tokens; opening and ending sessions, and recording their use.

#[cfg(feature = "postgres")]
use std::collections::HashMap;

use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::any::{AnyConnection, Ending, on_each};
use super::audit::{self, About};
use super::emptying::AT_THE_END;
use super::error::unreadable;
use super::rows::{TokenRow, session_id, storable, token_record};
use super::{hot, networks, standby, traces};
use crate::domain::audit::{AuditContext, Event};
use crate::domain::session::{SessionId, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenDigest;
use crate::domain::user::UserId;
use crate::store::access_limit::{Candidate, MAX_DELETED_AT_ONCE, surplus};
use crate::store::{
    AccessLimit, LimitPolicy, NewSession, NewToken, Opening, Refresh, Refreshed, SessionLimit, Successor,
};

/// See [`crate::store::Connection::find_many`].
pub(super) fn find_many(
    connection: &mut AnyConnection,
    digests: &[TokenDigest],
) -> QueryResult<Vec<Option<TokenRecord>>> {
    on_each!(connection,
        sqlite(c) => match digests {
            // A single statement is one read by itself.
            [digest] => Ok(vec![find_one(c, *digest)?]),
            [] => Ok(Vec::new()),
            many => super::any::read_sqlite(c, |c| many.iter().map(|digest| find_one(c, *digest)).collect()),
        },
        postgres(c) => {
            let asked = digests.iter().map(|digest| *digest.as_bytes()).collect();
            in_order(hot::FindTokens { digests: asked }.load(c)?, digests)
        },
    )
}

/// The records of these digests from the rows that were found.
#[cfg(feature = "postgres")]
pub(super) fn in_order(rows: Vec<TokenRow>, digests: &[TokenDigest]) -> QueryResult<Vec<Option<TokenRecord>>> {
    let found: HashMap<_, _> = rows.into_iter().map(token_record).collect::<QueryResult<_>>()?;
    Ok(digests.iter().map(|digest| found.get(digest).cloned()).collect())
}

#[cfg(feature = "sqlite")]
fn find_one(connection: &mut diesel::SqliteConnection, digest: TokenDigest) -> QueryResult<Option<TokenRecord>> {
    let row: Option<TokenRow> = hot::FindToken { digest: *digest.as_bytes() }.get_result(connection).optional()?;
    row.map(|row| token_record(row).map(|(_, record)| record)).transpose()
}

/// See [`crate::store::Connection::open_session`].
pub(super) fn open(connection: &mut AnyConnection, new: &NewSession) -> QueryResult<Ending<Opening>> {
    let at = new.audit.at.as_micros();
    let (user, epoch) = (new.user.0, new.epoch.0);
    let admitted = if new.kind.is_for_administration() {
        hot::AdmitAdministrator { at, user, epoch }.execute(connection)?
    } else {
        hot::AdmitLogin { at, user, epoch }.execute(connection)?
    };
    if admitted == 0 {
        return Ok(Ending::Undo(Opening::Denied));
    }
    if let Some(limit) = new.limit
        && !make_room(connection, new, limit)?
    {
        return Ok(Ending::Undo(Opening::LimitReached));
    }
    insert(connection, new)?;
    if new.with_event {
        let about = About::session(new.user, new.id);
        audit::record(connection, &new.audit, about)?;
    }
    if let Some(network) = &new.network {
        networks::note_login_from(connection, new.user, network, new.audit.at)?;
    }
    Ok(Ending::Keep(Opening::Opened))
}

/// Whether one more session is allowed, after the oldest ones were evicted if necessary.
fn make_room(connection: &mut AnyConnection, new: &NewSession, limit: SessionLimit) -> QueryResult<bool> {
    let now = new.audit.at;
    let seen_from = limit.idle_limit.map_or(i64::MIN, |idle| now.saturating_sub(idle).as_micros());
    let query = hot::LiveSessions { user: new.user.0, epoch: new.epoch.0, seen_from, now: now.as_micros() };
    let live: Vec<Vec<u8>> = query.load(connection)?;
    let max = usize::try_from(limit.max.max(1)).unwrap_or(usize::MAX);
    let surplus = (live.len() + 1).saturating_sub(max);
    match limit.policy {
        LimitPolicy::Reject => return Ok(surplus == 0),
        LimitPolicy::EvictOldest => {}
    }
    let mut room = AT_THE_END;
    for id in live.iter().take(surplus) {
        end_as(connection, session_id(id)?, Event::LimitReached, &new.audit, &mut room)?;
    }
    Ok(true)
}

fn insert(connection: &mut AnyConnection, new: &NewSession) -> QueryResult<()> {
    let at = new.audit.at.as_micros();
    let origin = &new.audit.origin;
    hot::InsertSession {
        id: *new.id.as_bytes(),
        user: new.user.0,
        kind: new.kind.as_str().to_owned(),
        name: storable(new.name.as_deref()),
        at,
        epoch: new.epoch.0,
        address: origin.address_text(),
        user_agent: storable(origin.user_agent.as_deref()),
        request_id: storable(origin.request_id.as_deref()),
        reason: new.audit.event.as_str().to_owned(),
        actor: new.audit.actor.to_string(),
    }
    .execute(connection)?;
    insert_tokens(connection, *new.id.as_bytes(), &new.tokens, at)
}

fn insert_tokens(
    connection: &mut AnyConnection,
    session: [u8; 16],
    tokens: &[NewToken],
    created: i64,
) -> QueryResult<()> {
    for token in tokens {
        hot::InsertToken {
            digest: *token.digest.as_bytes(),
            session,
            kind: token.kind.as_str().to_owned(),
            created,
            expires: token.expires.map(Timestamp::as_micros),
            key: token.key,
        }
        .execute(connection)?;
    }
    Ok(())
}

/// See [`crate::store::Connection::refresh`].
pub(super) fn refresh(connection: &mut AnyConnection, refresh: &Refresh) -> QueryResult<Refreshed> {
    let (digest, at) = (*refresh.presented.as_bytes(), refresh.at.as_micros());
    let session: Option<Vec<u8>> = if let Some(successor) = refresh.successor {
        let consume = hot::Consume { at, successor: *successor.as_bytes(), digest };
        consume.get_result(connection).optional()?
    } else {
        None
    };
    let session = match session {
        Some(session) => session,
        None => {
            let refreshable = hot::Refreshable { digest, at };
            match refreshable.get_result::<Vec<u8>>(connection).optional()? {
                None => return Ok(Refreshed::Gone),
                Some(_) if refresh.successor.is_some() => return Ok(Refreshed::Consumed),
                Some(session) => session,
            }
        }
    };
    let session = *session_id(&session)?.as_bytes();
    insert_tokens(connection, session, &refresh.tokens, at)?;
    if let Some(limit) = refresh.limit
        && refresh.adds_access()
    {
        keep_within(connection, session, refresh, limit)?;
    }
    Ok(Refreshed::Done)
}

/// A row of [`hot::FindAccess`].
type AccessRow = (Vec<u8>, i64, Option<i64>);

/// Deletes access tokens beyond the session's limit. If the triggers log a change of the session, caches
/// drop the deleted tokens.
fn keep_within(
    connection: &mut AnyConnection,
    session: [u8; 16],
    refresh: &Refresh,
    limit: AccessLimit,
) -> QueryResult<()> {
    let most = i64::from(limit.max).saturating_add(i64::from(MAX_DELETED_AT_ONCE));
    let rows: Vec<AccessRow> = hot::FindAccess { session, limit: most }.load(connection)?;
    if i64::try_from(rows.len()).unwrap_or(i64::MAX) <= i64::from(limit.max) {
        return Ok(());
    }
    let tokens = rows.into_iter().map(candidate).collect::<QueryResult<_>>()?;
    let recent = hot::FindRecentSuccessors { session, from: limit.successors_from.as_micros() };
    let successors: Vec<Option<Vec<u8>>> = recent.load(connection)?;
    let stays = |digest: &TokenDigest| {
        refresh.involves(digest)
            || successors.iter().flatten().any(|successor| successor.as_slice() == digest.as_bytes().as_slice())
    };
    for digest in surplus(tokens, limit, refresh.at, stays) {
        traces::evict(connection, *digest.as_bytes(), refresh.at.as_micros())?;
    }
    Ok(())
}

fn candidate((digest, created, expires): AccessRow) -> QueryResult<Candidate> {
    let digest = <[u8; 64]>::try_from(digest).map_err(|_| unreadable("tokens.digest"))?;
    Ok(Candidate {
        digest: TokenDigest::from_bytes(digest),
        created: Timestamp::from_micros(created),
        expires: expires.map(Timestamp::from_micros),
    })
}

/// A row of [`hot::FindSuccessor`].
type SuccessorRow = (Vec<u8>, i64, Option<i64>, Option<i64>);

/// See [`crate::store::Connection::find_successor`].
pub(super) fn find_successor(connection: &mut AnyConnection, digest: &TokenDigest) -> QueryResult<Option<Successor>> {
    let query = hot::FindSuccessor { digest: *digest.as_bytes() };
    let row: Option<SuccessorRow> = query.get_result(connection).optional()?;
    row.map(|(digest, created, expires, key)| {
        let digest = <[u8; 64]>::try_from(digest).map_err(|_| unreadable("tokens.successor"))?;
        Ok(Successor {
            digest: TokenDigest::from_bytes(digest),
            created: Timestamp::from_micros(created),
            expires: expires.map(Timestamp::from_micros),
            key,
        })
    })
    .transpose()
}

/// See [`crate::store::Connection::end_session`].
pub(super) fn end(
    connection: &mut AnyConnection,
    session: SessionId,
    audit: &AuditContext,
    room: &mut i64,
) -> QueryResult<bool> {
    let ended = end_as(connection, session, audit.event, audit, room)?;
    if !ended {
        // The request that ended it may not have waited for the standbys.
        standby::confirm(connection)?;
    }
    Ok(ended)
}

/// Deletes at most `room` tokens, and subtracts their number from it.
fn end_as(
    connection: &mut AnyConnection,
    session: SessionId,
    event: Event,
    audit: &AuditContext,
    room: &mut i64,
) -> QueryResult<bool> {
    let ended = hot::EndSession {
        at: audit.at.as_micros(),
        reason: event.as_str().to_owned(),
        actor: audit.actor.to_string(),
        room: *room,
        id: *session.as_bytes(),
    };
    let user: Option<i64> = ended.get_result(connection).optional()?;
    let Some(user) = user else { return Ok(false) };
    *room -= traces::take(connection, session.as_bytes().to_vec(), *room)?;
    tell_end(connection, session, user, (event, audit))
}

/// See [`crate::store::Connection::end_idle_session`].
pub(super) fn end_idle(
    connection: &mut AnyConnection,
    session: SessionId,
    last_seen: Timestamp,
    audit: &AuditContext,
) -> QueryResult<bool> {
    let ended = hot::EndIdleSession {
        at: audit.at.as_micros(),
        reason: audit.event.as_str().to_owned(),
        actor: audit.actor.to_string(),
        room: AT_THE_END,
        id: *session.as_bytes(),
        last_seen: last_seen.as_micros(),
    };
    let user: Option<i64> = ended.get_result(connection).optional()?;
    let Some(user) = user else {
        standby::confirm(connection)?;
        return Ok(false);
    };
    traces::take(connection, session.as_bytes().to_vec(), AT_THE_END)?;
    tell_end(connection, session, user, (audit.event, audit))
}

fn tell_end(
    connection: &mut AnyConnection,
    session: SessionId,
    user: i64,
    (reason, audit): (Event, &AuditContext),
) -> QueryResult<bool> {
    let about = About::session(UserId(user), session);
    audit::record_as(connection, reason, audit, about)?;
    Ok(true)
}

/// See [`crate::store::Connection::touch`]; inside a transaction.
pub(super) fn touch(connection: &mut AnyConnection, seen: &[(SessionId, Timestamp)]) -> QueryResult<()> {
    on_each!(connection,
        sqlite(c) => {
            for (id, at) in seen {
                hot::TouchSession { at: at.as_micros(), id: *id.as_bytes() }.execute(c)?;
            }
            Ok(())
        },
        postgres(c) => {
            // An update applies one of several matching rows, so each session must occur only once.
            let mut latest = HashMap::with_capacity(seen.len());
            for (id, at) in seen {
                let time = latest.entry(*id).or_insert(*at);
                *time = (*time).max(*at);
            }
            let (ids, times) = latest.into_iter().map(|(id, at)| (*id.as_bytes(), at.as_micros())).unzip();
            hot::TouchSessions { ids, times }.execute(c).map(drop)
        },
    )
}
