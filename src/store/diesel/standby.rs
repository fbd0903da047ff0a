//! Earlier commits are acknowledged only when the standbys of a Postgres server have them, too.
//!
//! A server with synchronous standbys answers a commit when they have it. If the wait is cancelled, because the
//! waiting process was terminated, the commit is visible to all, but a failover may still undo it.
//! A transaction that then finds nothing left to do, and writes nothing, waits for no standby: a repeated logout
//! would be acknowledged, and its token would be good again after the failover. So a transaction that
//! acknowledges what it found writes a record of its own. Its commit waits until the standbys have that record and,
//! since the write-ahead log is ordered, all earlier commits.
//!
//! SQLite does not need this: what a connection can see has been written to the disk before.

use diesel::QueryResult;
#[cfg(feature = "postgres")]
use diesel::RunQueryDsl;

use super::any::{AnyConnection, on_each};
#[cfg(feature = "postgres")]
use super::hot::statement;

#[cfg(feature = "postgres")]
statement! {
    /// A record in the write-ahead log that changes nothing. Every role may write it, at every `wal_level`, and
    /// subscribers receive it only if they ask for messages.
    EmitMessage {},
    ["SELECT pg_logical_emit_message(true, 'knoxide', ''::text)"]
}

/// Makes the commit of this transaction wait for the standbys, although it changes nothing.
pub(super) fn confirm(connection: &mut AnyConnection) -> QueryResult<()> {
    on_each!(connection,
        sqlite(_c) => Ok(()),
        postgres(c) => EmitMessage {}.execute(c).map(drop),
    )
}
