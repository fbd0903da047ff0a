//! The requests of clients of each dialect.

use knoxide::domain::dialect::Dialect;
use serde_json::{Value, json};

use super::app::Client;
use super::wire::{Framing, Reply, Request};

/// A client's view of a dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speech {
    pub(crate) dialect: Dialect,
    pub(crate) login: &'static str,
    /// The member with the access token, in the reply to a login.
    pub(crate) access: &'static str,
    pub(crate) has_refresh_token: bool,
    pub(crate) keyword: &'static str,
    /// The paths for verifying and refreshing, and the request field of the latter.
    pub(crate) exchange: Option<(&'static str, &'static str, &'static str)>,
    /// The member with the access token, in the reply to a refresh.
    pub(crate) refreshed: &'static str,
}

/// The result of a login.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
}

/// All dialects.
pub(crate) const ALL: [Speech; 5] = [
    Speech {
        dialect: Dialect::Knox,
        login: "/auth/login/",
        access: "token",
        has_refresh_token: false,
        keyword: "Token",
        exchange: None,
        refreshed: "",
    },
    Speech {
        dialect: Dialect::DrfJwt,
        login: "/api-token-auth/",
        access: "token",
        has_refresh_token: false,
        keyword: "JWT",
        exchange: Some(("/api-token-verify/", "/api-token-refresh/", "token")),
        refreshed: "token",
    },
    Speech {
        dialect: Dialect::Simplejwt,
        login: "/api/token/",
        access: "access",
        has_refresh_token: true,
        keyword: "Bearer",
        exchange: Some(("/api/token/verify/", "/api/token/refresh/", "refresh")),
        refreshed: "access",
    },
    Speech {
        dialect: Dialect::AccessToken,
        login: "/auth/access_token/",
        access: "access_token",
        has_refresh_token: false,
        keyword: "Token",
        exchange: Some(("/auth/verify_token/", "/auth/refresh_token/", "token")),
        refreshed: "token",
    },
    Speech {
        dialect: Dialect::Djoser,
        login: "/jwt/create/",
        access: "access",
        has_refresh_token: true,
        keyword: "JWT",
        exchange: Some(("/jwt/verify/", "/jwt/refresh/", "refresh")),
        refreshed: "access",
    },
];

/// The JSON of a reply.
pub(crate) fn members(reply: &Reply) -> Value {
    serde_json::from_str(&reply.text()).unwrap_or_else(|error| panic!("{error}: {}", reply.text()))
}

/// A request with this JSON.
pub(crate) fn posting(path: &str, body: &Value) -> Request {
    let request = Request::new("POST", path).header("Content-Type", "application/json");
    request.body(body.to_string(), Framing::Length)
}

fn post(client: &mut Client, path: &str, body: &Value) -> Reply {
    client.ask(&posting(path, body))
}

impl Speech {
    pub(crate) fn of(dialect: Dialect) -> Self {
        ALL.into_iter().find(|speech| speech.dialect == dialect).expect("all dialects")
    }

    /// Logs in a user of [`App::add_user`](super::app::App::add_user).
    pub(crate) fn try_login(&self, client: &mut Client, name: &str, password: &str) -> Reply {
        client.ask(&self.login_request(name, password))
    }

    pub(crate) fn login_request(&self, name: &str, password: &str) -> Request {
        let body = if self.dialect == Dialect::Simplejwt {
            json!({ "email": format!("{name}@example.com"), "password": password })
        } else {
            json!({ "username": name, "password": password })
        };
        posting(self.login, &body)
    }

    pub(crate) fn login(&self, client: &mut Client, name: &str, password: &str) -> Tokens {
        let reply = self.try_login(client, name, password);
        assert_eq!(reply.status, 200, "{:?}: {}", self.dialect, reply.text());
        let body = members(&reply);
        let access = body[self.access].as_str().expect("an access token").to_owned();
        let refresh = body["refresh"].as_str().map(str::to_owned);
        assert_eq!(refresh.is_some(), self.has_refresh_token);
        Tokens { access, refresh }
    }

    /// Sends a request with the access token, under the dialect's keyword.
    pub(crate) fn ask(&self, client: &mut Client, method: &str, path: &str, token: &str) -> Reply {
        let framing = if method == "POST" { Framing::Length } else { Framing::Unsaid };
        let request = Request::new(method, path).header("Authorization", format!("{} {token}", self.keyword));
        client.ask(&request.body("", framing))
    }

    /// The status of a check.
    pub(crate) fn check(&self, client: &mut Client, token: &str) -> u16 {
        self.ask(client, "GET", "/auth/user/", token).status
    }

    /// Verifies at the dialect's own endpoint; `None` if it has none.
    pub(crate) fn verify(&self, client: &mut Client, token: &str) -> Option<Reply> {
        let (path, ..) = self.exchange?;
        Some(post(client, path, &json!({ "token": token })))
    }

    /// Refreshes at the dialect's own endpoint; `None` if it has none.
    pub(crate) fn refresh(&self, client: &mut Client, token: &str) -> Option<Reply> {
        let (_, path, field) = self.exchange?;
        Some(post(client, path, &json!({ field: token })))
    }

    /// Logs out with a refresh token; `None` where the dialect has no endpoint for it.
    pub(crate) fn blacklist(&self, client: &mut Client, token: &str) -> Option<Reply> {
        match self.dialect {
            Dialect::Simplejwt => Some(post(client, "/api/token/blacklist/", &json!({ "refresh": token }))),
            Dialect::Knox | Dialect::DrfJwt | Dialect::AccessToken | Dialect::Djoser => None,
        }
    }

    /// The access token in the reply to a refresh.
    pub(crate) fn refreshed(&self, reply: &Reply) -> String {
        assert_eq!(reply.status, 200, "{}", reply.text());
        members(reply)[self.refreshed].as_str().expect("an access token").to_owned()
    }

    /// The token to refresh: the refresh token, or the access token if there is none.
    pub(crate) fn refreshable(&self, tokens: &Tokens) -> String {
        tokens.refresh.clone().unwrap_or_else(|| tokens.access.clone())
    }
}
