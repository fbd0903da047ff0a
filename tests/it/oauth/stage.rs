//! A server with registered callers, and tokens in every state.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use knoxide::domain::audit::Origin;
use knoxide::domain::client::Rights;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::session::SessionKind;
use knoxide::domain::user::{LoginName, Password, UserId};
use knoxide::service::Pages;
use knoxide::service::admin::AddedClient;
use serde_json::{Value, json};

use crate::harness::app::{App, Backend, Client, Database, Setup, token_of};
use crate::harness::dialects::Speech;
use crate::harness::wire::{Framing, Reply, Request};

pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const IDLE_LIMIT: Duration = Duration::from_secs(3600);
pub(crate) const TOUCH_INTERVAL: Duration = Duration::from_secs(60);
pub(crate) const INACTIVE: &str = r#"{"active":false}"#;

/// A server with a registered client that has all rights.
pub(crate) struct Stage {
    pub(crate) app: App,
    pub(crate) service: AddedClient,
}

/// A token in some state.
pub(crate) struct Presented {
    pub(crate) what: &'static str,
    pub(crate) token: String,
    /// Whether it is a live access token of an enabled dialect.
    pub(crate) is_live: bool,
}

/// The `Authorization` header of a client.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

/// A form body with these parameters.
pub(crate) fn form(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// A request with a form body.
pub(crate) fn form_request(path: &str, parameters: &[(&str, &str)]) -> Request {
    let request = Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
    request.body(form(parameters), Framing::Length)
}

/// A request for many tokens.
pub(crate) fn batch_request(body: &Value) -> Request {
    Request::new("POST", "/check/").header("Content-Type", "application/json").body(body.to_string(), Framing::Length)
}

impl Stage {
    pub(crate) fn set(backend: Backend) -> Self {
        let mut setup = Setup::default();
        setup.policy.idle_limit = Some(IDLE_LIMIT);
        setup.policy.touch_interval = TOUCH_INTERVAL;
        Self::with(backend, setup)
    }

    pub(crate) fn with(backend: Backend, setup: Setup) -> Self {
        let app = App::on(Database::migrated(backend), setup);
        let service = Self::register(&app, "service", "introspect,batch,revoke");
        Self { app, service }
    }

    /// Registers a client with these rights.
    pub(crate) fn register(app: &App, name: &str, rights: &str) -> AddedClient {
        let rights = Rights::parse(rights).expect("rights");
        app.admin().add_client(name.to_owned(), rights, None).expect("a client")
    }

    /// The `Authorization` header of the client with all rights.
    pub(crate) fn header(&self) -> String {
        basic(&self.service.id.to_string(), self.service.secret.expose())
    }

    /// Makes a user an administrator.
    pub(crate) fn promote(&self, user: UserId) {
        self.app.change(user, |admin, user| admin.set_admin(user, true));
    }

    /// A script token of this administrator.
    pub(crate) fn script_token(&self, admin: UserId) -> String {
        let month = Some(Duration::from_secs(30 * 24 * 3600));
        let made = self.app.change(admin, |admin, user| {
            admin.create_token(user, "script".to_owned(), month, SessionKind::AdminScript)
        });
        made.token.expose().to_owned()
    }

    /// The token of an administrator's own session.
    pub(crate) fn session_token(&self, name: &str) -> String {
        let login = LoginName::Username(name.to_owned());
        let logging_in =
            self.app.auth.log_in_administrator(login, Password::new(PASSWORD.to_owned()), Origin::default());
        let issued = actix_web::rt::System::new().block_on(logging_in).expect("a login");
        issued.access.token.expose().to_owned()
    }

    /// The token in the cookie of a page.
    pub(crate) fn page_token(&self, pages: Pages, name: &str) -> String {
        let (login, password) = (LoginName::Username(name.to_owned()), Password::new(PASSWORD.to_owned()));
        let signing_in = self.app.auth.log_in_to_pages(pages, login, password, Origin::default());
        let issued = actix_web::rt::System::new().block_on(signing_in).expect("a login");
        issued.access.token.expose().to_owned()
    }

    pub(crate) fn introspect(&self, client: &mut Client, token: &str) -> Reply {
        client.ask(&form_request("/introspect/", &[("token", token)]).header("Authorization", self.header()))
    }

    /// Whether introspection reports it as live.
    pub(crate) fn is_active(&self, client: &mut Client, token: &str) -> bool {
        let reply = self.introspect(client, token);
        assert_eq!(reply.status, 200, "{}", reply.text());
        members(&reply)["active"].as_bool().expect("a truth value")
    }

    pub(crate) fn check_many(&self, client: &mut Client, tokens: &[&str]) -> Reply {
        client.ask(&batch_request(&json!({ "tokens": tokens })).header("Authorization", self.header()))
    }
}

/// The JSON of a reply.
pub(crate) fn members(reply: &Reply) -> Value {
    serde_json::from_str(&reply.text()).unwrap_or_else(|_| panic!("no JSON: {} {}", reply.status, reply.text()))
}

/// A server with djoser switched off, and a token in each state.
pub(crate) fn every_state(backend: Backend) -> (Stage, Vec<Presented>) {
    let mut setup = Setup::default();
    setup.policy.idle_limit = Some(IDLE_LIMIT);
    setup.policy.touch_interval = TOUCH_INTERVAL;
    let minute = Duration::from_secs(60);
    setup.policy.dialects.drf_jwt.access_ttl = Some(minute);
    setup.policy.dialects.drf_jwt.rotate = true;
    setup.policy.dialects.simplejwt.rotate = true;
    setup.policy.dialects.simplejwt.access_ttl = Some(minute);
    setup.policy.dialects.simplejwt.refresh =
        knoxide::domain::policy::RefreshPolicy::Pair { ttl: 2 * minute, window: None };
    setup.http.options.dialects.djoser.enabled = false;
    let stage = Stage::with(backend, setup);
    let mut states = Vec::new();
    stage.fill(&mut states);
    (stage, states)
}

impl Stage {
    fn fill(&self, states: &mut Vec<Presented>) {
        let app = &self.app;
        let client = &mut app.client();
        let [knox, drf_jwt, simplejwt, access_token, djoser] = Dialect::ALL.map(Speech::of);
        let user = |name| app.add_user(name, PASSWORD);
        let ids = ["alice", "bob", "carol", "dave", "root"].map(user);
        let [_, _, carol, dave, root] = ids;
        self.promote(root);
        let mut add = |what, token: &str, is_live| states.push(Presented { what, token: token.to_owned(), is_live });

        let idle = knox.login(client, "alice", PASSWORD).access;
        app.clock.advance(IDLE_LIMIT + TOUCH_INTERVAL + Duration::from_micros(1));
        add("of an idle session", &idle, false);
        let (old, pair) = (drf_jwt.login(client, "alice", PASSWORD), simplejwt.login(client, "alice", PASSWORD));
        app.clock.advance(Duration::from_secs(121));
        add("an expired access token", &old.access, false);
        add("an expired refresh token", &pair.refresh.expect("a refresh token"), false);

        for speech in [knox, drf_jwt, simplejwt, access_token] {
            add("live", &speech.login(client, "alice", PASSWORD).access, true);
        }
        let pair = simplejwt.login(client, "alice", PASSWORD);
        add("live, with a refresh token", &pair.access, true);
        add("a live refresh token", &pair.refresh.expect("a refresh token"), false);
        let pair = simplejwt.login(client, "alice", PASSWORD).refresh.expect("a refresh token");
        let refreshed = simplejwt.refresh(client, &pair).expect("an endpoint");
        add("a consumed refresh token", &pair, false);
        add("live after a refresh", &simplejwt.refreshed(&refreshed), true);
        let consumed = drf_jwt.login(client, "alice", PASSWORD).access;
        let refreshed = drf_jwt.refresh(client, &consumed).expect("an endpoint");
        add("a consumed access token", &consumed, false);
        add("live in its place", &drf_jwt.refreshed(&refreshed), true);

        let token = client.login("alice", PASSWORD);
        assert_eq!(client.logout(&token), 200);
        add("logged out", &token, false);
        let token = client.login("bob", PASSWORD);
        assert_eq!(client.logout_all(&token), 200);
        add("logged out everywhere", &token, false);
        let token = client.login("carol", PASSWORD);
        app.change(carol, |admin, user| admin.set_active(user, false));
        add("of an inactive user", &token, false);
        let token = client.login("dave", PASSWORD);
        app.change(dave, knoxide::service::admin::Admin::delete_user);
        add("of a deleted user", &token, false);

        let elsewhere = app.beside(Setup::default().http);
        let foreign = djoser.login(&mut elsewhere.client(), "alice", PASSWORD);
        add("of a dialect that is switched off", &foreign.access, false);
        add("of an administrator's session", &self.session_token("root"), false);
        add("of an administrator's script", &self.script_token(root), false);
        add("of a page for administrators", &self.page_token(Pages::Admin, "root"), false);
        add("of a page about the own account", &self.page_token(Pages::Account, "alice"), false);
        add("a client's secret", self.service.secret.expose(), false);
        add("a client's id", &self.service.id.to_string(), false);
        add("unknown", &"0123456789".repeat(4), false);
        add("an unknown JWT", "eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoxfQ.", false);
        for text in ["x", "a b", "Token abc", "zo\u{eb}", "\0", "\u{1f980}", "%00", " "] {
            add("no token", text, false);
        }
        add("longer than any token", &"a".repeat(4097), false);
        assert_eq!(token_of(&client.try_login("alice", PASSWORD)).len(), 40);
    }
}
