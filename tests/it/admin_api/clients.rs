//! Registered clients, as administrators add, rotate and delete them.

use knoxide::domain::audit::Origin;
use knoxide::domain::client::{ClientSecret, Right};
use knoxide::service::ClientError;

use super::*;
use crate::harness::app::on_each_database;

/// What the service says of a request with this secret.
fn answer(bench: &Bench, id: &Value, secret: &Value, right: Right) -> Result<String, ClientError> {
    let (id, origin) = (id.as_str().expect("an id"), Origin::default());
    let secret = ClientSecret::presented(secret.as_str().expect("a secret").to_owned());
    actix_web::rt::System::new().block_on(async {
        bench.app.auth.client(id, &secret, right, &origin).await.map(|client| client.name().to_owned())
    })
}

fn path(id: &Value, act: &str) -> String {
    format!("/admin/api/clients/{}/{act}", id.as_str().expect("an id"))
}

on_each_database! {
    fn a_client_from_the_first_day_to_the_last(backend) {
        let bench = Bench::new(backend);
        let root = bench.root();
        let (status, shop) = bench.post(&root, "/admin/api/clients/", json!({ "name": "shop" }));
        let expected = json!({ "id": shop["id"], "name": "shop", "secret": shop["secret"], "rights": ["introspect"], "limit": 1000 });
        assert_eq!((status, &shop), (201, &expected));
        let is_known = |secret: &Value| answer(&bench, &shop["id"], secret, Right::Introspect) == Ok("shop".to_owned());
        assert!(is_known(&shop["secret"]));
        assert_eq!(answer(&bench, &shop["id"], &shop["secret"], Right::Batch), Err(ClientError::Forbidden));
        bench.app.clock.advance(std::time::Duration::from_secs(1));
        let all = json!({ "name": "gateway", "rights": ["batch", "revoke"], "limit": null });
        let (status, gateway) = bench.post(&root, "/admin/api/clients/", all);
        assert_eq!((status, &gateway["rights"], &gateway["limit"]), (201, &json!(["batch", "revoke"]), &Value::Null));
        let (status, rotated) = bench.post(&root, &path(&shop["id"], "rotate/"), json!({}));
        assert_eq!((status, &rotated["old_secret_until"]), (201, &json!("2026-01-03T03:04:06.678901Z")));
        assert!(is_known(&shop["secret"]) && is_known(&rotated["secret"]));
        let (status, last) = bench.post(&root, &path(&shop["id"], "rotate/"), json!({ "keep_old": 0 }));
        assert_eq!((status, &last["old_secret_until"]), (201, &Value::Null));
        assert!(!is_known(&shop["secret"]) && !is_known(&rotated["secret"]) && is_known(&last["secret"]));
        let listed = bench.get(&root, "/admin/api/clients/");
        let rows = listed["results"].as_array().expect("rows");
        assert_eq!(rows.iter().map(|row| row["name"].clone()).collect::<Vec<_>>(), ["shop", "gateway"]);
        assert!(rows.iter().all(|row| row.get("secret").is_none()) && listed["next"].is_null());
        let page = bench.get(&root, "/admin/api/clients/?limit=1");
        let next = format!("/admin/api/clients/?limit=1&cursor={}", page["next"].as_str().expect("a cursor"));
        let next = bench.get(&root, &next);
        assert_eq!((&page["results"][0], &next["results"][0], &next["next"]), (&rows[0], &rows[1], &Value::Null));
        assert_eq!(bench.ask(&root, "DELETE", &path(&shop["id"], ""), None).0, 204);
        assert!(!is_known(&last["secret"]));
        assert_eq!(bench.ask(&root, "DELETE", &path(&shop["id"], ""), None).0, 404);
        assert_eq!(bench.post(&root, &path(&shop["id"], "rotate/"), json!({})).0, 404);
    }
}

#[test]
fn what_no_client_can_have_is_refused_by_its_field() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    let (_, shop) = bench.post(&root, "/admin/api/clients/", json!({ "name": "shop" }));
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": " " }), "name"),
        (json!({ "name": "a", "rights": [] }), "rights"),
        (json!({ "name": "a", "rights": ["read"] }), "rights"),
        (json!({ "name": "a", "rights": "batch" }), "rights"),
        (json!({ "name": "a", "limit": 0 }), "limit"),
        (json!({ "name": "a", "limit": 1_000_001 }), "limit"),
        (json!({ "name": "a", "secret": "mine" }), "secret"),
    ] {
        let (status, json) = bench.post(&root, "/admin/api/clients/", body.clone());
        assert_eq!((status, refusal(&json)), (400, ("invalid".to_owned(), vec![field.to_owned()])), "{body}");
    }
    let (status, json) = bench.post(&root, "/admin/api/clients/", json!({ "name": "shop" }));
    assert_eq!((status, refusal(&json)), (409, ("conflict".to_owned(), vec!["name".to_owned()])));
    for keep_old in [json!(-1), json!("24h"), json!(30 * 86_400 + 1)] {
        let (status, json) = bench.post(&root, &path(&shop["id"], "rotate/"), json!({ "keep_old": keep_old }));
        assert_eq!((status, refusal(&json).1), (400, vec!["keep_old".to_owned()]), "{keep_old}");
    }
    for path in ["/admin/api/clients/x/rotate/", "/admin/api/clients/4711/rotate/"] {
        assert_eq!(bench.post(&root, path, json!({})).0, 404, "{path}");
    }
    assert_eq!(bench.get(&root, "/admin/api/clients/")["results"].as_array().map(Vec::len), Some(1));
}
