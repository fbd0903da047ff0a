//! From what is known of a token or a session to the answer.

use super::{Answer, Cause, Evidence};
use crate::domain::audit::Event;
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;
use crate::store::{FoundEvent, FoundSession, FoundToken, KeptSession, LastEnd};

/// The reason that the sweeper stores when the last token of a session expired.
const EXPIRED: &str = "expired";

/// Events that end all sessions of a user, if the event itself is gone.
const ENDS_ALL: [Event; 5] =
    [Event::LogoutAll, Event::PasswordChanged, Event::Deactivated, Event::Activated, Event::UserDeleted];

/// Reasons that mean that the user was locked out.
const LOCKS_OUT: [Event; 3] = [Event::Deactivated, Event::Imported, Event::UserDeleted];

/// What became of a session.
pub(super) fn session(found: &FoundSession, now: Timestamp, policy: &Policy) -> Answer {
    match found {
        FoundSession::Kept(kept) => kept_session(kept, now, policy),
        FoundSession::Removed { at, event, .. } => {
            let gone = || Cause { at: Some(*at), reason: Some(Event::UserDeleted.as_str().to_owned()), ..Cause::default() };
            Answer::UserGone(event.as_ref().map_or_else(gone, cause))
        }
        FoundSession::Told { event, .. } => own_end(cause(event), None, policy),
    }
}

fn kept_session(kept: &KeptSession, now: Timestamp, policy: &Policy) -> Answer {
    if let Some(at) = kept.session.ended {
        return ended_session(kept, at, policy);
    }
    let (epoch, current) = (kept.session.epoch, kept.user.epoch);
    if epoch != current {
        let raised = kept.epoch_event.as_ref().map(cause).unwrap_or_default();
        let ended_with_user = !kept.user.is_active && epoch.0.checked_add(1) == Some(current.0);
        return if ended_with_user { Answer::UserInactive(raised) } else { Answer::AllEnded(raised) };
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
    match policy.idle_verdict_after() {
        Some(limit) if now.since(last_seen) > limit => idle(last_seen.saturating_add(limit), Some(last_seen), policy),
        Some(_) | None => Answer::Live { expires },
    }
}

/// A session with a mark of its end, which is its own, or was set by the sweeper for an end of all.
fn ended_session(kept: &KeptSession, at: Timestamp, policy: &Policy) -> Answer {
    let name = kept.end_reason.as_deref();
    if name == Some(EXPIRED) {
        return Answer::Expired { at, known_from: Evidence::Database };
    }
    let is_one_of = |events: &[Event]| events.iter().any(|event| name == Some(event.as_str()));
    let same = |event: &&FoundEvent| event.at == at && name == Some(event.name.as_str());
    let stored = || Cause {
        at: Some(at),
        reason: kept.end_reason.clone(),
        actor: kept.ended_by.clone(),
        ..Cause::default()
    };
    if let Some(event) = &kept.own_event {
        return own_end(cause(event), Some(kept.session.last_seen), policy);
    }
    let of_all = kept.epoch_event.as_ref().filter(same);
    let cause = of_all.map_or_else(stored, cause);
    if is_one_of(&LOCKS_OUT) && !kept.user.is_active {
        Answer::UserInactive(cause)
    } else if of_all.is_some() || is_one_of(&ENDS_ALL) {
        Answer::AllEnded(cause)
    } else {
        own_end(cause, Some(kept.session.last_seen), policy)
    }
}

/// The end of a session alone.
fn own_end(cause: Cause, last_seen: Option<Timestamp>, policy: &Policy) -> Answer {
    match (cause.reason.as_deref().and_then(Event::from_name), cause.at) {
        (Some(Event::LimitReached), _) => Answer::Evicted(cause),
        (Some(Event::RefreshReused), _) => Answer::Replayed(cause),
        (Some(Event::Idle), Some(at)) => idle(at, last_seen, policy),
        (Some(_) | None, _) => Answer::Ended(cause),
    }
}

fn idle(at: Timestamp, last_seen: Option<Timestamp>, policy: &Policy) -> Answer {
    Answer::Idle { at, last_seen, limit_seconds: policy.idle_limit.map(|limit| limit.as_secs()) }
}

/// What became of a token: whichever came first of its own end and that of its session. `None`: not even its session
/// is known.
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
