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
        self.0.take_definitions(true)
    }
}

/// Any text.
pub(in crate::http) fn text() -> Value {
    json!({ "type": "string" })
}

/// A password in a request.
pub(in crate::http) fn password() -> Value {
    json!({ "type": "string", "format": "password", "minLength": 1 })
}

/// The text of a token.
pub(in crate::http) fn token() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 4096 })
}

/// A time in UTC.
pub(in crate::http) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// The id of a session.
pub(in crate::http) fn session_id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// A number that names a user or a row.
pub(in crate::http) fn number() -> Value {
    json!({ "type": "integer", "format": "int64" })
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

/// A page of a list, with the cursor of the next one.
pub(in crate::http) fn page(of: &Value) -> Value {
    object([("results", list(of)), ("next", nullable(text()))])
}

/// An object with exactly these members.
pub(in crate::http) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    fields(&members, &names)
}

/// An object with these members and no others, of which some are required.
pub(in crate::http) fn fields(members: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        put(&mut object, "required", json!(required));
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
