//! Events between two requests: time passes, or an account is closed.

use std::time::Duration;

use knoxide::domain::audit::Event;
use knoxide::domain::time::{Clock as _, Timestamp};
use knoxide::domain::user::LoginName;
use knoxide::store::AdminStore as _;
use knoxide::store::{LastAdmin, UserChanged};

use crate::harness::app::App;

/// A line such as `@advance 6d` of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Directive {
    /// The server's clock moves forward.
    Advance(Duration),
    /// A user may no longer log in.
    Deactivate(String),
    /// A user may log in again.
    Activate(String),
    /// All sessions of a user end, without a request.
    End(String),
}

impl Directive {
    /// Parses it without its `@`; `None` if it is something else.
    pub(crate) fn read(text: &str) -> Option<Result<Self, String>> {
        let (word, rest) = text.split_once(' ')?;
        Some(match word {
            "advance" => duration(rest).map(Self::Advance).ok_or_else(|| format!("@{text}: such as 5m or 6d")),
            "deactivate" => Ok(Self::Deactivate(rest.to_owned())),
            "activate" => Ok(Self::Activate(rest.to_owned())),
            "end" => Ok(Self::End(rest.to_owned())),
            _ => return None,
        })
    }
}

/// A whole number and a unit: `30s`, `5m`, `2h`, `6d`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(unit)?))
}

/// Executes directives, and knows the time on the server.
pub(crate) trait Director {
    /// The time on the server's clock.
    fn now(&self) -> Timestamp;

    /// Executes it; it is complete before the next request.
    fn direct(&self, directive: &Directive) -> Result<(), String>;
}

impl Director for App {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn direct(&self, directive: &Directive) -> Result<(), String> {
        let mut connection = self.connection();
        let mut find = |name: &String| {
            let account = connection.find_account(&LoginName::Username(name.clone()));
            let account = account.map_err(|error| error.to_string())?;
            account.map(|account| account.user.id).ok_or_else(|| format!("there is no user {name}"))
        };
        let done = match directive {
            Directive::Advance(by) => {
                self.clock.advance(*by);
                return Ok(());
            }
            Directive::Deactivate(name) => {
                let user = find(name)?;
                self.store
                    .set_active(user, false, LastAdmin::MayGo, &self.audit(Event::Deactivated))
                    .map(|changed| changed == UserChanged::Done)
            }
            Directive::Activate(name) => {
                let user = find(name)?;
                self.store
                    .set_active(user, true, LastAdmin::MayGo, &self.audit(Event::Activated))
                    .map(|changed| changed == UserChanged::Done)
            }
            Directive::End(name) => {
                let user = find(name)?;
                connection.end_all_sessions(user, &self.audit(Event::Revoked))
            }
        };
        done.map(drop).map_err(|error| error.to_string())
    }
}
