//! What is known of the past of a token or a session: each step is a look-up by a key, and none is on the path of a
//! check.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::any::AnyConnection;
use super::cutoff::{self, Ended, Opened};
use super::error::unreadable;
use super::hot::{CUTOFF_EPOCH, LAST_END, NEVER, UserColumns, statement};
use super::rows::{UserRow, kind_named, session_id};
use super::schema::audit_events;
use crate::domain::audit::Event;
use crate::domain::session::{Session, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Epoch, User, UserId};
use crate::store::{EndScope, Findings, FoundEnd, FoundEvent, FoundSession, FoundToken, KeptSession, LastEnd, Subject};

statement! {
    /// A token's row.
    FindRow { digest: [u8; 64] as Binary } -> TokenColumns,
    ["SELECT session_id, kind, expires, consumed, CAST(NULL AS BIGINT) FROM tokens WHERE digest = ", digest]
}

statement! {
    /// The trace of a token whose row is gone.
    FindTrace { digest: [u8; 16] as Binary } -> TokenColumns,
    ["SELECT session_id, kind, expires, consumed, evicted FROM token_traces WHERE digest = ", digest]
}

type TokenColumns = (Binary, Text, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>);

#[derive(Queryable)]
struct TokenRow {
    session: Vec<u8>,
    kind: String,
    expires: Option<i64>,
    consumed: Option<i64>,
    evicted: Option<i64>,
}

statement! {
    /// A session with its user.
    FindSession { id: [u8; 16] as Binary } -> (SessionColumns, UserColumns, EndColumns),
    [
        "SELECT sessions.kind, sessions.created, sessions.last_seen, sessions.auth_epoch, sessions.name, \
         sessions.address, sessions.user_agent, u.id, u.username, u.email, u.is_active, u.is_staff, u.is_admin, \
         u.auth_epoch + ", (CUTOFF_EPOCH), ", sessions.ended_at, sessions.ended_reason, sessions.ended_by, ", (LAST_END),
        " FROM sessions JOIN users u ON u.id = sessions.user_id WHERE sessions.id = ", id,
    ]
}

type SessionColumns = (Text, BigInt, BigInt, BigInt, Nullable<Text>, Nullable<Text>, Nullable<Text>);

#[derive(Queryable)]
struct SessionRow {
    kind: String,
    created: i64,
    last_seen: i64,
    epoch: i64,
    name: Option<String>,
    address: Option<String>,
    user_agent: Option<String>,
}

type EndColumns = (Nullable<BigInt>, Nullable<Text>, Nullable<Text>, Nullable<BigInt>);

#[derive(Queryable)]
struct EndRow {
    at: Option<i64>,
    reason: Option<String>,
    actor: Option<String>,
    last_end: Option<i64>,
}

statement! {
    /// The event that ended a session at a moment, alone or with others.
    EventOfEnd { at: i64 as BigInt, event: String as Text, session: [u8; 16] as Binary, user: i64 as BigInt } ->
        (Nullable<Binary>, Nullable<Text>, Nullable<Text>),
    [
        "SELECT session_id, address, request_id FROM audit_events WHERE at = ", at, " AND event = ", event,
        " AND (session_id = ", session, " OR session_id IS NULL AND (user_id = ", user, " OR user_id IS NULL)) LIMIT 1",
    ]
}

#[derive(Queryable)]
struct OriginRow {
    session: Option<Vec<u8>>,
    address: Option<String>,
    request_id: Option<String>,
}

statement! {
    /// The latest end of a set of sessions that an actor had begun by a moment: the sessions of the set end one after the
    /// other, and none has an event of its own.
    StartOfMassEnd { actor: String as Text, at: i64 as BigInt } ->
        (Nullable<Binary>, Nullable<Text>, Nullable<Text>),
    [
        "SELECT session_id, address, request_id FROM audit_events WHERE event = 'mass_end_started' AND actor = ", actor,
        " AND at <= ", at, " ORDER BY at DESC LIMIT 1",
    ]
}

statement! {
    /// A session that was removed with its user.
    FindRemoved { id: [u8; 16] as Binary } -> (BigInt, BigInt),
    ["SELECT user_id, removed_at FROM removed_sessions WHERE id = ", id]
}

/// The events that end one session alone.
const ENDS_ALONE: [&str; 6] = ["logout", "revoked", "idle", "limit_reached", "refresh_reused", "revoked_by_user"];

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events)]
struct EventRow {
    at: i64,
    event: String,
    actor: String,
    user_id: Option<i64>,
    address: Option<String>,
    request_id: Option<String>,
}

/// See [`AdminStore::look_up`](crate::store::AdminStore::look_up).
pub(super) fn look_up(any: &mut AnyConnection, subject: &Subject) -> QueryResult<Findings> {
    let (token, id) = match subject {
        Subject::Session(id) => (None, *id),
        Subject::Token(digest) => match find_token(any, digest)? {
            Some(token) => (Some(token), token.session),
            None => return Ok(Findings::default()),
        },
    };
    let Some(kept) = find_session(any, id)? else {
        return Ok(Findings { token, session: find_remains(any, id)? });
    };
    let token = token.map(|token| FoundToken { kind: kept.session.kind.use_of(token.kind), ..token });
    Ok(Findings { token, session: Some(FoundSession::Kept(Box::new(kept))) })
}

/// Looks for the row first: the trace is there from the moment on at which the row is not.
fn find_token(any: &mut AnyConnection, digest: &TokenDigest) -> QueryResult<Option<FoundToken>> {
    let row: Option<TokenRow> = FindRow { digest: *digest.as_bytes() }.get_result(any).optional()?;
    let has_row = row.is_some();
    let row = match row {
        Some(row) => Some(row),
        None => FindTrace { digest: digest.trace() }.get_result(any).optional()?,
    };
    let Some(row) = row else { return Ok(None) };
    Ok(Some(FoundToken {
        session: session_id(&row.session)?,
        kind: TokenKind::from_name(&row.kind).ok_or_else(|| unreadable("tokens.kind"))?,
        expires: row.expires.map(Timestamp::from_micros),
        consumed: row.consumed.map(Timestamp::from_micros),
        evicted: row.evicted.map(Timestamp::from_micros),
        has_row,
    }))
}

fn find_session(any: &mut AnyConnection, id: SessionId) -> QueryResult<Option<KeptSession>> {
    let row: Option<(SessionRow, UserRow, EndRow)> = FindSession { id: *id.as_bytes() }.get_result(any).optional()?;
    let Some((session, user, end)) = row else { return Ok(None) };
    let user = User::from(user);
    let SessionRow { created, last_seen, epoch, .. } = session;
    let ended = match end.at {
        Some(at) => Some(Ended { at, event: end.reason, actor: end.actor }),
        None => {
            let opened = Opened { user: user.id.0, user_epoch: user.epoch.0, epoch, created, last_seen };
            cutoff::ends(any, &[opened])?.pop().flatten()
        }
    };
    Ok(Some(KeptSession {
        session: Session {
            id,
            kind: kind_named(&session.kind)?,
            created: Timestamp::from_micros(created),
            last_seen: Timestamp::from_micros(last_seen),
            epoch: Epoch(epoch),
            ended: end.at.map(Timestamp::from_micros),
        },
        name: session.name,
        address: session.address,
        user_agent: session.user_agent,
        last_end: match end.last_end {
            None => LastEnd::NoToken,
            Some(NEVER) => LastEnd::Never,
            Some(at) => LastEnd::At(Timestamp::from_micros(at)),
        },
        end: ended.map(|ended| find_event(any, id, user.id.0, ended)).transpose()?,
        user,
    }))
}

/// The end with what its event says.
fn find_event(any: &mut AnyConnection, id: SessionId, user: i64, ended: Ended) -> QueryResult<FoundEnd> {
    let Ended { at, event, actor } = ended;
    let found: Option<OriginRow> = match &event {
        Some(event) => {
            let query = EventOfEnd { at, event: event.clone(), session: *id.as_bytes(), user };
            query.get_result(any).optional()?
        }
        None => None,
    };
    let found = match (found, &actor) {
        (None, Some(actor)) if event.as_deref() == Some(Event::Revoked.as_str()) => {
            StartOfMassEnd { actor: actor.clone(), at }.get_result(any).optional()?
        }
        (found, _) => found,
    };
    let scope = match &found {
        Some(OriginRow { session: Some(_), .. }) => EndScope::Alone,
        Some(OriginRow { session: None, .. }) => EndScope::Others,
        None => EndScope::Unknown,
    };
    let (address, request_id) = found.map(|found| (found.address, found.request_id)).unwrap_or_default();
    Ok(FoundEnd { at: Timestamp::from_micros(at), reason: event, actor, scope, address, request_id })
}

/// What is left of a session without a row. The event of its own end says more than that its user is gone.
fn find_remains(any: &mut AnyConnection, id: SessionId) -> QueryResult<Option<FoundSession>> {
    if let Some((user, event)) = find_end(any, id)? {
        return Ok(Some(FoundSession::Told { id, user, event }));
    }
    let removed: Option<(i64, i64)> = FindRemoved { id: *id.as_bytes() }.get_result(any).optional()?;
    let Some((user, at)) = removed else { return Ok(None) };
    // The latest that raised the user's epoch.
    let events: Vec<EventRow> = audit_events::table
        .filter(audit_events::user_id.eq(user))
        .filter(audit_events::auth_epoch.ge(0))
        .order(audit_events::auth_epoch.desc())
        .limit(10)
        .select(EventRow::as_select())
        .load(any)?;
    let mut events = events.into_iter().map(event).map(|(_, event)| event);
    let event = events.find(|event| event.name == Event::UserDeleted.as_str());
    Ok(Some(FoundSession::Removed { id, user: UserId(user), at: Timestamp::from_micros(at), event }))
}

/// The event that ended one session alone, with its user.
fn find_end(any: &mut AnyConnection, id: SessionId) -> QueryResult<Option<(Option<UserId>, FoundEvent)>> {
    let row = audit_events::table
        .filter(audit_events::session_id.eq(id.as_bytes().as_slice()))
        .filter(audit_events::event.eq_any(ENDS_ALONE))
        .select(EventRow::as_select())
        .first(any)
        .optional()?;
    Ok(row.map(event))
}

fn event(row: EventRow) -> (Option<UserId>, FoundEvent) {
    let EventRow { at, event: name, actor, user_id, address, request_id } = row;
    let event = FoundEvent { at: Timestamp::from_micros(at), name, actor, address, request_id };
    (user_id.map(UserId), event)
}
