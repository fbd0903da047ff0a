//! How long audit events are kept, and the addresses in them.

use std::time::Duration;

use diesel::sql_types::BigInt;
use diesel::{QueryResult, RunQueryDsl};

use super::super::DieselStore;
use super::super::any::{AnyConnection, on_each};
use super::super::hot::statement;
use super::super::sweep::BATCH;
use crate::domain::audit::Event;
use crate::domain::time::Timestamp;
use crate::store::{StoreResult, SweepPolicy};

statement! {
    /// Deletes a batch of events from before a time.
    DeleteOld { before: i64 as BigInt },
    ["DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE at < ", before, " LIMIT ", {BATCH}, ")"]
}

statement! {
    /// Deletes a batch of the oldest events beyond a number, of those that clients cause in any number. The numbers of
    /// newer events have few gaps, so this need not count them.
    DeleteRoutine { kept: i64 as BigInt },
    [
        "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE id <= \
         (SELECT max(id) FROM audit_events) - ", kept, " AND event IN (", {routine()}, ") ORDER BY id LIMIT ", {BATCH},
        ")",
    ]
}

/// Which events have an address, a device or a part of a name, also in the filter of a mass end. This has to be
/// literally the condition of the index.
#[cfg(feature = "sqlite")]
pub(in super::super) const HAS_ORIGIN: &str = "(address IS NOT NULL OR user_agent IS NOT NULL \
     OR (event IN ('mass_end_started', 'mass_end_done', 'throttle_cleared') \
     AND coalesce(json_extract(detail, '$.address'), json_extract(detail, '$.filter.address'), \
     json_extract(detail, '$.filter.device'), json_extract(detail, '$.filter.name')) IS NOT NULL))";

/// The same on Postgres.
#[cfg(feature = "postgres")]
pub(in super::super) const HAS_ORIGIN_POSTGRES: &str = "(address IS NOT NULL OR user_agent IS NOT NULL \
     OR (event IN ('mass_end_started', 'mass_end_done', 'throttle_cleared') \
     AND coalesce(detail::jsonb #>> '{address}', detail::jsonb #>> '{filter,address}', \
     detail::jsonb #>> '{filter,device}', detail::jsonb #>> '{filter,name}') IS NOT NULL))";

statement! {
    /// Deletes a batch of the other events beyond that number, but for the newest of them.
    DeleteActs { kept: i64 as BigInt, acts: i64 as BigInt },
    [
        "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE id <= \
         (SELECT max(id) FROM audit_events) - ", kept, " ORDER BY id DESC LIMIT ", {BATCH}, " OFFSET ", acts, ")",
    ]
}

/// The number of acts that are kept beyond the newest events is that of these, divided by this.
const SHARE_OF_ACTS: i64 = 10;

/// The names of the events that clients cause in any number.
fn routine() -> String {
    let names = Event::ALL.into_iter().filter(|event| event.is_routine()).map(|event| format!("'{}'", event.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(feature = "sqlite")]
statement! {
    /// Removes them from a batch of events from before a time.
    RemoveOrigins { before: i64 as BigInt },
    [
        "UPDATE audit_events SET address = NULL, user_agent = NULL, detail = CASE \
         WHEN event IN ('mass_end_started', 'mass_end_done', 'throttle_cleared') \
         THEN json_remove(detail, '$.address', '$.filter.address', '$.filter.device', '$.filter.name') \
         ELSE detail END WHERE id IN (SELECT id FROM audit_events WHERE ", (HAS_ORIGIN), " AND at < ", before,
        " LIMIT ", {BATCH}, ")",
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// The same on Postgres.
    RemoveOriginsPostgres { before: i64 as BigInt },
    [
        "UPDATE audit_events SET address = NULL, user_agent = NULL, detail = CASE \
         WHEN event IN ('mass_end_started', 'mass_end_done', 'throttle_cleared') \
         THEN (detail::jsonb - 'address' #- '{filter,address}' #- '{filter,device}' #- '{filter,name}')::text \
         ELSE detail END WHERE id IN (SELECT id FROM audit_events WHERE ", (HAS_ORIGIN_POSTGRES), " AND at < ", before,
        " LIMIT ", {BATCH}, ")",
    ]
}

fn remove_origins(any: &mut AnyConnection, before: i64) -> QueryResult<usize> {
    on_each!(any,
        sqlite(c) => RemoveOrigins { before }.execute(c),
        postgres(c) => RemoveOriginsPostgres { before }.execute(c),
    )
}

#[cfg(feature = "postgres")]
statement! {
    /// Takes the transaction from a batch of events that have one that this server has not begun yet: they were
    /// restored from the backup of another server, where their transactions are long over.
    SettleRestored {},
    [
        "UPDATE audit_events SET xid = '0' WHERE id IN (SELECT id FROM audit_events \
         WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()) LIMIT ", {BATCH}, ")",
    ]
}

fn settle_restored(any: &mut AnyConnection) -> QueryResult<usize> {
    on_each!(any, sqlite(_c) => Ok(0), postgres(c) => SettleRestored {}.execute(c))
}

impl DieselStore {
    /// Deletes old events and addresses, measured from `now`, and returns the numbers of both.
    pub(in super::super) fn sweep_audit(
        &self,
        now: Timestamp,
        policy: &SweepPolicy,
        go_on: &dyn Fn() -> bool,
    ) -> StoreResult<(usize, usize)> {
        let before = |age: Duration| now.saturating_sub(age).as_micros();
        self.repeat(go_on, settle_restored)?;
        let mut deleted = 0;
        if let Some(age) = policy.audit_retention {
            deleted += self.repeat(go_on, |any| DeleteOld { before: before(age) }.execute(any))?;
        }
        if let Ok(kept @ 1..) = i64::try_from(policy.audit_max_rows) {
            deleted += self.repeat(go_on, |any| DeleteRoutine { kept }.execute(any))?;
            let acts = kept / SHARE_OF_ACTS;
            deleted += self.repeat(go_on, |any| DeleteActs { kept, acts }.execute(any))?;
        }
        let mut cleaned = 0;
        if let Some(age) = policy.audit_address_retention {
            cleaned += self.repeat(go_on, |any| remove_origins(any, before(age)))?;
        }
        Ok((deleted, cleaned))
    }
}
