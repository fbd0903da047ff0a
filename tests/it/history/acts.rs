//! Acts and their audit events: each acknowledged act has exactly one event, and each event belongs to an act that a
//! client asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use knoxide::domain::audit::Event;
use knoxide::store::diesel::DieselStore;
use knoxide::store::{EventEntry, EventFilter, Store as _};

use super::ledger::Ledger;

/// The kinds that are counted; for logouts, the session is compared as well.
const COUNTED: [Event; 4] = [Event::LogoutAll, Event::MassEndDone, Event::AllSessionsEnded, Event::OldSessionsEnded];

/// The number of acts of each kind that were asked for.
#[derive(Debug, Default)]
pub(super) struct Acts(Mutex<HashMap<Event, Asked>>);

#[derive(Debug, Default, Clone, Copy)]
struct Asked {
    acknowledged: u64,
    /// Acts that may have happened.
    unanswered: u64,
}

impl Acts {
    pub(super) fn add(&self, event: Event, acknowledged: bool) {
        let mut acts = self.0.lock().expect("no panic");
        let asked = acts.entry(event).or_default();
        *(if acknowledged { &mut asked.acknowledged } else { &mut asked.unanswered }) += 1;
    }

    fn of(&self, event: Event) -> Asked {
        self.0.lock().expect("no panic").get(&event).copied().unwrap_or_default()
    }
}

/// Everything that is wrong with the events, and how many acts were compared.
pub(super) fn compare(ledger: &Ledger, store: &Arc<DieselStore>) -> (u64, Vec<String>) {
    let events = all_events(store);
    let mut wrong = Vec::new();
    let mut compared = 0;
    for kind in COUNTED {
        let (found, asked) = (events.iter().filter(|event| event.event == kind.as_str()).count(), ledger.acts.of(kind));
        let found = u64::try_from(found).expect("a number");
        compared += asked.acknowledged;
        if found < asked.acknowledged || found > asked.acknowledged + asked.unanswered {
            wrong.push(format!("{found} events {} for {asked:?}", kind.as_str()));
        }
    }
    compared += compare_logouts(ledger, &events, &mut wrong);
    (compared, wrong)
}

/// Requires one event with its session for each logout that was acknowledged and that nothing else can have preceded.
fn compare_logouts(ledger: &Ledger, events: &[EventEntry], wrong: &mut Vec<String>) -> u64 {
    let mut logouts: HashMap<String, u64> = HashMap::new();
    for event in events.iter().filter(|event| event.event == Event::Logout.as_str()) {
        *logouts.entry(event.session_id.expect("a session").to_string()).or_default() += 1;
    }
    let mut compared = 0;
    for token in ledger.tokens() {
        let facts = token.facts().clone();
        // The session is known only from a check that accepted the token.
        let Some(session) = facts.session else { continue };
        let found = logouts.remove(&session).unwrap_or_default();
        let alone = |at| facts.tried_times == 1 && facts.tried_with_others.is_none_or(|tried| tried > at);
        let certain = facts.logged_out.is_some_and(alone);
        compared += u64::from(certain);
        if (certain && found != 1) || found > 1 || (found > 0 && facts.tried_times == 0) {
            wrong.push(format!("{found} events of the logout of {session}, tried {} times", facts.tried_times));
        }
    }
    compared
}

fn all_events(store: &Arc<DieselStore>) -> Vec<EventEntry> {
    let mut connection = store.connect().expect("a connection");
    let mut filter = EventFilter { limit: 1000, ..EventFilter::default() };
    let mut events: Vec<EventEntry> = Vec::new();
    loop {
        let page = connection.list_events(&filter).expect("a list").events;
        let Some(last) = page.last() else { return events };
        filter.after = Some(last.cursor);
        events.extend(page);
    }
}
