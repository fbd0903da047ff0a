//! Descriptions of the endpoints for the OpenAPI document: which fields they take, and what they answer. A handler can
//! read no other fields.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::error::Code;
use super::page::Page;
use super::routes::{Endpoint, Needs};
use crate::domain::audit::Event;
use crate::domain::client::{MAX_LIMIT, Rights};
use crate::domain::session::SessionKind;
use crate::http::openapi::document::Document;
use crate::http::openapi::operation::{JSON, Operation};
use crate::http::openapi::schema::{self, Schemas};

/// The name of the security scheme.
const SCHEME: &str = "administrator";

/// The headers that all replies have.
const HEADERS: [&str; 3] = ["Cache-Control", "X-Content-Type-Options", "X-Request-Id"];

/// The description of an endpoint.
pub struct Description {
    summary: &'static str,
    about: &'static str,
    fields: &'static [&'static [Field]],
    success: Success,
    refuses: &'static [(u16, &'static str)],
    leads_to: &'static [(&'static str, &'static str)],
}

/// The reply to a request that succeeds.
#[derive(Clone, Copy)]
pub(super) struct Success {
    status: u16,
    schema: Option<fn(&mut Schemas) -> Value>,
}

/// A field of the query or the body.
pub(super) struct Field {
    name: &'static str,
    kind: Kind,
    is_required: bool,
    about: &'static str,
}

/// The kind of a field's value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A password.
    Password,
    /// A password that has to meet the rules.
    NewPassword,
    /// An IP address.
    Address,
    /// An IP address or a network.
    Network,
    /// The position of an audit event.
    EventCursor,
    /// `true` or `false`.
    Flag,
    /// A number within bounds.
    Number(i64, i64),
    /// A user's number.
    User,
    /// A time.
    Time,
    /// The id of a session or of a client.
    Id,
    /// The rights of a client.
    Rights,
    /// The number of requests that a client may make.
    Limit,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A kind of session.
    OpenedAs,
    /// Names of events.
    Events,
}

impl Description {
    pub(super) const fn new(summary: &'static str, success: Success) -> Self {
        Self { summary, about: "", fields: &[], success, refuses: &[], leads_to: &[] }
    }

    /// Adds a paragraph to the summary.
    pub(super) const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// The fields, in one or more lists.
    pub(super) const fn fields(self, fields: &'static [&'static [Field]]) -> Self {
        Self { fields, ..self }
    }

    /// The statuses of its refusals, besides those that every endpoint has.
    pub(super) const fn refuses(self, refuses: &'static [(u16, &'static str)]) -> Self {
        Self { refuses, ..self }
    }

    /// The operations that take the id in the reply.
    pub(super) const fn leads_to(self, leads_to: &'static [(&'static str, &'static str)]) -> Self {
        Self { leads_to, ..self }
    }

    /// Whether it has this field.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all_fields().any(|field| field.name == name)
    }

    fn all_fields(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().copied().flatten()
    }
}

impl Success {
    /// 204.
    pub(super) const NOTHING: Self = Self { status: 204, schema: None };

    /// 200.
    pub(super) const fn ok(schema: fn(&mut Schemas) -> Value) -> Self {
        Self { status: 200, schema: Some(schema) }
    }

    /// 201.
    pub(super) const fn created(schema: fn(&mut Schemas) -> Value) -> Self {
        Self { status: 201, schema: Some(schema) }
    }
}

/// The schema of a type.
pub(super) fn of<T: JsonSchema>(schemas: &mut Schemas) -> Value {
    schemas.of::<T>()
}

/// The schema of a page of a list.
pub(super) fn page_of<T: JsonSchema>(schemas: &mut Schemas) -> Value {
    schemas.of::<Page<T>>()
}

impl Field {
    /// An optional field.
    pub(super) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, is_required: false, about }
    }

    /// An optional text.
    pub(super) const fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Text, about)
    }

    /// An optional boolean.
    pub(super) const fn flag(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Flag, about)
    }

    /// Makes the field required.
    pub(super) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    fn schema(&self, schemas: &mut Schemas) -> Value {
        let schema = match self.kind {
            Kind::Text => schema::text(),
            Kind::Password => schema::password(),
            Kind::NewPassword => schema::new_password(),
            Kind::Address => schema::address(),
            Kind::Network => schema::network(),
            Kind::EventCursor => schema::event_cursor(),
            Kind::Flag => schema::flag(),
            Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Kind::User => schema::number(),
            Kind::Time => schema::time(),
            Kind::Id => schema::id(),
            Kind::Rights => schema::at_least_one(schemas.of::<Rights>()),
            Kind::Limit => json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT }),
            Kind::OneOf(words) => schema::one_of(words),
            Kind::OpenedAs => schemas.of::<SessionKind>(),
            Kind::Events => {
                let names = Event::ALL.map(Event::as_str).join("|");
                json!({ "type": "string", "pattern": format!("^({names})(,({names}))*$") })
            }
        };
        schema::about(schema, self.about)
    }
}

impl Endpoint {
    fn operation(&self, schemas: &mut Schemas) -> Operation {
        let Description { summary, about, success, refuses, leads_to, .. } = self.extra;
        let refusal = refusal(schemas);
        let mut operation = Operation::new(summary);
        if !about.is_empty() {
            operation = operation.about(*about);
        }
        operation = match success.schema {
            Some(schema) => operation.reply(success.status, "It is done.", schema(schemas)),
            None => operation.empty(success.status, "It is done."),
        };
        for (method, path) in *leads_to {
            operation = operation.leads_to(success.status, "/id", method, path);
        }
        operation = self.with_access(operation, &refusal);
        operation = self.with_fields(operation, &refusal, schemas);
        for (status, when) in *refuses {
            operation = operation.reply(*status, when, refusal.clone());
            if *status == 429 {
                operation = operation.header(429, "Retry-After");
            }
        }
        operation
            .reply(421, "The host is not served.", refusal.clone())
            .reply(503, "It could not be done now, and its outcome is unknown.", refusal)
            .header(503, "Retry-After")
            .headers(&HEADERS)
    }

    fn with_access(&self, operation: Operation, refusal: &Value) -> Operation {
        let forbidden = match self.needs {
            Needs::Nothing => return operation,
            Needs::Admin => "The token does not belong to an administrator.",
            Needs::RecentPassword => {
                "The token does not belong to an administrator, or the password has to be entered again first."
            }
        };
        operation
            .secured_by(&[SCHEME.to_owned()])
            .reply(401, "The token is missing or not valid.", refusal.clone())
            .header(401, "WWW-Authenticate")
            .reply(403, forbidden, refusal.clone())
    }

    /// Adds the fields, in the query or in the body, and the refusals that come with them.
    fn with_fields(&self, mut operation: Operation, refusal: &Value, schemas: &mut Schemas) -> Operation {
        if self.path.contains("{id}") {
            let id = if self.path.contains("/users/") { schema::number() } else { schema::id() };
            operation =
                operation.part("id", &id, "Its number or id.").reply(404, "It does not exist.", refusal.clone());
        }
        operation = operation.reply(400, "Fields are wrong.", refusal.clone());
        if self.is_read() {
            for field in self.extra.all_fields() {
                operation = operation.takes("query", field.name, &field.schema(schemas), field.about);
            }
            return operation;
        }
        let mut required = Vec::new();
        let mut members = Vec::new();
        for field in self.extra.all_fields() {
            let schema = field.schema(schemas);
            if field.is_required {
                required.push(field.name);
            }
            members.push((field.name, if field.is_required { schema } else { schema::nullable(schema) }));
        }
        operation
            .body(&[JSON], !required.is_empty(), &schema::fields(&members, &required))
            .reply(408, "The body does not arrive in time.", refusal.clone())
            .reply(413, "The body is too long.", refusal.clone())
            .reply(415, "The body is not JSON.", refusal.clone())
    }
}

/// The body of every refusal.
fn refusal(schemas: &mut Schemas) -> Value {
    let code = schemas.of::<Code>();
    let count = || json!({ "type": "integer", "minimum": 0 });
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let members = [
        ("code", code),
        ("message", schema::text()),
        ("fields", schema::about(texts, "A message for each field that is wrong.")),
        ("shown", schema::about(count(), "How many sessions the dry run has shown.")),
        ("found", schema::about(count(), "How many there are now.")),
        ("ended", schema::about(count(), "How many of them are over.")),
    ];
    let error = schema::fields(&members, &["code", "message", "fields"]);
    schemas.named("Refusal", schema::object([("error", error)]))
}

/// Adds the endpoints to the document.
pub(super) fn document(document: &mut Document, endpoints: &[Endpoint]) {
    let about = "The token of `POST /admin/api/login/`, or of a script of an administrator.";
    document.security(SCHEME, json!({ "type": "http", "scheme": "bearer", "description": about }));
    let mut section = document.section("administration", "For administrators and their programs.", "");
    for endpoint in endpoints {
        let operation = endpoint.operation(section.schemas());
        section.add(endpoint.method, endpoint.path, &operation);
    }
}
