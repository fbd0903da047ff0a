//! A store of one's own: here one that counts what is asked of the one behind it. A store that is not around
//! another one implements `Store` and `Connection`, and `AdminStore` if its users are administered by Knoxide.
//!
//! ```sh
//! cargo run --example custom_store --features conformance
//! ```
//!
//! A store has to pass the suite in `knoxide::store::conformance`; this one does so when it
//! starts, and then logs a user in and out.

#![expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]

use std::sync::atomic::{AtomicU64, Ordering};

use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::password::Hasher;
use knoxide::domain::random::SystemRandom;
use knoxide::domain::time::{Clock, SystemClock};
use knoxide::domain::user::{LoginName, NewUser, Password};
use knoxide::service::{Activity, Auth, LoginRequest};
use knoxide::store::conformance::{Layer, Layered, run};
use knoxide::store::memory::MemoryStore;
use knoxide::store::{AdminStore, SharedEmail, StoreResult};

/// Counts reads of tokens.
#[derive(Default)]
struct Counting(AtomicU64);

impl Layer for Counting {
    fn before(&self, method: &'static str) -> StoreResult<()> {
        self.0.fetch_add(u64::from(method == "find_many"), Ordering::Relaxed);
        Ok(())
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    run(&mut || Box::new(Layered::new(MemoryStore::new(), Counting::default())));
    println!("the store keeps its promises");

    let store = Layered::new(MemoryStore::new(), Counting::default());
    let hasher = Hasher::new(10)?;
    let now = SystemClock.now();
    let ada = NewUser {
        id: None,
        username: "ada".to_owned(),
        email: String::new(),
        password: hasher.hash(&Password::new("lovelace".to_owned()), &SystemRandom)?,
        is_active: true,
        is_staff: false,
        is_admin: false,
        created: now,
    };
    let audit = AuditContext {
        event: Event::UserCreated,
        actor: Actor::CommandLine,
        origin: Origin::default(),
        at: now,
        detail: None,
    };
    store.create_user(&ada, SharedEmail::Allow, &audit)?;

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
    println!("logged out: {refused}, after {} reads", store.layer().0.load(Ordering::Relaxed));
    Ok(())
}
