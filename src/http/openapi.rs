//! The OpenAPI 3.1 document of what an address serves, `/openapi.json`, and a page to read it, `/docs/`
//! (`docs/openapi.md`).
//!
//! Each part of the program describes its endpoints beside its handlers, from the same paths, methods and types. The
//! document is made when it is first asked for, and then kept: no other request pays for it.

pub(in crate::http) mod document;
mod drf;
pub(in crate::http) mod operation;
#[cfg(feature = "pages")]
mod page;
pub(in crate::http) mod schema;

use std::future::ready;
use std::sync::{Arc, OnceLock};

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde_json::{Value, json};

use self::document::{Document, Section};
pub(in crate::http) use self::drf::{coded_detail, detail, errors_of, non_field_errors};
use self::operation::Operation;
use super::admin::AdminState;
use super::middleware::request_log::{Facts, note};
use super::{HttpState, read_at};

/// No script and nothing from elsewhere.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document of one address, and its page; clones are handles.
#[derive(Clone)]
pub struct ApiDocs(Arc<Shared>);

struct Shared {
    public: Option<HttpState>,
    admin: Option<AdminState>,
    written: OnceLock<Written>,
}

struct Written {
    document: Bytes,
    #[cfg(feature = "pages")]
    page: Bytes,
}

impl ApiDocs {
    /// What is served at an address: the endpoints for clients, those of administrators, or both.
    pub fn new(public: Option<HttpState>, admin: Option<AdminState>) -> Self {
        Self(Arc::new(Shared { public, admin, written: OnceLock::new() }))
    }

    fn written(&self) -> &Written {
        self.0.written.get_or_init(|| {
            let document = self.describe();
            // All of it is JSON already, so this cannot fail.
            let text = serde_json::to_string(&document).unwrap_or_default();
            Written {
                #[cfg(feature = "pages")]
                page: page::render(&document).into(),
                document: text.into(),
            }
        })
    }

    fn describe(&self) -> Value {
        let mut document = Document::new(ABOUT);
        if let Some(state) = &self.0.public {
            document::describe_tokens(&mut document, state.options());
            super::document(&mut document, state);
        }
        if self.0.admin.is_some() {
            super::admin::document(&mut document);
        }
        self::document(&mut document.section("document", "This document.", ""));
        document.finish()
    }

    /// The refusal of a request to the address of administrators that names another host.
    fn refuse(&self, request: &HttpRequest) -> Option<HttpResponse> {
        note(request, Facts::read_only);
        match &*self.0 {
            Shared { public: None, admin: Some(admin), .. } => admin.refuse_other_hosts(request),
            Shared { .. } => None,
        }
    }
}

const ABOUT: &str = "\
Tokens are checked by asking: a token that was revoked is never accepted again after the revocation was answered.

* `HEAD` is answered as `GET` without a body, and `OPTIONS` at the endpoints of the dialects describes them.
* Paths are also served without their final slash.
* A method that is not listed is 405 with `Allow`, a path that is not listed 404 `{\"detail\":\"Not found.\"}`.
* 503 means that something could not be done now. It never means that a token is not good.
* A request that is no HTTP is 400, one whose head is too large 431, and one that is too slow 408; these replies may
  have no body.";

/// Mounts the document, and its page in builds that have pages.
pub fn configure(config: &mut web::ServiceConfig, docs: &ApiDocs) {
    let docs = docs.clone();
    #[cfg(feature = "pages")]
    page::configure(config, &docs);
    read_at(config, "/openapi.json", move |request: HttpRequest| {
        let document = || reply("application/json", docs.written().document.clone());
        ready(docs.refuse(&request).unwrap_or_else(document))
    });
}

fn reply(media: &'static str, body: Bytes) -> HttpResponse {
    HttpResponse::build(StatusCode::OK)
        .insert_header((CONTENT_TYPE, media))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .body(body)
}

/// What the document says about itself.
fn document(section: &mut Section<'_>) {
    let document = Operation::new("This document").reply(200, "OpenAPI 3.1.", json!({ "type": "object" }));
    section.add("get", "/openapi.json", &document);
    #[cfg(feature = "pages")]
    page::document(section);
}
