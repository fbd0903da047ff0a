//! Registered clients. A store may have none.

use std::sync::atomic::{AtomicBool, Ordering};

use super::races::{Job, together, until_done};
use super::*;
use crate::domain::client::{ClientId, ClientRecord, OldSecret, Right, Rights, SecretDigest, accepts};
use crate::store::{ClientCreation, ClientRotation, EventFilter, FeedKind, Invalidation, NewClient, StoreError};

pub(super) const CASES: &[Case] = &[("a client that nobody registered is not found", unknown_client)];

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("a client is found as it was registered", registered_client),
    ("the name of a client is taken once", name_of_a_client_is_taken_once),
    ("clients are listed in pages", clients_are_listed),
    ("a client's secret is rotated", rotation),
    ("a deleted client is gone", deletion),
    ("a client's last use is never moved back", last_use),
    ("a feed reports what makes a secret bad, and nothing else of clients", reports_clients),
    ("the end of a client is seen by every connection", deletion_is_seen_at_once),
    ("the end of an old secret is seen by every connection", rotation_is_seen_at_once),
    ("of two deletions one is told so, and of two rotations the later one stands", concurrent_changes),
];

fn id(number: u8) -> ClientId {
    ClientId::new(after(u64::from(number)), &[number; 10])
}

fn secret(number: u8) -> SecretDigest {
    SecretDigest::from_bytes([number; 64])
}

fn new(number: u8, name: &str) -> NewClient {
    NewClient { id: id(number), name: name.to_owned(), secret: secret(number), rights: Rights::USUAL, limit: Some(7) }
}

/// Whether the store has clients; if so, this one is registered now.
fn adds(store: &dyn AdminStore, client: &NewClient) -> bool {
    match store.add_client(client, &audit(Event::ClientAdded)) {
        Ok(created) => {
            assert_eq!(created, ClientCreation::Created);
            true
        }
        Err(StoreError::Failed(why)) if why == "this store has no clients" => false,
        Err(error) => panic!("{error}"),
    }
}

fn find(conn: &mut dyn Connection, number: u8) -> Option<ClientRecord> {
    conn.find_client(id(number)).expect("a read")
}

/// A rotation of a client to its secret `to`, whose old one is good for this many seconds.
fn rotate_to(number: u8, to: u8, keep: Option<u64>) -> ClientRotation {
    ClientRotation { client: id(number), secret: secret(to), keep_old_until: keep.map(after) }
}

fn events(store: &dyn AdminStore) -> Vec<String> {
    let filter = EventFilter { limit: 10, ..EventFilter::default() };
    store.list_events(&filter).expect("a read").events.into_iter().map(|entry| entry.event).collect()
}

fn unknown_client(store: &dyn Store) {
    let conn = &mut *connect(store);
    assert_eq!(find(conn, 1), None);
    assert_eq!(conn.touch_clients(&[(id(1), NOW)]), Ok(()));
    assert_eq!(find(conn, 1), None);
}

fn registered_client(store: &dyn AdminStore) {
    let rights: Rights = [Right::Batch, Right::Revoke].into_iter().collect();
    let unlimited = NewClient { rights, limit: None, ..new(2, "gateway") };
    if !adds(store, &new(1, "shop")) || !adds(store, &unlimited) {
        return;
    }
    let conn = &mut *connect(store);
    let expected = ClientRecord {
        id: id(1),
        name: "shop".to_owned(),
        secret: secret(1),
        old_secret: None,
        rights: Rights::USUAL,
        limit: Some(7),
    };
    assert_eq!(find(conn, 1), Some(expected));
    let found = find(conn, 2).expect("the client");
    assert_eq!((found.rights, found.limit, found.name.as_str()), (rights, None, "gateway"));
    assert_eq!(find(conn, 3), None);
    assert_eq!(events(store), ["client_added", "client_added"]);
}

fn name_of_a_client_is_taken_once(store: &dyn AdminStore) {
    if !adds(store, &new(1, "shop")) {
        return;
    }
    let again = store.add_client(&new(2, "shop"), &audit(Event::ClientAdded));
    assert_eq!(again, Ok(ClientCreation::NameTaken));
    let conn = &mut *connect(store);
    assert_eq!(find(conn, 2), None);
    assert_eq!(find(conn, 1).map(|found| found.secret), Some(secret(1)));
    assert_eq!(events(store), ["client_added"], "what was not done has no event");
    assert!(adds(store, &new(2, "Shop")), "names are compared exactly");
    assert!(store.add_client(&new(1, "another"), &audit(Event::ClientAdded)).is_err(), "the id exists");
    assert_eq!(find(conn, 1).map(|found| found.name), Some("shop".to_owned()));
}

fn clients_are_listed(store: &dyn AdminStore) {
    for number in [3, 1, 2] {
        if !adds(store, &new(number, &format!("client {number}"))) {
            return;
        }
    }
    let list = |after: Option<u8>, limit| {
        let listed = store.list_clients(after.map(id), limit).expect("a read");
        listed.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 10), [1, 2, 3].map(id));
    assert_eq!(list(None, 2), [1, 2].map(id));
    assert_eq!(list(Some(2), 2), [id(3)]);
    assert_eq!(list(Some(3), 2), []);
    let entry = store.list_clients(None, 1).expect("a read").remove(0);
    assert_eq!((entry.name.as_str(), entry.rights, entry.limit), ("client 1", Rights::USUAL, Some(7)));
    assert_eq!((entry.created, entry.rotated, entry.old_secret_until, entry.last_used), (NOW, None, None, None));
}

fn rotation(store: &dyn AdminStore) {
    if !adds(store, &new(1, "shop")) || !adds(store, &new(9, "another")) {
        return;
    }
    let rotate = |to, keep| {
        let audit = audit_at(Event::ClientRotated, after(5));
        assert_eq!(store.rotate_client(&rotate_to(1, to, keep), &audit), Ok(true));
        let found = find(&mut *connect(store), 1).expect("the client");
        assert_eq!(found.secret, secret(to));
        found.old_secret
    };
    assert_eq!(rotate(2, Some(60)), Some(OldSecret { digest: secret(1), until: after(60) }));
    assert_eq!(rotate(3, Some(90)), Some(OldSecret { digest: secret(2), until: after(90) }), "the first one has ended");
    assert_eq!(rotate(4, None), None);
    let entry = store.list_clients(None, 1).expect("a read").remove(0);
    assert_eq!((entry.rotated, entry.old_secret_until), (Some(after(5)), None));
    assert_eq!(find(&mut *connect(store), 9).map(|found| found.secret), Some(secret(9)), "another client's stays");
    assert_eq!(store.rotate_client(&rotate_to(5, 6, None), &audit(Event::ClientRotated)), Ok(false));
    assert_eq!(events(store).iter().filter(|event| *event == "client_rotated").count(), 3);
}

fn deletion(store: &dyn AdminStore) {
    if !adds(store, &new(1, "shop")) || !adds(store, &new(2, "another")) {
        return;
    }
    let delete = || store.delete_client(id(1), &audit(Event::ClientDeleted));
    assert_eq!((delete(), delete()), (Ok(true), Ok(false)));
    let conn = &mut *connect(store);
    assert_eq!(find(conn, 1), None);
    assert!(find(conn, 2).is_some());
    conn.touch_clients(&[(id(1), NOW)]).expect("a write");
    assert_eq!(find(conn, 1), None, "a late note of a use revives nothing");
    assert_eq!(store.rotate_client(&rotate_to(1, 3, None), &audit(Event::ClientRotated)), Ok(false));
    assert_eq!(events(store), ["client_deleted", "client_added", "client_added"]);
    assert!(adds(store, &new(3, "shop")), "the name is free");
}

fn last_use(store: &dyn AdminStore) {
    if !adds(store, &new(1, "shop")) || !adds(store, &new(2, "another")) {
        return;
    }
    let conn = &mut *connect(store);
    let mut touch = |used: &[(ClientId, Timestamp)]| {
        conn.touch_clients(used).expect("a write");
        let listed = store.list_clients(None, 10).expect("a read");
        listed.into_iter().map(|entry| entry.last_used).collect::<Vec<_>>()
    };
    assert_eq!(touch(&[(id(2), after(10)), (id(7), after(10))]), [None, Some(after(10))]);
    assert_eq!(touch(&[(id(1), after(5)), (id(2), after(9))]), [Some(after(5)), Some(after(10))]);
    assert_eq!(touch(&[]), [Some(after(5)), Some(after(10))]);
}

fn reports_clients(store: &dyn AdminStore) {
    if store.feed_kind() == FeedKind::None || !adds(store, &new(1, "shop")) {
        return;
    }
    let mut feed = store.feed().expect("a feed");
    feed.poll(&[]).expect("a poll");
    let mut reported = || {
        let update = feed.poll(&[]).expect("a poll");
        assert!(update.cacheable);
        update.invalidation
    };
    let nothing = || Invalidation::Revoked(Vec::new());
    assert!(adds(store, &new(2, "another")));
    assert_eq!(reported(), nothing(), "nobody can remember a new client");
    connect(store).touch_clients(&[(id(1), NOW)]).expect("a write");
    assert_eq!(reported(), nothing());
    for keep in [Some(60), None] {
        store.rotate_client(&rotate_to(1, 3, keep), &audit(Event::ClientRotated)).expect("a write");
        assert_eq!((reported(), reported()), (Invalidation::Everything, nothing()), "{keep:?}");
    }
    assert_eq!(store.rotate_client(&rotate_to(5, 3, None), &audit(Event::ClientRotated)), Ok(false));
    assert_eq!(reported(), nothing());
    assert_eq!(store.delete_client(id(1), &audit(Event::ClientDeleted)), Ok(true));
    assert_eq!((reported(), reported()), (Invalidation::Everything, nothing()));
    assert_eq!(store.delete_client(id(1), &audit(Event::ClientDeleted)), Ok(false));
    assert_eq!(reported(), nothing());
}

/// Connections that find a client again and again while it changes; once the change is acknowledged, none finds its
/// secret good.
fn no_connection_misses(store: &dyn AdminStore, change: impl Fn() + Sync) {
    let is_over = AtomicBool::new(false);
    let look = || -> Job<'_, ()> {
        Box::new(|conn| {
            loop {
                // First, so that the read begins after the change was acknowledged.
                let must_be_bad = is_over.load(Ordering::SeqCst);
                let found = until_done(|| conn.find_client(id(1)));
                let is_good = accepts(found.as_ref(), &secret(1), NOW);
                assert!(!(must_be_bad && is_good), "a secret is good after its end");
                if must_be_bad {
                    break;
                }
            }
        })
    };
    let end: Job<'_, ()> = Box::new(|_| {
        change();
        is_over.store(true, Ordering::SeqCst);
    });
    together(store, vec![look(), look(), end]);
}

fn deletion_is_seen_at_once(store: &dyn AdminStore) {
    for _ in 0..10 {
        if !adds(store, &new(1, "shop")) {
            return;
        }
        no_connection_misses(store, || {
            assert!(until_done(|| store.delete_client(id(1), &audit(Event::ClientDeleted))));
        });
    }
}

fn rotation_is_seen_at_once(store: &dyn AdminStore) {
    if !adds(store, &new(1, "shop")) {
        return;
    }
    for _ in 0..10 {
        no_connection_misses(store, || {
            assert!(until_done(|| store.rotate_client(&rotate_to(1, 2, None), &audit(Event::ClientRotated))));
        });
        assert!(until_done(|| store.rotate_client(&rotate_to(1, 1, None), &audit(Event::ClientRotated))));
    }
}

fn concurrent_changes(store: &dyn AdminStore) {
    for round in 0..10 {
        if !adds(store, &new(1, &format!("shop {round}"))) {
            return;
        }
        let rotate = |to| -> Job<'_, bool> {
            let rotation = rotate_to(1, to, Some(60));
            Box::new(move |_| until_done(|| store.rotate_client(&rotation, &audit(Event::ClientRotated))))
        };
        assert_eq!(together(store, vec![rotate(2), rotate(3)]), [true, true]);
        let found = find(&mut *connect(store), 1).expect("the client");
        let old = found.old_secret.expect("the other one").digest;
        let either = |one, other| found.secret == secret(one) && old == secret(other);
        assert!(either(2, 3) || either(3, 2), "{found:?}");
        let delete = || -> Job<'_, bool> {
            Box::new(|_| until_done(|| store.delete_client(id(1), &audit(Event::ClientDeleted))))
        };
        let told = together(store, vec![delete(), delete()]);
        assert_eq!(told.into_iter().filter(|done| *done).count(), 1);
        // A name that many want at once.
        let add = |number| -> Job<'_, ClientCreation> {
            let client = new(number, "wanted");
            Box::new(move |_| until_done(|| store.add_client(&client, &audit(Event::ClientAdded))))
        };
        let created = together(store, vec![add(11), add(12), add(13)]);
        assert_eq!(created.into_iter().filter(|created| *created == ClientCreation::Created).count(), 1);
        for number in [11, 12, 13] {
            let _ = store.delete_client(id(number), &audit(Event::ClientDeleted)).expect("a write");
        }
    }
}
