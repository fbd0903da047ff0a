//! What the endpoints have in common that read and answer as Django REST framework does (`docs/contract.md`).

use serde_json::{Value, json};

use super::document::Section;
use super::operation::Operation;
use super::schema::{fields, list, name as named, nullable, object, one_of, password, text, token};
use crate::http::drf::endpoint::Endpoint;

/// The media types of bodies.
const MEDIA: [&str; 3] = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];

impl Section<'_> {
    /// Adds the methods of an endpoint.
    pub(in crate::http) fn endpoint(&mut self, endpoint: &Endpoint) {
        for action in endpoint.actions {
            let mut operation = (action.described)(self)
                .takes("query", "format", &one_of(&["json", ""]), "The form of the reply; there is one.")
                .reply(404, "`format` names another form.", detail())
                .reply(406, "`Accept` covers no JSON.", detail());
            if self.has_cookies() {
                operation = operation.reply(400, "There is more than one token.", detail()).reply(
                    403,
                    "A cookie came with a request that another site may have caused.",
                    detail(),
                );
            }
            operation = operation.headers(&["Allow"]);
            if endpoint.path.contains('{') {
                // What cannot be an id makes another path, which has no methods.
                operation = operation.without(404, "Allow");
            }
            self.add(action.verb.name(), &format!("/{}/", endpoint.path), &operation);
        }
    }
}

impl Operation {
    /// It needs a token in the header.
    pub(in crate::http) fn known(self, section: &Section<'_>) -> Self {
        self.secured_by(section.token_schemes())
            .reply(401, "There is no good token in the header.", detail())
            .header(401, "WWW-Authenticate")
            .asks_the_database()
    }

    /// It can be asked with a token in the header, or without any.
    pub(in crate::http) fn perhaps_known(self, section: &Section<'_>) -> Self {
        self.perhaps_secured_by(section.token_schemes())
            .reply(401, "The token in the header is not good.", detail())
            .header(401, "WWW-Authenticate")
            .asks_the_database()
    }

    /// It reads these fields, of which the first `required` have to be there.
    pub(in crate::http) fn reads(self, members: &[(&str, Value)], required: usize) -> Self {
        let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        let mut schema = fields(members, names.get(..required).unwrap_or_default());
        // Others are ignored, as the packages ignore them.
        super::schema::put(&mut schema, "additionalProperties", json!(true));
        self.body(&MEDIA, true, &schema)
            .reply(400, "Fields are wrong.", errors_of(&names))
            .reply(400, "The body cannot be parsed.", detail())
            .reply(408, "The body does not arrive in time.", detail())
            .reply(413, "The body is too long.", detail())
            .reply(415, "The content type is none of these.", detail())
    }

    /// It reads a token, which may be in a cookie instead.
    pub(in crate::http) fn reads_token(self, name: &'static str, in_cookies: bool) -> Self {
        let (schema, required) = if in_cookies { (nullable(token()), 0) } else { (token(), 1) };
        self.reads(&[(name, schema)], required)
    }

    /// It reads a name, a password and perhaps a name for the session, and opens a session.
    pub(in crate::http) fn logs_in(self, name: &'static str) -> Self {
        let session_name = json!({ "type": "string", "maxLength": 100, "description": "A name for the session, such as that of the device. What cannot be one is ignored." });
        self.takes("header", "X-Session-Name", &session_name, "The same, if the body has none.")
            .reads(&[(name, named()), ("password", password()), ("session_name", session_name)], 2)
            .throttled("There were too many wrong passwords.")
            .asks_the_database()
    }

    /// It may be refused for a time.
    pub(in crate::http) fn throttled(self, when: &str) -> Self {
        self.reply(429, when, detail()).header(429, "Retry-After")
    }

    /// It asks the database, which may not answer.
    pub(in crate::http) fn asks_the_database(self) -> Self {
        self.reply(503, "It could not be done now. Nothing is said about the credentials.", detail())
            .header(503, "Retry-After")
    }
}

/// `{"detail": "…"}`.
pub(in crate::http) fn detail() -> Value {
    object([("detail", text())])
}

/// `{"detail": "…", "code": "token_not_valid"}`.
pub(in crate::http) fn coded_detail() -> Value {
    object([("detail", text()), ("code", one_of(&["token_not_valid"]))])
}

/// `{"non_field_errors": ["…"]}`.
pub(in crate::http) fn non_field_errors() -> Value {
    object([("non_field_errors", messages())])
}

/// A message for each wrong field of these, or one about the whole body.
pub(in crate::http) fn errors_of(names: &[&str]) -> Value {
    let members: Vec<(&str, Value)> =
        names.iter().copied().chain(["non_field_errors"]).map(|name| (name, messages())).collect();
    let mut errors = fields(&members, &[]);
    super::schema::put(&mut errors, "minProperties", json!(1));
    errors
}

fn messages() -> Value {
    let mut messages = list(&text());
    super::schema::put(&mut messages, "minItems", json!(1));
    messages
}
