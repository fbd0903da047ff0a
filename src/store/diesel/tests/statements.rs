//! Statements are prepared only once per connection.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use diesel::Connection as _;
use diesel::connection::InstrumentationEvent;

use super::super::any::{self, Ending};
use super::super::emptying::AT_THE_END;
use super::super::{sessions, users};
use super::*;
use crate::domain::user::LoginName;
use crate::store::LimitPolicy;

/// The statements of a connection.
#[derive(Default)]
struct Seen {
    /// Statements that were prepared and kept.
    kept: Vec<String>,
    /// Statements that ran.
    ran: BTreeSet<String>,
}

/// Watches a connection. diesel does not report statements that it prepares again on every run;
/// those ran and were never kept.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these two are of interest")]
fn watch(any: &mut AnyConnection) -> Arc<Mutex<Seen>> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let watcher = Arc::clone(&seen);
    any.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        let mut seen = watcher.lock().expect("a lock");
        match event {
            InstrumentationEvent::CacheQuery { sql, .. } => seen.kept.push(sql.to_owned()),
            InstrumentationEvent::StartQuery { query, .. } => {
                let text = query.to_string();
                let sql = text.split(" -- binds").next().unwrap_or_default().trim();
                if !["BEGIN", "COMMIT"].iter().any(|word| sql.starts_with(word)) {
                    seen.ran.insert(sql.to_owned());
                }
            }
            _ => {}
        }
    });
    seen
}

/// A login, checks, a touch and a logout.
fn a_day(any: &mut AnyConnection, user: UserId, n: u32) {
    let limit = SessionLimit { max: 5, policy: LimitPolicy::EvictOldest, idle_limit: None };
    let new = limited(login(user, 0, n), limit);
    users::find(any, &LoginName::Username("alice".to_owned())).expect("an account");
    any::write(any, |any| sessions::open(any, &new)).ok().expect("open");
    assert!(sessions::find_many(any, &[digest(n)]).expect("an answer")[0].is_some());
    sessions::find_many(any, &[1, 2, 3].map(digest)).expect("answers");
    let seen = [(session(n), later(1))];
    any::write(any, |any| sessions::touch(any, &seen).map(Ending::Keep)).ok().expect("touch");
    let logout = audit(Event::Logout);
    any::write(any, |any| sessions::end(any, session(n), &logout, &mut { AT_THE_END }).map(Ending::Keep))
        .ok()
        .expect("end");
}

#[test]
fn checks_logins_and_logouts_prepare_nothing_anew() {
    for fixture in Fixture::all() {
        let user = add_user(&mut *fixture.connect(), "alice");
        let mut any = fixture.store.target.connect(Role::DbPool).expect("a connection");
        let seen = watch(&mut any);
        (0..10).for_each(|n| a_day(&mut any, user, n));
        let seen = seen.lock().expect("a lock");
        let kept: BTreeSet<String> = seen.kept.iter().map(|sql| sql.trim().to_owned()).collect();
        assert_eq!(kept.len(), seen.kept.len(), "kept twice: {:?}", seen.kept);
        assert!(kept.len() >= 9 && seen.ran == kept, "ran but not kept: {:?}", seen.ran.difference(&kept));
    }
}
