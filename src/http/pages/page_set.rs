//! A set of pages, those of administrators or those of users: where it is served, and what stands around its pages.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};

use super::assets::Assets;
use super::layout::{Layout, Section, Viewer};
use super::site::Site;
use super::{problem, reply};
use crate::http::HttpState;
use crate::service::{Auth, Pages};

/// A set of pages; clones are handles.
#[derive(Clone)]
pub(super) struct PageSet(Arc<Shared>);

struct Shared {
    kind: Pages,
    state: HttpState,
    site: Site,
    section: Section,
    prefix: String,
    assets: Assets,
}

impl PageSet {
    /// Pages over the service of `state`, whose paths stand below `prefix`.
    pub(super) fn new(kind: Pages, state: HttpState, site: Site, section: Section, prefix: &str) -> Self {
        let assets = Assets::below(&format!("{prefix}{}assets/", section.home));
        Self(Arc::new(Shared { kind, state, site, section, prefix: prefix.to_owned(), assets }))
    }

    pub(super) fn kind(&self) -> Pages {
        self.0.kind
    }

    pub(super) fn state(&self) -> &HttpState {
        &self.0.state
    }

    pub(super) fn auth(&self) -> &Auth {
        self.0.state.auth()
    }

    pub(super) fn site(&self) -> &Site {
        &self.0.site
    }

    /// A path of the table, below the prefix.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.0.prefix)
    }

    /// The path of the first page.
    pub(super) fn home(&self) -> String {
        self.path(self.0.section.home)
    }

    /// The path of the form for signing in.
    pub(super) fn sign_in(&self) -> String {
        self.path(self.0.section.sign_in)
    }

    /// The layout of a page without a title, for this viewer.
    pub(super) fn layout(&self, viewer: Option<Viewer>) -> Layout {
        Layout { viewer, prefix: self.0.prefix.clone(), ..Layout::new(self.0.section, &self.0.assets) }
    }

    /// The answer to a request that names another host.
    pub(super) fn wrong_host(&self) -> HttpResponse {
        problem::wrong_host(self.layout(None), self.0.section.wrong_host)
    }

    /// The answer at `/`: a redirect to the first page.
    pub(super) fn root(&self, request: &HttpRequest) -> HttpResponse {
        match self.site().visit(request) {
            Some(_) => reply::see_other(&self.home()).finish(),
            None => self.wrong_host(),
        }
    }

    /// The style sheet or the icon.
    pub(super) fn asset(&self, request: &HttpRequest) -> HttpResponse {
        match self.site().visit(request) {
            Some(_) => self.0.assets.at(request.path()).unwrap_or_else(|| problem::not_found(self.layout(None))),
            None => self.wrong_host(),
        }
    }

    /// The answer at a path without a page.
    pub(super) async fn not_found(&self, request: &HttpRequest) -> HttpResponse {
        match self.site().visit(request) {
            Some(visit) => problem::not_found(self.layout(self.viewer(request, &visit).await)),
            None => self.wrong_host(),
        }
    }
}
