//! Every surface that a token can be presented to, and the meaning of its answers.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::states::Presented;
use super::{Scene, each, inside};
use crate::harness::app::Client;
use crate::harness::wire::{Reply, Request};
use crate::oauth::stage::{INACTIVE, batch_request, form_request};

each! {
    /// A place that judges tokens.
    enum Surface {
        /// `GET /auth/user/`.
        User,
        UserByCookie,
        Nginx,
        Caddy,
        Traefik,
        Haproxy,
        Envoy,
        NginxByCookie,
        CaddyByCookie,
        TraefikByCookie,
        HaproxyByCookie,
        EnvoyByCookie,
        /// The middleware of the library, in an application.
        Middleware,
        MiddlewareByCookie,
        /// The extractor of the library, without its middleware.
        Extractor,
        Introspect,
        /// `POST /check/`, with one token.
        Check,
        /// `POST /check/`, with the token between a live and an unknown one.
        CheckAmongOthers,
        /// The middleware of `knoxide-remote`, in another application.
        Remote,
        RemoteExtractor,
        /// `GET /admin/api/me/`.
        AdminApi,
        /// `GET /admin/`, with the token in the cookie of the pages.
        AdminPage,
        /// `GET /account/`, likewise.
        AccountPage,
    }
}

/// The meaning of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The token is accepted here.
    Accepted,
    /// The token is refused.
    Refused,
    /// The token is good, but its user may not do this.
    Forbidden,
    /// The token could not be looked up.
    CouldNotLook,
    /// None of these.
    Other,
}

/// An answer.
pub(super) struct Said {
    pub(super) verdict: Verdict,
    /// Status and body, for messages.
    pub(super) reply: String,
}

impl Said {
    pub(super) fn new(verdict: Verdict, status: u16, body: &str) -> Self {
        Self { verdict, reply: format!("{status} {}", body.chars().take(200).collect::<String>()) }
    }

    /// An answer of which only the status counts.
    pub(super) fn of_status(status: u16, body: &str) -> Self {
        let verdict = match status {
            200 => Verdict::Accepted,
            401 => Verdict::Refused,
            403 => Verdict::Forbidden,
            503 => Verdict::CouldNotLook,
            _ => Verdict::Other,
        };
        Self::new(verdict, status, body)
    }
}

impl Surface {
    /// The answers about all of these tokens.
    pub(super) fn ask(self, scene: &Scene, tokens: &[Presented]) -> Vec<Said> {
        match self {
            Self::User => {
                over_http(scene.stage.app.address, tokens, |token| in_header("/auth/user/", token), by_status)
            }
            Self::UserByCookie => {
                let request = |token: &Presented| Request::new("GET", "/auth/user/").header("Cookie", token.cookie());
                over_http(scene.browsers.address, tokens, request, by_status)
            }
            Self::Nginx => proxied(scene, "nginx", tokens),
            Self::Caddy => proxied(scene, "caddy", tokens),
            Self::Traefik => proxied(scene, "traefik", tokens),
            Self::Haproxy => proxied(scene, "haproxy", tokens),
            Self::Envoy => proxied(scene, "envoy", tokens),
            Self::NginxByCookie => proxied_by_cookie(scene, "nginx", tokens),
            Self::CaddyByCookie => proxied_by_cookie(scene, "caddy", tokens),
            Self::TraefikByCookie => proxied_by_cookie(scene, "traefik", tokens),
            Self::HaproxyByCookie => proxied_by_cookie(scene, "haproxy", tokens),
            Self::EnvoyByCookie => proxied_by_cookie(scene, "envoy", tokens),
            Self::Middleware => inside::middleware(scene, tokens),
            Self::MiddlewareByCookie => inside::middleware_by_cookie(scene, tokens),
            Self::Extractor => inside::extractor(scene, tokens),
            Self::Introspect => {
                let request = |token: &Presented| form_request("/introspect/", &[("token", &token.token)]);
                let request = |token: &Presented| request(token).header("Authorization", scene.stage.header());
                over_http(scene.stage.app.address, tokens, request, |reply| described(reply, &reply.text()))
            }
            Self::Check => batched(scene, tokens, &[], 0),
            Self::CheckAmongOthers => {
                let bystander: &str = &scene.bystander;
                batched(scene, tokens, &[bystander, "0123456789"], 1)
            }
            Self::Remote => inside::remote(scene, tokens),
            Self::RemoteExtractor => inside::remote_extractor(scene, tokens),
            Self::AdminApi => {
                let request = |token: &Presented| {
                    Request::new("GET", "/admin/api/me/").header("Authorization", format!("Bearer {}", token.token))
                };
                over_http(scene.api.address, tokens, request, by_status)
            }
            Self::AdminPage => page(scene.api.address, "/admin/", tokens),
            Self::AccountPage => page(scene.stage.app.address, "/account/", tokens),
        }
    }
}

fn over_http(
    address: SocketAddr,
    tokens: &[Presented],
    request: impl Fn(&Presented) -> Request,
    read: impl Fn(&Reply) -> Said,
) -> Vec<Said> {
    let mut client = Client::connect(address);
    tokens.iter().map(|token| read(&client.ask(&request(token)))).collect()
}

fn by_status(reply: &Reply) -> Said {
    Said::of_status(reply.status, &reply.text())
}

fn in_header(path: &str, token: &Presented) -> Request {
    Request::new("GET", path).header("Authorization", token.authorization())
}

fn proxied(scene: &Scene, kind: &str, tokens: &[Presented]) -> Vec<Said> {
    let path = format!("/forward-auth/{kind}/");
    over_http(scene.stage.app.address, tokens, |token| in_header(&path, token), by_status)
}

/// In the one cookie that the server reads at forward authentication, whatever the dialect of the token.
fn proxied_by_cookie(scene: &Scene, kind: &str, tokens: &[Presented]) -> Vec<Said> {
    let request = |token: &Presented| {
        let request = Request::new("GET", &format!("/forward-auth/{kind}/"));
        let request = if kind == "envoy" { request } else { request.header("X-Forwarded-Method", "GET") };
        request.header("Cookie", format!("__Host-session={}", token.token))
    };
    over_http(scene.browsers.address, tokens, request, by_status)
}

/// The verdict in a reply's description of a token.
fn described(reply: &Reply, description: &str) -> Said {
    let active = serde_json::from_str::<Value>(description).ok().and_then(|said| said["active"].as_bool());
    match (reply.status, active) {
        (200, Some(true)) => Said::new(Verdict::Accepted, 200, description),
        // Exactly these bytes.
        (200, Some(false)) if description == INACTIVE => Said::new(Verdict::Refused, 200, description),
        (503, None) => Said::new(Verdict::CouldNotLook, 503, description),
        (status, _) => Said::new(Verdict::Other, status, description),
    }
}

/// Checks each token together with these others, at this position among them. If the others are not answered as they
/// must be, the answer is [`Verdict::Other`].
fn batched(scene: &Scene, tokens: &[Presented], others: &[&str], place: usize) -> Vec<Said> {
    let request = |token: &Presented| {
        let mut asked = others.to_vec();
        asked.insert(place, &token.token);
        batch_request(&json!({ "tokens": asked })).header("Authorization", scene.stage.header())
    };
    let read = |reply: &Reply| {
        let body = serde_json::from_str::<Value>(&reply.text()).unwrap_or_default();
        let Some(mut results) = body["results"].as_array().cloned() else { return described(reply, &reply.text()) };
        if results.len() != others.len() + 1 {
            return Said::new(Verdict::Other, reply.status, &reply.text());
        }
        let own = results.remove(place).to_string();
        let are_right = match &results[..] {
            [live, unknown] => live["active"] == true && *unknown == json!({ "active": false }),
            others => others.is_empty(),
        };
        if are_right { described(reply, &own) } else { Said::new(Verdict::Other, reply.status, &reply.text()) }
    };
    over_http(scene.stage.app.address, tokens, request, read)
}

/// Requests without a good token are redirected to the sign-in page below this one.
fn page(address: SocketAddr, path: &str, tokens: &[Presented]) -> Vec<Said> {
    let request = |token: &Presented| Request::new("GET", path).header("Cookie", format!("knoxide={}", token.token));
    let read = |reply: &Reply| {
        let leads_to = reply.header("location").unwrap_or_default();
        match reply.status {
            303 if leads_to.starts_with(&format!("{path}sign-in/")) => Said::new(Verdict::Refused, 303, &leads_to),
            200 | 503 => by_status(reply),
            status => Said::new(Verdict::Other, status, &reply.text()),
        }
    };
    over_http(address, tokens, request, read)
}
