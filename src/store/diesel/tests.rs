//! Tests of the store on real databases: always SQLite, and Postgres if a server is configured.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::{Connection as _, RunQueryDsl};

use super::any::AnyConnection;
use super::connect::Role;
use super::{DieselStore, StoreOptions};
use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::session::{Refusal, SessionId, TokenRecord, judge};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Epoch, LoginName, NewUser, PasswordHash, UserId};
use crate::store::{
    AdminStore, Connection, LastAdmin, NewSession, NewToken, Opening, SessionLimit, Store, StoreResult, UserChanged,
};

mod audit;
mod cutoff;
mod events;
mod feed;
mod groups;
mod import;
mod networks;
mod plans;
mod portions;
mod races;
mod set_up;
mod statements;
mod steps;
mod sweep;
mod tokens;
mod triggers;

/// A database of one test.
pub(super) struct Fixture {
    pub(super) store: DieselStore,
    pub(super) url: String,
    _directory: Option<tempfile::TempDir>,
    server: Option<String>,
}

/// The server to test on. CI must have one.
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn server() -> Option<String> {
    let server = std::env::var("KNOXIDE_TEST_POSTGRES").ok();
    assert!(
        server.is_some() || std::env::var("CI").is_err() || !cfg!(feature = "postgres"),
        "KNOXIDE_TEST_POSTGRES must name a server in CI"
    );
    server.filter(|_| cfg!(feature = "postgres"))
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Fixture {
    /// An empty database without a schema.
    #[cfg(feature = "sqlite")]
    pub(super) fn bare_sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("k.db").display());
        let store = DieselStore::open(&url, StoreOptions::default()).expect("a store");
        Self { store, url, _directory: Some(directory), server: None }
    }

    /// An empty database without a schema, if there is a server.
    pub(super) fn bare_postgres() -> Option<Self> {
        let server = server()?;
        let name = format!("knoxide_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let owner = DieselStore::open(&server, StoreOptions::default()).expect("a server");
        let mut any = owner.target.connect(Role::Admin).expect("the server");
        any.batch_execute(&format!("CREATE DATABASE {name}")).expect("a database");
        let (start, _) = server.rsplit_once('/').expect("a URL with a database");
        let url = format!("{start}/{name}");
        let store = DieselStore::open(&url, StoreOptions::default()).expect("a store");
        Some(Self { store, url, _directory: None, server: Some(server) })
    }

    /// All databases, without a schema.
    pub(super) fn all_bare() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(feature = "sqlite")]
        all.push(Self::bare_sqlite());
        all.extend(Self::bare_postgres());
        all
    }

    /// All databases, with the schema.
    pub(super) fn all() -> Vec<Self> {
        let all = Self::all_bare();
        for fixture in &all {
            fixture.store.migrate().expect("the schema");
        }
        all
    }

    /// A SQLite file with the schema.
    #[cfg(feature = "sqlite")]
    pub(super) fn sqlite() -> Self {
        let fixture = Self::bare_sqlite();
        fixture.store.migrate().expect("the schema");
        fixture
    }

    /// A Postgres database with the schema, if there is a server.
    pub(super) fn postgres() -> Option<Self> {
        let fixture = Self::bare_postgres()?;
        fixture.store.migrate().expect("the schema");
        Some(fixture)
    }

    /// A connection for a test's own statements, as in the database's shell.
    pub(super) fn raw(&self) -> AnyConnection {
        self.store.target.connect(Role::Admin).expect("a connection")
    }

    /// Runs these statements when the statement with this number on a table begins on the connection.
    pub(super) fn interrupt(
        &self,
        any: &mut AnyConnection,
        (table, number): (&'static str, u32),
        statements: &'static str,
    ) {
        let (mut other, mut begun) = (self.raw(), 0);
        any.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event
                && query.to_string().contains(table)
            {
                begun += 1;
                if begun == number {
                    other.batch_execute(statements).expect("the statements");
                }
            }
        });
    }

    pub(super) fn connect(&self) -> Box<dyn Connection> {
        self.store.connect().expect("a connection")
    }

    /// The result of a query that counts.
    pub(super) fn count(&self, query: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let row: Count = diesel::sql_query(format!("SELECT count(*) AS n FROM {query}"))
            .get_result(&mut self.raw())
            .expect("a count");
        row.n
    }

    pub(super) fn set_active(&self, user: UserId, active: bool) {
        let event = if active { Event::Activated } else { Event::Deactivated };
        let set = self.store.set_active(user, active, LastAdmin::MayGo, &audit(event));
        assert_eq!(set, Ok(UserChanged::Done));
    }

    pub(super) fn delete_user(&self, user: UserId) -> StoreResult<UserChanged> {
        self.store.delete_user(user, LastAdmin::MayGo, &audit(Event::UserDeleted))
    }

    pub(super) fn run(&self, sql: &str) {
        self.tried(sql).expect("a statement");
    }

    pub(super) fn tried(&self, sql: &str) -> diesel::QueryResult<()> {
        self.raw().batch_execute(sql)
    }
}

/// Runs a test on each database, with a connection and the user alice.
pub(super) fn on_each_database(test: impl Fn(&Fixture, &mut dyn Connection, UserId)) {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let alice = add_user(&mut *c, "alice");
        test(&fixture, &mut *c, alice);
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let Some(server) = &self.server else { return };
        let (_, name) = self.url.rsplit_once('/').expect("a name");
        let owner = DieselStore::open(server, StoreOptions::default()).expect("a server");
        if let Ok(mut any) = owner.target.connect(Role::Admin) {
            let _ = any.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

pub(super) fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

pub(super) fn audit(event: Event) -> AuditContext {
    AuditContext { event, actor: Actor::System, origin: Origin::default(), at: NOW, detail: None }
}

pub(super) fn new_user(name: &str) -> NewUser {
    NewUser {
        id: None,
        username: name.to_owned(),
        email: format!("{name}@example.com"),
        password: PasswordHash::from_stored("hash".to_owned()),
        is_active: true,
        is_staff: false,
        is_admin: false,
        created: NOW,
    }
}

pub(super) fn add_user(connection: &mut dyn Connection, name: &str) -> UserId {
    connection.put_shadow_user(&new_user(name), &audit(Event::UserCreated)).expect("a user");
    let account = connection.find_account(&LoginName::Username(name.to_owned())).expect("an answer");
    account.expect("the user").user.id
}

pub(super) fn digest(n: u32) -> TokenDigest {
    let mut bytes = [0; 64];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    TokenDigest::from_bytes(bytes)
}

pub(super) fn session(n: u32) -> SessionId {
    let mut random = [0; 10];
    random[6..].copy_from_slice(&n.to_be_bytes());
    SessionId::new(NOW, &random)
}

/// Session `n` with the one token `n`.
pub(super) fn login(user: UserId, epoch: i64, n: u32) -> NewSession {
    NewSession {
        id: session(n),
        user,
        epoch: Epoch(epoch),
        kind: Dialect::Knox.into(),
        name: None,
        tokens: vec![NewToken { digest: digest(n), kind: TokenKind::Access, expires: Some(later(3600)), key: None }],
        limit: None,
        network: None,
        with_event: true,
        audit: audit(Event::Login),
    }
}

pub(super) fn limited(mut new: NewSession, limit: SessionLimit) -> NewSession {
    new.limit = Some(limit);
    new
}

pub(super) fn open(connection: &mut dyn Connection, new: &NewSession) {
    assert_eq!(connection.open_session(new), Ok(Opening::Opened));
}

pub(super) fn find(connection: &mut dyn Connection, n: u32) -> Option<TokenRecord> {
    connection.find_many(&[digest(n)]).expect("an answer").pop().expect("one answer")
}

/// The verdict on token `n`.
pub(super) fn verdict(connection: &mut dyn Connection, n: u32) -> Result<(), Refusal> {
    judge(find(connection, n).as_ref(), Some(TokenKind::Access), NOW, None).map(drop)
}
