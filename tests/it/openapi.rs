//! The document of the API and its page: complete, true, and free of anything from elsewhere. Each reply of the
//! transcripts and of the administration API is compared with it where it is made (`tests/it/harness/documented.rs`).

mod fields;
mod tester;

use std::collections::BTreeSet;

use knoxide::config::HttpSettings;
use knoxide::domain::dialect::{CookieMode, Dialect};
use knoxide::http::admin::ROUTES;
use knoxide::http::{Compat, HttpOptions};
use serde_json::{Value, json};

use crate::harness::admin::AdminApi;
use crate::harness::app::{App, Backend, Client, Database, Setup};
use crate::harness::documented::Documented;
use crate::harness::wire::{Framing, Reply, Request};

/// A server with other options.
fn app(change: impl FnOnce(&mut HttpOptions)) -> App {
    let mut setup = Setup::default();
    change(&mut setup.http.options);
    App::on(Database::migrated(Backend::Sqlite), setup)
}

fn get(app: &App, path: &str) -> Reply {
    app.client().ask(&Request::new("GET", path))
}

fn paths(documented: &Documented) -> BTreeSet<&str> {
    documented.operations().map(|(_, path, _)| path).collect()
}

/// All references in a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn all_that_the_document_names_is_there() {
    let app = App::start(Backend::Sqlite);
    let api = AdminApi::start(&app);
    for documented in [Documented::of(app.address), Documented::of(api.address)] {
        let document = &documented.document;
        assert_eq!(document["openapi"], "3.1.0");
        let mut found = BTreeSet::new();
        references(document, &mut found);
        assert!(found.len() > 3, "{found:?}");
        for reference in found {
            let at = reference.strip_prefix('#').expect("a reference into the document");
            assert!(document.pointer(at).is_some(), "{reference}");
        }
        let tags: BTreeSet<_> =
            document["tags"].as_array().expect("tags").iter().map(|tag| &tag["name"]).map(Value::to_string).collect();
        let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
        let mut ids = BTreeSet::new();
        for (method, path, operation) in documented.operations() {
            assert!(ids.insert(operation["operationId"].as_str().expect("an id")), "{method} {path}: its id is taken");
            assert!(tags.contains(&operation["tags"][0].to_string()), "{method} {path}");
            for alternative in operation["security"].as_array().expect("security") {
                let names = alternative.as_object().expect("an alternative").keys();
                names.for_each(|name| assert!(schemes.contains_key(name), "{method} {path}: {name}"));
            }
        }
    }
}

#[test]
fn an_address_documents_what_it_serves_and_nothing_else() {
    let app = App::start(Backend::Sqlite);
    let api = AdminApi::start(&app);
    let (public, admin) = (Documented::of(app.address), Documented::of(api.address));
    assert!(!paths(&public).iter().any(|path| path.starts_with("/admin/")));
    let of_routes: BTreeSet<String> = ROUTES.iter().map(|route| format!("{route:?}")).collect();
    let documented: BTreeSet<String> = admin
        .operations()
        .filter(|(_, path, _)| path.starts_with("/admin/"))
        .map(|(method, path, _)| format!("{} {path}", method.to_uppercase()))
        .collect();
    assert_eq!(documented, of_routes);
    let others: BTreeSet<&str> = paths(&admin).into_iter().filter(|path| !path.starts_with("/admin/")).collect();
    assert_eq!(others, BTreeSet::from(["/openapi.json", "/docs/"]));
}

#[test]
fn the_document_follows_the_settings() {
    let usual = Documented::of(app(|_| {}).address).document;
    assert!(!usual["paths"]["/api/token/"].is_null() && !usual["paths"]["/forward-auth/nginx/"].is_null());
    assert!(!usual["paths"]["/auth/logout/"]["post"]["responses"]["200"].is_null());
    let other = app(|options| {
        options.dialects.get_mut(Dialect::Simplejwt).prefix = "/v2".to_owned();
        options.dialects.get_mut(Dialect::Djoser).enabled = false;
        options.dialects.get_mut(Dialect::DrfJwt).keywords = vec!["Key".to_owned()];
        options.forward_auth.enabled = false;
        options.compat = Compat::Package;
    });
    let other = Documented::of(other.address);
    assert!(paths(&other).contains("/v2/api/token/") && !paths(&other).contains("/api/token/"));
    assert!(!paths(&other).iter().any(|path| path.starts_with("/jwt/") || path.starts_with("/forward-auth/")));
    let document = &other.document;
    assert!(!document["components"]["securitySchemes"]["Key"].is_null());
    assert!(document["components"]["securitySchemes"]["JWT"].is_null());
    assert!(!document["paths"]["/auth/logout/"]["post"]["responses"]["204"].is_null());
    assert!(document["paths"]["/auth/logout/"]["post"]["responses"]["200"].is_null());
}

/// Tokens in cookies change what the endpoints of their dialect take and answer.
#[test]
fn replies_to_browsers_are_documented_too() {
    let app = app(|options| {
        options.dialects.get_mut(Dialect::Simplejwt).cookie = CookieMode::Lax;
        options.public_url = "https://auth.example.com".parse().ok();
    });
    app.add_user("alice", "correct horse");
    let documented = Documented::of(app.address);
    let ask = |method: &str, path: &str, headers: &[&(&str, String)], body: Value| {
        let asked = Request::new(method, path).header("Content-Type", "application/json");
        let asked = headers.iter().fold(asked, |asked, (name, value)| asked.header(name, value.clone()));
        let reply = app.client().ask(&asked.body(body.to_string(), Framing::Length));
        assert_eq!(documented.differences(method, path, &reply), Vec::<String>::new());
        reply
    };
    let ours = ("Origin", "https://auth.example.com".to_owned());
    let login = json!({ "email": "alice@example.com", "password": "correct horse" });
    let logged_in = ask("POST", "/api/token/", &[], login.clone());
    assert_eq!((logged_in.status, logged_in.text().as_str()), (200, r#"{"refresh":null,"access":null}"#));
    let cookies = logged_in.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let cookies: Vec<&str> = cookies.map(|(_, value)| value.split(';').next().expect("a cookie")).collect();
    let of = |name: &str| {
        let found = cookies.iter().find(|cookie| cookie.starts_with(name));
        ("Cookie", (*found.expect("the cookie")).to_owned())
    };
    let (access, refresh) = (of("__Host-"), of("__Secure-"));
    let elsewhere = ("Origin", "https://evil.example".to_owned());
    let statuses = [
        ask("POST", "/api/token/", &[&elsewhere], login).status,
        ask("GET", "/auth/user/", &[&access], json!({})).status,
        ask("GET", "/auth/user/", &[&access, &("Authorization", "Token x".to_owned())], json!({})).status,
        ask("POST", "/auth/logout/", &[&access, &elsewhere], json!({})).status,
        ask("POST", "/api/token/verify/", &[&access, &ours], json!({})).status,
        ask("POST", "/api/token/refresh/", &[&refresh, &ours], json!({})).status,
        ask("POST", "/auth/logout/", &[&access, &ours], json!({})).status,
    ];
    assert_eq!(statuses, [403, 200, 400, 403, 200, 200, 200]);
    let schemes = &documented.document["components"]["securitySchemes"];
    assert_eq!(schemes["__Host-simplejwt"]["in"], "cookie");
}

#[test]
fn both_can_be_switched_off() {
    let app = app(|options| options.api_docs = false);
    for path in ["/openapi.json", "/docs", "/docs/", "/docs/style.css"] {
        assert_eq!(get(&app, path).status, 404, "{path}");
    }
}

/// Where the administration API is served alone, a page of another name cannot read its document either.
#[test]
fn administrators_read_theirs_under_known_hosts_alone() {
    let app = App::start(Backend::Sqlite);
    let api = AdminApi::start(&app);
    let ask = |host: &str, path: &str| {
        Client::connect(api.address).ask(&Request::new("GET", path).header("Host", host)).status
    };
    for path in ["/openapi.json", "/docs/", "/docs/style.css", "/docs"] {
        assert_eq!(ask("evil.example", path), 421, "{path}");
        assert!([200, 308].contains(&ask("localhost", path)), "{path}");
    }
}

#[cfg(feature = "pages")]
#[test]
fn the_page_has_every_operation_and_nothing_from_elsewhere() {
    let app = App::start(Backend::Sqlite);
    let api = AdminApi::start(&app);
    for address in [app.address, api.address] {
        let documented = Documented::of(address);
        let reply = Client::connect(address).ask(&Request::new("GET", "/docs/"));
        let page = reply.text();
        for (method, path, operation) in documented.operations() {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(page.contains(&format!("id=\"{id}\"")), "{method} {path}");
        }
        for from in ["href=\"", "src=\"", "url(", "@import", "action=\""] {
            let targets = page.split(from).skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
            let wrong: Vec<&str> =
                targets.filter(|to| !to.starts_with('#') && !["style.css", "../openapi.json"].contains(to)).collect();
            assert_eq!(wrong, Vec::<&str>::new(), "{from}");
        }
        for forbidden in ["<script", "style=\"", "http://", "https://", "onclick"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        let policy = reply.header("Content-Security-Policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
    }
    let style = get(&app, "/docs/style.css");
    assert_eq!(style.header("Content-Type").as_deref(), Some("text/css; charset=utf-8"));
    assert!(!style.text().contains("url(") && !style.text().contains("@import"));
    assert_eq!(get(&app, "/docs").header("Location").as_deref(), Some("docs/"));
}

#[test]
fn what_can_only_be_read_says_so() {
    let app = App::start(Backend::Sqlite);
    for path in ["/openapi.json", "/docs/", "/healthz", "/readyz", "/.well-known/jwks.json"] {
        let reply = app.client().ask(&Request::new("PUT", path));
        assert_eq!((reply.status, reply.header("Allow").as_deref()), (405, Some("GET, HEAD")), "{path}");
        assert_eq!(app.client().ask(&Request::new("HEAD", path)).status, 200, "{path}");
    }
}

/// The judge itself can refuse.
#[test]
fn a_reply_that_the_document_does_not_have_is_seen() {
    let app = App::on(
        Database::migrated(Backend::Sqlite),
        Setup { http: HttpSettings { workers: 1, ..Setup::default().http }, ..Setup::default() },
    );
    let documented = Documented::of(app.address);
    let good = get(&app, "/healthz");
    assert_eq!(documented.differences("GET", "/healthz", &good), Vec::<String>::new());
    let wrong = |change: fn(&mut Reply)| {
        let mut reply = good.clone();
        change(&mut reply);
        documented.differences("GET", "/healthz", &reply).len()
    };
    assert_eq!(wrong(|reply| reply.status = 500), 1);
    assert_eq!(wrong(|reply| reply.body = b"{\"status\":\"perhaps\"}".to_vec()), 1);
    assert_eq!(wrong(|reply| reply.body = b"{\"status\":\"ok\",\"more\":1}".to_vec()), 1);
    assert_eq!(wrong(|reply| reply.body = b"ok".to_vec()), 1);
    assert_eq!(wrong(|reply| reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-request-id"))), 1);
    assert_eq!(documented.differences("GET", "/nowhere/", &good).len(), 1);
    assert_eq!(documented.differences("PUT", "/healthz", &good).len(), 1);
}
