//! The fields that the document of the administration API has are those that the server reads.

use serde_json::{Map, Value, json};

use crate::harness::admin::{AdminApi, json_of};
use crate::harness::app::{App, Backend};

const PASSWORD: &str = "correct-horse-9";

/// What the server says of a field that it does not read.
const UNKNOWN: &str = "is not a field of this request";

/// The fields of an operation's body or query, each with whether it is required.
fn fields(operation: &Value) -> Vec<(String, bool)> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
    let of_body = schema["properties"].as_object().into_iter().flatten();
    let of_body = of_body.map(|(name, _)| (name.clone(), required.contains(&&json!(name))));
    let of_query = operation["parameters"].as_array().into_iter().flatten().filter(|field| field["in"] == "query");
    let of_query = of_query.map(|field| (field["name"].as_str().expect("a name").to_owned(), false));
    of_body.chain(of_query).collect()
}

#[test]
fn the_fields_of_administrators_are_those_of_the_document() {
    let app = App::start(Backend::Sqlite);
    let root = app.add_user("root", PASSWORD);
    app.change(root, |admin, user| admin.set_admin(user, true));
    let api = AdminApi::start(&app);
    let token = api.log_in("root", PASSWORD);
    let complaints = |method: &str, target: &str, body: Option<Value>| {
        let reply = api.ask(method, target, Some(&token), body.as_ref());
        assert_eq!(reply.status, 400, "{method} {target}: {}", reply.text());
        json_of(&reply)["error"]["fields"].as_object().cloned().unwrap_or_default()
    };
    let mut seen = 0;
    let operations = api.documented.operations().filter(|(_, path, _)| path.starts_with("/admin/api/"));
    for (method, path, operation) in operations {
        let (fields, path, method) = (fields(operation), path.replace("{id}", "1"), method.to_uppercase());
        seen += fields.len();
        if method == "GET" {
            let query: Vec<String> = fields.iter().map(|(name, _)| format!("{name}=%00")).collect();
            let wrong = complaints("GET", &format!("{path}?surprise=1&{}", query.join("&")), None);
            let unknown = wrong.iter().filter(|(_, words)| *words == UNKNOWN).map(|(name, _)| name.as_str());
            assert_eq!(unknown.collect::<Vec<_>>(), ["surprise"], "{path}");
            continue;
        }
        let of_no_type = fields.iter().map(|(name, _)| (name.clone(), json!({ "wrong": [] })));
        let body: Map<String, Value> = of_no_type.chain([("surprise".to_owned(), json!(1))]).collect();
        let wrong = complaints(&method, &path, Some(Value::Object(body)));
        assert_eq!(wrong["surprise"], UNKNOWN, "{method} {path}");
        for (name, _) in &fields {
            let words = wrong[name].as_str().expect("words");
            assert!(words.starts_with("must be "), "{method} {path}: {name} {words}");
        }
        let missing = complaints(&method, &path, Some(json!({ "surprise": 1 })));
        for (name, is_required) in &fields {
            assert_eq!(missing.get(name).is_some_and(|words| words == "is required"), *is_required, "{path}: {name}");
        }
    }
    assert!(seen > 40, "{seen}");
}
