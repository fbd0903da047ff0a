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
use crate::service::admin::{Admin, AdminError, EventReader};
use crate::store::{EventCursor, EventEntry, EventFilter, EventOrder};

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
            Answer::table(HEADER, &admin.list_events(&filter)?, row)
        }
        Action::Export { filter, after } => {
            let after = after.map(|text| parse_cursor(&text)).transpose()?;
            let filter =
                EventFilter { order: EventOrder::OldestFirst, limit: PAGE, after, ..selected(filter, &admin)? };
            let mut lines = Lines { out: &mut *context.out, as_json: true };
            ended(lines.follow(&mut admin.event_reader()?, filter, &mut || true).map(drop))
        }
        Action::Tail { filter, lines } => {
            let filter = selected(filter, &admin)?;
            let shown = Lines { out: &mut *context.out, as_json };
            ended(tail(shown, &mut admin.event_reader()?, &filter, lines))
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

/// Events as lines of the output.
struct Lines<'a> {
    out: &'a mut dyn Write,
    as_json: bool,
}

impl Lines<'_> {
    /// Writes all events that match, page by page while `go_on` says so; returns the position of the last one. A page
    /// that is not full is the last one, however fast new events come.
    fn follow(
        &mut self,
        reader: &mut EventReader,
        mut filter: EventFilter,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<EventCursor>, Stop> {
        loop {
            let page = reader.list(&filter)?;
            self.write(&page)?;
            filter.after = page.last().map(|last| last.cursor).or(filter.after);
            if u32::try_from(page.len()).is_ok_and(|events| events < filter.limit) {
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

fn tail(mut shown: Lines<'_>, reader: &mut EventReader, filter: &EventFilter, lines: u32) -> Result<(), Stop> {
    let mut orders = Orders::listen().map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    // One at least: it is where new ones begin.
    let latest = EventFilter { order: EventOrder::NewestSettledFirst, limit: lines.max(1), ..filter.clone() };
    let mut events = reader.list(&latest)?;
    let mut after = events.first().map(|newest| newest.cursor);
    events.truncate(usize::try_from(lines).unwrap_or(usize::MAX));
    events.reverse();
    shown.write(&events)?;
    loop {
        let new = EventFilter { order: EventOrder::OldestFirst, limit: PAGE, after, ..filter.clone() };
        after = shown.follow(reader, new, &mut || !orders.stop_within(SIGNAL_CHECK))?;
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
