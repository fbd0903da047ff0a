use serde_json::{Value, json};

use super::Machine;
use crate::domain::client::{ClientId, ClientSecret, accepts};
use crate::domain::time::Clock;

/// Whether this is a secret of the client, according to the database.
fn is_good(machine: &Machine, id: &Value, secret: &Value) -> bool {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let id = ClientId::parse(&text(id)).expect("an id");
    let found = machine.connection().find_client(id).expect("a read");
    accepts(found.as_ref(), &ClientSecret::presented(text(secret)).digest(), machine.clock.now())
}

#[test]
fn a_client_is_added_listed_rotated_and_deleted() {
    let machine = Machine::with_alice();
    let added = machine.json(&["client", "add", "shop"]);
    let (id, secret) = (&added["id"], &added["secret"]);
    let expected = json!({ "id": id, "name": "shop", "secret": secret, "rights": ["introspect"], "limit": 1000 });
    assert_eq!(added, expected);
    assert!(is_good(&machine, id, secret) && !is_good(&machine, id, &json!("kxc_another")));
    machine.wait(1);
    let rights = ["client", "add", "gateway", "--rights", "batch,introspect", "--limit", "none"];
    let gateway = machine.json(&rights);
    assert_eq!((&gateway["rights"], &gateway["limit"]), (&json!(["introspect", "batch"]), &Value::Null));
    let listed = machine.json(&["client", "list"]);
    let names: Vec<_> = listed.as_array().expect("a list").iter().map(|client| client["name"].clone()).collect();
    assert_eq!(names, ["shop", "gateway"]);
    assert_eq!(
        listed[0],
        json!({ "id": id, "name": "shop", "rights": ["introspect"], "limit": 1000,
                "created": "2023-11-14T22:13:20Z", "rotated": null, "old_secret_until": null, "last_used": null }),
    );
    let text = id.as_str().expect("a text");
    let rotated = machine.json(&["client", "rotate", text]);
    assert_eq!(rotated["old_secret_until"], "2023-11-15T22:13:21Z");
    assert!(is_good(&machine, id, secret) && is_good(&machine, id, &rotated["secret"]));
    assert!(machine.done(&["client", "list"]).contains("2 until 2023-11-15T22:13:21Z"));
    machine.wait(86_400);
    assert!(!is_good(&machine, id, secret) && is_good(&machine, id, &rotated["secret"]));
    let at_once = machine.json(&["client", "rotate", text, "--keep-old", "0s"]);
    assert_eq!(at_once["old_secret_until"], Value::Null);
    assert!(!is_good(&machine, id, &rotated["secret"]) && is_good(&machine, id, &at_once["secret"]));
    assert_eq!(machine.json(&["client", "delete", text]), json!({ "id": id }));
    assert!(!is_good(&machine, id, &at_once["secret"]));
    assert!(machine.refused(3, &["client", "delete", text]).contains("no client"));
    assert!(machine.refused(3, &["client", "rotate", text]).contains("no client"));
    assert_eq!(machine.json(&["client", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn people_see_the_secret_once_and_never_in_the_list() {
    let machine = Machine::with_alice();
    let shown = machine.done(&["client", "add", "shop", "--limit", "50"]);
    let secret = shown.lines().find_map(|line| line.strip_prefix("secret: ")).expect("the secret");
    let id = shown.lines().find_map(|line| line.strip_prefix("id:     ")).expect("the id");
    assert!(is_good(&machine, &json!(id), &json!(secret)));
    assert!(shown.contains("cannot be shown again") && shown.contains("50 requests a second"));
    let list = machine.done(&["client", "list"]);
    assert!(list.contains("shop") && list.contains("50/s") && list.contains(id) && !list.contains(secret));
}

#[test]
fn what_no_client_can_have_is_refused() {
    let machine = Machine::with_alice();
    machine.done(&["client", "add", "shop"]);
    assert!(machine.refused(4, &["client", "add", "shop"]).contains("already"));
    assert!(machine.refused(2, &["client", "add", " "]).contains("NAME"));
    assert!(machine.refused(2, &["client", "add", "a", "--rights", "read"]).contains("introspect, batch or revoke"));
    assert!(machine.refused(2, &["client", "add", "a", "--rights", ""]).contains("introspect, batch or revoke"));
    for limit in ["0", "-1", "1000001", "many"] {
        assert!(
            machine.refused(2, &["client", "add", "a", &format!("--limit={limit}")]).contains("or none"),
            "{limit}"
        );
    }
    assert!(machine.refused(2, &["client", "delete", "shop"]).contains("client list"));
    let id = "0190d8a0-0000-7000-8000-000000000000";
    assert!(machine.refused(2, &["client", "rotate", id, "--keep-old", "31d"]).contains("30d"));
    assert!(machine.refused(3, &["client", "rotate", id]).contains(id));
    assert_eq!(machine.json(&["client", "list"]).as_array().map(Vec::len), Some(1));
}
