//! The pages of administrators, `/admin/…`, beside their API. [`PAGES`] is the one list of them: it says who may ask for
//! each, and which function answers. They call the same functions as the API.

mod again;
mod background;
mod events;
mod explain;
mod judge;
mod keys;
mod mass_end;
mod overview;
mod request;
mod routes;
mod rows;
mod sessions;
mod sign_in;
mod tally;
mod throttle;
mod tokens;
mod users;

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use self::mass_end::MassEnds;
pub use self::routes::{Needs, PAGES, Page};
use self::tally::Tally;
use super::assets::Assets;
use super::frame::{Frame, Link, Section, Viewer};
use super::site::Site;
use super::{problem, reply};
use crate::http::admin::AdminState;
use crate::http::listed;

/// The first page.
const HOME: &str = "/admin/";

/// What the navigation shows.
const SECTION: Section = Section {
    name: "Knoxide administration",
    home: HOME,
    links: &[
        Link { path: HOME, label: "Overview" },
        Link { path: "/admin/users/", label: "Users" },
        Link { path: "/admin/sessions/", label: "Sessions" },
        Link { path: "/admin/events/", label: "Events" },
        Link { path: "/admin/explain/", label: "Explain" },
        Link { path: "/admin/tokens/", label: "Tokens" },
        Link { path: "/admin/keys/", label: "Keys" },
        Link { path: "/admin/throttle/", label: "Throttling" },
    ],
    sign_out: "/admin/sign-out/",
};

/// What all pages share; clones are handles.
#[derive(Clone)]
pub struct AdminPages(Arc<Shared>);

struct Shared {
    state: AdminState,
    site: Site,
    assets: Assets,
    tally: Tally,
    mass_ends: MassEnds,
}

impl AdminPages {
    /// Pages over the same use cases as the API of `state`, at a listener that is bound to this address; `None`: to a
    /// Unix socket.
    pub fn new(state: AdminState, bound_to: Option<IpAddr>) -> Self {
        let site = Site::new(state.hosts().clone(), bound_to);
        let assets = Assets::below("/admin/assets/");
        Self(Arc::new(Shared { state, site, assets, tally: Tally::default(), mass_ends: MassEnds::default() }))
    }

    fn state(&self) -> &AdminState {
        &self.0.state
    }

    fn site(&self) -> &Site {
        &self.0.site
    }

    fn assets(&self) -> &Assets {
        &self.0.assets
    }

    /// What stands around a page that says what went wrong.
    fn frame(&self, viewer: Option<Viewer>) -> Frame {
        Frame { viewer, ..Frame::new(SECTION, self.assets(), "") }
    }

    fn wrong_host(&self) -> HttpResponse {
        let advice = "Use localhost, or have the operator add the name to KNOXIDE_ADMIN_HOSTS.";
        problem::wrong_host(self.frame(None), advice)
    }

    fn tally(&self) -> &Tally {
        &self.0.tally
    }

    fn mass_ends(&self) -> &MassEnds {
        &self.0.mass_ends
    }
}

/// Mounts the pages, each with and without its final slash.
pub fn configure(config: &mut web::ServiceConfig, pages: &AdminPages) {
    config.app_data(web::Data::new(pages.clone()));
    config.service(web::resource("/admin/assets/{name}").to(asset));
    for path in listed::paths(PAGES) {
        let handler = move |request, payload, pages| serve(path, request, payload, pages);
        for path in [path, path.trim_end_matches('/')] {
            config.service(web::resource(path).to(handler));
        }
    }
}

/// Answers all other paths of a listener of its own: the root leads to the pages.
pub fn configure_rest(config: &mut web::ServiceConfig) {
    config.service(web::resource("/").to(root)).default_service(web::to(not_found));
}

/// The answer to paths that do not exist: that of the API below it.
async fn not_found(request: HttpRequest, pages: web::Data<AdminPages>) -> HttpResponse {
    if request.path().starts_with("/admin/api/") {
        return crate::http::admin::not_found(request, web::Data::new(pages.state().clone())).await;
    }
    match pages.site().visit(&request) {
        Some(visit) => {
            let viewer = judge::viewer(&pages, &request, &visit).await;
            problem::not_found(pages.frame(viewer))
        }
        None => pages.wrong_host(),
    }
}

async fn root(request: HttpRequest, pages: web::Data<AdminPages>) -> HttpResponse {
    match pages.site().visit(&request) {
        Some(_) => reply::see_other(HOME).finish(),
        None => pages.wrong_host(),
    }
}

async fn asset(request: HttpRequest, pages: web::Data<AdminPages>) -> HttpResponse {
    if pages.site().visit(&request).is_none() {
        return pages.wrong_host();
    }
    pages.assets().at(request.path()).unwrap_or_else(|| problem::not_found(pages.frame(None)))
}

async fn serve(
    path: &'static str,
    request: HttpRequest,
    payload: web::Payload,
    pages: web::Data<AdminPages>,
) -> HttpResponse {
    judge::answer(path, request, payload.into_inner(), &pages).await
}
