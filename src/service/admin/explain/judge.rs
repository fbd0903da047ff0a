//! Derives the answer from what is known of a token or a session.

use std::time::Duration;

use super::{Answer, Cause, Evidence};
use crate::domain::audit::Event;
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;
use crate::store::{EndScope, FoundEnd, FoundEvent, FoundSession, FoundToken, KeptSession, LastEnd};

/// The reason that the sweeper stores when the last token of a session expired.
const EXPIRED: &str = "expired";

/// Events that end sessions together with others, for ends whose event is gone.
const ENDS_ALL: [Event; 7] = [
    Event::LogoutAll,
    Event::PasswordChanged,
    Event::Deactivated,
    Event::Activated,
    Event::UserDeleted,
    Event::AllSessionsEnded,
    Event::OldSessionsEnded,
];

/// Reasons that mean that the user was locked out.
const LOCKS_OUT: [Event; 3] = [Event::Deactivated, Event::Imported, Event::UserDeleted];

/// What became of a session.
pub(super) fn session(found: &FoundSession, now: Timestamp, policy: &Policy) -> Answer {
    match found {
        FoundSession::Kept(kept) => kept_session(kept, now, policy),
        FoundSession::Removed { at, event, .. } => {
            let gone =
                || Cause { at: Some(*at), reason: Some(Event::UserDeleted.as_str().to_owned()), ..Cause::default() };
            Answer::UserGone(event.as_ref().map_or_else(gone, cause))
        }
        FoundSession::Told { event, .. } => own_end(cause(event), None, policy.idle_limit),
    }
}

fn kept_session(kept: &KeptSession, now: Timestamp, policy: &Policy) -> Answer {
    if let Some(end) = &kept.end {
        return ended_session(kept, end, policy);
    }
    if !kept.user.is_active {
        return Answer::UserInactive(Cause::default());
    }
    let expires = match kept.last_end {
        // Its tokens were deleted with SQL.
        LastEnd::NoToken => return Answer::Ended(Cause::default()),
        LastEnd::At(at) if at <= now => return Answer::Expired { at, known_from: Evidence::Database },
        LastEnd::At(at) => Some(at),
        LastEnd::Never => None,
    };
    let last_seen = kept.session.last_seen;
    match policy.idle_verdicts().of(kept.session.kind) {
        Some(limit) if now.since(last_seen) > limit => {
            idle(last_seen.saturating_add(limit), Some(last_seen), own_limit(kept, policy))
        }
        Some(_) | None => Answer::Live { expires },
    }
}

/// A session that was ended alone, or together with others.
fn ended_session(kept: &KeptSession, end: &FoundEnd, policy: &Policy) -> Answer {
    let FoundEnd { at, reason, actor, scope, address, request_id } = end.clone();
    let name = reason.as_deref();
    if name == Some(EXPIRED) {
        return Answer::Expired { at, known_from: Evidence::Database };
    }
    let is_one_of = |events: &[Event]| events.iter().any(|event| name == Some(event.as_str()));
    let is_marked = kept.session.ended.is_some();
    // Deactivating a user raises the epoch once; SQL may have done so without an event.
    let ended_with_user = kept.session.epoch.0.checked_add(1) == Some(kept.user.epoch.0);
    let locked_out = !kept.user.is_active && (is_one_of(&LOCKS_OUT) || !is_marked && name.is_none() && ended_with_user);
    let is_of_others = match scope {
        EndScope::Others => true,
        EndScope::Alone => false,
        EndScope::Unknown => !is_marked || is_one_of(&ENDS_ALL),
    };
    // Without an event, the time is only that of the last use.
    let at = (is_marked || reason.is_some()).then_some(at);
    let cause = Cause { at, reason, actor, address, request_id };
    if locked_out {
        Answer::UserInactive(cause)
    } else if is_of_others {
        Answer::AllEnded(cause)
    } else {
        own_end(cause, Some(kept.session.last_seen), own_limit(kept, policy))
    }
}

/// How long this session may be unused.
fn own_limit(kept: &KeptSession, policy: &Policy) -> Option<Duration> {
    policy.idle_limits().of(kept.session.kind)
}

/// The end of a session alone.
fn own_end(cause: Cause, last_seen: Option<Timestamp>, limit: Option<Duration>) -> Answer {
    match (cause.reason.as_deref().and_then(Event::from_name), cause.at) {
        (Some(Event::LimitReached), _) => Answer::Evicted(cause),
        (Some(Event::RefreshReused), _) => Answer::Replayed(cause),
        (Some(Event::Idle), Some(at)) => idle(at, last_seen, limit),
        (Some(_) | None, _) => Answer::Ended(cause),
    }
}

fn idle(at: Timestamp, last_seen: Option<Timestamp>, limit: Option<Duration>) -> Answer {
    Answer::Idle { at, last_seen, limit_seconds: limit.map(|limit| limit.as_secs()) }
}

/// What became of a token: its own end or that of its session, whichever was first. `None`: not even its session is
/// known.
pub(super) fn token(found: &FoundToken, session: Option<Answer>, now: Timestamp) -> Option<Answer> {
    let expired = found.expires.filter(|at| *at <= now);
    let own = [
        found.consumed.map(|at| (at, Answer::Consumed { at })),
        found.evicted.map(|at| (at, Answer::GaveWay { at })),
        expired.map(|at| (at, Answer::Expired { at, known_from: Evidence::Database })),
    ];
    let first = own.into_iter().flatten().min_by_key(|(at, _)| *at);
    match (first, session) {
        (Some((at, own)), Some(session)) => {
            // An end at an unknown time explains less than one whose time is known.
            let is_earlier = moment(&session).is_some_and(|ended| ended < at);
            Some(if is_earlier { session } else { own })
        }
        (Some((_, own)), None) => Some(own),
        (None, Some(Answer::Live { .. })) if !found.has_row => Some(Answer::Ended(Cause::default())),
        (None, Some(Answer::Live { .. })) => Some(Answer::Live { expires: found.expires }),
        (None, session) => session,
    }
}

/// When something ended.
fn moment(answer: &Answer) -> Option<Timestamp> {
    match answer {
        Answer::Expired { at, .. } | Answer::Idle { at, .. } | Answer::Consumed { at } | Answer::GaveWay { at } => {
            Some(*at)
        }
        Answer::Ended(cause)
        | Answer::Evicted(cause)
        | Answer::Replayed(cause)
        | Answer::AllEnded(cause)
        | Answer::UserInactive(cause)
        | Answer::UserGone(cause) => cause.at,
        Answer::Live { .. } | Answer::Malformed | Answer::Unknown { .. } => None,
    }
}

fn cause(event: &FoundEvent) -> Cause {
    let FoundEvent { at, name, actor, address, request_id } = event.clone();
    Cause { at: Some(at), reason: Some(name), actor: Some(actor), address, request_id }
}
