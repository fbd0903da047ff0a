//! The database becomes unavailable and returns: "could not look" is a 503 in time, never a 401, and everything works
//! again soon after.

use std::time::{Duration, Instant};

mod companions;
mod load;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use load::{Answer, Load, Question};

const USER: &str = "alice";
const PASSWORD: &str = "correct horse";

/// How much longer than promised anything may take on a busy machine.
const SLACK: Duration = Duration::from_secs(2);

/// A check is answered within this time, whatever the database does.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

/// Checks are answered again within this time after the database is back.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// For tests that wait for something without a promised time.
const PATIENCE: Duration = Duration::from_secs(30);

fn is_unavailable(answer: &Answer) -> bool {
    answer.is_check() && answer.status == 503
}

fn is_live(answer: &Answer) -> bool {
    answer.ask == Question::Live && answer.status == 200
}

fn is_login(answer: &Answer) -> bool {
    answer.ask == Question::Login && answer.status == 200
}

/// Waits until checks, within their promised time, and everything else work again after `back`.
fn wait_for_return(load: &Load, name: &str, back: Instant, with_logins: bool) {
    load.wait_for(&format!("a good check after: {name}"), back, back + BACK_WITHIN + SLACK, is_live);
    if with_logins {
        load.wait_for(&format!("a login after: {name}"), back, back + PATIENCE, is_login);
    }
}
