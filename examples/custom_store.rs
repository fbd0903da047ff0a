//! A store of one's own: here one that counts what is asked of the one behind it.
//!
//! ```sh
//! cargo run --example custom_store --features conformance
//! ```
//!
//! A store has to pass the suite in `knoxide::store::conformance`; this one does so when it
//! starts, and then logs a user in and out.

#![expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use knoxide::cause::{Actor, Cause, Origin, Reason};
use knoxide::dialect::Dialect;
use knoxide::password::Hasher;
use knoxide::random::SystemRandom;
use knoxide::service::{Activity, Auth, LoginRequest};
use knoxide::session::{SessionId, TokenRecord};
use knoxide::store::memory::MemoryStore;
use knoxide::store::{
    Connection, NewSession, Opening, Refresh, Refreshed, Store, StoreResult, Successor, UserCreation,
};
use knoxide::time::{Clock, SystemClock, Timestamp};
use knoxide::token::TokenDigest;
use knoxide::user::{Account, Epoch, LoginName, NewUser, Password, PasswordHash, UserId};

#[derive(Clone, Default)]
struct CountingStore {
    behind: MemoryStore,
    reads: Arc<AtomicU64>,
}

struct CountingConnection {
    behind: Box<dyn Connection>,
    reads: Arc<AtomicU64>,
}

impl Store for CountingStore {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        Ok(Box::new(CountingConnection { behind: self.behind.connect()?, reads: Arc::clone(&self.reads) }))
    }

    fn writers(&self) -> usize {
        self.behind.writers()
    }
}

impl Connection for CountingConnection {
    fn ping(&mut self) -> StoreResult<()> {
        self.behind.ping()
    }

    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.behind.find_many(digests)
    }

    fn find_account(&mut self, login: &LoginName) -> StoreResult<Option<Account>> {
        self.behind.find_account(login)
    }

    fn find_account_by_id(&mut self, user: UserId) -> StoreResult<Option<Account>> {
        self.behind.find_account_by_id(user)
    }

    fn open_session(&mut self, new: &NewSession) -> StoreResult<Opening> {
        self.behind.open_session(new)
    }

    fn refresh(&mut self, refresh: &Refresh) -> StoreResult<Refreshed> {
        self.behind.refresh(refresh)
    }

    fn find_successor(&mut self, digest: &TokenDigest) -> StoreResult<Option<Successor>> {
        self.behind.find_successor(digest)
    }

    fn end_session(&mut self, session: SessionId, cause: &Cause) -> StoreResult<bool> {
        self.behind.end_session(session, cause)
    }

    fn end_idle_session(&mut self, session: SessionId, last_seen: Timestamp, cause: &Cause) -> StoreResult<bool> {
        self.behind.end_idle_session(session, last_seen, cause)
    }

    fn end_all_sessions(&mut self, user: UserId, cause: &Cause) -> StoreResult<bool> {
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

    fn upgrade_password_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool> {
        self.behind.upgrade_password_hash(user, old, new)
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

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    knoxide::store::conformance::run(&mut || Box::new(CountingStore::default()));
    println!("the store keeps its promises");

    let store = CountingStore::default();
    let hasher = Hasher::new(10)?;
    let now = SystemClock.now();
    let ada = NewUser {
        id: None,
        username: "ada".to_owned(),
        email: String::new(),
        password: hasher.hash(&Password::new("lovelace".to_owned()), &SystemRandom)?,
        is_active: true,
        is_staff: false,
        created: now,
    };
    let cause = Cause { reason: Reason::UserCreated, actor: Actor::CommandLine, origin: Origin::default(), at: now };
    store.connect()?.create_user(&ada, &cause)?;

    let auth = Auth::builder(store.clone()).hasher(hasher).build()?;
    let request = LoginRequest {
        dialect: Dialect::Knox,
        login: LoginName::Username("ada".to_owned()),
        password: Password::new("lovelace".to_owned()),
        origin: Origin::default(),
    };
    let issued = auth.login(request).await.map_err(|error| format!("{error:?}"))?;
    let who = auth.check(&issued.access.token, Activity::Counts).await.map_err(|error| format!("{error:?}"))?;
    println!("logged in as {}", who.user.username);
    auth.logout(&who, Origin::default()).await?;
    let refused = auth.check(&issued.access.token, Activity::Counts).await.is_err();
    println!("logged out: {refused}, after {} reads", store.reads.load(Ordering::Relaxed));
    Ok(())
}
