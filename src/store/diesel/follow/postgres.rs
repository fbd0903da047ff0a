//! Following a server. A log row is told by the first round whose snapshot sees it: what counts
//! is the difference between the snapshots of two rounds, since transactions become visible in
//! another order than that in which they take their numbers. News, rows, and the snapshot for the next
//! round come from one statement, so that one moment holds for all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::data_types::PgTimestamp;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Oid, Text, Timestamptz};
use diesel::{OptionalExtension, PgConnection, QueryResult, RunQueryDsl};

use super::super::any::{AnyConnection, on_each};
use super::super::connect::{Role, Target};
use super::super::connection::DieselConnection;
use super::super::error::logged;
use super::super::hot::{TokenColumns, statement};
use super::super::rows::TokenRow;
use super::super::{sessions, triggers};
use super::{news, tell_of_triggers};
use crate::store::{Follower, News, Round, StoreError, StoreResult};
use crate::token::TokenDigest;

mod snapshot;
#[cfg(test)]
mod tests;

use snapshot::{PgSnapshot, Snapshot};

/// A round may pass over so many log rows that were told before, because a transaction from
/// before them is still open.
const MANY_TOLD: i64 = 2_000;

/// How often a round also looks at the triggers. What is changed by hand while they are switched off is
/// heard of within this time.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often it is counted whether that is so, and only while some transaction is that old.
const PATIENCE: Duration = Duration::from_millis(200);

type HeadColumns = (PgSnapshot, PgSnapshot, Integer, Timestamptz, Bool, Oid);
type LogColumns = (Bool, Nullable<BigInt>, Nullable<Binary>);

statement! {
    /// A round that asks for no row. No row is visible from the future: such were restored from
    /// another server's backup, and are left alone.
    Changes { known: Option<Snapshot> as Nullable<PgSnapshot> } -> (Nullable<HeadColumns>, Nullable<LogColumns>),
    [
        "(SELECT NULL::pg_snapshot, NULL::pg_snapshot, NULL::integer, NULL::timestamptz, NULL::boolean, \
         NULL::oid, TRUE, user_id, session_id FROM revocation_log WHERE xid >= pg_snapshot_xmin(", known,
        ") AND xid < pg_snapshot_xmax(pg_current_snapshot()) AND NOT pg_visible_in_snapshot(xid, ", known,
        ") ORDER BY xid LIMIT 5001) \
         UNION ALL SELECT pg_current_snapshot(), pruned, pg_backend_pid(), pg_postmaster_start_time(), \
         pg_is_in_recovery(), tableoid, NULL, NULL, NULL FROM revocation_horizon WHERE id = 1",
    ]
}

statement! {
    /// A round that asks for rows, too.
    ChangesAndTokens {
        known: Option<Snapshot> as Nullable<PgSnapshot>,
        digests: Vec<[u8; 64]> as Array<Binary>,
    } -> (Nullable<HeadColumns>, Nullable<LogColumns>, Nullable<TokenColumns>),
    [
        "(SELECT NULL::pg_snapshot, NULL::pg_snapshot, NULL::integer, NULL::timestamptz, NULL::boolean, \
         NULL::oid, TRUE, user_id, session_id, NULL::bytea, NULL::text, NULL::bigint, NULL::bigint, NULL::bigint, \
         NULL::bytea, NULL::text, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::text, \
         NULL::text, NULL::boolean, NULL::boolean, NULL::bigint FROM revocation_log WHERE xid >= pg_snapshot_xmin(", known,
        ") AND xid < pg_snapshot_xmax(pg_current_snapshot()) AND NOT pg_visible_in_snapshot(xid, ", known,
        ") ORDER BY xid LIMIT 5001) \
         UNION ALL SELECT pg_current_snapshot(), pruned, pg_backend_pid(), pg_postmaster_start_time(), \
         pg_is_in_recovery(), tableoid, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
         NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM revocation_horizon WHERE id = 1 \
         UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
         t.digest, t.kind, t.created, t.expires, t.consumed, s.id, s.dialect, s.created, s.last_seen, s.auth_epoch, \
         CASE WHEN u.is_active OR s.ended_reason IS NULL OR s.ended_reason NOT IN ('deactivated', 'imported') \
         THEN s.ended_at END, u.id, u.username, u.email, u.is_active, u.is_staff, u.auth_epoch \
         FROM tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id WHERE t.digest = ANY(",
        digests, ")",
    ]
}

statement! {
    /// Which the triggers are; nothing where they are not what they have to be. A statement of its own, since
    /// it is seldom sent: as a part of the others it would have them planned anew each time.
    LookAtTriggers {} -> Nullable<Text>,
    ["SELECT (SELECT stamp FROM revocation_trigger_stamp)"]
}

statement! {
    /// How many log rows the next rounds would pass over, up to a bound.
    Behind {} -> BigInt,
    [
        "SELECT count(*) FROM (SELECT FROM revocation_log WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()) \
         AND xid < pg_snapshot_xmax(pg_current_snapshot()) LIMIT 2001) behind",
    ]
}

statement! {
    /// Whose transaction is the oldest one: its process, what it calls itself, and for how many
    /// seconds it has been open.
    Oldest {} -> (Nullable<Integer>, Text, BigInt),
    [
        "SELECT pid, coalesce(application_name, ''), coalesce(extract(epoch FROM now() - xact_start), 0)::bigint \
         FROM pg_stat_activity WHERE backend_xid = pg_snapshot_xmin(pg_current_snapshot())::xid \
         UNION ALL SELECT NULL, gid, extract(epoch FROM now() - prepared)::bigint \
         FROM pg_prepared_xacts WHERE transaction = pg_snapshot_xmin(pg_current_snapshot())::xid LIMIT 1",
    ]
}

type HeadRow = (Snapshot, Snapshot, i32, PgTimestamp, bool, u32);
type LogRow = (bool, Option<i64>, Option<Vec<u8>>);

/// A connection of its own, and what its last round saw.
pub(super) struct PostgresFollower {
    connection: DieselConnection,
    place: Option<Place>,
    oldest: Option<Open>,
    held_back: bool,
    triggers: Triggers,
}

struct Place {
    snapshot: Snapshot,
    server: Server,
}

/// Which server answers: a pooler in between may exchange it under an open connection. And which table has the
/// horizon: a restored database has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Server {
    process: i32,
    started: PgTimestamp,
    table: u32,
}

/// What was found of the triggers, and when.
#[derive(Default)]
struct Triggers {
    looked: Option<Instant>,
    /// Changes whenever one of them, its function or its table is changed; empty while they are not what they
    /// have to be.
    stamp: Option<String>,
}

impl Triggers {
    fn is_due(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
    }

    fn are_intact(&self) -> bool {
        self.stamp.as_ref().is_some_and(|stamp| !stamp.is_empty())
    }
}

/// The oldest open transaction, and when it was last looked at.
#[derive(Clone, Copy)]
struct Open {
    transaction: u64,
    seen: Instant,
}

/// What a round's statement says.
#[derive(Default)]
struct Answer {
    head: Option<HeadRow>,
    log: Vec<LogRow>,
    tokens: Vec<TokenRow>,
}

impl PostgresFollower {
    pub(super) fn open(target: &Arc<Target>) -> StoreResult<Self> {
        let connection = DieselConnection::open(target, Role::Follower).map_err(logged)?;
        Ok(Self { connection, place: None, oldest: None, held_back: false, triggers: Triggers::default() })
    }

    /// Whether an old transaction makes rounds too dear. Then the log is not read at all until it
    /// has ended.
    fn is_held_back(&mut self) -> StoreResult<bool> {
        let Some(open) = self.oldest.filter(|open| open.seen.elapsed() >= PATIENCE) else { return Ok(self.held_back) };
        let behind: i64 = self.connection.read(|any| Behind {}.get_result(any))?;
        self.oldest = Some(Open { seen: Instant::now(), ..open });
        // Not at once back again, lest it go to and fro.
        let bound = if self.held_back { MANY_TOLD / 2 } else { MANY_TOLD };
        let held_back = behind > bound;
        match (self.held_back, held_back) {
            (false, true) => {
                let oldest = self.connection.read(|any| Oldest {}.get_result(any).optional())?;
                log::warn!("{}; until it ends, every check reads the database", holder(oldest));
                self.place = None;
            }
            (true, false) => {
                log::info!("the old transaction is over; checks are answered from memory again");
                self.oldest = None;
            }
            (false, false) | (true, true) => {}
        }
        self.held_back = held_back;
        Ok(held_back)
    }

    /// Looks at the triggers, if it is time to, and says whether nothing has changed since the last look. If
    /// something has, changes in between may be in no log.
    fn look_at_triggers(&mut self) -> StoreResult<bool> {
        if !self.triggers.is_due() {
            return Ok(true);
        }
        let stamp: Option<String> = self.connection.read(|any| LookAtTriggers {}.get_result(any))?;
        let were_intact = self.triggers.looked.is_none() || self.triggers.are_intact();
        let stood_still = self.triggers.stamp == stamp;
        self.triggers = Triggers { looked: Some(Instant::now()), stamp };
        if !stood_still {
            let are_intact = self.triggers.are_intact();
            let differences = if are_intact { Vec::new() } else { self.connection.read(triggers::differences)? };
            tell_of_triggers(were_intact, &differences);
        }
        Ok(stood_still)
    }

    fn note_oldest(&mut self, snapshot: &Snapshot) {
        self.oldest = snapshot.oldest_running().map(|transaction| match self.oldest {
            Some(known) if known.transaction == transaction => known,
            Some(_) | None => Open { transaction, seen: Instant::now() },
        });
    }
}

impl Follower for PostgresFollower {
    fn round(&mut self, digests: &[TokenDigest]) -> StoreResult<Round> {
        if self.is_held_back()? {
            let found = self.connection.read(|any| sessions::find_many(any, digests))?;
            return Ok(Round { news: News::Everything, found, lasting: false });
        }
        // Taken, so that nothing is built upon what was before a failure.
        let place = self.place.take();
        let known = place.as_ref().map(|place| place.snapshot.clone());
        // First: what the round reads is then read after the look, and may be remembered.
        let stood_still = self.look_at_triggers()?;
        let (head, told, found) = self.connection.read(|any| {
            let Answer { head, log, tokens } = ask(any, known, digests)?;
            let told = news(log.into_iter().map(|(_, user, session)| (user, session)));
            Ok((head, told, sessions::in_order(tokens, digests)?))
        })?;
        let Some((snapshot, pruned, process, started, is_standby, table)) = head else {
            return Err(logged(StoreError::Failed("the horizon of the revocation log is missing".to_owned())));
        };
        if is_standby {
            let text = "the server has become a standby, whose answers may be old";
            return Err(logged(StoreError::Unavailable(text.to_owned())));
        }
        let server = Server { process, started, table };
        let goes_on = place.is_some_and(|known| {
            // The last: rows behind the horizon may be gone, so all that it sees must have been seen.
            known.server == server && snapshot.covers(&known.snapshot) && known.snapshot.covers(&pruned)
        });
        let lasting = self.triggers.are_intact();
        let news = if goes_on && stood_still && lasting { told } else { News::Everything };
        self.note_oldest(&snapshot);
        self.place = Some(Place { snapshot, server });
        Ok(Round { news, found, lasting })
    }
}

/// Sends the one statement of a round.
fn ask(any: &mut AnyConnection, known: Option<Snapshot>, digests: &[TokenDigest]) -> QueryResult<Answer> {
    on_each!(any,
        sqlite(_c) => Err(diesel::result::Error::NotFound),
        postgres(c) => if digests.is_empty() {
            ask_for_changes(c, known)
        } else {
            ask_for_tokens(c, known, digests)
        },
    )
}

fn ask_for_changes(connection: &mut PgConnection, known: Option<Snapshot>) -> QueryResult<Answer> {
    let rows: Vec<(Option<HeadRow>, Option<LogRow>)> = Changes { known }.load(connection)?;
    let mut answer = Answer::default();
    for (head, log) in rows {
        answer.head = answer.head.or(head);
        answer.log.extend(log);
    }
    Ok(answer)
}

fn ask_for_tokens(
    connection: &mut PgConnection,
    known: Option<Snapshot>,
    digests: &[TokenDigest],
) -> QueryResult<Answer> {
    let digests = digests.iter().map(|digest| *digest.as_bytes()).collect();
    let rows: Vec<(Option<HeadRow>, Option<LogRow>, Option<TokenRow>)> =
        ChangesAndTokens { known, digests }.load(connection)?;
    let mut answer = Answer { tokens: Vec::with_capacity(rows.len()), ..Answer::default() };
    for (head, log, token) in rows {
        answer.head = answer.head.or(head);
        answer.log.extend(log);
        answer.tokens.extend(token);
    }
    Ok(answer)
}

/// Names the session, and never what it runs.
fn holder(oldest: Option<(Option<i32>, String, i64)>) -> String {
    match oldest {
        Some((Some(process), name, age)) => {
            format!("an old transaction holds the log back: process {process} of the server, {name:?}, {age} s old")
        }
        Some((None, name, age)) => format!("a prepared transaction holds the log back: {name:?}, {age} s old"),
        None => "an old transaction, whose session this role may not see, holds the log back".to_owned(),
    }
}
