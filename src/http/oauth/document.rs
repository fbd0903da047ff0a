//! What the document says about these endpoints.

use serde_json::{Value, json};

use super::ENDPOINTS;
use super::batch::MOST_TOKENS;
use super::form::FORM;
use crate::http::account;
use crate::http::openapi::document::Document;
use crate::http::openapi::operation::{JSON, Operation};
use crate::http::openapi::schema::{about, fields, flag, id, list, object, one_of, text};

/// The security schemes.
const CLIENT: &str = "client";
const SCRIPT: &str = "script";

/// Adds the endpoints, and where they are if that can be asked for.
pub(in crate::http) fn document(document: &mut Document, is_discovered: bool) {
    let client = "The id and the secret of a registered client. At `/introspect/` and `/revoke/` they can be `client_id` and `client_secret` in the body instead.";
    document.security(CLIENT, json!({ "type": "http", "scheme": "basic", "description": client }));
    let script = "A token that was made for a script of an administrator.";
    document.security(SCRIPT, json!({ "type": "http", "scheme": "bearer", "description": script }));
    let mut section = document.section("services", "Services ask whose a token is (RFC 7662, RFC 7009).", "");
    for endpoint in ENDPOINTS {
        section.add("post", &format!("/{}/", endpoint.path), &(endpoint.described)());
    }
    if is_discovered {
        let operation = Operation::new("Where these endpoints are").reply(200, "RFC 8414.", metadata());
        section.add("get", "/.well-known/oauth-authorization-server", &operation);
    }
}

pub(super) fn introspect() -> Operation {
    let counts = about(one_of(&["true", "false"]), "Whether this counts as use of the session.");
    let operation = Operation::new("Whose a token is")
        .secured_by(&schemes())
        .body(&[FORM], true, &form([("counts_as_use", counts)]))
        .reply(200, "It is live, or not.", described());
    refusals(by_clients(operation))
}

pub(super) fn check() -> Operation {
    let mut tokens = list(&text());
    if let Some(members) = tokens.as_object_mut() {
        members.insert("maxItems".to_owned(), json!(MOST_TOKENS));
    }
    let use_of = about(flag(), "Whether this counts as use of the sessions.");
    let operation = Operation::new("Whose many tokens are")
        .secured_by(&schemes())
        .body(&[JSON], true, &fields(&[("tokens", tokens), ("counts_as_use", use_of)], &["tokens"]))
        .reply(200, "What is known of each, in the order of the tokens.", object([("results", list(&described()))]));
    refusals(by_clients(operation))
}

pub(super) fn revoke() -> Operation {
    let operation = Operation::new("End the session of a token")
        .about("Without credentials the token is the proof.")
        .perhaps_secured_by(&schemes())
        .body(&[FORM], true, &form([]))
        .empty(200, "The token is not good any more, also if it is unknown.");
    refusals(by_clients(operation))
}

fn schemes() -> [String; 2] {
    [CLIENT.to_owned(), SCRIPT.to_owned()]
}

/// A form with a token, and perhaps the credentials of a client. Other parameters are ignored.
fn form<const N: usize>(more: [(&str, Value); N]) -> Value {
    let usual = [
        // Of any length: a text that cannot be a token is one that is not active.
        ("token", json!({ "type": "string", "minLength": 1 })),
        ("token_type_hint", about(text(), "Ignored.")),
        ("client_id", about(text(), "The id of the client, if it is not in the header.")),
        ("client_secret", about(text(), "Its secret.")),
    ];
    let members: Vec<(&str, Value)> = usual.into_iter().chain(more).collect();
    let mut form = fields(&members, &["token"]);
    if let Some(members) = form.as_object_mut() {
        members.insert("additionalProperties".to_owned(), json!(true));
    }
    form
}

/// What [`describe`](super::describe) writes.
fn described() -> Value {
    let seconds = || json!({ "type": "integer", "format": "int64" });
    let members = [
        ("active", json!({ "const": true })),
        ("token_type", about(text(), "The keyword before such a token in `Authorization`.")),
        ("iat", about(seconds(), "When it was issued, in seconds since 1970.")),
        ("exp", about(seconds(), "When it expires; absent: never.")),
        ("sub", about(text(), "The user's number.")),
        ("username", text()),
        ("sid", id()),
        ("email", text()),
        ("is_staff", flag()),
        ("is_admin", flag()),
        ("session", account::session_schema()),
    ];
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).filter(|name| *name != "exp").collect();
    json!({ "anyOf": [fields(&members, &required), object([("active", json!({ "const": false }))])] })
}

fn by_clients(operation: Operation) -> Operation {
    operation
        .reply(401, "There are no good credentials.", refusal())
        .header(401, "WWW-Authenticate")
        .reply(403, "The client does not have the right for this.", refusal())
        .reply(429, "The client has reached its limit of requests.", refusal())
        .header(429, "Retry-After")
}

fn refusals(operation: Operation) -> Operation {
    operation
        .reply(400, "The request makes no sense.", refusal())
        .reply(408, "The body does not arrive in time.", refusal())
        .reply(413, "The body is too long.", refusal())
        .reply(415, "The content type is another.", refusal())
        .reply(503, "It could not be done now, which says nothing about the token.", refusal())
        .header(503, "Retry-After")
}

/// The body of a refusal (RFC 6749, section 5.2).
fn refusal() -> Value {
    let codes = super::refusal::Code::ALL.map(super::refusal::Code::as_str);
    object([("error", one_of(&codes)), ("error_description", text())])
}

fn metadata() -> Value {
    object([
        ("issuer", text()),
        ("introspection_endpoint", text()),
        ("introspection_endpoint_auth_methods_supported", list(&text())),
        ("revocation_endpoint", text()),
        ("revocation_endpoint_auth_methods_supported", list(&text())),
        ("jwks_uri", text()),
        ("response_types_supported", list(&text())),
        ("grant_types_supported", list(&text())),
    ])
}
