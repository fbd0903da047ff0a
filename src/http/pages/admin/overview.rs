//! The first page: numbers of sessions and logins, and the latest actions of administrators.

use askama::Template;

use super::HOME;
use super::request::{Answer, PageRequest, show as show_page};
use crate::domain::audit::Event;
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::RelativeTime;
use crate::http::pages::words;
use crate::service::admin::EventEntry;

const LOGINS: [Event; 2] = [Event::Login, Event::AdminLogin];
const FAILURES: [Event; 4] =
    [Event::LoginFailed, Event::AdminLoginFailed, Event::Throttled, Event::PasswordChangeRefused];

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct Overview {
    layout: Layout,
    numbers: Option<Numbers>,
}

struct Numbers {
    sessions: String,
    logins: String,
    failures: String,
    counted: RelativeTime,
    actions: Vec<Action>,
}

struct Action {
    at: RelativeTime,
    event: String,
    actor: String,
    user: Option<i64>,
}

impl Action {
    fn of(request: &PageRequest, event: &EventEntry) -> Self {
        Self {
            at: request.when(event.at),
            event: words::event(&event.event),
            actor: words::actor(&event.actor),
            user: event.user_id.map(|user| user.0),
        }
    }
}

pub(super) async fn show(mut request: PageRequest) -> Answer {
    request.call.finish()?;
    let numbers = request.pages.tally.clone().numbers(&request).await;
    let numbers = numbers.map(|numbers| Numbers {
        sessions: words::grouped(numbers.sessions),
        logins: words::grouped(numbers.of(&LOGINS)),
        failures: words::grouped(numbers.of(&FAILURES)),
        counted: request.when(numbers.at),
        actions: numbers.acts.iter().map(|event| Action::of(&request, event)).collect(),
    });
    show_page(&Overview { layout: request.layout("Overview", HOME), numbers })
}
