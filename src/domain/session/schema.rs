//! The JSON Schema of the kinds of sessions: their names.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::SessionKind;
use crate::domain::dialect::Dialect;

impl JsonSchema for SessionKind {
    fn schema_name() -> Cow<'static, str> {
        "SessionKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kinds = Dialect::ALL.into_iter().map(Self::Dialect).chain(Self::APART);
        let names: Vec<&str> = kinds.map(Self::as_str).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}
