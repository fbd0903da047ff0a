//! A store's error messages are not passed on, since they may contain secrets.

use std::fmt::Write as _;
use std::sync::Mutex;

use knoxide::domain::time::{Clock as _, SystemClock};
use knoxide::service::Auth;
use knoxide::store::conformance::{Layer, Layered};
use knoxide::store::memory::MemoryStore;
use knoxide::store::{StoreError, StoreResult};
use serde_json::json;

use crate::harness::app::{Served, Setup, add_user, cheap_hasher, login_request, token_of, token_request};
use crate::harness::wire::{Framing, Request};

/// Part of every error of the store.
const SECRET: &str = "postgres://knoxide:hush-hush-4711@db";

/// Which calls of the store fail, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    Nothing,
    Connect,
    Reads,
    Lists,
    Logins,
    Logouts,
}

/// Makes an error with this message.
type Wording = fn(String) -> StoreError;

/// A store whose errors contain secrets.
struct Talkative(Mutex<(Failing, Wording)>);

impl Talkative {
    fn fail(&self, what: Failing, how: Wording) {
        *self.0.lock().expect("no panic") = (what, how);
    }
}

impl Layer for Talkative {
    fn before(&self, method: &'static str) -> StoreResult<()> {
        let (failing, how) = *self.0.lock().expect("no panic");
        let fails = match method {
            "connect" => failing == Failing::Connect,
            "ping" | "find_many" | "find_account" => matches!(failing, Failing::Connect | Failing::Reads),
            "list_sessions" | "find_session" => failing == Failing::Lists,
            "open_session" | "refresh" => failing == Failing::Logins,
            "end_session" | "end_all_sessions" | "end_other_sessions" | "change_password" => {
                failing == Failing::Logouts
            }
            // Always, since a login does not need it.
            "upgrade_password_hash" => return Err(StoreError::Failed(SECRET.to_owned())),
            _ => false,
        };
        if fails { Err(how(format!("{SECRET} said no"))) } else { Ok(()) }
    }
}

/// The part of this process's log that concerns these tests. Other tests log here too.
struct Listener {
    leaks: Mutex<Vec<String>>,
    warnings: Mutex<Vec<String>>,
}

static LISTENER: Listener = Listener { leaks: Mutex::new(Vec::new()), warnings: Mutex::new(Vec::new()) };

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        struct Everything(String);
        impl<'kvs> log::kv::VisitSource<'kvs> for Everything {
            fn visit_pair(
                &mut self,
                key: log::kv::Key<'kvs>,
                value: log::kv::Value<'kvs>,
            ) -> Result<(), log::kv::Error> {
                write!(self.0, " {key}={value}").map_err(log::kv::Error::from)
            }
        }
        let mut line = Everything(format!("{} {} {}", record.level(), record.target(), record.args()));
        record.key_values().visit(&mut line).expect("it can be read");
        if line.0.contains("hush-hush") {
            self.leaks.lock().expect("no panic").push(line.0);
        } else if record.level() == log::Level::Warn && record.target().starts_with("knoxide") {
            self.warnings.lock().expect("no panic").push(line.0);
        }
    }

    fn flush(&self) {}
}

fn json_request(path: &str, body: &serde_json::Value) -> Request {
    let request = Request::new("POST", path).header("Content-Type", "application/json");
    request.body(body.to_string(), Framing::Length)
}

#[test]
fn neither_bodies_nor_the_log_tell_why_a_store_failed() {
    log::set_logger(&LISTENER).expect("the first logger of this process");
    log::set_max_level(log::LevelFilter::Trace);
    let talkative = Talkative(Mutex::new((Failing::Nothing, StoreError::Failed as Wording)));
    let store = Layered::new(MemoryStore::new(), talkative);
    add_user(store.behind(), "alice", "correct horse", SystemClock.now());
    // A cost other than the stored hash's, so that each login tries to upgrade it.
    let hasher = knoxide::domain::password::Hasher::with_unsafe_cost(cheap_hasher().cost() + 1).expect("a cost");
    let auth = Auth::builder(store.clone()).hasher(hasher).password_threads(1).build().expect("a service");
    let served = Served::start(auth, Setup::default().http);
    let client = &mut served.client();
    let good = client.ask(&login_request("alice", "correct horse"));
    let token = token_of(&good);
    let who: serde_json::Value =
        serde_json::from_str(&client.with_token("GET", "/auth/user/", &token).text()).expect("JSON");
    let own = format!("/auth/sessions/{}/", who["session"]["id"].as_str().expect("an id"));
    let change = json!({ "username": "alice", "current_password": "correct horse", "new_password": "battery staple" });
    let password = json!({ "username": "alice", "password": "correct horse" });
    let requests = [
        (Failing::Connect, token_request("GET", "/auth/user/", &token)),
        (Failing::Connect, login_request("alice", "correct horse")),
        (Failing::Connect, Request::new("GET", "/readyz")),
        (Failing::Reads, token_request("GET", "/auth/user/", &token)),
        (Failing::Reads, login_request("alice", "correct horse")),
        (Failing::Reads, Request::new("GET", "/readyz")),
        (Failing::Logins, login_request("alice", "correct horse")),
        (Failing::Logouts, token_request("POST", "/auth/logout/", &token)),
        (Failing::Logouts, token_request("POST", "/auth/logoutall/", &token)),
        (Failing::Lists, token_request("GET", "/auth/sessions/", &token)),
        (Failing::Lists, token_request("DELETE", &own, &token)),
        (Failing::Logouts, token_request("DELETE", &own, &token)),
        (Failing::Logouts, token_request("POST", "/auth/sessions/revoke-others/", &token)),
        (Failing::Reads, json_request("/auth/password/change/", &change)),
        (Failing::Logouts, json_request("/auth/password/change/", &change)),
        (Failing::Reads, json_request("/auth/sessions/revoke-all/", &password)),
        (Failing::Logouts, json_request("/auth/sessions/revoke-all/", &password)),
    ];
    for how in [StoreError::Failed, StoreError::Busy, StoreError::Unavailable] {
        for (what, request) in &requests {
            store.layer().fail(*what, how);
            let reply = client.ask(request);
            let seen = format!("{what:?} {}: {} {:?} {}", request.method, reply.status, reply.headers, reply.text());
            assert_eq!(reply.status, 503, "{seen}");
            assert!(!seen.contains("hush-hush") && !seen.contains("said no"), "{seen}");
            if request.target != b"/readyz" {
                assert_eq!(reply.header("Retry-After").as_deref(), Some("1"), "{seen}");
                let body = r#"{"detail":"Service temporarily unavailable, try again later."}"#;
                assert_eq!(reply.text(), body, "{seen}");
            }
        }
    }
    store.layer().fail(Failing::Nothing, StoreError::Failed);
    // A thread that found no database waits for a moment before it tries again.
    let back = std::time::Instant::now();
    while client.check(&token) != 200 {
        assert!(back.elapsed() < std::time::Duration::from_secs(30), "nothing is answered again");
    }
    let leaks = LISTENER.leaks.lock().expect("no panic");
    assert!(leaks.is_empty(), "{leaks:#?}");
    let warnings = LISTENER.warnings.lock().expect("no panic");
    for expected in ["a check could not be answered", "a request could not be answered", "was not upgraded"] {
        assert!(warnings.iter().any(|line| line.contains(expected)), "{expected}: {warnings:#?}");
    }
    log::set_max_level(log::LevelFilter::Off);
}
