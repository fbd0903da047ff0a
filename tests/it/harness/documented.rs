//! Compares replies with the document of the API.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::wire::{Reply, Request, Wire};

/// The methods that OpenAPI knows.
const METHODS: [&str; 6] = ["get", "put", "post", "delete", "patch", "head"];

/// The document that a server serves.
pub(crate) struct Documented {
    pub(crate) document: Value,
    /// The named schemas, closed: a member that they do not list is a difference.
    components: Value,
    /// The schemas of replies, each compiled when it is first needed.
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Documented {
    /// The document of the server at this address.
    pub(crate) fn of(address: SocketAddr) -> Self {
        let mut wire = Wire::connect(address).expect("a connection");
        let reply = wire.ask(&Request::new("GET", "/openapi.json")).expect("a reply");
        assert_eq!(reply.status, 200, "{}", reply.text());
        Self::new(serde_json::from_slice(&reply.body).expect("JSON"))
    }

    /// This document.
    pub(crate) fn new(document: Value) -> Self {
        let mut schemas = document["components"]["schemas"].clone();
        let mut parts = BTreeSet::new();
        find_parts(&schemas, &mut parts);
        let whole = schemas.as_object_mut().into_iter().flatten().filter(|(name, _)| !parts.contains(name.as_str()));
        whole.for_each(|(_, schema)| close(schema));
        let components = json!({ "schemas": schemas });
        Self { document, components, compiled: Mutex::default() }
    }

    /// All operations: the method, the path and the description.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.document["paths"].as_object().expect("paths");
        paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
        })
    }

    /// How a reply to this request differs from the document.
    pub(crate) fn differences(&self, method: &str, target: &str, reply: &Reply) -> Vec<String> {
        let Some((path, methods)) = self.find(target) else {
            return match reply.status {
                404 => Vec::new(),
                status => vec![format!("{method} {target}: the document has no such path, and the reply is {status}")],
            };
        };
        let method = method.to_ascii_lowercase();
        let name = if method == "head" { "get" } else { &method };
        let Some(operation) = methods.get(name) else { return unlisted(&method, path, methods, reply) };
        let documented = &operation["responses"][reply.status.to_string()];
        if documented.is_null() {
            return vec![format!("{method} {path}: the document has no {}", reply.status)];
        }
        let mut differences = Vec::new();
        for (name, _) in documented["headers"].as_object().into_iter().flatten() {
            if reply.header(name).is_none() {
                differences.push(format!("{method} {path}: {} without {name}", reply.status));
            }
        }
        if method != "head" {
            differences.extend(self.judge_body(&format!("{method} {path} {}", reply.status), documented, reply));
        }
        differences
    }

    fn judge_body(&self, place: &str, documented: &Value, reply: &Reply) -> Option<String> {
        let Some(content) = documented["content"].as_object() else {
            return (!reply.body.is_empty()).then(|| format!("{place}: a body, which the document does not have"));
        };
        let media = reply.header("content-type").unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default();
        let Some(described) = content.get(media) else {
            return Some(format!("{place}: the document has no {media:?}"));
        };
        if !media.ends_with("json") {
            return None;
        }
        let body: Value = match serde_json::from_slice(&reply.body) {
            Ok(body) => body,
            Err(error) => return Some(format!("{place}: {error}")),
        };
        let validator = self.validator(place, &described["schema"]);
        let errors: Vec<String> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        (!errors.is_empty()).then(|| format!("{place}: {}\n  {body}", errors.join("; ")))
    }

    fn validator(&self, place: &str, schema: &Value) -> Arc<Validator> {
        let mut compiled = self.compiled.lock().expect("no panic before");
        let validator = compiled.entry(place.to_owned()).or_insert_with(|| {
            let mut schema = schema.clone();
            close(&mut schema);
            let root = json!({ "allOf": [schema], "components": self.components });
            Arc::new(jsonschema::draft202012::new(&root).expect("a schema"))
        });
        Arc::clone(validator)
    }

    /// The path in the document that matches a target, and its description.
    fn find(&self, target: &str) -> Option<(&str, &Map<String, Value>)> {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let wanted: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let fits = |path: &&String| {
            let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
            parts.len() == wanted.len()
                && parts
                    .iter()
                    .zip(&wanted)
                    .all(|(part, word)| part == word || (part.starts_with('{') && !word.is_empty()))
        };
        let paths = self.document["paths"].as_object().expect("paths");
        // A path without parameters takes precedence.
        let path = paths.keys().filter(fits).min_by_key(|path| path.matches('{').count())?;
        Some((path, paths[path].as_object().expect("methods")))
    }
}

/// The reply to a method that is not in the document: 405, or whatever is judged before the method. `OPTIONS` is
/// answered at the dialects' endpoints.
fn unlisted(method: &str, path: &str, methods: &Map<String, Value>, reply: &Reply) -> Vec<String> {
    let before = [401, 404, 406, 421, 503].contains(&reply.status)
        && methods.values().any(|operation| !operation["responses"][reply.status.to_string()].is_null());
    let is_right = match reply.status {
        405 => reply.header("allow").is_some_and(|allow| {
            let allowed: Vec<_> = allow.split(", ").map(str::to_ascii_lowercase).collect();
            METHODS
                .iter()
                .filter(|method| **method != "head")
                .all(|method| allowed.iter().any(|other| other == method) == methods.contains_key(*method))
        }),
        200 => method == "options",
        _ => before,
    };
    if is_right { Vec::new() } else { vec![format!("{method} {path}: unlisted, and answered {}", reply.status)] }
}

/// The named schemas that other schemas extend with members of their own.
fn find_parts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let target = members.get("$ref").filter(|_| members.contains_key("properties")).and_then(Value::as_str);
            found.extend(target.and_then(|target| target.rsplit('/').next()).map(str::to_owned));
            members.values().for_each(|value| find_parts(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| find_parts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Makes a schema refuse members that it does not list, so that none stays undocumented. A schema that others extend
/// stays open, since they list the rest.
fn close(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    for of in ["properties", "$defs"] {
        members.get_mut(of).and_then(Value::as_object_mut).into_iter().flatten().for_each(|(_, schema)| close(schema));
    }
    for of in ["items", "additionalProperties"] {
        members.get_mut(of).into_iter().for_each(close);
    }
    let has_own = members.contains_key("properties");
    for of in ["anyOf", "oneOf", "allOf"] {
        let parts = members.get_mut(of).and_then(Value::as_array_mut).into_iter().flatten();
        parts.filter(|_| !has_own).for_each(close);
    }
    if has_own && !members.contains_key("additionalProperties") {
        members.insert("unevaluatedProperties".to_owned(), json!(false));
    }
}
