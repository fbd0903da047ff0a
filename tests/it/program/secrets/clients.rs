//! Commands and requests with secrets of registered clients, right and wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::canaries::Canaries;
use super::traffic::record;
use crate::harness::program::{Program, Running};
use crate::harness::wire::{Framing, Request};

fn introspection(body: &str) -> Request {
    let request = Request::new("POST", "/introspect/").header("Content-Type", "application/x-www-form-urlencoded");
    request.body(body.to_owned(), Framing::Length)
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// Returns everything that was printed and answered, except answers that show a new secret.
pub(super) fn use_secrets(program: &Program, server: &Running, canaries: &mut Canaries) -> Vec<u8> {
    let mut shown = Vec::new();
    let mut run = |arguments: &[&str]| {
        let done = program.run(&[&["--json"], arguments].concat());
        assert_eq!(done.code, Some(0), "{}", done.err);
        shown.extend(done.err.as_bytes());
        let answer: Value = serde_json::from_str(&done.out).expect("JSON");
        match answer["secret"].as_str() {
            Some(secret) => canaries.issued(secret),
            None => shown.extend(done.out.as_bytes()),
        }
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        (text("id"), text("secret"))
    };
    let (id, first) = run(&["client", "add", "shop"]);
    let (_, second) = run(&["client", "rotate", &id]);
    run(&["client", "list"]);
    let mut ask = |request: &Request| {
        let reply = server.wire().ask(request).expect("a reply");
        shown.extend(record(&reply));
        reply.status
    };
    let (wrong, token) = (canaries.token(), canaries.token());
    for (secret, status) in [(&first, 200), (&second, 200), (&wrong, 401)] {
        let body = format!("token={token}");
        assert_eq!(ask(&introspection(&body).header("Authorization", basic(&id, secret))), status);
        assert_eq!(ask(&introspection(&format!("{body}&client_id={id}&client_secret={secret}"))), status);
        for header in [basic(secret, &id), format!("Basic {secret}"), format!("Bearer {secret}"), secret.clone()] {
            ask(&introspection(&body).header("Authorization", header));
        }
        for odd in [
            format!("token={secret}"),
            format!("client_secret={secret}"),
            format!("{body}&client_id={secret}&client_secret={secret}&client_secret={secret}"),
            format!("{body}&{secret}={secret}&client_secret=%{secret}"),
            secret.clone(),
        ] {
            ask(&introspection(&odd));
        }
        for path in ["/introspect/?client_secret={}", "/introspect/?token={}", "/check/?token={}", "/revoke/?token={}"]
        {
            ask(&Request::new("POST", &path.replace("{}", secret)).body("", Framing::Length));
        }
    }
    let done = program.run(&["--json", "client", "delete", &id]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(ask(&introspection("token=x").header("Authorization", basic(&id, &second))), 401);
    shown.extend(done.out.as_bytes());
    shown
}
