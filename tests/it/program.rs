//! The program as it is shipped: its start and its end, its addresses, its settings and commands,
//! and what it never writes.

mod access;
mod administration;
mod database;
mod doctor;
mod first_start;
mod import;
mod leftovers;
mod listening;
mod memory;
mod output;
mod passwords;
mod permissions;
mod pressure;
mod requests;
mod revocation;
#[cfg(feature = "postgres")]
mod rights;
mod secrets;
mod settings;
mod stopping;

use serde_json::Value;

use crate::harness::wire::{Framing, Reply, Request};

/// A login with a JSON body.
fn login_request(name: &str, password: &str) -> Request {
    let body = serde_json::json!({ "username": name, "password": password }).to_string();
    Request::new("POST", "/auth/login/").header("Content-Type", "application/json").body(body, Framing::Length)
}

/// The token in the reply to a login.
fn token_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    token_in(&reply.text())
}

/// The token in a login's JSON.
fn token_in(json: &str) -> String {
    let body: Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("no JSON: {json}"));
    body["token"].as_str().expect("a token").to_owned()
}
