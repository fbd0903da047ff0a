//! The administration API as a part of the program: its listener, its threads, and its end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;

use crate::config::{AdminSettings, ListenAddress, Settings};
use crate::domain::audit::{Actor, Origin};
use crate::domain::password::Hasher;
use crate::domain::random::Random;
use crate::domain::time::{Clock, Timestamp};
use crate::http::address::Proxies;
use crate::http::admin::{AdminOptions, AdminState, Hosts};
#[cfg(feature = "pages")]
use crate::http::pages::admin::AdminPages;
use crate::http::{HttpOptions, HttpState};
use crate::service::Auth;
use crate::service::admin::Admin;
use crate::service::admin::desk::Desk;
use crate::store::{AdminStore, LastAdmin};

/// How long accepted work may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// The parts of the administration API.
pub struct Administration {
    settings: AdminSettings,
    options: HttpOptions,
    of_api: AdminOptions,
    auth: Auth,
    desk: Desk,
}

/// The clock of a service, which does not go back.
struct ServiceClock(Auth);

impl Clock for ServiceClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// What a listener serves for administrators.
#[derive(Clone)]
pub(super) struct Mount {
    api: AdminState,
    #[cfg(feature = "pages")]
    pages: AdminPages,
}

impl Mount {
    /// What the handlers of the API share.
    pub(super) const fn api(&self) -> &AdminState {
        &self.api
    }

    /// Mounts the API and the pages.
    pub(super) fn configure(&self, config: &mut web::ServiceConfig) {
        crate::http::admin::configure(config, &self.api);
        #[cfg(feature = "pages")]
        crate::http::pages::admin::configure(config, &self.pages);
    }

    /// Answers all other paths, at a listener that serves nothing but administration.
    pub(super) fn configure_rest(&self, config: &mut web::ServiceConfig) {
        #[cfg(feature = "pages")]
        crate::http::pages::admin::configure_rest(config);
        #[cfg(not(feature = "pages"))]
        config.default_service(web::to(crate::http::admin::not_found));
    }
}

impl Administration {
    /// Starts its threads.
    pub fn new(
        settings: &Settings,
        auth: Auth,
        store: Arc<dyn AdminStore>,
        (random, hasher): (Arc<dyn Random>, Hasher),
    ) -> Self {
        let admin = Admin {
            store,
            clock: Arc::new(ServiceClock(auth.clone())),
            random,
            hasher,
            policy: settings.tokens.policy.clone(),
            last_admin: LastAdmin::Keep,
            actor: Actor::System,
            origin: Origin::default(),
        };
        Self {
            settings: settings.admin.clone(),
            options: settings.http.options.clone(),
            of_api: AdminOptions {
                algorithm: settings.jwt.algorithm,
                jwt_secret: settings.jwt.secret.clone(),
                session_retention: settings.tokens.session_retention,
            },
            auth,
            desk: Desk::new(admin),
        }
    }

    /// The address of its own listener; `None` where it is switched off, or served at one of these addresses.
    pub fn own_address(&self, others: &[ListenAddress]) -> Option<&ListenAddress> {
        self.settings.listen.as_ref().filter(|_| !others.iter().any(|other| self.shares(other)))
    }

    /// Whether it is served at this address of the server.
    pub fn shares(&self, address: &ListenAddress) -> bool {
        // Port 0 means a different port each time.
        let is_certain = |address: &ListenAddress| match address {
            ListenAddress::Tcp(socket) => socket.port() != 0,
            ListenAddress::Unix(_) => true,
        };
        self.settings.listen.as_ref().is_some_and(|own| own == address && is_certain(own))
    }

    /// What a listener at this address serves. `http` says whether the server is stopping.
    pub(super) fn mount(&self, http: HttpState, address: &ListenAddress) -> Mount {
        let hosts = if self.settings.hosts.is_empty() {
            Hosts::of_listener(ip_of(address))
        } else {
            Hosts::new(self.settings.hosts.clone())
        };
        let api = AdminState::new(http, self.desk.clone(), hosts, self.of_api.clone());
        Mount {
            #[cfg(feature = "pages")]
            pages: AdminPages::new(api.clone(), ip_of(address)),
            api,
        }
    }

    /// The HTTP state for a listener of its own. Proxies are trusted at the public addresses only: otherwise each
    /// administrator who uses a tunnel could claim any address.
    pub fn http(&self) -> HttpState {
        let options = HttpOptions { proxies: Proxies::default(), ..self.options.clone() };
        HttpState::new(options, self.auth.clone())
    }

    /// Finishes accepted work, and accepts no more.
    pub fn close(&self) {
        self.desk.close(DRAIN);
    }
}

/// The address that a listener is bound to; `None`: a Unix socket.
pub(super) const fn ip_of(address: &ListenAddress) -> Option<IpAddr> {
    match address {
        ListenAddress::Tcp(socket) => Some(socket.ip()),
        ListenAddress::Unix(_) => None,
    }
}
