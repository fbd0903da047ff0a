//! Deleting tokens so that it can be explained later: a token that was good when its session ended, or when it gave
//! way to newer ones, leaves the first 16 bytes of its digest. No check reads these rows.
//!
//! A JWT that had expired by then leaves none: it says so itself.

use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::any::{AnyConnection, on_each};
use super::emptying::AT_THE_END;
use super::hot::statement;
use super::sweep::BATCH;

/// Whether a deleted row leaves a trace. It is called `tokens`, as SQLite knows no other name for it.
const LEAVES_A_TRACE: &str = "(tokens.key_id IS NULL OR tokens.expires IS NULL OR tokens.expires > coalesce(\
    (SELECT s.ended_at FROM sessions s WHERE s.id = tokens.session_id), tokens.created))";

/// The columns of a trace, from the deleted row.
const TRACE: &str = "substr(tokens.digest, 1, 16), tokens.session_id, tokens.kind, tokens.expires, tokens.consumed";

/// The traces of the deleted rows, which are called `gone`, as a part of the statement that deletes them.
#[cfg(feature = "postgres")]
const INSERT_TRACES: &str = "INSERT INTO token_traces (digest, session_id, kind, expires, consumed) SELECT ";

/// What becomes of one deleted row: [`TRACE`], and whether that is kept.
#[cfg(feature = "sqlite")]
type Gone = (Vec<u8>, Vec<u8>, String, Option<i64>, Option<i64>, bool);

#[cfg(feature = "sqlite")]
type GoneColumns = (Binary, Binary, Text, Nullable<BigInt>, Nullable<BigInt>, diesel::sql_types::Bool);

statement! {
    /// The trace of one token; of two tokens with the same first bytes, that of the first.
    InsertTrace {
        digest: Vec<u8> as Binary, session: Vec<u8> as Binary, kind: String as Text,
        expires: Option<i64> as Nullable<BigInt>, consumed: Option<i64> as Nullable<BigInt>,
        evicted: Option<i64> as Nullable<BigInt>,
    },
    [
        "INSERT INTO token_traces (digest, session_id, kind, expires, consumed, evicted) VALUES (", digest, ", ",
        session, ", ", kind, ", ", expires, ", ", consumed, ", ", evicted, ") ON CONFLICT DO NOTHING",
    ]
}

/// Keeps the traces of deleted rows, and returns when each of the tokens would have expired.
#[cfg(feature = "sqlite")]
fn keep(c: &mut diesel::SqliteConnection, gone: Vec<Gone>) -> QueryResult<Vec<Option<i64>>> {
    let ends = gone.iter().map(|(_, _, _, expires, ..)| *expires).collect();
    for (digest, session, kind, expires, consumed, leaves_a_trace) in gone {
        if leaves_a_trace {
            InsertTrace { digest, session, kind, expires, consumed, evicted: None }.execute(c)?;
        }
    }
    Ok(ends)
}

/// Defines a function that deletes the tokens which a query finds, keeps their traces and returns their number: on
/// Postgres in one round trip.
macro_rules! take {
    (
        $(#[$meta:meta])*
        fn $name:ident($($field:ident: $rust:ty as $sql:ty),*),
        [$($piece:tt),* $(,)?]
    ) => {
        $(#[$meta])*
        pub(super) fn $name(any: &mut AnyConnection, $($field: $rust),*) -> QueryResult<i64> {
            #[cfg(feature = "sqlite")]
            statement! {
                Delete { $($field: $rust as $sql),* } -> GoneColumns,
                ["DELETE FROM tokens WHERE digest IN (", $($piece,)* ") RETURNING ", (TRACE), ", ", (LEAVES_A_TRACE)]
            }
            #[cfg(feature = "postgres")]
            statement! {
                Take { $($field: $rust as $sql),* } -> BigInt,
                [
                    "WITH gone AS (DELETE FROM tokens WHERE digest IN (", $($piece,)* ") RETURNING *), traced AS (",
                    (INSERT_TRACES), (TRACE), " FROM gone AS tokens WHERE ", (LEAVES_A_TRACE),
                    " ON CONFLICT DO NOTHING) SELECT count(*) FROM gone",
                ]
            }
            on_each!(any,
                sqlite(c) => {
                    let gone = Delete { $($field),* }.load(c)?;
                    Ok(i64::try_from(keep(c, gone)?.len()).unwrap_or(i64::MAX))
                },
                postgres(c) => Take { $($field),* }.get_result(c),
            )
        }
    };
}

take! {
    /// Deletes up to `limit` tokens of an ended session.
    fn take(session: Vec<u8> as Binary, limit: i64 as BigInt),
    ["SELECT digest FROM tokens WHERE session_id = ", session, " LIMIT ", limit]
}

take! {
    /// Deletes a few tokens of a user's sessions of one epoch, newest sessions first. This costs the same for any number
    /// of tokens.
    fn take_of_epoch(user: i64 as BigInt, epoch: i64 as BigInt),
    [
        "SELECT o.digest FROM tokens o WHERE o.session_id IN (SELECT s.id FROM sessions s WHERE s.user_id = ", user,
        " AND s.auth_epoch = ", epoch, " AND s.ended_at IS NULL ORDER BY s.created DESC LIMIT ", {AT_THE_END},
        ") LIMIT ", {AT_THE_END},
    ]
}

/// Keeps the trace of a deleted token: of its digest, its session, and what it was for, when it expired, and when it
/// was consumed.
pub(super) fn keep_one(
    any: &mut AnyConnection,
    mut digest: Vec<u8>,
    session: Vec<u8>,
    (kind, expires, consumed): (&str, Option<i64>, Option<i64>),
) -> QueryResult<()> {
    digest.truncate(16);
    InsertTrace { digest, session, kind: kind.to_owned(), expires, consumed, evicted: None }.execute(any).map(drop)
}

#[cfg(feature = "sqlite")]
statement! {
    /// Deletes some tokens of a session that expire at `from` or later and are not consumed.
    DeleteFrom { session: Vec<u8> as Binary, from: i64 as BigInt, limit: i64 as BigInt } -> GoneColumns,
    [
        "DELETE FROM tokens WHERE digest IN (SELECT digest FROM tokens WHERE session_id = ", session,
        " AND consumed IS NULL AND expires >= ", from, " ORDER BY consumed, expires LIMIT ", limit, ") RETURNING ",
        (TRACE), ", ", (LEAVES_A_TRACE),
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// The same, with the traces, in one round trip.
    TakeFrom { session: Vec<u8> as Binary, from: i64 as BigInt, limit: i64 as BigInt } -> Nullable<BigInt>,
    [
        "WITH gone AS (DELETE FROM tokens WHERE digest IN (SELECT digest FROM tokens WHERE session_id = ", session,
        " AND consumed IS NULL AND expires >= ", from, " ORDER BY consumed, expires LIMIT ", limit,
        ") RETURNING *), traced AS (", (INSERT_TRACES), (TRACE), " FROM gone AS tokens WHERE ", (LEAVES_A_TRACE),
        " ON CONFLICT DO NOTHING) SELECT expires FROM gone",
    ]
}

/// Deletes up to `limit` tokens of an ended session that expire at `from` or later and are not consumed, and returns
/// when each expires. Postgres keeps deleted rows in its indexes for a while: a batch that begins where the last one
/// ended need not skip all of them again.
pub(super) fn take_from(
    any: &mut AnyConnection,
    session: &[u8],
    from: i64,
    limit: i64,
) -> QueryResult<Vec<Option<i64>>> {
    let session = session.to_vec();
    on_each!(any,
        sqlite(c) => {
            let gone = DeleteFrom { session, from, limit }.load(c)?;
            keep(c, gone)
        },
        postgres(c) => TakeFrom { session, from, limit }.load(c),
    )
}

#[cfg(feature = "sqlite")]
statement! {
    /// Deletes a token of a session that goes on.
    DeleteOne { digest: [u8; 64] as Binary } -> GoneColumns,
    ["DELETE FROM tokens WHERE digest = ", digest, " RETURNING ", (TRACE), ", TRUE"]
}

#[cfg(feature = "postgres")]
statement! {
    /// The same, with the trace, in one round trip. The token first, as at the end of the session: two transactions that
    /// wrote its trace first and its row afterwards, and the other way round, would wait for each other.
    TakeOne { at: i64 as BigInt, digest: [u8; 64] as Binary },
    [
        "WITH gone AS (DELETE FROM tokens WHERE digest = ", digest, " RETURNING *) \
         INSERT INTO token_traces (digest, session_id, kind, expires, consumed, evicted) SELECT ", (TRACE), ", ", at,
        " FROM gone AS tokens WHERE tokens.expires IS NULL OR tokens.expires > ", at, " ON CONFLICT DO NOTHING",
    ]
}

/// Deletes a token that gives way to newer ones of its session. If it is still good, it leaves a trace.
pub(super) fn evict(any: &mut AnyConnection, digest: [u8; 64], at: i64) -> QueryResult<()> {
    on_each!(any,
        sqlite(c) => {
            let gone: Vec<Gone> = DeleteOne { digest }.load(c)?;
            for (digest, session, kind, expires, consumed, _) in gone {
                if expires.is_none_or(|end| end > at) {
                    InsertTrace { digest, session, kind, expires, consumed, evicted: Some(at) }.execute(c)?;
                }
            }
            Ok(())
        },
        postgres(c) => TakeOne { at, digest }.execute(c).map(drop),
    )
}

statement! {
    /// Deletes traces of a session whose digests are greater than one, in their order, and returns them.
    DeleteTraces { session: Vec<u8> as Binary, after: Vec<u8> as Binary, limit: i64 as BigInt } -> Binary,
    [
        "DELETE FROM token_traces WHERE digest IN (SELECT digest FROM token_traces WHERE session_id = ", session,
        " AND digest > ", after, " ORDER BY digest LIMIT ", limit, ") RETURNING digest",
    ]
}

/// Deletes up to `limit` traces of a session whose digests are greater than `after`, in their order. Sets `after` to
/// the greatest of them, and returns their number.
pub(super) fn forget(any: &mut AnyConnection, session: &[u8], after: &mut Vec<u8>, limit: i64) -> QueryResult<usize> {
    let query = DeleteTraces { session: session.to_vec(), after: after.clone(), limit };
    let gone: Vec<Vec<u8>> = query.load(any)?;
    let forgotten = gone.len();
    if let Some(greatest) = gone.into_iter().max() {
        *after = greatest;
    }
    Ok(forgotten)
}

statement! {
    /// Deletes a batch of the traces of tokens that gave way long ago: their sessions may live for ever.
    DeleteEvicted { before: i64 as BigInt },
    [
        "DELETE FROM token_traces WHERE digest IN (SELECT digest FROM token_traces WHERE evicted < ", before,
        " ORDER BY evicted LIMIT ", {BATCH}, ")",
    ]
}

/// Deletes one batch of the traces of tokens that gave way before a moment.
pub(super) fn forget_evicted(any: &mut AnyConnection, before: i64) -> QueryResult<usize> {
    DeleteEvicted { before }.execute(any)
}
