//! What a store says when it fails stays inside: it may speak of secrets.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use knoxide::cause::Cause;
use knoxide::service::Auth;
use knoxide::session::{SessionId, TokenRecord};
use knoxide::store::memory::MemoryStore;
use knoxide::store::{
    Connection, NewSession, Opening, Refresh, Refreshed, Store, StoreError, StoreResult, Successor, UserCreation,
};
use knoxide::time::{Clock as _, SystemClock, Timestamp};
use knoxide::token::TokenDigest;
use knoxide::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};

use crate::support::app::{Served, Setup, add_user, cheap_hasher, login_request, token_of, token_request};
use crate::support::wire::Request;

/// In every error of the store.
const SECRET: &str = "postgres://knoxide:hush-hush-4711@db";

/// What the store refuses to do, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    Nothing,
    Connect,
    Reads,
    Logins,
    Logouts,
}

/// Makes an error out of what is said.
type Wording = fn(String) -> StoreError;

#[derive(Clone)]
struct TalkativeStore {
    behind: MemoryStore,
    failing: Arc<Mutex<(Failing, Wording)>>,
}

impl TalkativeStore {
    fn fail(&self, what: Failing, how: Wording) {
        *self.failing.lock().expect("no panic") = (what, how);
    }

    fn unless(&self, what: Failing) -> StoreResult<()> {
        let (failing, how) = *self.failing.lock().expect("no panic");
        if failing == what { Err(how(format!("{SECRET} said no"))) } else { Ok(()) }
    }
}

struct Talkative {
    behind: Box<dyn Connection>,
    store: TalkativeStore,
}

impl Store for TalkativeStore {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        self.unless(Failing::Connect)?;
        Ok(Box::new(Talkative { behind: self.behind.connect()?, store: self.clone() }))
    }

    fn writers(&self) -> usize {
        1
    }
}

impl Connection for Talkative {
    fn ping(&mut self) -> StoreResult<()> {
        self.store.unless(Failing::Connect)?;
        self.store.unless(Failing::Reads)
    }

    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        self.store.unless(Failing::Connect)?;
        self.store.unless(Failing::Reads)?;
        self.behind.find_many(digests)
    }

    fn find_account(&mut self, login: &LoginName) -> StoreResult<Option<Account>> {
        self.store.unless(Failing::Connect)?;
        self.store.unless(Failing::Reads)?;
        self.behind.find_account(login)
    }

    fn find_account_by_id(&mut self, user: UserId) -> StoreResult<Option<Account>> {
        self.behind.find_account_by_id(user)
    }

    fn open_session(&mut self, new: &NewSession) -> StoreResult<Opening> {
        self.store.unless(Failing::Logins)?;
        self.behind.open_session(new)
    }

    fn refresh(&mut self, refresh: &Refresh) -> StoreResult<Refreshed> {
        self.store.unless(Failing::Logins)?;
        self.behind.refresh(refresh)
    }

    fn find_successor(&mut self, digest: &TokenDigest) -> StoreResult<Option<Successor>> {
        self.behind.find_successor(digest)
    }

    fn end_session(&mut self, session: SessionId, cause: &Cause) -> StoreResult<bool> {
        self.store.unless(Failing::Logouts)?;
        self.behind.end_session(session, cause)
    }

    fn end_idle_session(&mut self, session: SessionId, seen: Timestamp, cause: &Cause) -> StoreResult<bool> {
        self.behind.end_idle_session(session, seen, cause)
    }

    fn end_all_sessions(&mut self, user: UserId, cause: &Cause) -> StoreResult<bool> {
        self.store.unless(Failing::Logouts)?;
        self.behind.end_all_sessions(user, cause)
    }

    fn create_user(&mut self, new: &NewUser, cause: &Cause) -> StoreResult<UserCreation> {
        self.behind.create_user(new, cause)
    }

    fn set_password(
        &mut self,
        user: UserId,
        new: &PasswordHash,
        keep: Option<SessionId>,
        cause: &Cause,
    ) -> StoreResult<bool> {
        self.behind.set_password(user, new, keep, cause)
    }

    /// Fails where the login itself does not.
    fn upgrade_password_hash(&mut self, _: UserId, _: &PasswordHash, _: &PasswordHash) -> StoreResult<bool> {
        Err(StoreError::Failed(SECRET.to_owned()))
    }

    fn set_active(&mut self, user: UserId, active: bool, cause: &Cause) -> StoreResult<bool> {
        self.behind.set_active(user, active, cause)
    }

    fn put_shadow_user(&mut self, user: &NewUser, cause: &Cause) -> StoreResult<Epoch> {
        self.behind.put_shadow_user(user, cause)
    }

    fn touch(&mut self, seen: &[(SessionId, Timestamp)]) -> StoreResult<()> {
        self.behind.touch(seen)
    }

    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
        work(self);
        Ok(())
    }
}

/// The log of this process, as far as it concerns these tests. Others log here too.
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

#[test]
fn neither_bodies_nor_the_log_tell_why_a_store_failed() {
    log::set_logger(&LISTENER).expect("the first logger of this process");
    log::set_max_level(log::LevelFilter::Trace);
    let failing = Arc::new(Mutex::new((Failing::Nothing, StoreError::Failed as Wording)));
    let store = TalkativeStore { behind: MemoryStore::new(), failing };
    add_user(&mut *store.connect().expect("a connection"), "alice", "correct horse", SystemClock.now());
    // Another cost than the stored hash's, so that each login wants to upgrade it.
    let hasher = knoxide::password::Hasher::with_unsafe_cost(cheap_hasher().cost() + 1).expect("a cost");
    let auth = Auth::builder(store.clone()).hasher(hasher).password_threads(1).build().expect("a service");
    let served = Served::start(auth, Setup::default().http);
    let client = &mut served.client();
    let good = client.ask(&login_request("alice", "correct horse"));
    let token = token_of(&good);
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
    ];
    for how in [StoreError::Failed, StoreError::Busy, StoreError::Unavailable] {
        for (what, request) in &requests {
            store.fail(*what, how);
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
    store.fail(Failing::Nothing, StoreError::Failed);
    // A thread that found no database waits for a moment before it looks again.
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
