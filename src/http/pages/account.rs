//! The pages of users about their own account, `/account/…`, at the public listener. [`PAGES`] is the one list of them.
//! They call the same use cases as the endpoints for a user's own sessions and password.

mod devices;
mod events;
mod judge;
mod not_me;
mod one_time;
mod password;
mod request;
mod routes;
mod sign_in;

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::HttpServiceFactory;
use actix_web::{HttpRequest, HttpResponse, guard, web};

pub use self::routes::{Needs, PAGES, Page, Where};
use super::assets::Assets;
use super::frame::{Frame, Link, Section, Viewer};
use super::site::Site;
use super::{problem, reply};
use crate::http::{HttpState, listed};

/// The first page. All paths are below the prefix of knox, as those of all endpoints that are about tokens of every
/// dialect.
const HOME: &str = "/account/";
const SCOPE: &str = "/account";
const PASSWORD: &str = "/account/password/";

/// What the navigation shows.
const SECTION: Section = Section {
    name: "Your account",
    home: HOME,
    links: &[
        Link { path: HOME, label: "Devices" },
        Link { path: PASSWORD, label: "Password" },
        Link { path: events::EVENTS, label: "Events" },
    ],
    sign_out: "/account/sign-out/",
};

/// The same where users have no password here, and no events.
const SECTION_ELSEWHERE: Section = Section { links: &[], ..SECTION };

/// What all pages share; clones are handles.
#[derive(Clone)]
pub struct AccountPages(Arc<Shared>);

struct Shared {
    state: HttpState,
    site: Site,
    assets: Assets,
    prefix: String,
}

impl AccountPages {
    /// Pages over the service of `state`, at a listener that is bound to this address; `None`: to a Unix socket. They
    /// are served under the host of the public URL, as `localhost`, and under the address of the listener.
    pub fn new(state: HttpState, bound_to: Option<IpAddr>) -> Self {
        let options = state.options();
        let site = Site::public(options.public_url.clone(), bound_to);
        let prefix = options.dialects.knox.prefix.clone();
        let assets = Assets::below(&format!("{prefix}/account/assets/"));
        Self(Arc::new(Shared { state, site, assets, prefix }))
    }

    fn state(&self) -> &HttpState {
        &self.0.state
    }

    fn site(&self) -> &Site {
        &self.0.site
    }

    /// A path of the list, below the prefix.
    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.0.prefix)
    }

    /// Whether a page exists for these users.
    fn has(&self, place: Where) -> bool {
        match place {
            Where::Everywhere => true,
            Where::WithPasswords => self.state().auth().has_passwords(),
        }
    }

    /// What stands around a page.
    fn frame(&self, viewer: Option<Viewer>) -> Frame {
        let section = if self.has(Where::WithPasswords) { SECTION } else { SECTION_ELSEWHERE };
        Frame { viewer, prefix: self.0.prefix.clone(), ..Frame::new(section, &self.0.assets, "") }
    }

    fn wrong_host(&self) -> HttpResponse {
        let advice = "Use the address that you were given. If this is the right one, its operator has to set \
                      KNOXIDE_PUBLIC_URL to it.";
        problem::wrong_host(self.frame(None), advice)
    }

    /// Whether there is something at this path below the scope.
    fn serves(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix(&*self.0.prefix) else { return false };
        path.starts_with("/account/assets/") || routes::place_of(path).is_some_and(|place| self.has(place))
    }
}

/// Mounts the pages, and leads from the root to them. Checks never get here: mount this after what they ask for, or
/// where one comparison tells their paths from these.
pub fn configure(config: &mut web::ServiceConfig, pages: &AccountPages) {
    config.service(scope(pages)).service(web::resource("/").app_data(web::Data::new(pages.clone())).to(root));
}

/// One service for all paths. What is no page is left to others: a dialect may have been moved below `/account`.
fn scope(pages: &AccountPages) -> impl HttpServiceFactory + use<> {
    let here = pages.clone();
    let is_ours = guard::fn_guard(move |context| here.serves(context.head().uri.path()));
    let mut scope = web::scope(&pages.path(SCOPE)).guard(is_ours).app_data(web::Data::new(pages.clone()));
    scope = scope.service(web::resource("/assets/{name}").to(asset));
    for path in listed::paths(PAGES) {
        let handler = move |request, payload, pages| serve(path, request, payload, pages);
        let below = path.strip_prefix(SCOPE).unwrap_or(path);
        scope = scope.service(web::resource([below, below.trim_end_matches('/')]).to(handler));
    }
    scope
}

/// The paths of all pages, each once.
#[cfg(test)]
pub(in crate::http) fn paths() -> impl Iterator<Item = &'static str> {
    listed::paths(PAGES)
}

async fn root(request: HttpRequest, pages: web::Data<AccountPages>) -> HttpResponse {
    match pages.site().visit(&request) {
        Some(_) => reply::see_other(&pages.path(HOME)).finish(),
        None => pages.wrong_host(),
    }
}

async fn asset(request: HttpRequest, pages: web::Data<AccountPages>) -> HttpResponse {
    if pages.site().visit(&request).is_none() {
        return pages.wrong_host();
    }
    pages.0.assets.at(request.path()).unwrap_or_else(|| problem::not_found(pages.frame(None)))
}

async fn serve(
    path: &'static str,
    request: HttpRequest,
    payload: web::Payload,
    pages: web::Data<AccountPages>,
) -> HttpResponse {
    judge::answer(path, request, payload.into_inner(), &pages).await
}
