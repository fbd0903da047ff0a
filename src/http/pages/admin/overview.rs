//! The first page: how many sessions there are, how many came and failed to, and what administrators did lately.

use askama::Template;

use super::HOME;
use super::request::{Answer, Asked, show as show_page};
use crate::domain::audit::Event;
use crate::http::pages::frame::Frame;
use crate::http::pages::when::When;
use crate::http::pages::words;
use crate::service::admin::EventEntry;

const LOGINS: [Event; 2] = [Event::Login, Event::AdminLogin];
const FAILURES: [Event; 4] =
    [Event::LoginFailed, Event::AdminLoginFailed, Event::Throttled, Event::PasswordChangeRefused];

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct Overview {
    frame: Frame,
    numbers: Option<Shown>,
}

struct Shown {
    sessions: String,
    logins: String,
    failures: String,
    counted: When,
    acts: Vec<Act>,
}

struct Act {
    at: When,
    event: String,
    actor: String,
    user: Option<i64>,
}

impl Act {
    fn of(asked: &Asked, event: &EventEntry) -> Self {
        Self {
            at: asked.when(event.at),
            event: words::event(&event.event),
            actor: words::actor(&event.actor),
            user: event.user_id.map(|user| user.0),
        }
    }
}

pub(super) async fn show(mut asked: Asked) -> Answer {
    asked.call.finish()?;
    let numbers = asked.pages.tally().clone().numbers(&asked).await;
    let numbers = numbers.map(|numbers| Shown {
        sessions: words::grouped(numbers.sessions),
        logins: words::grouped(numbers.of(&LOGINS)),
        failures: words::grouped(numbers.of(&FAILURES)),
        counted: asked.when(numbers.at),
        acts: numbers.acts.iter().map(|act| Act::of(&asked, act)).collect(),
    });
    show_page(&Overview { frame: asked.frame("Overview", HOME), numbers })
}
