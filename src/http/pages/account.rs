//! The pages of users about their own account, `/account/…`, at the public listener. [`PAGES`] is the table of them. They
//! call the same use cases as the endpoints for a user's own sessions and password.

mod devices;
mod events;
mod not_me;
mod one_time;
mod password;
mod request;
mod routes;
mod sign_in;

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::{HttpServiceFactory, Payload, ResourceDef};
use actix_web::{HttpRequest, HttpResponse, guard, web};

use self::request::PageRequest;
pub use self::routes::{Available, Needs, PAGES};
use super::authorize::SignedIn;
use super::layout::{Link, Section};
use super::page_set::PageSet;
use super::site::Site;
use crate::http::HttpState;
use crate::http::drf::endpoint::{EndpointResult, respond};
use crate::http::routes::paths;
use crate::service::Pages;

/// The first page. All paths stand below the prefix of knox, as those of all endpoints for tokens of every dialect.
const HOME: &str = "/account/";
const SCOPE: &str = "/account";
const PASSWORD: &str = "/account/password/";

const SECTION: Section = Section {
    name: "Your account",
    home: HOME,
    links: &[
        Link { path: HOME, label: "Devices" },
        Link { path: PASSWORD, label: "Password" },
        Link { path: events::EVENTS, label: "Events" },
    ],
    sign_in: "/account/sign-in/",
    sign_out: "/account/sign-out/",
    one_time: Some(one_time::ONE_TIME),
    wrong_host: "Use the address that you were given. If this is the right one, its operator has to set \
                 KNOXIDE_PUBLIC_URL to it.",
};

/// The section where a user provider has the passwords. There are no pages about passwords and events.
const SECTION_WITHOUT_PASSWORDS: Section = Section { links: &[], one_time: None, ..SECTION };

/// The state that all pages share; clones are handles to it.
#[derive(Clone)]
pub struct AccountPages {
    set: PageSet,
    existing_paths: Arc<ResourceDef>,
}

impl AccountPages {
    /// Pages over the service of `state`, at a listener with this address; `None` for a Unix socket. They are served under
    /// the host of the public URL, as `localhost`, and under the address of the listener.
    pub fn new(state: HttpState, bound_to: Option<IpAddr>) -> Self {
        let site = Site::public(state.options().public_url.clone(), bound_to);
        let prefix = state.options().dialects.knox.prefix.clone();
        let has_passwords = state.auth().has_passwords();
        let section = if has_passwords { SECTION } else { SECTION_WITHOUT_PASSWORDS };
        Self {
            set: PageSet::new(Pages::Account, state, site, section, &prefix),
            existing_paths: Arc::new(routes::existing_paths(&prefix, has_passwords)),
        }
    }
}

/// Mounts the pages, and a redirect to them at the root. Mount this after the endpoints that checks ask, or where one
/// comparison tells their paths from these: checks must not search these paths.
pub fn configure(config: &mut web::ServiceConfig, pages: &AccountPages) {
    config.service(scope(pages)).service(web::resource("/").app_data(web::Data::new(pages.clone())).to(root));
}

/// One service for all pages. Other paths are left to other services: a dialect may have been moved below `/account`.
fn scope(pages: &AccountPages) -> impl HttpServiceFactory + use<> {
    let existing_paths = Arc::clone(&pages.existing_paths);
    let exists = guard::fn_guard(move |context| existing_paths.is_match(context.head().uri.path()));
    let mut scope = web::scope(&pages.set.path(SCOPE)).guard(exists).app_data(web::Data::new(pages.clone()));
    scope = scope.service(web::resource("/assets/{name}").to(asset));
    for path in paths(PAGES) {
        let handler = move |request, payload, pages| serve(path, request, payload, pages);
        let below = path.strip_prefix(SCOPE).unwrap_or(path);
        scope = scope.service(web::resource([below, below.trim_end_matches('/')]).to(handler));
    }
    scope
}

async fn root(request: HttpRequest, pages: web::Data<AccountPages>) -> HttpResponse {
    pages.set.root(&request)
}

async fn asset(request: HttpRequest, pages: web::Data<AccountPages>) -> HttpResponse {
    pages.set.asset(&request)
}

async fn serve(
    path: &'static str,
    request: HttpRequest,
    payload: web::Payload,
    pages: web::Data<AccountPages>,
) -> HttpResponse {
    respond(answer(path, request, payload.into_inner(), &pages).await)
}

async fn answer(path: &str, request: HttpRequest, payload: Payload, pages: &AccountPages) -> EndpointResult {
    let set = &pages.set;
    let (page, visit) = set.admit(PAGES, path, &request).await?;
    let user = match page.needs {
        Needs::Nothing => None,
        Needs::User => Some(set.require_user(&request, &visit).await?),
    };
    let fields = set.read_fields(&request, &visit, user.as_ref(), payload).await?;
    let viewer = user.as_ref().map(SignedIn::viewer);
    let context = PageRequest {
        pages: pages.clone(),
        http: request.clone(),
        visit,
        fields,
        viewer: viewer.clone(),
        who: user.map(|user| user.who),
    };
    Ok(set.reply(&request, viewer, (page.handler)(context).await))
}
