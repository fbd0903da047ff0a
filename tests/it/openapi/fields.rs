//! The fields that the document of the administration API has are those that the server reads.

use serde_json::{Map, Value, json};

use crate::harness::admin::{AdminApi, json_of};
use crate::harness::app::{App, Backend};
use crate::harness::documented::Documented;

const PASSWORD: &str = "correct-horse-9";

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

/// What is wrong, field by field.
fn complaints(reply: &Value) -> Map<String, Value> {
    reply["error"]["fields"].as_object().cloned().unwrap_or_default()
}

#[test]
fn the_fields_of_administrators_are_those_of_the_document() {
    let app = App::start(Backend::Sqlite);
    let root = app.add_user("root", PASSWORD);
    app.change(root, |admin, user| admin.set_admin(user, true));
    let api = AdminApi::start(&app);
    let token = api.log_in("root", PASSWORD);
    let documented = Documented::of(api.address);
    let mut seen = 0;
    for (method, path, operation) in documented.operations().filter(|(_, path, _)| path.starts_with("/admin/api/")) {
        let fields = fields(operation);
        let path = path.replace("{id}", "1");
        let method = method.to_uppercase();
        let body: Map<String, Value> = fields.iter().map(|(name, _)| (name.clone(), json!({ "wrong": [] }))).collect();
        let (target, body) = match method.as_str() {
            // What is wrong with every type but text; texts are good there.
            "GET" => (format!("{path}?surprise=1"), None),
            _ => (path.clone(), Some(Value::Object(body))),
        };
        if fields.is_empty() && method != "GET" {
            continue;
        }
        let reply = api.ask(&method, &target, Some(&token), body.as_ref());
        assert_eq!(reply.status, 400, "{method} {target}: {}", reply.text());
        let complaints = complaints(&json_of(&reply));
        if method == "GET" {
            assert_eq!(complaints.keys().collect::<Vec<_>>(), ["surprise"], "{target}");
            let query: Vec<String> = fields.iter().map(|(name, _)| format!("{name}=%00")).collect();
            let reply = api.ask("GET", &format!("{path}?{}", query.join("&")), Some(&token), None);
            let wrong = crate::openapi::fields::complaints(&json_of(&reply));
            let unknown: Vec<_> =
                wrong.iter().filter(|(_, words)| words.as_str() == Some("is not a field of this request"));
            assert_eq!(unknown, Vec::<(&String, &Value)>::new(), "{path}");
        } else {
            for (name, _) in &fields {
                let words = complaints[name].as_str().expect("words");
                assert!(words.starts_with("must be "), "{method} {path}: {name} {words}");
            }
            let empty = api.ask(&method, &path, Some(&token), Some(&json!({})));
            let missing = crate::openapi::fields::complaints(&json_of(&empty));
            let required: Vec<&String> =
                fields.iter().filter(|(_, is_required)| *is_required).map(|(name, _)| name).collect();
            for name in &required {
                assert_eq!(missing[*name], "is required", "{method} {path}: {name}");
            }
            assert_eq!(missing.len(), required.len(), "{method} {path}: {missing:?}");
        }
        seen += fields.len();
    }
    assert!(seen > 40, "{seen}");
}
