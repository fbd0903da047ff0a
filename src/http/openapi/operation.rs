//! One operation: what a method of a path takes, and all that it can answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The media type of all replies that have a body, but for a few.
pub(in crate::http) const JSON: &str = "application/json";

/// The headers of all replies.
const HEADERS: [&str; 3] = ["Cache-Control", "X-Content-Type-Options", "X-Request-Id"];

/// What a method of a path takes, and all that it can answer.
#[derive(Debug, Clone)]
pub(in crate::http) struct Operation {
    summary: &'static str,
    description: Vec<String>,
    parameters: Vec<Value>,
    body: Option<Value>,
    replies: BTreeMap<u16, Reply>,
    access: Access,
}

/// Which credentials it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    /// None.
    Open,
    /// One of these security schemes.
    Required(Vec<String>),
    /// One of these, or none.
    Optional(Vec<String>),
}

/// The replies with one status.
#[derive(Debug, Clone, Default)]
struct Reply {
    when: Vec<String>,
    headers: Vec<&'static str>,
    schemas: Vec<(&'static str, Value)>,
    links: Map<String, Value>,
}

impl Operation {
    /// An operation without credentials and parameters, and still without replies.
    pub(in crate::http) const fn new(summary: &'static str) -> Self {
        Self {
            summary,
            description: Vec::new(),
            parameters: Vec::new(),
            body: None,
            replies: BTreeMap::new(),
            access: Access::Open,
        }
    }

    /// Says more about it.
    pub(in crate::http) fn about(mut self, text: impl Into<String>) -> Self {
        self.description.push(text.into());
        self
    }

    /// It needs credentials of one of these security schemes.
    pub(in crate::http) fn secured_by(mut self, schemes: &[String]) -> Self {
        self.access = Access::Required(schemes.to_vec());
        self
    }

    /// It takes credentials of one of these security schemes, if there are any.
    pub(in crate::http) fn perhaps_secured_by(mut self, schemes: &[String]) -> Self {
        self.access = Access::Optional(schemes.to_vec());
        self
    }

    /// A parameter that may be left out, in `query` or `header`.
    pub(in crate::http) fn takes(mut self, place: &str, name: &str, schema: &Value, about: &str) -> Self {
        self.parameters.push(json!({ "name": name, "in": place, "schema": schema, "description": about }));
        self
    }

    /// A part of the path.
    pub(in crate::http) fn part(mut self, name: &str, schema: &Value, about: &str) -> Self {
        let part = json!({ "name": name, "in": "path", "required": true, "schema": schema, "description": about });
        self.parameters.push(part);
        self
    }

    /// The body, in one of these media types.
    pub(in crate::http) fn body(mut self, media: &[&str], is_required: bool, schema: &Value) -> Self {
        let content: Map<String, Value> =
            media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect();
        self.body = Some(json!({ "required": is_required, "content": content }));
        self
    }

    /// A reply with JSON. Of several with one status, each counts.
    pub(in crate::http) fn reply(self, status: u16, when: &str, schema: Value) -> Self {
        self.reply_in(JSON, status, when, schema)
    }

    /// A reply with a body of another media type.
    pub(in crate::http) fn reply_in(mut self, media: &'static str, status: u16, when: &str, schema: Value) -> Self {
        let reply = self.replies.entry(status).or_default();
        reply.when.push(when.to_owned());
        if !reply.schemas.contains(&(media, schema.clone())) {
            reply.schemas.push((media, schema));
        }
        self
    }

    /// A reply without a body.
    pub(in crate::http) fn empty(mut self, status: u16, when: &str) -> Self {
        self.replies.entry(status).or_default().when.push(when.to_owned());
        self
    }

    /// A header that every reply with this status has, by its name in `#/components/headers/`.
    pub(in crate::http) fn header(mut self, status: u16, name: &'static str) -> Self {
        self.replies.entry(status).or_default().headers.push(name);
        self
    }

    /// The reply with this status has, at `from` in its body, the id for another operation.
    pub(in crate::http) fn leads_to(mut self, status: u16, from: &str, method: &str, path: &str) -> Self {
        let id = id_of(&method.to_ascii_lowercase(), path);
        let link = json!({ "operationId": id, "parameters": { "id": format!("$response.body#{from}") } });
        self.replies.entry(status).or_default().links.insert(id, link);
        self
    }

    /// Replies with this status do not have this header.
    pub(in crate::http) fn without(mut self, status: u16, name: &str) -> Self {
        self.replies.entry(status).or_default().headers.retain(|other| *other != name);
        self
    }

    /// More headers that every reply has.
    pub(in crate::http) fn headers(mut self, names: &[&'static str]) -> Self {
        for reply in self.replies.values_mut() {
            reply.headers.extend(names);
        }
        self
    }

    /// As OpenAPI has it.
    pub(super) fn to_value(&self, id: &str, tag: &str) -> Value {
        let replies: Map<String, Value> =
            self.replies.iter().map(|(status, reply)| (status.to_string(), reply.to_value())).collect();
        let mut operation = Map::new();
        operation.insert("operationId".to_owned(), json!(id));
        operation.insert("tags".to_owned(), json!([tag]));
        operation.insert("summary".to_owned(), json!(self.summary));
        if !self.description.is_empty() {
            operation.insert("description".to_owned(), json!(self.description.join("\n\n")));
        }
        operation.insert("security".to_owned(), self.access.to_value());
        if !self.parameters.is_empty() {
            operation.insert("parameters".to_owned(), json!(self.parameters));
        }
        if let Some(body) = &self.body {
            operation.insert("requestBody".to_owned(), body.clone());
        }
        operation.insert("responses".to_owned(), Value::Object(replies));
        Value::Object(operation)
    }
}

impl Access {
    fn to_value(&self) -> Value {
        let each = |schemes: &[String]| schemes.iter().map(|name| json!({ (name): [] })).collect::<Vec<_>>();
        match self {
            Self::Open => json!([]),
            Self::Required(schemes) => json!(each(schemes)),
            Self::Optional(schemes) => json!([each(schemes), vec![json!({})]].concat()),
        }
    }
}

impl Reply {
    fn to_value(&self) -> Value {
        let mut reply = json!({ "description": self.when.join(" ") });
        let reference = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
        let headers: Map<String, Value> = self.headers.iter().chain(&HEADERS).map(reference).collect();
        super::schema::put(&mut reply, "headers", Value::Object(headers));
        if !self.schemas.is_empty() {
            let mut by_media: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
            for (media, schema) in &self.schemas {
                by_media.entry(media).or_default().push(schema);
            }
            let schema = |schemas: &[&Value]| match schemas {
                [only] => (*only).clone(),
                several => json!({ "anyOf": several }),
            };
            let content: Map<String, Value> = by_media
                .into_iter()
                .map(|(media, schemas)| (media.to_owned(), json!({ "schema": schema(&schemas) })))
                .collect();
            super::schema::put(&mut reply, "content", Value::Object(content));
        }
        if !self.links.is_empty() {
            super::schema::put(&mut reply, "links", Value::Object(self.links.clone()));
        }
        reply
    }
}

/// The id of an operation, as generators make names of it: `post_apiTokenAuth` for `POST /api-token-auth/`.
pub(super) fn id_of(method: &str, path: &str) -> String {
    let mut id = method.to_owned();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        id.push('_');
        for (number, word) in segment.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').enumerate() {
            let (first, rest) = word.split_at_checked(1).unwrap_or_default();
            id.push_str(&if number == 0 { first.to_owned() } else { first.to_ascii_uppercase() });
            id.push_str(rest);
        }
    }
    id
}
