//! The pages of administrators, `/admin/…`, beside their API. [`PAGES`] is the table of them: it says who may open each,
//! and which function answers. They call the same functions as the API.

mod background;
mod confirm_password;
mod events;
mod explain;
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

use actix_web::dev::Payload;
use actix_web::{HttpRequest, HttpResponse, web};

use self::mass_end::MassEnds;
use self::request::PageRequest;
pub use self::routes::PAGES;
use self::tally::Tally;
use super::authorize::SignedIn;
use super::layout::{Link, Section};
use super::page_set::PageSet;
use super::site::Site;
use crate::http::admin::AdminState;
pub use crate::http::admin::Needs;
use crate::http::admin::access::{Acting, By};
use crate::http::admin::call::Call;
use crate::http::drf::endpoint::{EndpointResult, respond};
use crate::http::routes::paths;
use crate::service::Pages;

/// The first page.
const HOME: &str = "/admin/";

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
    sign_in: "/admin/sign-in/",
    sign_out: "/admin/sign-out/",
    one_time: None,
    wrong_host: "Use localhost, or ask the operator to add the name to KNOXIDE_ADMIN_HOSTS.",
};

/// The state that all pages share; clones are handles to it.
#[derive(Clone)]
pub struct AdminPages {
    set: PageSet,
    state: AdminState,
    tally: Tally,
    mass_ends: Arc<MassEnds>,
}

impl AdminPages {
    /// Pages over the same use cases as the API of `state`, at a listener with this address; `None` for a Unix socket.
    pub fn new(state: AdminState, bound_to: Option<IpAddr>) -> Self {
        let site = Site::new(state.hosts().clone(), bound_to);
        let set = PageSet::new(Pages::Admin, state.http().clone(), site, SECTION, "");
        Self { set, state, tally: Tally::default(), mass_ends: Arc::default() }
    }
}

/// Mounts the pages, each with and without its final slash.
pub fn configure(config: &mut web::ServiceConfig, pages: &AdminPages) {
    config.app_data(web::Data::new(pages.clone()));
    config.service(web::resource("/admin/assets/{name}").to(asset));
    for path in paths(PAGES) {
        let handler = move |request, payload, pages| serve(path, request, payload, pages);
        for path in [path, path.trim_end_matches('/')] {
            config.service(web::resource(path).to(handler));
        }
    }
}

/// Answers all other paths of a listener that serves nothing else: the root leads to the pages.
pub fn configure_rest(config: &mut web::ServiceConfig) {
    config.service(web::resource("/").to(root)).default_service(web::to(not_found));
}

/// Answers paths that do not exist: below the API as the API does, elsewhere with a page.
async fn not_found(request: HttpRequest, pages: web::Data<AdminPages>) -> HttpResponse {
    if request.path().starts_with("/admin/api/") {
        return crate::http::admin::not_found(request, web::Data::new(pages.state.clone())).await;
    }
    pages.set.not_found(&request).await
}

async fn root(request: HttpRequest, pages: web::Data<AdminPages>) -> HttpResponse {
    pages.set.root(&request)
}

async fn asset(request: HttpRequest, pages: web::Data<AdminPages>) -> HttpResponse {
    pages.set.asset(&request)
}

async fn serve(
    path: &'static str,
    request: HttpRequest,
    payload: web::Payload,
    pages: web::Data<AdminPages>,
) -> HttpResponse {
    respond(answer(path, request, payload.into_inner(), &pages).await)
}

async fn answer(path: &str, request: HttpRequest, payload: Payload, pages: &AdminPages) -> EndpointResult {
    let set = &pages.set;
    let (page, visit) = set.admit(PAGES, path, &request).await?;
    let user = match page.needs {
        Needs::Nothing => None,
        Needs::Admin | Needs::RecentPassword => Some(set.require_user(&request, &visit).await?),
    };
    let fields = set.read_fields(&request, &visit, user.as_ref(), payload).await?;
    let viewer = user.as_ref().map(SignedIn::viewer);
    let acting = user.map(|user| Acting { who: user.who, by: By::Page });
    let mut call = Call::new(pages.state.clone(), request.clone(), acting);
    call.fields = fields;
    let context = PageRequest { call, pages: pages.clone(), visit, viewer: viewer.clone() };
    Ok(set.reply(&request, viewer, confirm_password::run(page, context).await))
}
