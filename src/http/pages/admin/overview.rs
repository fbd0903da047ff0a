//! The first page: how many sessions there are, how many came and failed to, and what administrators did lately.

use askama::Template;

use super::HOME;
use super::request::{Answer, Asked, show as show_page};
use crate::domain::audit::Event;
use crate::http::pages::frame::Frame;
use crate::http::pages::when::When;
use crate::http::pages::words;
use crate::service::admin::desk::Length;
use crate::service::admin::{EventFilter, EventOrder};

/// How many of the latest acts are shown.
const ACTS: u32 = 10;

const LOGINS: [Event; 2] = [Event::Login, Event::AdminLogin];
const FAILURES: [Event; 4] =
    [Event::LoginFailed, Event::AdminLoginFailed, Event::Throttled, Event::PasswordChangeRefused];

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct Overview {
    frame: Frame,
    numbers: Option<Shown>,
    acts: Vec<Act>,
}

struct Shown {
    sessions: String,
    logins: String,
    failures: String,
    counted: When,
}

struct Act {
    at: When,
    event: String,
    actor: String,
    user: Option<i64>,
}

/// What is no act of an administrator.
fn is_act(event: Event) -> bool {
    !event.is_routine() && !matches!(event, Event::UserUpdated | Event::PasswordVerified)
}

pub(super) async fn show(mut asked: Asked) -> Answer {
    asked.call.finish()?;
    let numbers = asked.pages.tally().clone().numbers(&asked).await;
    let filter = EventFilter {
        events: Event::ALL.into_iter().filter(|event| is_act(*event)).collect(),
        order: EventOrder::NewestFirst,
        limit: ACTS,
        ..EventFilter::default()
    };
    let events = asked.call.run(Length::Short, move |admin| admin.list_events(&filter)).await?;
    let acts = events.into_iter().map(|event| Act {
        at: asked.when(event.at),
        event: words::event(&event.event),
        actor: words::actor(&event.actor),
        user: event.user_id.map(|user| user.0),
    });
    let acts = acts.collect();
    let numbers = numbers.map(|numbers| Shown {
        sessions: words::grouped(numbers.sessions),
        logins: words::grouped(numbers.of(&LOGINS)),
        failures: words::grouped(numbers.of(&FAILURES)),
        counted: asked.when(numbers.at),
    });
    show_page(&Overview { frame: asked.frame("Overview", HOME), numbers, acts })
}
