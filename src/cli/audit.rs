//! `knoxide audit …`

use std::io::{self, Write};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::answer::{Answer, Answered, Code, Failure};
use super::args::{Audit as Action, EventConditions};
use super::session::parse_id;
use super::{Context, Missing};
use crate::domain::escape::visible;
use crate::domain::user::numbered;
use crate::service::admin::{Admin, AdminError, search_events};
use crate::store::{EventCursor, EventEntry, EventFilter, EventList, EventOrder};

/// How many events are read at once.
const PAGE: u32 = 1000;

/// How often `tail` looks for new events.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long it looks for a signal between two pages: not at all would not hear of one.
const SIGNAL_CHECK: Duration = Duration::from_millis(1);

/// The columns of a list of events.
const HEADER: [&str; 9] = ["CURSOR", "AT", "EVENT", "COUNT", "ACTOR", "USER", "SESSION", "ADDRESS", "DETAIL"];

/// Runs the arguments after `audit`.
pub(super) fn run(action: Action, as_json: bool, context: &mut Context<'_>) -> Answered {
    let admin = context.admin(Missing::Refuse)?;
    match action {
        Action::List { filter, limit, before } => {
            let after = before.map(|text| parse_cursor(&text)).transpose()?;
            let filter = EventFilter { limit, after, ..selected(filter, &admin)? };
            Answer::table(HEADER, &admin.search_events(&filter)?, row)
        }
        Action::Export { filter, after } => {
            let after = after.map(|text| parse_cursor(&text)).transpose()?;
            let filter =
                EventFilter { order: EventOrder::OldestFirst, limit: PAGE, after, ..selected(filter, &admin)? };
            let mut lines = Lines { out: &mut *context.out, as_json: true };
            ended(lines.follow(&|filter| admin.list_events(filter), filter, &mut || true).map(drop))
        }
        Action::Tail { filter, lines } => {
            let filter = selected(filter, &admin)?;
            let shown = Lines { out: &mut *context.out, as_json };
            ended(tail(shown, &|filter| admin.list_events(filter), &filter, lines))
        }
    }
}

fn selected(filter: EventConditions, admin: &Admin) -> Result<EventFilter, Failure> {
    let EventConditions { user, event, actor, address, session, from, to } = filter;
    // The events about a deleted user remain, under the number.
    let user = match user.as_deref().map(|typed| (numbered(typed), typed)) {
        Some((Some(id), _)) => Some(id),
        Some((None, name)) => Some(admin.find_user(name)?.id),
        None => None,
    };
    Ok(EventFilter {
        user,
        events: event,
        actor,
        address: address.map(|address| address.to_string()),
        session: session.map(|id| parse_id(&id)).transpose()?,
        from,
        until: to,
        ..EventFilter::default()
    })
}

fn parse_cursor(text: &str) -> Result<EventCursor, Failure> {
    let problem =
        || Failure::new(Code::Usage, format!("{text:?} is not the cursor of an event: see `knoxide audit list`"));
    EventCursor::parse(text).ok_or_else(problem)
}

/// Why lines are no longer written.
enum Stop {
    /// The reader of the output has closed it, as `head` does.
    Closed,
    /// A signal came.
    Ordered,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<AdminError> for Stop {
    fn from(error: AdminError) -> Self {
        Self::Failed(error.into())
    }
}

fn ended(outcome: Result<(), Stop>) -> Answered {
    match outcome {
        Ok(()) | Err(Stop::Closed | Stop::Ordered) => Ok(Answer::silent()),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// Lists audit events.
type List<'a> = dyn Fn(&EventFilter) -> Result<EventList, AdminError> + 'a;

/// Events as lines of the output.
struct Lines<'a> {
    out: &'a mut dyn Write,
    as_json: bool,
}

impl Lines<'_> {
    /// Writes all events that match, page by page while `go_on` says so; returns the position of the last one. A page
    /// that is not full is the last one, however fast new events come, unless its search stopped.
    fn follow(
        &mut self,
        list: &List<'_>,
        mut filter: EventFilter,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<EventCursor>, Stop> {
        loop {
            let EventList { events, unsearched } = list(&filter)?;
            self.write(&events)?;
            let stopped = unsearched.map(|stopped| stopped.cursor);
            filter.after = stopped.or(events.last().map(|last| last.cursor)).or(filter.after);
            if stopped.is_none() && u32::try_from(events.len()).is_ok_and(|events| events < filter.limit) {
                return Ok(filter.after);
            }
            if !go_on() {
                return Err(Stop::Ordered);
            }
        }
    }

    fn write(&mut self, events: &[EventEntry]) -> Result<(), Stop> {
        let written = events.iter().try_for_each(|event| {
            let line = if self.as_json {
                serde_json::to_string(event).map_err(io::Error::other)?
            } else {
                row(event).join("  ")
            };
            writeln!(self.out, "{}", visible(&line))
        });
        match written.and_then(|()| self.out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Stop::Closed),
            Err(error) => {
                Err(Stop::Failed(Failure::new(Code::Failed, format!("the output cannot be written: {error}"))))
            }
        }
    }
}

/// The position of the newest event of any kind, from which a search for new ones begins: one that began at the last
/// event that matched would read all that follow it each time.
fn newest(list: &List<'_>) -> Result<Option<EventCursor>, AdminError> {
    let any = EventFilter { order: EventOrder::NewestSettledFirst, limit: 1, ..EventFilter::default() };
    Ok(list(&any)?.events.first().map(|newest| newest.cursor))
}

/// Writes the latest events that match, the oldest first; returns where new ones begin.
fn latest(
    shown: &mut Lines<'_>,
    list: &List<'_>,
    filter: &EventFilter,
    lines: u32,
) -> Result<Option<EventCursor>, Stop> {
    let newest = newest(list)?;
    if lines == 0 {
        return Ok(newest);
    }
    let latest = EventFilter { order: EventOrder::NewestSettledFirst, limit: lines, ..filter.clone() };
    let mut events = search_events(&latest, list)?;
    let last = events.first().map(|event| event.cursor);
    events.reverse();
    shown.write(&events)?;
    Ok(last.max(newest))
}

/// Writes what is new; returns where the next ones begin.
fn new_ones(
    shown: &mut Lines<'_>,
    (list, filter): (&List<'_>, &EventFilter),
    after: Option<EventCursor>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<EventCursor>, Stop> {
    let newest = newest(list)?;
    if newest <= after {
        return Ok(after);
    }
    let new = EventFilter { order: EventOrder::OldestFirst, limit: PAGE, after, ..filter.clone() };
    Ok(shown.follow(list, new, go_on)?.max(newest))
}

fn tail(mut shown: Lines<'_>, list: &List<'_>, filter: &EventFilter, lines: u32) -> Result<(), Stop> {
    let mut orders = Orders::listen().map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    let mut after = latest(&mut shown, list, filter, lines)?;
    loop {
        let mut go_on = || !orders.stop_within(SIGNAL_CHECK);
        after = new_ones(&mut shown, (list, filter), after, &mut go_on)?;
        if orders.stop_within(POLL_INTERVAL) {
            return Ok(());
        }
    }
}

/// The signals that end the command.
struct Orders {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Orders {
    fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Whether one of them comes within this time.
    fn stop_within(&mut self, limit: Duration) -> bool {
        let Self { runtime, terminate, interrupt } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = terminate.recv() => true,
                _ = interrupt.recv() => true,
                () = tokio::time::sleep(limit) => false,
            }
        })
    }
}

/// An event as a row below [`HEADER`].
fn row(event: &EventEntry) -> [String; 9] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        event.cursor.to_string(),
        event.at.to_string(),
        event.event.clone(),
        event.count.to_string(),
        event.actor.clone(),
        or_dash(event.user_id.map(|user| user.to_string())),
        or_dash(event.session_id.map(|session| session.to_string())),
        or_dash(event.address.clone()),
        or_dash(event.detail.as_ref().map(ToString::to_string)),
    ]
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::domain::audit::Event;
    use crate::domain::time::Timestamp;
    use crate::store::EventPosition;

    fn entry(cursor: &str) -> EventEntry {
        EventEntry {
            cursor: EventCursor::parse(cursor).expect("a cursor"),
            at: Timestamp::EPOCH,
            event: "login".to_owned(),
            actor: "cli".to_owned(),
            user_id: None,
            session_id: None,
            address: None,
            user_agent: None,
            request_id: None,
            detail: None,
            count: 1,
        }
    }

    #[test]
    fn tail_goes_on_after_the_newest_event_also_if_none_matches() {
        let (newest, asked) = (Cell::new("0-5"), RefCell::new(Vec::new()));
        let list = |filter: &EventFilter| {
            asked.borrow_mut().push((filter.events.len(), filter.after));
            Ok(if filter.events.is_empty() { vec![entry(newest.get())] } else { Vec::new() }.into())
        };
        let wanted = EventFilter { events: vec![Event::Revoked], ..EventFilter::default() };
        let mut out = Vec::new();
        let mut shown = Lines { out: &mut out, as_json: true };
        let Ok(after) = latest(&mut shown, &list, &wanted, 10) else { panic!("a failure") };
        assert_eq!(after, EventCursor::parse("0-5"));
        newest.set("0-9");
        let Ok(next) = new_ones(&mut shown, (&list, &wanted), after, &mut || true) else { panic!("a failure") };
        assert_eq!((next, asked.borrow().last().copied()), (EventCursor::parse("0-9"), Some((1, after))));
        asked.borrow_mut().clear();
        let Ok(same) = new_ones(&mut shown, (&list, &wanted), next, &mut || true) else { panic!("a failure") };
        assert_eq!((same, asked.take()), (next, vec![(0, None)]), "nothing is new, so nothing is searched");
        assert!(out.is_empty());
    }

    #[test]
    fn an_export_goes_on_where_a_search_stopped() {
        let place = |cursor: &str| EventCursor::parse(cursor);
        let asked = RefCell::new(Vec::new());
        let list = |filter: &EventFilter| {
            asked.borrow_mut().push(filter.after);
            let (events, stopped) = match filter.after {
                None => (vec![entry("0-1")], place("0-5")),
                after if after == place("0-5") => (Vec::new(), place("0-9")),
                Some(_) => (vec![entry("0-a")], None),
            };
            let unsearched = stopped.map(|cursor| EventPosition { cursor, at: Timestamp::EPOCH });
            Ok(EventList { events, unsearched })
        };
        let mut out = Vec::new();
        let filter = EventFilter { limit: 10, ..EventFilter::default() };
        let last = Lines { out: &mut out, as_json: true }.follow(&list, filter, &mut || true);
        assert!(matches!(last, Ok(last) if last == place("0-a")));
        assert_eq!(asked.take(), [None, place("0-5"), place("0-9")]);
        assert_eq!(String::from_utf8(out).expect("text").lines().count(), 2);
    }
}
