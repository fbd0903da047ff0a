//! What the document says about each endpoint of the list: which fields it reads, and what it answers. A handler can
//! read no other fields.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::error::Code;
use super::page::Page;
use super::routes::{Needs, Route};
use crate::domain::audit::Event;
use crate::domain::client::{MAX_LIMIT, Rights};
use crate::domain::session::SessionKind;
use crate::http::listed::Listed as _;
use crate::http::openapi::document::{Document, Section};
use crate::http::openapi::operation::{JSON, Operation};
use crate::http::openapi::schema::{self, Schemas};

/// The name of the security scheme.
const SCHEME: &str = "administrator";

/// The headers of all replies.
const HEADERS: [&str; 3] = ["Cache-Control", "X-Content-Type-Options", "X-Request-Id"];

/// What the document says about an endpoint.
pub(super) struct Described {
    summary: &'static str,
    about: &'static str,
    takes: &'static [&'static [Takes]],
    gives: Gives,
    refuses: &'static [(u16, &'static str)],
    leads_to: &'static [(&'static str, &'static str)],
}

/// The reply when all went well.
#[derive(Clone, Copy)]
pub(super) struct Gives {
    status: u16,
    schema: Option<fn(&mut Schemas) -> Value>,
}

/// A field.
pub(super) struct Takes {
    name: &'static str,
    kind: Kind,
    is_required: bool,
    about: &'static str,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A password.
    Password,
    /// A password that has to keep the rules.
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
    /// What a client may do.
    Rights,
    /// How many requests a client may make.
    Limit,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// As what a session was opened.
    OpenedAs,
    /// Names of events.
    Events,
}

impl Described {
    pub(super) const fn new(summary: &'static str, gives: Gives) -> Self {
        Self { summary, about: "", takes: &[], gives, refuses: &[], leads_to: &[] }
    }

    /// Says more about it.
    pub(super) const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// It reads the fields of all these lists.
    pub(super) const fn takes(self, takes: &'static [&'static [Takes]]) -> Self {
        Self { takes, ..self }
    }

    /// It refuses with these statuses, besides those that every endpoint has.
    pub(super) const fn refuses(self, refuses: &'static [(u16, &'static str)]) -> Self {
        Self { refuses, ..self }
    }

    /// Its reply has the id for these operations.
    pub(super) const fn leads_to(self, leads_to: &'static [(&'static str, &'static str)]) -> Self {
        Self { leads_to, ..self }
    }

    /// Whether it reads this field.
    pub(super) fn reads(&self, name: &str) -> bool {
        self.fields().any(|field| field.name == name)
    }

    fn fields(&self) -> impl Iterator<Item = &'static Takes> {
        self.takes.iter().flat_map(|list| list.iter())
    }
}

impl Gives {
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

impl Takes {
    /// A field that may be left out.
    pub(super) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, is_required: false, about }
    }

    /// A text that may be left out.
    pub(super) const fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Text, about)
    }

    /// A truth value that may be left out.
    pub(super) const fn flag(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Flag, about)
    }

    /// It has to be there.
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

impl Route {
    fn operation(&self, schemas: &mut Schemas) -> Operation {
        let Described { summary, about, gives, refuses, .. } = self.described;
        let refusal = refusal(schemas);
        let mut operation = Operation::new(summary);
        if !about.is_empty() {
            operation = operation.about(*about);
        }
        operation = match gives.schema {
            Some(schema) => operation.reply(gives.status, "It is done.", schema(schemas)),
            None => operation.empty(gives.status, "It is done."),
        };
        for (method, path) in self.described.leads_to {
            operation = operation.leads_to(gives.status, "/id", method, path);
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
            .reply(421, "The host is not one of those that are served.", refusal.clone())
            .reply(503, "It could not be done now, and its outcome is unknown.", refusal)
            .header(503, "Retry-After")
            .headers(&HEADERS)
    }

    fn with_access(&self, operation: Operation, refusal: &Value) -> Operation {
        let scheme = [SCHEME.to_owned()];
        let known = |operation: Operation| {
            operation
                .secured_by(&scheme)
                .reply(401, "There is no good token.", refusal.clone())
                .header(401, "WWW-Authenticate")
        };
        let forbidden = "The token is none of an administrator.";
        let recent = "The token is none of an administrator, or the password has to be given again first.";
        match self.needs {
            Needs::Nothing => operation,
            Needs::Admin => known(operation).reply(403, forbidden, refusal.clone()),
            Needs::RecentPassword => known(operation).reply(403, recent, refusal.clone()),
        }
    }

    /// Its fields, in the query or in the body, and the refusals that come with them.
    fn with_fields(&self, mut operation: Operation, refusal: &Value, schemas: &mut Schemas) -> Operation {
        if self.path.contains("{id}") {
            let id = if self.path.contains("/users/") { schema::number() } else { schema::id() };
            operation = operation.part("id", &id, "Whose it is.").reply(404, "There is none.", refusal.clone());
        }
        operation = operation.reply(400, "Fields are wrong.", refusal.clone());
        if self.is_read() {
            for field in self.described.fields() {
                operation = operation.takes("query", field.name, &field.schema(schemas), field.about);
            }
            return operation;
        }
        let required: Vec<&str> = self.described.fields().filter(|field| field.is_required).map(|f| f.name).collect();
        let members: Vec<(&str, Value)> = self
            .described
            .fields()
            .map(|field| {
                let schema = field.schema(schemas);
                (field.name, if field.is_required { schema } else { schema::nullable(schema) })
            })
            .collect();
        operation
            .body(&[JSON], !required.is_empty(), &schema::fields(&members, &required))
            .reply(408, "The body does not arrive in time.", refusal.clone())
            .reply(413, "The body is too long.", refusal.clone())
            .reply(415, "The body is no JSON.", refusal.clone())
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

/// What the document says about all endpoints.
pub(super) fn document(document: &mut Document, routes: &[Route]) {
    let about = "The token of `POST /admin/api/login/`, or of a script of an administrator.";
    document.security(SCHEME, json!({ "type": "http", "scheme": "bearer", "description": about }));
    let mut section = document.section("administration", "For administrators and their programs.", "");
    for route in routes {
        add(&mut section, route);
    }
}

fn add(section: &mut Section<'_>, route: &Route) {
    let operation = route.operation(section.schemas());
    section.add(route.method, route.path, &operation);
}
