//! One session with a huge number of tokens, beside many sessions that have ended: it ends at once, and no other
//! request waits for long while its tokens are deleted. `scripts/soak tokens` runs this with millions of tokens, and
//! then the times are checked.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::session::{SessionId, judge};
use knoxide::domain::time::{Clock as _, SystemClock, Timestamp};
use knoxide::domain::token::{TokenDigest, TokenKind};
use knoxide::domain::user::{Epoch, UserId};
use knoxide::store::diesel::DieselStore;
use knoxide::store::{AdminStore as _, LastAdmin, NewSession, NewToken, Opening, Store as _, SweepPolicy, UserChanged};

use super::{connect, on_each_database};
use crate::harness::app::{Backend, Database, add_user};
use crate::harness::number;

/// How long ending the session may take, and how long any other write may wait.
const END: Duration = Duration::from_millis(50);
const WAIT: Duration = Duration::from_millis(100);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

on_each_database! {
    fn a_huge_session_is_in_nobodys_way(backend) {
        let wanted = number("KNOXIDE_SOAK_TOKENS");
        let scene = Scene::set(backend, wanted.unwrap_or(2_000), wanted.is_some());
        if scene.is_strict {
            // How long other requests wait on this machine in any case.
            scene.beside_others("left alone", || std::thread::sleep(Duration::from_secs(30)));
        }
        scene.end_and_empty();
        scene.forget();
        scene.delete_user(true);
        scene.delete_user(false);
        assert_eq!(*scene.faults.borrow(), Vec::<String>::new());
    }
}

struct Scene {
    database: Database,
    store: std::sync::Arc<DieselStore>,
    backend: Backend,
    tokens: u64,
    /// Whether times are checked, as on a machine with nothing else to do.
    is_strict: bool,
    /// Everything that took too long.
    faults: RefCell<Vec<String>>,
}

/// How long other writes waited meanwhile.
struct Waits {
    writes: usize,
    /// How many of these writes waited too long.
    slow: usize,
    longest: Duration,
}

impl Scene {
    fn set(backend: Backend, tokens: u64, is_strict: bool) -> Self {
        let database = Database::migrated(backend);
        let store = database.store();
        let scene = Self { database, store, backend, tokens, is_strict, faults: RefCell::default() };
        let bob = scene.add_user("bob");
        let (id, now) = (scene.bytes("i"), now().as_micros());
        let ended = tokens / 15;
        scene.run(&format!(
            "INSERT INTO sessions (id, user_id, kind, created, last_seen, auth_epoch, opened_reason, opened_by,
             ended_at, ended_reason, ended_by, emptied)
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ended})
             SELECT {id}, {bob}, 'knox', {now}, {now}, 0, 'login', 'system',
             {now} - i * 172800000000 / {ended}, 'logout', 'system', TRUE FROM n"
        ));
        scene
    }

    fn end_and_empty(&self) {
        let alice = self.add_user("alice");
        let session = self.huge_session(alice, 1);
        let mut connection = self.store.connect().expect("a connection");
        let begun = Instant::now();
        let ended = connection.end_session(session, &audit(now()));
        let took = begun.elapsed();
        assert_eq!(ended, Ok(true));
        assert!(!self.is_live(1), "refused at once");
        self.judge(took <= END, format!("ending took {took:?}"));
        println!("{:?}: {} tokens ended in {took:?}", self.backend, self.tokens);
        self.beside_others("emptied", || {
            let emptied = self.store.empty_ended_sessions(&|| true).expect("a sweep");
            assert_eq!(u64::try_from(emptied), Ok(self.tokens + 1 - 100));
        });
    }

    /// As if the session had ended long ago and were marked as empty.
    fn forget(&self) {
        let carol = self.add_user("carol");
        let session = self.huge_session(carol, 2);
        let long_ago = now().saturating_sub(DAY.saturating_mul(40));
        assert_eq!(self.store.connect().expect("a connection").end_session(session, &audit(long_ago)), Ok(true));
        self.run("UPDATE sessions SET emptied = TRUE");
        self.beside_others("forgotten", || {
            let report = self.store.sweep(now(), &SweepPolicy::default(), &|| true).expect("a sweep");
            assert_eq!(u64::try_from(report.dead_tokens), Ok(self.tokens + 1 - 100));
            assert_eq!(report.sessions, 1);
        });
    }

    fn delete_user(&self, is_active: bool) {
        let number = if is_active { 3 } else { 4 };
        let user = self.add_user(if is_active { "dora" } else { "erin" });
        self.huge_session(user, number);
        assert_eq!(self.store.set_active(user, is_active, LastAdmin::MayGo, &audit(now())), Ok(UserChanged::Done));
        self.beside_others(
            if is_active { "deleted with an active user" } else { "deleted with an inactive user" },
            || {
                assert_eq!(self.store.delete_user(user, LastAdmin::MayGo, &audit(now())), Ok(UserChanged::Done));
            },
        );
    }

    /// Runs `work` while another user logs in and out, and reports how long that user waited.
    fn beside_others(&self, what: &str, work: impl FnOnce()) {
        let frank = self.add_user(&format!("frank {what}"));
        let over = AtomicBool::new(false);
        let (waits, took) = std::thread::scope(|scope| {
            let (store, over_now) = (&*self.store, &over);
            let others = scope.spawn(move || others(store, frank, over_now));
            let begun = Instant::now();
            work();
            let took = begun.elapsed();
            over.store(true, Ordering::Relaxed);
            (others.join().expect("no panic"), took)
        });
        let Waits { writes, slow, longest } = waits;
        println!(
            "{:?}: {} tokens {what} in {took:?}; {writes} writes of others, {slow} slow ones, the longest {longest:?}",
            self.backend, self.tokens
        );
        self.judge(longest <= WAIT, format!("another user waited {longest:?} while tokens were {what}"));
    }

    fn judge(&self, fits: bool, otherwise: String) {
        if self.is_strict && !fits {
            self.faults.borrow_mut().push(otherwise);
        }
    }

    /// Opens session `number` with its token, and gives it a huge number of further tokens.
    fn huge_session(&self, user: UserId, number: u64) -> SessionId {
        let new = new_session(user, number);
        assert_eq!(self.store.connect().expect("a connection").open_session(&new), Ok(Opening::Opened));
        let (digest, now) = (self.bytes64(number), now().as_micros());
        // As many a second as a client can create, so that the expiries of other tokens lie between theirs.
        let mut from = 1;
        while from <= self.tokens {
            let to = self.tokens.min(from + 99_999);
            self.run(&format!(
                "INSERT INTO tokens (digest, session_id, kind, created, expires)
                 WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})
                 SELECT {digest}, (SELECT id FROM sessions WHERE user_id = {user}), 'access', {now} + i,
                 {now} + 86400000000 + i / 2000 * 1000000 FROM n"
            ));
            from = to + 1;
        }
        assert!(self.is_live(number));
        new.id
    }

    fn is_live(&self, number: u64) -> bool {
        let mut connection = self.store.connect().expect("a connection");
        let found = connection.find_many(&[digest(number)]).expect("a read").pop().flatten();
        judge(found.as_ref(), Some(TokenKind::Access), now(), None).is_ok()
    }

    fn add_user(&self, name: &str) -> UserId {
        add_user(&*self.store, name, "correct horse", now())
    }

    /// 16 bytes derived from a column, in SQL.
    fn bytes(&self, column: &str) -> String {
        match self.backend {
            Backend::Sqlite => "randomblob(16)".to_owned(),
            #[cfg(feature = "postgres")]
            Backend::Postgres => format!("decode(md5({column}::text), 'hex')"),
        }
    }

    fn bytes64(&self, salt: u64) -> String {
        match self.backend {
            Backend::Sqlite => "randomblob(64)".to_owned(),
            #[cfg(feature = "postgres")]
            Backend::Postgres => {
                let parts = [1, 2, 3, 4].map(|part| format!("md5(i || ' {salt} {part}')"));
                format!("decode({}, 'hex')", parts.join(" || "))
            }
        }
    }

    fn run(&self, sql: &str) {
        use diesel::connection::SimpleConnection as _;

        let url = self.database.url.as_str();
        match self.backend {
            Backend::Sqlite => {
                let path = url.strip_prefix("sqlite://").expect("a file");
                connect::<diesel::SqliteConnection>(path).batch_execute(sql).expect("a statement");
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres => connect::<diesel::PgConnection>(url).batch_execute(sql).expect("a statement"),
        }
    }
}

/// Logs in and out until `over` is set.
fn others(store: &DieselStore, user: UserId, over: &AtomicBool) -> Waits {
    let mut connection = store.connect().expect("a connection");
    let mut waits = Waits { writes: 0, slow: 0, longest: Duration::ZERO };
    for number in 1_000_000.. {
        let new = new_session(user, number);
        let mut note = |begun: Instant| {
            let took = begun.elapsed();
            waits.longest = waits.longest.max(took);
            waits.slow += usize::from(took > WAIT);
        };
        let begun = Instant::now();
        assert_eq!(connection.open_session(&new), Ok(Opening::Opened));
        note(begun);
        let begun = Instant::now();
        assert_eq!(connection.end_session(new.id, &audit(now())), Ok(true));
        note(begun);
        waits.writes += 2;
        if over.load(Ordering::Relaxed) {
            break;
        }
        // A writer without pauses keeps SQLite's lock from all others.
        std::thread::sleep(Duration::from_millis(5));
    }
    waits
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn audit(at: Timestamp) -> AuditContext {
    AuditContext { event: Event::Revoked, actor: Actor::CommandLine, origin: Origin::default(), at, detail: None }
}

fn digest(number: u64) -> TokenDigest {
    let mut bytes = [0xff; 64];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    TokenDigest::from_bytes(bytes)
}

fn new_session(user: UserId, number: u64) -> NewSession {
    let at = now();
    let mut unique = [0; 10];
    unique[2..].copy_from_slice(&number.to_be_bytes());
    NewSession {
        id: SessionId::new(at, &unique),
        user,
        epoch: Epoch(0),
        kind: Dialect::Knox.into(),
        name: None,
        tokens: vec![NewToken { digest: digest(number), kind: TokenKind::Access, expires: None, key: None }],
        limit: None,
        network: None,
        with_event: true,
        audit: audit(at),
    }
}
