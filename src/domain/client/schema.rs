//! The JSON Schema of what a client may do: a list of names.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Right, Rights};

impl JsonSchema for Rights {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rights".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Right::ALL.map(Right::as_str);
        json_schema!({ "type": "array", "items": { "type": "string", "enum": names } })
    }
}
