//! The newest sessions that match, found among any number of others in a bounded time
//! (`docs/adr/0050-pages-look-at-a-bounded-part.md`).

use diesel::prelude::*;

use super::super::any::AnyConnection;
use super::super::matching::{self, By, Condition};
use super::super::rows::session_id;
use super::super::schema::sessions;
use super::sessions::{SessionRow, entries, newest, rows};
use super::walk::{InOrder, LARGEST, in_snapshot, walk};
use crate::domain::session::SessionId;
use crate::store::admin::is_single;
use crate::store::{SessionFilter, SessionList, SessionMatch};

/// See [`Connection::list_sessions`](crate::store::Connection::list_sessions).
pub(in super::super) fn sessions(any: &mut AnyConnection, filter: &SessionFilter) -> QueryResult<SessionList> {
    let (found, unsearched) = in_snapshot(any, |any| match way(any, filter)? {
        By::Network => Ok((of_network(any, filter)?, None)),
        by @ (By::Id | By::User | By::Address | By::Scripts) => {
            walk(any, &Search { filter, by }, filter.limit, filter.effort)
        }
    })?;
    Ok(SessionList { sessions: entries(any, found)?, unsearched })
}

/// Which index to go by: one that leads to so few sessions that all of them can be looked at, or else one that leads to
/// many in the order of their ids.
fn way(any: &mut AnyConnection, filter: &SessionFilter) -> QueryResult<By> {
    let SessionMatch { user, address, for_script, .. } = &filter.matching;
    let by_address = address.as_ref().map(|network| if is_single(network) { By::Address } else { By::Network });
    let ways = [user.map(|_| By::User), by_address, for_script.then_some(By::Scripts)];
    let ways: Vec<By> = ways.into_iter().flatten().collect();
    let in_order = ways.iter().copied().find(|by| *by != By::Network);
    if let ([_], Some(only)) = (&*ways, in_order) {
        return Ok(only);
    }
    let few = filter.effort.rows.min(LARGEST);
    for by in ways {
        let search = Search { filter, by };
        if search.nth(any, None, few)?.is_none() {
            return Ok(by);
        }
    }
    Ok(in_order.unwrap_or(By::Id))
}

/// A part of the ids.
#[derive(Debug, Clone, Copy)]
struct Ids {
    from: Option<SessionId>,
    before: Option<SessionId>,
}

impl Ids {
    /// All that the list is about. Of several bounds, SQLite would begin with the wrong one.
    fn of(filter: &SessionFilter) -> Self {
        let (from, beyond) = matching::ids_of(&filter.matching);
        Self { from, before: filter.before.into_iter().chain(beyond).min() }
    }

    /// Of these, those that come after one session, the newest first, down to another one.
    fn between(self, after: Option<SessionId>, end: Option<SessionId>) -> Self {
        Self { from: end.or(self.from), before: after.or(self.before) }
    }

    fn conditions(self) -> Vec<Condition> {
        let bytes = |id: SessionId| id.as_bytes().to_vec();
        let from = self.from.map(|id| Box::new(sessions::id.ge(bytes(id))) as Condition);
        let before = self.before.map(|id| Box::new(sessions::id.lt(bytes(id))) as Condition);
        from.into_iter().chain(before).collect()
    }
}

/// Sessions, the newest first, along an index.
struct Search<'a> {
    filter: &'a SessionFilter,
    by: By,
}

impl InOrder for Search<'_> {
    type Position = SessionId;
    type Row = SessionRow;

    fn nth(&self, any: &mut AnyConnection, after: Option<SessionId>, others: u32) -> QueryResult<Option<SessionId>> {
        let mut query = sessions::table.select(sessions::id).limit(1).offset(i64::from(others)).into_boxed();
        for condition in matching::leading(&self.filter.matching, self.by) {
            query = query.filter(condition);
        }
        if self.by == By::Network {
            query = query.order((sessions::address, sessions::id));
        } else {
            query = query.order(sessions::id.desc());
            for condition in Ids::of(self.filter).between(after, None).conditions() {
                query = query.filter(condition);
            }
        }
        let found: Option<Vec<u8>> = query.first(any).optional()?;
        found.map(|id| session_id(&id)).transpose()
    }

    fn matching(
        &self,
        any: &mut AnyConnection,
        after: Option<SessionId>,
        end: Option<SessionId>,
        wanted: usize,
    ) -> QueryResult<Vec<SessionRow>> {
        let Self { filter, by } = *self;
        let ids = Ids::of(filter).between(after, end);
        if filter.matching.address.as_ref().is_none_or(matching::is_told_by_text) {
            let conditions = ids.conditions().into_iter().chain(conditions(filter, by)).collect();
            return newest(any, conditions, i64::try_from(wanted).unwrap_or(i64::MAX));
        }
        let found = covered(any, filter, by, ids)?;
        these(any, filter, found.into_iter().take(wanted))
    }
}

/// The newest sessions of a network that has few, in no order that an index has.
fn of_network(any: &mut AnyConnection, filter: &SessionFilter) -> QueryResult<Vec<SessionRow>> {
    let everywhere = Ids { from: None, before: None };
    let mut found = covered(any, filter, By::Network, everywhere)?;
    let Ids { from, before } = Ids::of(filter);
    found.retain(|id| from.is_none_or(|from| from <= *id) && before.is_none_or(|before| *id < before));
    found.sort_unstable_by(|one, other| other.cmp(one));
    these(any, filter, found.into_iter().take(usize::try_from(filter.limit).unwrap_or(usize::MAX)))
}

/// The ids of those that match, also where the text of an address does not tell.
fn covered(any: &mut AnyConnection, filter: &SessionFilter, by: By, ids: Ids) -> QueryResult<Vec<SessionId>> {
    let mut query = sessions::table.select((sessions::id, sessions::address)).into_boxed();
    query = if by == By::Network {
        query.order((sessions::address, sessions::id))
    } else {
        query.order(sessions::id.desc())
    };
    for condition in ids.conditions().into_iter().chain(conditions(filter, by)) {
        query = query.filter(condition);
    }
    let found: Vec<(Vec<u8>, Option<String>)> = query.load(any)?;
    let covered = found.into_iter().filter(|(_, address)| filter.matching.covers(address.as_deref()));
    covered.map(|(id, _)| session_id(&id)).collect()
}

/// The rows of these sessions, without those that are live no longer.
fn these(
    any: &mut AnyConnection,
    filter: &SessionFilter,
    found: impl Iterator<Item = SessionId>,
) -> QueryResult<Vec<SessionRow>> {
    let found: Vec<Vec<u8>> = found.map(|id| id.as_bytes().to_vec()).collect();
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let these: Condition = Box::new(sessions::id.eq_any(found));
    rows(any, live(filter).into_iter().chain([these]).collect())
}

/// What a session that is listed has to be, if it has to be live.
fn live(filter: &SessionFilter) -> Vec<Condition> {
    if filter.with_ended { Vec::new() } else { matching::live(filter.now, filter.idle_limits) }
}

/// All conditions but those on ids.
fn conditions(filter: &SessionFilter, by: By) -> Vec<Condition> {
    let matching = &filter.matching;
    matching::leading(matching, by).into_iter().chain(matching::following(matching, by)).chain(live(filter)).collect()
}
