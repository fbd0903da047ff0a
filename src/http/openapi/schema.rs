//! JSON Schemas (draft 2020-12, as OpenAPI 3.1 has them): those of types that are serialised, from the types, and
//! those of replies that are written by hand.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The schemas of types, each once, under `#/components/schemas/`.
pub(in crate::http) struct Schemas(SchemaGenerator);

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self(settings.into_generator())
    }

    /// A reference to the schema of this type.
    pub(in crate::http) fn of<T: JsonSchema>(&mut self) -> Value {
        self.0.subschema_for::<T>().to_value()
    }

    /// A reference to this schema, which then has a name.
    pub(in crate::http) fn named(&mut self, name: &str, schema: Value) -> Value {
        self.0.definitions_mut().insert(name.to_owned(), schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// All schemas that were referred to.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        let mut all = self.0.take_definitions(true);
        all.values_mut().for_each(in_words_of_json);
        all
    }
}

/// The comments of types say `None` where JSON has `null`.
fn in_words_of_json(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text.replace("`None`", "`null`");
            }
            members.values_mut().for_each(in_words_of_json);
        }
        Value::Array(items) => items.iter_mut().for_each(in_words_of_json),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Any text.
pub(in crate::http) fn text() -> Value {
    json!({ "type": "string" })
}

/// A text with something in it besides white space.
pub(in crate::http) fn name() -> Value {
    json!({ "type": "string", "minLength": 1, "pattern": "\\S" })
}

/// An address, or a network such as `192.0.2.0/24`.
pub(in crate::http) fn network() -> Value {
    let network = json!({ "type": "string", "pattern": "^[0-9a-fA-F.:]{2,45}/[0-9]{1,3}$" });
    json!({ "anyOf": [network, address()] })
}

/// The position of an audit event.
pub(in crate::http) fn event_cursor() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{1,16}-[0-9a-f]{1,15}$" })
}

/// An IP address.
pub(in crate::http) fn address() -> Value {
    json!({ "anyOf": [{ "type": "string", "format": "ipv4" }, { "type": "string", "format": "ipv6" }] })
}

/// What this schema allows, or nothing: an empty parameter counts as none.
pub(in crate::http) fn or_empty(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "maxLength": 0 }] })
}

/// A password in a request.
pub(in crate::http) fn password() -> Value {
    json!({ "type": "string", "format": "password", "minLength": 1 })
}

/// A new password.
pub(in crate::http) fn new_password() -> Value {
    json!({ "type": "string", "format": "password", "minLength": 8 })
}

/// The text of a token.
pub(in crate::http) fn token() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 4096 })
}

/// A time in UTC.
pub(in crate::http) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// The id of a session or of a client.
pub(in crate::http) fn id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// A number that names a user or a row.
pub(in crate::http) fn number() -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX })
}

/// `true` or `false`.
pub(in crate::http) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// One of these texts.
pub(in crate::http) fn one_of(texts: &[&str]) -> Value {
    json!({ "type": "string", "enum": texts })
}

/// The same, or `null`.
pub(in crate::http) fn nullable(mut schema: Value) -> Value {
    match schema.get("type").cloned() {
        Some(only @ Value::String(_)) if schema.get("enum").is_none() => {
            put(&mut schema, "type", json!([only, "null"]));
            schema
        }
        Some(_) | None => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

/// A list.
pub(in crate::http) fn list(of: &Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// A list that is not empty.
pub(in crate::http) fn at_least_one(mut list: Value) -> Value {
    put(&mut list, "minItems", json!(1));
    list
}

/// A page of a list, with the cursor of the next one.
pub(in crate::http) fn page(of: &Value) -> Value {
    object([("results", list(of)), ("next", nullable(text()))])
}

/// An object with exactly these members.
pub(in crate::http) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let names = members.iter().map(|(name, _)| json!(name)).collect();
    closed(members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect(), names)
}

/// An object with these members and no others, of which some are required.
pub(in crate::http) fn fields(members: &[(&str, Value)], required: &[&str]) -> Value {
    let properties = members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone()));
    closed(properties.collect(), required.iter().map(|name| json!(name)).collect())
}

fn closed(properties: Map<String, Value>, required: Vec<Value>) -> Value {
    let mut object = json!({ "type": "object", "additionalProperties": false });
    put(&mut object, "properties", Value::Object(properties));
    if !required.is_empty() {
        put(&mut object, "required", Value::Array(required));
    }
    object
}

/// With a text about it.
pub(in crate::http) fn about(mut schema: Value, text: &str) -> Value {
    put(&mut schema, "description", json!(text));
    schema
}

/// Sets a member of an object.
pub(super) fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
