//! What is recorded about the requests of clients: the last use, and counts.

use std::net::IpAddr;

use knoxide::domain::audit::Event;
use knoxide::domain::user::UserId;
use knoxide::service::CallRefusal;
use knoxide::service::admin::EventFilter;
use serde_json::{Value, json};

use super::*;

/// The events of these kinds: each with its actor, address, detail without `since`, and count.
fn counted(scene: &Scene) -> Vec<(String, String, Option<String>, Value, u64)> {
    let events = vec![Event::ClientCalled, Event::ClientRefused];
    let filter = EventFilter { events, limit: 100, ..EventFilter::default() };
    let listed = scene.admin.search_events(&filter).expect("events").into_iter().map(|entry| {
        let mut detail = entry.detail.expect("a detail");
        assert_eq!(detail["since"], json!(start_of_time()));
        detail.as_object_mut().expect("an object").remove("since");
        (entry.event, entry.actor, entry.address, detail, entry.count)
    });
    let mut listed: Vec<_> = listed.collect();
    listed.sort_by_key(|(event, actor, ..)| (event.clone(), actor.clone()));
    listed
}

on_each_database! {
    fn requests_are_counted_and_the_last_use_is_written_at_the_end(backend) {
        let scene = Scene::new(backend);
        let node = scene.node();
        let rights: Rights = [Right::Introspect, Right::Batch].into_iter().collect();
        let (shop, unused) = (scene.add("shop", rights, Some(5)), scene.add("unused", Rights::USUAL, None));
        let origin = Origin { address: Some(IpAddr::from([192, 0, 2, 9])), ..Origin::default() };
        run(async {
            let ask = |secret, right| node.auth.client("", secret, right, &origin);
            assert_eq!(ask(&shop.secret, Right::Introspect).await.err(), Some(ClientError::Unknown));
            let id = shop.id.to_string();
            let ask = |secret, right| node.auth.client(&id, secret, right, &origin);
            for right in [Right::Introspect, Right::Introspect, Right::Introspect, Right::Batch] {
                assert!(ask(&shop.secret, right).await.is_ok());
            }
            assert_eq!(ask(&shop.secret, Right::Revoke).await.err(), Some(ClientError::Forbidden));
            assert!(matches!(ask(&shop.secret, Right::Batch).await, Err(ClientError::TooManyRequests { .. })));
            assert_eq!(ask(&wrong(), Right::Batch).await.err(), Some(ClientError::Unknown));
        });
        node.auth.count_call_of_admin(UserId(17), Right::Batch);
        node.auth.count_refused_call(CallRefusal::NotAdmin, &origin);
        assert!(scene.admin.list_clients(None, 10).expect("a list").iter().all(|client| client.last_used.is_none()));
        assert!(counted(&scene).is_empty());
        node.auth.close(Duration::from_secs(30));
        let listed = scene.admin.list_clients(None, 10).expect("a list");
        let used = |id| listed.iter().find(|client| client.id == id).map(|client| client.last_used);
        assert_eq!((used(shop.id), used(unused.id)), (Some(Some(start_of_time())), Some(None)));
        let (client, address) = (format!("client:{}", shop.id), Some("192.0.2.9".to_owned()));
        let row = |event: &str, actor: &str, address: Option<String>, reasons: Value, count| {
            (event.to_owned(), actor.to_owned(), address, json!({ "reasons": reasons }), count)
        };
        assert_eq!(counted(&scene), [
            row("client_called", &client, None, json!({ "batch": 1, "introspect": 3 }), 4),
            row("client_called", "user:17", None, json!({ "batch": 1 }), 1),
            row("client_refused", "anonymous", address, json!({ "not_an_administrator": 1, "unknown_client": 2 }), 3),
            row("client_refused", &client, None, json!({ "missing_right": 1, "too_many_requests": 1 }), 2),
        ]);
    }

    fn each_act_on_a_client_is_one_event_without_a_secret(backend) {
        let scene = Scene::new(backend);
        let shop = scene.add("shop", Rights::USUAL, Some(7));
        let second = scene.rotate(shop.id, DAY);
        let third = scene.rotate(shop.id, Duration::ZERO);
        scene.admin.delete_client(shop.id).expect("an end");
        for refused in [
            scene.admin.add_client(" ".to_owned(), Rights::USUAL, None).map(drop),
            scene.admin.add_client("a".to_owned(), Rights::NONE, None).map(drop),
            scene.admin.add_client("a".to_owned(), Rights::USUAL, Some(0)).map(drop),
            scene.admin.rotate_client(shop.id, DAY).map(drop),
            scene.admin.rotate_client(shop.id, 31 * DAY).map(drop),
            scene.admin.delete_client(shop.id),
        ] {
            assert!(refused.is_err());
        }
        let filter = EventFilter { limit: 100, ..EventFilter::default() };
        let mut events = scene.admin.search_events(&filter).expect("events");
        events.reverse();
        let told: Vec<_> = events.iter().map(|entry| (entry.event.as_str(), entry.detail.clone().expect("it"))).collect();
        let (id, at) = (json!(shop.id), json!(start_of_time().saturating_add(DAY)));
        let refused = |act: &str, reason: &str| ("act_refused", json!({ "act": act, "reason": reason }));
        assert_eq!(told, [
            ("client_added", json!({ "client": id, "rights": ["introspect"], "limit": 7 })),
            ("client_rotated", json!({ "client": id, "old_secret_until": at })),
            ("client_rotated", json!({ "client": id, "old_secret_until": null })),
            ("client_deleted", json!({ "client": id })),
            refused("client_added", "bad_client_name"),
            refused("client_added", "no_rights"),
            refused("client_added", "bad_limit"),
            refused("client_rotated", "no_such_client"),
            refused("client_rotated", "kept_too_long"),
            refused("client_deleted", "no_such_client"),
        ]);
        let text = format!("{events:?}");
        for secret in [&shop.secret, &second, &third] {
            assert!(!text.contains(secret.expose()));
        }
    }
}
