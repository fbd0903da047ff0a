//! The document as a page: plain HTML without scripts, which needs nothing from elsewhere.

use std::future::ready;

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::document::Section as Described;
use super::operation::Operation as Describing;
use super::{ApiDocs, reply, schema};
use crate::http::read_at;

const STYLE: &str = include_str!("style.css");

/// How deep the members of members are shown.
const DEEPEST: usize = 3;

/// Mounts the page and its style.
pub(super) fn configure(config: &mut web::ServiceConfig, docs: &ApiDocs) {
    let (of_page, of_style, of_bare) = (docs.clone(), docs.clone(), docs.clone());
    read_at(config, "/docs/", move |request: HttpRequest| {
        let page = || reply("text/html; charset=utf-8", of_page.written().page.clone());
        ready(of_page.refuse(&request).unwrap_or_else(page))
    });
    read_at(config, "/docs/style.css", move |request: HttpRequest| {
        let style = || reply("text/css; charset=utf-8", Bytes::from_static(STYLE.as_bytes()));
        ready(of_style.refuse(&request).unwrap_or_else(style))
    });
    // A browser resolves it against the path that was asked for, whatever a proxy puts before it.
    read_at(config, "/docs", move |request: HttpRequest| {
        let elsewhere = || HttpResponse::PermanentRedirect().insert_header((LOCATION, "docs/")).finish();
        ready(of_bare.refuse(&request).unwrap_or_else(elsewhere))
    });
}

/// What the document says about it.
pub(super) fn document(section: &mut Described<'_>) {
    let page = Describing::new("This document as a page").reply_in("text/html", 200, "A page.", schema::text());
    section.add("get", "/docs/", &page);
}

#[derive(Template)]
#[template(path = "api.html")]
struct Page {
    title: String,
    version: String,
    summary: String,
    about: Vec<Block>,
    schemes: Vec<Named>,
    sections: Vec<Section>,
    schemas: Vec<Schema>,
}

/// A paragraph, or a list.
struct Block {
    is_list: bool,
    items: Vec<Vec<Piece>>,
}

/// A part of a text.
struct Piece {
    is_code: bool,
    text: String,
}

struct Named {
    name: String,
    about: Vec<Piece>,
}

struct Section {
    name: String,
    about: Vec<Piece>,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Vec<Piece>,
    credentials: Vec<String>,
    is_optional: bool,
    parameters: Vec<Row>,
    media: Vec<String>,
    body: Vec<Row>,
    replies: Vec<Reply>,
}

struct Reply {
    status: String,
    class: char,
    when: String,
    headers: Vec<String>,
    media: String,
    rows: Vec<Row>,
}

struct Schema {
    name: String,
    rows: Vec<Row>,
}

/// A member of an object, a parameter, or one of several forms.
struct Row {
    depth: usize,
    name: String,
    is_required: bool,
    kind: String,
    link: Option<String>,
    about: Vec<Piece>,
}

/// The page of a document that [`Document`](super::document::Document) wrote.
pub(super) fn render(document: &Value) -> String {
    let named = |at: &str| members(document.pointer(at)).map(|(name, value)| (name.clone(), value));
    let page = Page {
        title: text(document, "/info/title"),
        version: text(document, "/info/version"),
        summary: text(document, "/info/summary"),
        about: blocks(&text(document, "/info/description")),
        schemes: named("/components/securitySchemes")
            .map(|(name, scheme)| Named { name, about: pieces(&text(scheme, "/description")) })
            .collect(),
        sections: items(document.get("tags")).map(|tag| section(document, tag)).collect(),
        schemas: named("/components/schemas").map(|(name, schema)| Schema { name, rows: rows_of(schema) }).collect(),
    };
    // Writing to memory cannot fail.
    page.render().unwrap_or_default()
}

fn section(document: &Value, tag: &Value) -> Section {
    let name = text(tag, "/name");
    let paths = members(document.get("paths"));
    let all = paths
        .flat_map(|(path, methods)| members(Some(methods)).map(move |(method, operation)| (path, method, operation)));
    let own = all.filter(|(_, _, operation)| text(operation, "/tags/0") == name);
    let operations = own.map(|(path, method, operation)| described(path, method, operation)).collect();
    Section { about: pieces(&text(tag, "/description")), operations, name }
}

fn described(path: &str, method: &str, operation: &Value) -> Operation {
    let schemes = || items(operation.get("security")).flat_map(|scheme| members(Some(scheme)));
    let content = operation.pointer("/requestBody/content");
    let schema = members(content).next().and_then(|(_, content)| content.get("schema"));
    Operation {
        id: text(operation, "/operationId"),
        method: method.to_owned(),
        path: path.to_owned(),
        summary: text(operation, "/summary"),
        about: pieces(&text(operation, "/description")),
        credentials: schemes().map(|(name, _)| name.clone()).collect(),
        is_optional: items(operation.get("security")).any(|scheme| members(Some(scheme)).next().is_none()),
        parameters: items(operation.get("parameters")).map(parameter).collect(),
        media: members(content).map(|(media, _)| media.clone()).collect(),
        body: schema.map(rows_of).unwrap_or_default(),
        replies: members(operation.get("responses")).map(|(status, reply)| answered(status, reply)).collect(),
    }
}

fn parameter(parameter: &Value) -> Row {
    let schema = parameter.get("schema").unwrap_or(&Value::Null);
    let kind = format!("{}, in the {}", kind_of(schema), text(parameter, "/in"));
    Row {
        depth: 0,
        name: text(parameter, "/name"),
        is_required: parameter.get("required") == Some(&Value::Bool(true)),
        kind,
        link: link_of(schema),
        about: pieces(&text(parameter, "/description")),
    }
}

fn answered(status: &str, reply: &Value) -> Reply {
    let content = members(reply.get("content")).next();
    Reply {
        status: status.to_owned(),
        class: status.chars().next().unwrap_or('5'),
        when: text(reply, "/description"),
        headers: members(reply.get("headers")).map(|(name, _)| name.clone()).collect(),
        media: content.map(|(media, _)| media.clone()).unwrap_or_default(),
        rows: content.and_then(|(_, content)| content.get("schema")).map(rows_of).unwrap_or_default(),
    }
}

/// The rows of a schema: its members, or itself where it has none.
fn rows_of(schema: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    add_members(&mut rows, schema, 0);
    if rows.is_empty() && schema.as_object().is_some_and(|schema| !schema.is_empty()) {
        add(&mut rows, "", schema, false, 0);
    }
    rows
}

fn add(rows: &mut Vec<Row>, name: &str, schema: &Value, is_required: bool, depth: usize) {
    rows.push(Row {
        depth,
        name: name.to_owned(),
        is_required,
        kind: kind_of(schema),
        link: link_of(schema),
        about: pieces(&text(schema, "/description")),
    });
    if depth < DEEPEST {
        add_members(rows, schema, depth + 1);
    }
}

fn add_members(rows: &mut Vec<Row>, schema: &Value, depth: usize) {
    if let Some(of) = schema.get("items") {
        add_members(rows, of, depth);
    }
    let required: Vec<&Value> = items(schema.get("required")).collect();
    for (name, member) in members(schema.get("properties")) {
        let is_required = required.iter().any(|other| other.as_str() == Some(name));
        add(rows, name, member, is_required, depth);
    }
    for several in ["anyOf", "oneOf"] {
        let forms: Vec<&Value> = items(schema.get(several)).filter(|form| kind_of(form) != "null").collect();
        match forms.as_slice() {
            [only] => add_members(rows, only, depth),
            forms => {
                for (number, form) in forms.iter().enumerate() {
                    add(rows, &format!("form {}", number + 1), form, false, depth);
                }
            }
        }
    }
}

/// The kind of value, in words.
fn kind_of(schema: &Value) -> String {
    if link_of(schema).is_some() && schema.get("items").is_none() {
        return String::new();
    }
    if let Some(only) = schema.get("const") {
        return only.to_string();
    }
    if schema.get("enum").is_some() {
        return items(schema.get("enum")).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    if let Some(of) = schema.get("items") {
        return format!("list of {}", kind_of(of));
    }
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name],
        Some(_) | None if schema.get("properties").is_some() => vec!["object"],
        Some(_) | None => Vec::new(),
    };
    let format = text(schema, "/format");
    let format = if format.is_empty() { String::new() } else { format!(" ({format})") };
    // Those of the type itself say nothing.
    let bounded = Some(schema).filter(|schema| schema.get("format").is_none_or(|format| format != "int64"));
    let bound = |name| bounded.and_then(|schema| schema.get(name));
    let bounds = match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", from {least}"),
        (None, _) => String::new(),
    };
    format!("{}{format}{bounds}", names.join(" or "))
}

/// The named schema that a schema refers to, itself or by its items or one of its forms.
fn link_of(schema: &Value) -> Option<String> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return target.rsplit('/').next().map(str::to_owned);
    }
    let mut forms = items(schema.get("anyOf")).filter(|form| form.get("$ref").is_some());
    match (forms.next(), forms.next()) {
        (Some(only), None) if items(schema.get("anyOf")).count() == 2 => link_of(only),
        (Some(_) | None, _) => schema.get("items").and_then(link_of),
    }
}

fn text(value: &Value, at: &str) -> String {
    value.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// The paragraphs and lists of a text.
fn blocks(text: &str) -> Vec<Block> {
    let block = |text: &str| match text.strip_prefix("* ") {
        Some(list) => Block { is_list: true, items: list.split("\n* ").map(pieces).collect() },
        None => Block { is_list: false, items: vec![pieces(text)] },
    };
    text.split("\n\n").map(block).collect()
}

/// The parts of a text: what stands between backquotes is code.
fn pieces(text: &str) -> Vec<Piece> {
    let parts = text.split('`').enumerate();
    parts
        .filter(|(_, part)| !part.is_empty())
        .map(|(number, part)| Piece { is_code: number % 2 == 1, text: part.to_owned() })
        .collect()
}
