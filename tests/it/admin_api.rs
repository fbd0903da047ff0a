//! The administration API: who may call what, and what each call does.

mod access;
mod acts;
mod clients;
mod desk;
mod mass;
mod rows;
mod shapes;

use knoxide::domain::user::UserId;
use serde_json::{Value, json};

use crate::harness::admin::{AdminApi, json_of};
use crate::harness::app::{App, Backend};

/// A password that the rules accept.
const PASSWORD: &str = "correct-horse-9";

/// A server with the administrators `root` and `second`, the staff user `stan` and the user `alice`.
struct Bench {
    app: App,
    api: AdminApi,
    root: UserId,
    second: UserId,
    stan: UserId,
    alice: UserId,
}

impl Bench {
    fn new(backend: Backend) -> Self {
        let app = App::start(backend);
        let [root, second, stan, alice] = ["root", "second", "stan", "alice"].map(|name| app.add_user(name, PASSWORD));
        app.change(root, |admin, user| admin.set_admin(user, true));
        app.change(second, |admin, user| admin.set_admin(user, true));
        app.change(stan, |admin, user| admin.set_staff(user, true));
        let api = AdminApi::start(&app);
        Self { app, api, root, second, stan, alice }
    }

    /// A request with a token, and the status and JSON of its reply; `null` without a body.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the body in place")]
    fn ask(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let reply = self.api.ask(method, path, Some(token), body.as_ref());
        assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"), "{method} {path}");
        assert!(reply.header("X-Request-Id").is_some(), "{method} {path}");
        let json = if reply.body.is_empty() { Value::Null } else { json_of(&reply) };
        (reply.status, json)
    }

    fn get(&self, token: &str, path: &str) -> Value {
        let (status, json) = self.ask(token, "GET", path, None);
        assert_eq!(status, 200, "{path}: {json}");
        json
    }

    fn post(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        self.ask(token, "POST", path, Some(body))
    }

    fn root(&self) -> String {
        self.api.log_in("root", PASSWORD)
    }
}

/// The code and the wrong fields of a refusal.
fn refusal(json: &Value) -> (String, Vec<String>) {
    let error = &json["error"];
    let fields = error["fields"].as_object().expect("fields").keys().cloned().collect();
    assert!(!error["message"].as_str().expect("a message").is_empty());
    (error["code"].as_str().expect("a code").to_owned(), fields)
}
