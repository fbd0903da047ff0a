//! Each endpoint, asked by everyone: the table of the rules of access.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use knoxide::domain::client::Rights;
use knoxide::domain::session::SessionKind;
use knoxide::http::admin::{Needs, ROUTES};

use super::rows::{Row, rows};
use super::*;
use crate::harness::admin::request;
use crate::harness::app::{Client, on_each_database};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Nobody,
    User,
    Staff,
    Admin,
    /// Logged out of everything by being deactivated.
    DeactivatedAdmin,
    /// Whose flag was taken away, and given back: the sessions from before are over.
    FormerAdmin,
    /// An administrator with an access token of a dialect.
    AdminByDialect,
    /// An administrator with a refresh token.
    AdminByRefreshToken,
    /// A token that was made for a script, of an administrator, but not for administration.
    Script,
    AdminScript,
    /// A good token, and another host.
    WrongHost,
}

impl Caller {
    const ALL: [Self; 11] = [
        Self::Nobody,
        Self::User,
        Self::Staff,
        Self::DeactivatedAdmin,
        Self::FormerAdmin,
        Self::AdminByDialect,
        Self::AdminByRefreshToken,
        Self::Script,
        Self::WrongHost,
        Self::AdminScript,
        Self::Admin,
    ];

    /// The status for this caller.
    fn expected(self, row: &Row, needs: Needs) -> u16 {
        match (self, needs) {
            (Self::WrongHost, _) => 421,
            (_, Needs::Nothing) | (Self::Admin, _) => row.admin,
            (Self::AdminScript, _) => row.script,
            (Self::Nobody | Self::DeactivatedAdmin | Self::FormerAdmin | Self::AdminByRefreshToken, _) => 401,
            (Self::User | Self::Staff | Self::AdminByDialect | Self::Script, _) => 403,
        }
    }
}

/// A bench with users and sessions that are made for single requests.
struct Table {
    bench: Bench,
    made: Cell<u32>,
}

impl Table {
    fn new(backend: Backend) -> Self {
        Self { bench: Bench::new(backend), made: Cell::new(0) }
    }

    fn name(&self, stem: &str) -> String {
        self.made.set(self.made.get() + 1);
        format!("{stem}{}", self.made.get())
    }

    /// A new administrator.
    fn administrator(&self) -> (UserId, String) {
        let name = self.name("admin");
        let id = self.bench.app.add_user(&name, PASSWORD);
        self.bench.app.change(id, |admin, user| admin.set_admin(user, true));
        (id, name)
    }

    /// A token of this caller.
    fn token(&self, caller: Caller) -> Option<String> {
        let Bench { app, api, .. } = &self.bench;
        let dialect = |name: &str| Some(app.client().login(name, PASSWORD));
        let script = |kind, id| {
            app.change(id, |admin, user| {
                admin.create_token(user, "script".to_owned(), Some(Duration::from_secs(3600)), kind)
            })
        };
        let (id, name) = self.administrator();
        match caller {
            Caller::Nobody => None,
            Caller::User => dialect("alice"),
            Caller::Staff => dialect("stan"),
            Caller::Admin | Caller::WrongHost => Some(api.log_in(&name, PASSWORD)),
            Caller::DeactivatedAdmin => {
                let token = api.log_in(&name, PASSWORD);
                app.change(id, |admin, user| admin.set_active(user, false));
                Some(token)
            }
            Caller::FormerAdmin => {
                let token = api.log_in(&name, PASSWORD);
                app.change(id, |admin, user| admin.set_admin(user, false));
                app.change(id, |admin, user| admin.set_admin(user, true));
                Some(token)
            }
            Caller::AdminByDialect => dialect(&name),
            Caller::AdminByRefreshToken => Some(self.refresh_token(&name)),
            Caller::Script => Some(script(knoxide::Dialect::Knox.into(), id).token.expose().to_owned()),
            Caller::AdminScript => Some(script(SessionKind::AdminScript, id).token.expose().to_owned()),
        }
    }

    fn refresh_token(&self, name: &str) -> String {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        let reply = self.bench.app.client().ask(&request("POST", "/api/token/", None, Some(&body)));
        json_of(&reply)["refresh"].as_str().expect("a refresh token").to_owned()
    }

    /// The status of a request to this endpoint, about a user and a session of its own.
    fn status(&self, caller: Caller, row: &Row) -> u16 {
        let Bench { app, api, .. } = &self.bench;
        let name = self.name("target");
        let target = app.add_user(&name, PASSWORD);
        app.change(target, |admin, user| {
            admin.create_token(user, "backup".to_owned(), None, knoxide::Dialect::Knox.into())
        });
        let session = app.sessions_of(target).remove(0).to_string();
        let client = || app.admin().add_client(self.name("client"), Rights::USUAL, None).expect("a client");
        let id = match row.path {
            path if path.starts_with("/admin/api/users/") => target.to_string(),
            path if path.starts_with("/admin/api/clients/{id}") => client().id.to_string(),
            _ => session,
        };
        let body = row.body.as_ref().map(|body| {
            let text = body.to_string().replace("\"$user\"", &target.to_string()).replace("$name", &self.name("new"));
            serde_json::from_str(&text).expect("JSON")
        });
        let token = self.token(caller);
        let mut asked = request(row.method, &row.path.replace("{id}", &id), token.as_deref(), body.as_ref());
        if caller == Caller::WrongHost {
            asked = asked.header("Host", "admin.evil.example");
        }
        Client::connect(api.address).ask(&asked).status
    }
}

on_each_database! {
    fn each_endpoint_is_open_to_those_who_may_and_to_nobody_else(backend) {
        let table = Table::new(backend);
        let rows = rows();
        let listed: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
        let tested: BTreeSet<_> = rows.iter().map(|row| (row.method, row.path)).collect();
        assert_eq!(listed, tested, "each endpoint has a row");
        let mut wrong = Vec::new();
        for row in &rows {
            let route = ROUTES.iter().find(|route| (route.method, route.path) == (row.method, row.path));
            let needs = route.expect("the endpoint").needs;
            for caller in Caller::ALL {
                let (status, expected) = (table.status(caller, row), caller.expected(row, needs));
                if status != expected {
                    wrong.push(format!("{} {} by {caller:?}: {status}, not {expected}", row.method, row.path));
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }
}

/// A password that was given more than five minutes ago is not enough for some acts, until it is given again.
#[test]
fn acts_that_need_a_recent_password_ask_for_it() {
    let bench = Bench::new(Backend::Sqlite);
    let root = bench.root();
    let plain = bench.api.log_in("root", PASSWORD);
    bench.app.clock.advance(Duration::from_secs(5 * 60));
    let (alice, second) = (bench.alice, bench.second);
    let acts = [
        ("POST", "/admin/api/keys/rotate/".to_owned(), json!({})),
        ("POST", "/admin/api/tokens/".to_owned(), json!({ "user": alice, "name": "a" })),
        ("PATCH", format!("/admin/api/users/{second}/"), json!({ "is_staff": true })),
        ("POST", format!("/admin/api/users/{second}/end-sessions/"), json!({})),
        ("PATCH", format!("/admin/api/users/{alice}/"), json!({ "is_admin": true })),
        ("PATCH", format!("/admin/api/users/{}/", bench.root), json!({ "is_staff": true })),
        ("POST", "/admin/api/throttle/clear/".to_owned(), json!({ "all": true })),
    ];
    for (method, path, body) in &acts {
        let (status, _) = bench.ask(&root, method, path, Some(body.clone()));
        assert!(matches!(status, 200..=204), "{method} {path}: {status}");
    }
    bench.app.clock.advance(Duration::from_micros(1));
    for (method, path, body) in &acts {
        let (status, json) = bench.ask(&root, method, path, Some(body.clone()));
        assert_eq!((status, refusal(&json).0.as_str()), (403, "password_required"), "{method} {path}");
    }
    // A token that leaked is not worth the account.
    for path in ["password", "reset-password"] {
        let (status, json) =
            bench.post(&root, &format!("/admin/api/users/{}/{path}/", bench.root), json!({ "password": "x" }));
        assert!(matches!(status, 400 | 403), "{path}: {status} {json}");
    }
    let own = json!({ "password": "another-horse-9" });
    let (status, json) = bench.post(&root, &format!("/admin/api/users/{}/password/", bench.root), own);
    assert_eq!((status, refusal(&json).0.as_str()), (403, "password_required"));
    // The same act on a user who is no administrator needs none, and neither does the end of an own session.
    let change = Some(json!({ "is_staff": false }));
    assert_eq!(bench.ask(&root, "PATCH", &format!("/admin/api/users/{}/", bench.stan), change).0, 200);
    let (status, json) = bench.post(&root, "/admin/api/verify-password/", json!({ "password": "wrong" }));
    assert_eq!((status, refusal(&json).0.as_str()), (401, "wrong_credentials"));
    assert_eq!(bench.post(&root, "/admin/api/keys/rotate/", json!({})).0, 403);
    assert_eq!(bench.post(&root, "/admin/api/verify-password/", json!({ "password": PASSWORD })).0, 204);
    assert_eq!(bench.post(&root, "/admin/api/keys/rotate/", json!({})).0, 201);
    // Another session of the same administrator has proved nothing.
    assert_eq!(bench.post(&plain, "/admin/api/keys/rotate/", json!({})).0, 403);
}

on_each_database! {
    fn a_session_ends_when_it_is_idle_and_after_eight_hours(backend) {
        let bench = Bench::new(backend);
        let status = |token: &str| bench.ask(token, "GET", "/admin/api/me/", None).0;
        let (busy, idle) = (bench.root(), bench.root());
        // 15 minutes, and the interval at which uses are written.
        let limit = Duration::from_secs(16 * 60);
        bench.app.clock.advance(limit);
        assert_eq!(status(&busy), 200);
        bench.app.clock.advance(Duration::from_micros(1));
        assert_eq!((status(&busy), status(&idle)), (200, 401));
        // Uses that follow each other closely are noted once.
        bench.app.clock.advance(limit - Duration::from_micros(1));
        for _ in 0..27 {
            assert_eq!(status(&busy), 200);
            bench.app.clock.advance(limit);
        }
        assert_eq!(status(&busy), 200);
        bench.app.clock.advance(limit - Duration::from_micros(1));
        assert_eq!(status(&busy), 200);
        bench.app.clock.advance(Duration::from_micros(1));
        assert_eq!(status(&busy), 401);
    }
}

/// It is good nowhere else, whatever the keyword.
#[test]
fn an_administrators_token_is_none_of_a_dialect() {
    let bench = Bench::new(Backend::Sqlite);
    let token = bench.root();
    for keyword in ["Token", "JWT", "Bearer"] {
        let asked = crate::harness::wire::Request::new("GET", "/auth/user/")
            .header("Authorization", format!("{keyword} {token}"));
        assert_eq!(bench.app.client().ask(&asked).status, 401, "{keyword}");
    }
    assert_eq!(bench.ask(&token, "GET", "/admin/api/me/", None).0, 200);
    assert_eq!(bench.post(&token, "/admin/api/logout/", json!({})).0, 204);
    assert_eq!(bench.ask(&token, "GET", "/admin/api/me/", None).0, 401);
}

/// The listener for administrators serves nothing else, and the other one nothing of theirs.
#[test]
fn the_listeners_are_apart() {
    let bench = Bench::new(Backend::Sqlite);
    for path in ["/auth/user/", "/healthz", "/admin/nothing/"] {
        assert_eq!(bench.api.ask("GET", path, None, None).status, 404, "{path}");
    }
    let reply = bench.app.client().ask(&request("GET", "/admin/api/me/", Some(&bench.root()), None));
    assert_eq!(reply.status, 404);
}

/// Logins for administration are throttled as all logins are, and count for them.
#[test]
fn guesses_are_throttled() {
    let bench = Bench::new(Backend::Sqlite);
    let guess = |name: &str| {
        let body = json!({ "username": name, "password": "a wrong guess" });
        bench.api.ask("POST", "/admin/api/login/", None, Some(&body))
    };
    // Whether there is such a user, and whether it is an administrator, does not show.
    for name in ["root", "alice", "nobody"] {
        for _ in 0..10 {
            let reply = guess(name);
            assert_eq!((reply.status, refusal(&json_of(&reply)).0.as_str()), (401, "wrong_credentials"), "{name}");
        }
        let reply = guess(name);
        assert_eq!((reply.status, refusal(&json_of(&reply)).0.as_str()), (429, "throttled"), "{name}");
        assert!(reply.header("Retry-After").is_some());
        assert_eq!(bench.app.client().try_login(name, PASSWORD).status, 429, "{name}");
    }
    // The right password of a user who is no administrator is a wrong one here.
    let stan = json!({ "username": "stan", "password": PASSWORD });
    let reply = bench.api.ask("POST", "/admin/api/login/", None, Some(&stan));
    assert_eq!((reply.status, refusal(&json_of(&reply)).0.as_str()), (401, "wrong_credentials"));
}
