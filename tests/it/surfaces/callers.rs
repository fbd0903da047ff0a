//! Who may ask about a token or end its session; refusals depend only on the caller.

use std::time::Duration;

use knoxide::domain::user::UserId;
use knoxide::service::Pages;
use knoxide::service::admin::AddedClient;
use serde_json::json;

use super::{Scene, differences, each, expected};
use crate::harness::app::{Database, on_each_database};
use crate::harness::wire::Request;
use crate::oauth::stage::{PASSWORD, Stage, basic, batch_request, form_request};

each! {
    /// An endpoint for clients.
    enum Endpoint {
        Introspect,
        Check,
        Revoke,
    }
}

each! {
    /// The caller of an endpoint.
    enum Caller {
        Nobody,
        NoSuchClient,
        NameInPlaceOfId,
        WrongSecret,
        EmptySecret,
        SecretOfAnotherClient,
        SecretAsBearer,
        OldSecretInItsTime,
        OldSecretAfterItsTime,
        NewSecret,
        DeletedClient,
        /// A client with the other two rights.
        WithoutTheRight,
        /// A client with only this right.
        WithTheRight,
        Script,
        EndedScript,
        ScriptOfFormerAdministrator,
        AdminSession,
        AdminPage,
        TokenOfAdministrator,
        TokenOfUser,
        UnknownToken,
    }
}

impl Endpoint {
    const fn right(self) -> &'static str {
        match self {
            Self::Introspect => "introspect",
            Self::Check => "batch",
            Self::Revoke => "revoke",
        }
    }

    fn others(self) -> String {
        let others = Self::ALL.iter().filter(|other| **other != self).map(|other| other.right());
        others.collect::<Vec<_>>().join(",")
    }

    fn request(self, token: &str) -> Request {
        match self {
            Self::Introspect => form_request("/introspect/", &[("token", token)]),
            Self::Check => batch_request(&json!({ "tokens": [token] })),
            Self::Revoke => form_request("/revoke/", &[("token", token)]),
        }
    }
}

impl Caller {
    /// The statuses at the three endpoints.
    const fn expected(self) -> [u16; 3] {
        match self {
            // At the last endpoint, the token itself is the proof.
            Self::Nobody => [401, 401, 200],
            Self::NoSuchClient
            | Self::NameInPlaceOfId
            | Self::WrongSecret
            | Self::EmptySecret
            | Self::SecretOfAnotherClient
            | Self::SecretAsBearer
            | Self::OldSecretAfterItsTime
            | Self::DeletedClient
            | Self::EndedScript
            | Self::ScriptOfFormerAdministrator
            | Self::AdminSession
            | Self::AdminPage
            | Self::TokenOfAdministrator
            | Self::TokenOfUser
            | Self::UnknownToken => [401, 401, 401],
            Self::WithoutTheRight => [403, 403, 403],
            Self::OldSecretInItsTime | Self::NewSecret | Self::WithTheRight | Self::Script => [200, 200, 200],
        }
    }
}

/// The clients that differ in more than their rights.
pub(super) struct Clients {
    rotated: AddedClient,
    rotated_to: String,
    stale: AddedClient,
    deleted: AddedClient,
}

impl Clients {
    pub(super) fn register(scene: &Scene) -> Self {
        let app = &scene.stage.app;
        let [rotated, stale, deleted] =
            ["rotated", "stale", "deleted"].map(|name| Stage::register(app, name, "introspect,batch,revoke"));
        let admin = app.admin();
        let rotated_to = admin.rotate_client(rotated.id, Duration::from_secs(60)).expect("a new secret");
        admin.rotate_client(stale.id, Duration::from_secs(1)).expect("a new secret");
        admin.delete_client(deleted.id).expect("a deletion");
        app.clock.advance(Duration::from_secs(1));
        Self { rotated, rotated_to: rotated_to.secret.expose().to_owned(), stale, deleted }
    }

    /// The request of each caller at each endpoint.
    pub(super) fn questions(&self, scene: &Scene, token: &str) -> Vec<(Caller, Endpoint, Request)> {
        let callers = Caller::ALL.iter().flat_map(|caller| Endpoint::ALL.iter().map(|endpoint| (*caller, *endpoint)));
        let asked = |(caller, endpoint): (Caller, Endpoint)| {
            let header = self.header(scene, caller, endpoint);
            (caller, endpoint, with_header(endpoint.request(token), header.as_deref()))
        };
        callers.map(asked).collect()
    }

    /// The `Authorization` header of the caller at this endpoint.
    fn header(&self, scene: &Scene, caller: Caller, endpoint: Endpoint) -> Option<String> {
        let (stage, id) = (&scene.stage, scene.stage.service.id.to_string());
        let secret = stage.service.secret.expose();
        let of = |client: &AddedClient| basic(&client.id.to_string(), client.secret.expose());
        let registered = |rights: &str| of(&Stage::register(&stage.app, &format!("{endpoint:?} {caller:?}"), rights));
        let bearer = |token: &str| format!("Bearer {token}");
        let user = || Person::new(stage, format!("{caller:?}-{endpoint:?}").to_ascii_lowercase());
        Some(match caller {
            Caller::Nobody => return None,
            Caller::NoSuchClient => basic("0190d8a0-0000-7000-8000-000000000000", secret),
            Caller::NameInPlaceOfId => basic("service", secret),
            Caller::WrongSecret => basic(&id, &"kxc_".repeat(11)),
            Caller::EmptySecret => basic(&id, ""),
            Caller::SecretOfAnotherClient => basic(&id, self.rotated.secret.expose()),
            Caller::SecretAsBearer => bearer(secret),
            Caller::OldSecretInItsTime => of(&self.rotated),
            Caller::NewSecret => basic(&self.rotated.id.to_string(), &self.rotated_to),
            Caller::OldSecretAfterItsTime => of(&self.stale),
            Caller::DeletedClient => of(&self.deleted),
            Caller::WithTheRight => registered(endpoint.right()),
            Caller::WithoutTheRight => registered(&endpoint.others()),
            Caller::UnknownToken => bearer(&"0123456789".repeat(4)),
            Caller::TokenOfUser => bearer(&user().log_in()),
            Caller::TokenOfAdministrator => bearer(&user().promoted().log_in()),
            Caller::AdminSession => bearer(&stage.session_token(&user().promoted().name)),
            Caller::AdminPage => bearer(&stage.page_token(Pages::Admin, &user().promoted().name)),
            Caller::Script => bearer(&stage.script_token(user().promoted().id)),
            Caller::EndedScript => {
                let user = user().promoted();
                let script = stage.script_token(user.id);
                stage.app.admin().end_session(stage.app.sessions_of(user.id)[0]).expect("an end");
                bearer(&script)
            }
            Caller::ScriptOfFormerAdministrator => {
                let user = user().promoted();
                let script = stage.script_token(user.id);
                stage.app.change(user.id, |admin, user| admin.set_admin(user, false));
                bearer(&script)
            }
        })
    }
}

fn with_header(request: Request, header: Option<&str>) -> Request {
    match header {
        Some(header) => request.header("Authorization", header),
        None => request,
    }
}

/// A new user.
struct Person<'a> {
    stage: &'a Stage,
    name: String,
    id: UserId,
}

impl<'a> Person<'a> {
    fn new(stage: &'a Stage, name: String) -> Self {
        let id = stage.app.add_user(&name, PASSWORD);
        Self { stage, name, id }
    }

    /// The same user as an administrator.
    fn promoted(self) -> Self {
        self.stage.promote(self.id);
        self
    }

    /// A token of knox.
    fn log_in(&self) -> String {
        self.stage.app.client().login(&self.name, PASSWORD)
    }
}

on_each_database! {
    fn each_caller_is_answered_or_refused_whatever_the_token(backend) {
        let (scene, [tokens]) = Scene::with_tokens(Database::migrated(backend), ["asked about"]);
        let (clients, client) = (Clients::register(&scene), &mut scene.stage.app.client());
        let mut wrong = Vec::new();
        for caller in Caller::ALL {
            for (endpoint, expected) in Endpoint::ALL.iter().zip(caller.expected()) {
                let header = clients.header(&scene, *caller, *endpoint);
                // If accepted, this request would end the session.
                let ends_it = *endpoint == Endpoint::Revoke && expected == 200;
                let asked = tokens.iter().filter(|_| !ends_it).map(|token| (format!("{:?}", token.state), &*token.token));
                let mut refusal = None;
                for (state, token) in asked.chain([("nothing".to_owned(), "0123456789")]) {
                    let reply = client.ask(&with_header(endpoint.request(token), header.as_deref()));
                    let cell = format!("{caller:?} at {endpoint:?} about {state}");
                    if reply.status != expected {
                        wrong.push(format!("{cell}: {}, not {expected}: {}", reply.status, reply.text()));
                    }
                    // The refusal is the same, byte for byte, for every token.
                    if expected != 200 && *refusal.get_or_insert_with(|| reply.text()) != reply.text() {
                        wrong.push(format!("{cell}: {}", reply.text()));
                    }
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(differences(&scene, &tokens, expected), vec![], "nothing was ended");
    }
}
