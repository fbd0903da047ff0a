//! The document while it is being written: sections, each with the endpoints of one part of the program.

use serde_json::{Map, Value, json};

use super::operation::{Operation, id_of};
use super::schema::{self, Schemas};
use crate::domain::dialect::{CookieMode, Dialect, Mount, PerDialect};
use crate::http::browser::credentials::access_cookie;
use crate::http::{Compat, HttpOptions};

/// The document while it is being written.
pub(in crate::http) struct Document {
    description: String,
    tags: Vec<Value>,
    paths: Map<String, Value>,
    security: Map<String, Value>,
    schemas: Schemas,
    token_schemes: Vec<String>,
    compat: Compat,
}

/// Endpoints that belong together.
pub(in crate::http) struct Section<'d> {
    document: &'d mut Document,
    tag: &'static str,
    prefix: String,
    has_cookies: bool,
}

impl Document {
    pub(super) fn new(description: &str) -> Self {
        Self {
            description: description.to_owned(),
            tags: Vec::new(),
            paths: Map::new(),
            security: Map::new(),
            schemas: Schemas::new(),
            token_schemes: Vec::new(),
            compat: Compat::Documented,
        }
    }

    /// Adds a way to give credentials.
    pub(in crate::http) fn security(&mut self, name: &str, scheme: Value) {
        self.security.insert(name.to_owned(), scheme);
    }

    /// Begins a section, whose paths lie below `prefix`.
    pub(in crate::http) fn section(&mut self, tag: &'static str, about: &str, prefix: &str) -> Section<'_> {
        self.tags.push(json!({ "name": tag, "description": about }));
        Section { document: self, tag, prefix: prefix.to_owned(), has_cookies: false }
    }

    /// As OpenAPI has it.
    pub(super) fn finish(self) -> Value {
        let Self { description, tags, paths, security, schemas, .. } = self;
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Knoxide",
                "version": env!("CARGO_PKG_VERSION"),
                "summary": "A token server: log in, check, log out.",
                "description": description,
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "tags": tags,
            "paths": paths,
            "components": {
                "securitySchemes": security,
                "headers": headers(),
                "schemas": schemas.finish(),
            },
        })
    }
}

impl Section<'_> {
    /// The schemas of types.
    pub(in crate::http) const fn schemas(&mut self) -> &mut Schemas {
        &mut self.document.schemas
    }

    /// Says whether its endpoints take tokens in cookies.
    pub(in crate::http) const fn with_cookies(&mut self, has_cookies: bool) {
        self.has_cookies = has_cookies;
    }

    /// Whether they do.
    pub(in crate::http) const fn has_cookies(&self) -> bool {
        self.has_cookies
    }

    /// A new token in a reply, which is `null` where a cookie has it.
    pub(in crate::http) fn token(&self) -> Value {
        if self.has_cookies { schema::nullable(schema::token()) } else { schema::token() }
    }

    /// The names of the security schemes for tokens of the enabled dialects: one for each keyword and each cookie.
    pub(super) fn token_schemes(&self) -> &[String] {
        &self.document.token_schemes
    }

    /// Which replies are sent where the documented contract and the Django package differ.
    pub(in crate::http) const fn compat(&self) -> Compat {
        self.document.compat
    }

    /// The whole path of an endpoint below the prefix.
    pub(in crate::http) fn path(&self, below: &str) -> String {
        format!("{}/{below}/", self.prefix)
    }

    /// Adds an endpoint at this path.
    pub(in crate::http) fn add(&mut self, method: &str, path: &str, operation: &Operation) {
        let path = format!("{}{path}", self.prefix);
        let method = method.to_ascii_lowercase();
        let operation = operation.to_value(&id_of(&method, &path), self.tag);
        let methods = self.document.paths.entry(path).or_insert_with(|| json!({}));
        schema::put(methods, &method, operation);
    }
}

/// The headers of replies, all of which have them where an operation names them.
fn headers() -> Value {
    let header = |about: &str, schema: Value| json!({ "description": about, "required": true, "schema": schema });
    let list = |about: &str| header(about, schema::text());
    let seconds = json!({ "type": "integer", "minimum": 1 });
    json!({
        "Allow": list("The methods of the path."),
        "Cache-Control": list("Whether a cache may keep the reply."),
        "Location": list("Where it is."),
        "Retry-After": header("After how many seconds to ask again.", seconds),
        "WWW-Authenticate": list("Which credentials are wanted."),
        "X-Content-Type-Options": header("Browsers must not guess another type.", schema::one_of(&["nosniff"])),
        "X-Request-Id": list("The id of the request in the log."),
        "Remote-User": list("The user's name; all but visible ASCII, and `%`, percent-encoded."),
        "Remote-Email": list("The user's e-mail address, encoded in the same way."),
        "Remote-Groups": list("`staff`, or nothing."),
        "Remote-User-Id": header("The user's number.", schema::number()),
        "Remote-Session": header("The session's id.", schema::id()),
        "Remote-Expires": list("When the token expires; empty: never."),
        "Remote-Token-From": header("Where the token was.", schema::one_of(&["header", "cookie"])),
    })
}

/// The cookies with tokens.
fn cookies(dialects: &PerDialect<Mount>) -> impl Iterator<Item = String> {
    let kept = enabled(dialects).filter(|(_, mount)| mount.cookie != CookieMode::Off);
    kept.map(|(dialect, _)| access_cookie(dialect))
}

/// The names of those for tokens in the header.
pub(in crate::http) fn header_schemes(dialects: &PerDialect<Mount>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for word in enabled(dialects).flat_map(|(_, mount)| &mount.keywords) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            names.push(word.clone());
        }
    }
    names
}

/// Describes the tokens of the enabled dialects.
pub(super) fn describe_tokens(document: &mut Document, options: &HttpOptions) {
    let dialects = &options.dialects;
    document.token_schemes = header_schemes(dialects).into_iter().chain(cookies(dialects)).collect();
    document.compat = options.compat;
    for cookie in cookies(dialects) {
        let about =
            "Set by a login in a browser. It counts for requests other than `GET` and `HEAD` from pages of ours alone.";
        document.security(&cookie, json!({ "type": "apiKey", "in": "cookie", "name": cookie, "description": about }));
    }
    for word in header_schemes(dialects) {
        let has_it = |mount: &Mount| mount.keywords.iter().any(|known| known.eq_ignore_ascii_case(&word));
        let owners: Vec<&str> =
            enabled(dialects).filter(|(_, mount)| has_it(mount)).map(|(dialect, _)| dialect.as_str()).collect();
        let about = format!("`Authorization: {word} <token>`, with an access token of {}.", owners.join(" or "));
        let scheme = if word.eq_ignore_ascii_case("bearer") {
            json!({ "type": "http", "scheme": "bearer", "description": about })
        } else {
            // OpenAPI knows the registered schemes of HTTP alone.
            json!({ "type": "apiKey", "in": "header", "name": "Authorization", "description": about })
        };
        document.security(&word, scheme);
    }
}

fn enabled(dialects: &PerDialect<Mount>) -> impl Iterator<Item = (Dialect, &Mount)> {
    Dialect::ALL.into_iter().map(|dialect| (dialect, dialects.get(dialect))).filter(|(_, mount)| mount.enabled)
}
