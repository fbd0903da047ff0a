//! What every application with a client has to do: identify the owner of a live token, refuse all other tokens at once,
//! and report an outage as an outage.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::site::Site;
use super::{Knoxide, USER};
use crate::harness::wire::Reply;

/// Longer than a server takes to notice that its database is back.
const PATIENCE: Duration = Duration::from_secs(30);

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("no JSON: {}", reply.text()))
}

fn expect_owner(site: &Site, token: &str) {
    let reply = site.get(&[&format!("Token {token}")]);
    assert_eq!((reply.status, body(&reply)), (200, json!({ "owner": USER })), "{}", site.log());
}

fn expect_refusal(site: &Site, headers: &[&str], detail: &str) {
    let reply = site.get(headers);
    assert_eq!((reply.status, body(&reply)), (401, json!({ "detail": detail })), "{headers:?}: {}", site.log());
    assert_eq!(reply.header("WWW-Authenticate").as_deref(), Some("Token"));
}

/// Live and dead tokens, while Knoxide runs.
pub(super) fn tokens(site: &Site, knoxide: &Knoxide) {
    let none = "Authentication credentials were not provided.";
    expect_refusal(site, &[], none);
    expect_refusal(site, &["Bearer a"], none);
    expect_refusal(site, &["Token"], "Invalid token header. No credentials provided.");
    let spaces = "Invalid token header. Token string should not contain spaces.";
    expect_refusal(site, &["Token a b"], spaces);
    let (token, other) = (knoxide.login(), knoxide.login());
    let header = format!("Token {token}");
    expect_refusal(site, &[&header, &header], spaces);
    expect_owner(site, &token);
    expect_owner(site, &token);
    knoxide.logout(&token);
    expect_refusal(site, &[&header], "Invalid token.");
    expect_owner(site, &other);
}

fn expect_outage(site: &Site, token: &str) {
    let reply = site.get(&[&format!("Token {token}")]);
    let detail = json!({ "detail": "Service temporarily unavailable, try again later." });
    assert_eq!((reply.status, body(&reply)), (503, detail), "{}", site.log());
    assert_eq!(reply.header("Retry-After").as_deref(), Some("1"));
    assert_eq!(reply.header("WWW-Authenticate"), None);
}

/// While Knoxide runs without its database, which is a file of SQLite, no token is refused.
pub(super) fn without_database(site: &Site, knoxide: &Knoxide) {
    let token = knoxide.login();
    let file = knoxide.program.folder().join("knoxide.db");
    let aside = file.with_extension("aside");
    fs::rename(&file, &aside).expect("the file is moved away");
    expect_outage(site, &token);
    expect_outage(site, "unknown");
    fs::rename(&aside, &file).expect("the file is back");
    // A thread that found no database waits for a moment before it tries again.
    let back = Instant::now();
    while site.get(&[&format!("Token {token}")]).status == 503 {
        assert!(back.elapsed() < PATIENCE, "nothing is answered again: {}", site.log());
    }
    expect_owner(site, &token);
    expect_refusal(site, &["Token unknown"], "Invalid token.");
}

/// While Knoxide is down, no token is refused.
pub(super) fn outage(site: &Site, knoxide: &mut Knoxide) {
    let token = knoxide.login();
    expect_owner(site, &token);
    knoxide.stop();
    expect_outage(site, &token);
    expect_outage(site, "unknown");
    expect_refusal(site, &[], "Authentication credentials were not provided.");
}

/// The same, after which Knoxide returns: no session was lost. For applications that connect over the Unix socket.
pub(super) fn outage_and_return(site: &Site, knoxide: &mut Knoxide) {
    let token = knoxide.login();
    outage(site, knoxide);
    knoxide.start_again();
    expect_owner(site, &token);
    // What the client logs about the outage contains no secret.
    let log = site.log();
    assert!(log.contains("could not be checked"), "{log}");
    assert!(!log.contains(&token) && !log.contains(&knoxide.secret), "{log}");
}
