//! Registered clients, as the service judges them: strictly, on every node, and without reading rows while nothing
//! changes.

mod races;
mod written;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use knoxide::domain::audit::Origin;
use knoxide::domain::client::{ClientId, ClientSecret, Right, Rights};
use knoxide::domain::time::{Clock as _, ManualClock};
use knoxide::service::admin::{AddedClient, Admin};
use knoxide::service::{Auth, AuthBuilder, Client, ClientError};
use knoxide::store::conformance::{Layer, Layered};
use knoxide::store::diesel::DieselStore;
use knoxide::store::{Store as _, StoreError, StoreResult};

use crate::harness::admin::administrator;
use crate::harness::app::{Backend, Database, cheap_hasher, on_each_database, start_of_time};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A database with an administrator and a clock.
struct Scene {
    clock: ManualClock,
    admin: Admin,
    database: Database,
}

/// One node, with its reads of clients counted.
struct Node {
    auth: Auth,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Watch {
    reads: AtomicUsize,
    fails: AtomicBool,
}

impl Layer for Watch {
    fn before(&self, method: &'static str) -> StoreResult<()> {
        if method == "find_client" {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if self.fails.load(Ordering::Relaxed) {
                return Err(StoreError::Failed("as planned".to_owned()));
            }
        }
        Ok(())
    }
}

impl Scene {
    fn new(backend: Backend) -> Self {
        let database = Database::migrated(backend);
        let clock = ManualClock::new(start_of_time());
        let admin = administrator(database.store(), clock.clone());
        Self { clock, admin, database }
    }

    fn node(&self) -> Node {
        self.node_that_caches(AuthBuilder::CACHED_TOKENS)
    }

    fn node_that_caches(&self, tokens: usize) -> Node {
        let store = Layered::new(Arc::<DieselStore>::clone(&self.database.store()), Watch::default());
        let watch = Arc::clone(store.layer());
        let builder = Auth::builder(store).clock(self.clock.clone()).hasher(cheap_hasher());
        // A busy machine must not fail the test.
        let builder = builder.check_timeout(Duration::from_secs(30)).cached_tokens(tokens).password_threads(1);
        Node { auth: builder.build().expect("a service"), watch }
    }

    fn add(&self, name: &str, rights: Rights, limit: Option<u32>) -> AddedClient {
        self.admin.add_client(name.to_owned(), rights, limit).expect("a client")
    }

    fn rotate(&self, client: ClientId, keep_old: Duration) -> ClientSecret {
        self.admin.rotate_client(client, keep_old).expect("a new secret").secret
    }
}

impl Node {
    /// A request of a client that asks for introspection.
    async fn ask(&self, id: ClientId, secret: &ClientSecret) -> Result<Client, ClientError> {
        self.auth.client(&id.to_string(), secret, Right::Introspect, &Origin::default()).await
    }

    /// The name of the client, if it has this right.
    async fn named(&self, id: &str, secret: &ClientSecret, right: Right) -> Result<String, ClientError> {
        let client = self.auth.client(id, secret, right, &Origin::default()).await;
        client.map(|client| client.name().to_owned())
    }

    async fn admits(&self, id: ClientId, secret: &ClientSecret) -> bool {
        match self.ask(id, secret).await {
            Ok(client) => client.id() == id,
            Err(ClientError::Unknown) => false,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// The number of rows read since the last call.
    fn reads(&self) -> usize {
        self.watch.reads.swap(0, Ordering::Relaxed)
    }
}

/// Whether each node accepts a secret.
async fn all(nodes: &[Node], id: ClientId, secret: &ClientSecret) -> Vec<bool> {
    let mut answers = Vec::new();
    for node in nodes {
        answers.push(node.admits(id, secret).await);
    }
    answers
}

fn run<T>(work: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(work)
}

/// A secret that no client has.
fn wrong() -> ClientSecret {
    ClientSecret::presented("kxc_0000000000000000000000000000000000000000".to_owned())
}

on_each_database! {
    fn a_client_proves_who_it_is_and_may_do_what_it_has_a_right_to(backend) {
        let scene = Scene::new(backend);
        let node = scene.node();
        let rights: Rights = [Right::Introspect, Right::Revoke].into_iter().collect();
        let (shop, other) = (scene.add("shop", rights, None), scene.add("other", Rights::USUAL, None));
        run(async {
            let id = shop.id.to_string();
            for right in Right::ALL {
                let expected = if rights.has(right) { Ok("shop".to_owned()) } else { Err(ClientError::Forbidden) };
                assert_eq!(node.named(&id, &shop.secret, right).await, expected, "{right:?}");
            }
            let client = node.ask(shop.id, &shop.secret).await.expect("the client");
            assert_eq!(Right::ALL.map(|right| client.may(right)), [true, false, true]);
            let unknown = ClientId::from_bytes([7; 16]).to_string();
            for (id, secret) in [
                (id.as_str(), &wrong()),
                (&id, &other.secret),
                (&id, &ClientSecret::presented(String::new())),
                (&unknown, &shop.secret),
                ("shop", &shop.secret),
                ("", &shop.secret),
                (&id.to_uppercase(), &wrong()),
            ] {
                assert_eq!(node.named(id, secret, Right::Introspect).await, Err(ClientError::Unknown), "{id}");
                // Without the secret, it does not show that the client lacks this right.
                assert_eq!(node.named(id, secret, Right::Batch).await, Err(ClientError::Unknown), "{id}");
            }
        });
    }

    fn nothing_is_read_while_nothing_changes(backend) {
        let scene = Scene::new(backend);
        let node = scene.node();
        let (shop, other) = (scene.add("shop", Rights::USUAL, None), scene.add("other", Rights::USUAL, None));
        run(async {
            for _ in 0..5 {
                assert!(node.admits(shop.id, &shop.secret).await);
            }
            assert_eq!(node.reads(), 1);
            assert!(node.admits(other.id, &other.secret).await);
            assert_eq!(node.reads(), 1);
            // A new client, and a recorded use.
            scene.add("third", Rights::USUAL, None);
            let mut connection = scene.database.store().connect().expect("a connection");
            connection.touch_clients(&[(shop.id, scene.clock.now())]).expect("a write");
            assert!(node.admits(shop.id, &shop.secret).await && node.admits(other.id, &other.secret).await);
            assert_eq!(node.reads(), 0);
            // A refusal costs one read, whether or not the client exists.
            for (id, secret) in [(shop.id, &wrong()), (ClientId::from_bytes([7; 16]), &shop.secret)] {
                for _ in 0..3 {
                    assert!(!node.admits(id, secret).await);
                    assert_eq!(node.reads(), 1, "{id}");
                }
            }
            assert!(node.admits(shop.id, &shop.secret).await);
            assert_eq!(node.reads(), 0);
            let new = scene.rotate(shop.id, DAY);
            for secret in [&shop.secret, &new] {
                assert!(node.admits(shop.id, secret).await);
            }
            assert_eq!(node.reads(), 1, "both secrets are remembered together");
            assert!(node.admits(other.id, &other.secret).await);
            assert_eq!(node.reads(), 1);
        });
    }

    fn without_a_cache_each_request_reads(backend) {
        let scene = Scene::new(backend);
        let node = scene.node_that_caches(0);
        let shop = scene.add("shop", Rights::USUAL, None);
        run(async {
            for _ in 0..3 {
                assert!(node.admits(shop.id, &shop.secret).await);
            }
            assert_eq!(node.reads(), 3);
            scene.admin.delete_client(shop.id).expect("an end");
            assert!(!node.admits(shop.id, &shop.secret).await);
        });
    }

    fn what_ends_a_secret_is_seen_by_the_next_request_on_every_node(backend) {
        let scene = Scene::new(backend);
        let nodes = [scene.node(), scene.node()];
        run(async {
            for round in 0..5 {
                let shop = scene.add(&format!("shop {round}"), Rights::USUAL, None);
                let other = scene.add(&format!("other {round}"), Rights::USUAL, None);
                assert_eq!(all(&nodes, shop.id, &shop.secret).await, [true, true]);
                assert_eq!(all(&nodes, other.id, &other.secret).await, [true, true]);
                let second = scene.rotate(shop.id, DAY);
                assert_eq!([all(&nodes, shop.id, &shop.secret).await, all(&nodes, shop.id, &second).await], [[true; 2]; 2]);
                let third = scene.rotate(shop.id, DAY);
                assert_eq!(all(&nodes, shop.id, &shop.secret).await, [false, false], "the one before the last");
                assert_eq!([all(&nodes, shop.id, &second).await, all(&nodes, shop.id, &third).await], [[true; 2]; 2]);
                let fourth = scene.rotate(shop.id, Duration::ZERO);
                assert_eq!([all(&nodes, shop.id, &second).await, all(&nodes, shop.id, &third).await], [[false; 2]; 2]);
                assert_eq!(all(&nodes, shop.id, &fourth).await, [true, true]);
                scene.admin.delete_client(shop.id).expect("an end");
                assert_eq!(all(&nodes, shop.id, &fourth).await, [false, false]);
                assert_eq!(all(&nodes, other.id, &other.secret).await, [true, true], "another client is not affected");
            }
        });
    }

    fn an_old_secret_ends_at_its_time_and_stays_ended_when_the_clock_is_set_back(backend) {
        let scene = Scene::new(backend);
        let (node, late) = (scene.node(), scene.node());
        let shop = scene.add("shop", Rights::USUAL, None);
        run(async {
            assert!(node.admits(shop.id, &shop.secret).await);
            let new = scene.rotate(shop.id, DAY);
            let goes_on = DAY - Duration::from_micros(1);
            scene.clock.advance(goes_on);
            assert!(node.admits(shop.id, &shop.secret).await);
            scene.clock.advance(Duration::from_micros(1));
            node.reads();
            // The end of its time changes no row.
            assert!(!node.admits(shop.id, &shop.secret).await && node.admits(shop.id, &new).await);
            assert!(!late.admits(shop.id, &shop.secret).await, "a node that never accepted it");
            scene.clock.advance(DAY);
            assert!(!node.admits(shop.id, &shop.secret).await);
            scene.clock.set(scene.clock.now().saturating_sub(2 * DAY));
            assert!(!node.admits(shop.id, &shop.secret).await && node.admits(shop.id, &new).await);
        });
    }

    fn could_not_look_is_never_no(backend) {
        let scene = Scene::new(backend);
        let node = scene.node();
        let (shop, other) = (scene.add("shop", Rights::USUAL, None), scene.add("other", Rights::USUAL, None));
        run(async {
            assert!(node.admits(shop.id, &shop.secret).await);
            node.watch.fails.store(true, Ordering::Relaxed);
            assert!(node.admits(shop.id, &shop.secret).await, "a proved secret needs no read");
            for (id, secret) in [(other.id, &other.secret), (shop.id, &wrong()), (ClientId::from_bytes([7; 16]), &wrong())] {
                let answer = node.ask(id, secret).await;
                assert!(matches!(answer, Err(ClientError::Unavailable(_))), "{answer:?}");
            }
            node.watch.fails.store(false, Ordering::Relaxed);
            assert!(node.admits(other.id, &other.secret).await && !node.admits(shop.id, &wrong()).await);
            node.auth.close(Duration::from_secs(30));
            let answer = node.ask(ClientId::from_bytes([7; 16]), &wrong()).await;
            assert!(matches!(answer, Err(ClientError::Unavailable(_))), "{answer:?}");
        });
    }
}

#[test]
fn a_client_has_to_wait_at_its_limit_and_others_do_not() {
    let scene = Scene::new(Backend::Sqlite);
    let nodes = [scene.node(), scene.node()];
    let (shop, other) = (scene.add("shop", Rights::USUAL, Some(4)), scene.add("other", Rights::USUAL, Some(4)));
    run(async {
        let [node, second] = &nodes;
        for _ in 0..4 {
            assert!(node.admits(shop.id, &shop.secret).await);
        }
        // A caller without the secret learns nothing, and does not use up the client's limit.
        for _ in 0..10 {
            assert_eq!(node.ask(shop.id, &wrong()).await.err(), Some(ClientError::Unknown));
            assert_eq!(node.ask(other.id, &wrong()).await.err(), Some(ClientError::Unknown));
        }
        let retry_after = Duration::from_millis(250);
        assert_eq!(node.ask(shop.id, &shop.secret).await.err(), Some(ClientError::TooManyRequests { retry_after }));
        assert!(node.admits(other.id, &other.secret).await);
        assert!(second.admits(shop.id, &shop.secret).await, "each node counts by itself");
        scene.clock.advance(retry_after);
        assert!(node.admits(shop.id, &shop.secret).await);
        assert!(matches!(node.ask(shop.id, &shop.secret).await, Err(ClientError::TooManyRequests { .. })));
    });
}
