//! Malformed and unusual requests.

use std::time::Duration;

use serde_json::json;

use super::stage::{PASSWORD, Stage, batch_request, form, form_request, members};
use crate::harness::app::{Backend, Client, Setup};
use crate::harness::wire::{Framing, Reply, Request};

const PATHS: [&str; 3] = ["/introspect/", "/revoke/", "/check/"];
const FORM: &str = "application/x-www-form-urlencoded";

fn raw(path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", path).header("Content-Type", content_type).body(body, Framing::Length)
}

fn error(reply: &Reply) -> (u16, String) {
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
    (reply.status, members(reply)["error"].as_str().expect("a code").to_owned())
}

fn refused(status: u16) -> (u16, String) {
    (status, "invalid_request".to_owned())
}

fn stage() -> (Stage, String, Client) {
    let stage = Stage::set(Backend::Sqlite);
    stage.app.add_user("alice", PASSWORD);
    let mut client = stage.app.client();
    let token = client.login("alice", PASSWORD);
    (stage, token, client)
}

#[test]
fn a_parameter_that_occurs_twice_is_refused() {
    let (stage, token, mut client) = stage();
    for path in ["/introspect/", "/revoke/"] {
        for twice in ["token", "client_id", "token_type_hint", "x", ""] {
            let body = form(&[("token", &token), (twice, "a"), (twice, "a")]);
            let request = raw(path, FORM, body).header("Authorization", stage.header());
            assert_eq!(error(&client.ask(&request)), refused(400), "{path} {twice}");
        }
        let body = format!("token={token}&%74oken={token}");
        assert_eq!(error(&client.ask(&raw(path, FORM, body))), refused(400), "{path}");
    }
    assert_eq!(client.check(&token), 200);
}

#[test]
fn a_token_in_the_url_is_refused() {
    let (stage, token, mut client) = stage();
    for path in PATHS {
        for query in [format!("token={token}"), "a".to_owned(), "format=json".to_owned()] {
            let request = Request { target: format!("{path}?{query}").into(), ..question(path, &token) };
            let reply = client.ask(&request.header("Authorization", stage.header()));
            assert_eq!(error(&reply), refused(400), "{path} {query}");
        }
    }
    assert_eq!(client.check(&token), 200);
}

fn question(path: &str, token: &str) -> Request {
    if path == "/check/" {
        batch_request(&json!({ "tokens": [token] }))
    } else {
        form_request(path, &[("token", token)])
    }
}

#[test]
fn two_credentials_are_refused() {
    let (stage, token, mut client) = stage();
    let (id, secret) = (stage.service.id.to_string(), stage.service.secret.expose());
    for path in PATHS {
        for second in [stage.header(), "Basic YTpi".to_owned(), "Bearer x".to_owned(), String::new()] {
            let request = question(path, &token).header("Authorization", stage.header());
            let reply = client.ask(&request.header("Authorization", second));
            assert_eq!(error(&reply), refused(400), "{path}");
        }
    }
    let token = ("token", token.as_str());
    for path in ["/introspect/", "/revoke/"] {
        for header in [stage.header(), "Bearer x".to_owned()] {
            let both = form_request(path, &[token, ("client_id", &id), ("client_secret", secret)]);
            assert_eq!(error(&client.ask(&both.header("Authorization", header))), refused(400), "{path}");
        }
        let other = form_request(path, &[token, ("client_id", "other")]).header("Authorization", stage.header());
        assert_eq!(error(&client.ask(&other)), refused(400), "{path}");
    }
    // The same id again, and an empty secret, add nothing.
    let same = form_request("/introspect/", &[token, ("client_id", &id), ("client_secret", "")]);
    assert_eq!(client.ask(&same.header("Authorization", stage.header())).status, 200);
    let lone = form_request("/introspect/", &[token, ("client_secret", secret)]);
    assert_eq!(error(&client.ask(&lone)), (401, "invalid_client".to_owned()));
    assert_eq!(client.check(token.1), 200);
}

#[test]
fn credentials_may_be_escaped() {
    let (stage, token, mut client) = stage();
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let (id, secret) = (stage.service.id.to_string(), stage.service.secret.expose());
    let header = super::stage::basic(&escape(&id), &escape(secret)).replace("Basic ", "basic  ");
    let reply = client.ask(&form_request("/introspect/", &[("token", &token)]).header("Authorization", header));
    assert_eq!(members(&reply)["active"], true);
}

#[test]
fn the_method_is_post_and_nothing_else() {
    let (_stage, token, mut client) = stage();
    for path in PATHS {
        for path in [path, path.trim_end_matches('/')] {
            for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECTED", "post"] {
                let reply = client.ask(&Request::new(method, path).header("Authorization", format!("Token {token}")));
                assert_eq!(reply.status, 405, "{method} {path}");
                assert_eq!(reply.header("allow").as_deref(), Some("POST"), "{method} {path}");
                assert_eq!(reply.text().is_empty(), method == "HEAD", "{method} {path}");
            }
        }
        for elsewhere in [format!("/{path}"), format!("/x/..{path}"), format!("{path}x"), format!("{path};a=b/")] {
            assert_eq!(client.ask(&question(&elsewhere, &token)).status, 404, "{elsewhere}");
        }
    }
    assert_eq!(client.check(&token), 200);
}

#[test]
fn the_body_is_a_form_of_a_bounded_size() {
    let (stage, token, mut client) = stage();
    for path in ["/introspect/", "/revoke/"] {
        for content_type in
            ["text/plain", "application/json", "multipart/form-data; boundary=x", "*/*", "application/*"]
        {
            let request = raw(path, content_type, format!("token={token}")).header("Authorization", stage.header());
            assert_eq!(error(&client.ask(&request)), refused(415), "{path} {content_type}");
        }
        let without = Request::new("POST", path).body(format!("token={token}"), Framing::Length);
        assert_eq!(error(&client.ask(&without.header("Authorization", stage.header()))), refused(415), "{path}");
        let long = raw(path, FORM, format!("token={}", "a".repeat(16 * 1024))).header("Authorization", stage.header());
        assert_eq!(error(&client.ask(&long)), refused(413), "{path}");
        // A body without the parameter `token`, or with an empty one, is refused.
        for body in ["", "token=", "token", "tokens=x", "Token=x", "a=b"] {
            let request = raw(path, FORM, body).header("Authorization", stage.header());
            assert_eq!(error(&client.ask(&request)), refused(400), "{path} {body}");
        }
        // The caller is judged first.
        let stranger = raw(path, FORM, "").header("Authorization", "Basic YTpi");
        assert_eq!(error(&client.ask(&stranger)), (401, "invalid_client".to_owned()), "{path}");
    }
    assert_eq!(client.check(&token), 200);
    let charset = raw("/introspect/", "Application/X-WWW-Form-Urlencoded ; charset=UTF-8", format!("token={token}"));
    assert_eq!(members(&client.ask(&charset.header("Authorization", stage.header())))["active"], true);
}

#[test]
fn a_body_that_does_not_arrive_is_408() {
    let stage = Stage::set(Backend::Sqlite);
    let mut http = Setup::default().http;
    http.options.read_timeout = Duration::from_millis(100);
    let hasty = stage.app.beside(http);
    for path in PATHS {
        let mut client = hasty.client();
        let content_type = if path == "/check/" { "application/json" } else { FORM };
        let mut request = raw(path, content_type, "x".repeat(100)).header("Authorization", stage.header());
        request.framing = Framing::Length;
        let bytes = request.to_bytes();
        client.wire.send(&bytes[..bytes.len() - 50]).expect("half a request is sent");
        let reply = client.wire.receive("POST").expect("a reply");
        assert_eq!(reply.status, 408, "{path}: {}", reply.text());
    }
}
