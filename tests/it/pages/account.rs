//! The pages of users about their own account, at the public listener.

mod access;
mod acts;
mod elsewhere;
mod password;
mod places;
mod requests;

use super::*;
use crate::harness::app::{Database, Setup};
use crate::harness::wire::{Framing, Reply, Request};

const COOKIE: &str = "knoxide";
const HOME: &str = "/account/";
const SIGN_IN: &str = "/account/sign-in/";
const SIGN_OUT: &str = "/account/sign-out/";
const OTHERS: &str = "/account/sessions/end-others/";
const CHANGE: &str = "/account/password/";
const NOT_ME: &str = "/account/not-me/";
const ONE_TIME: &str = "/account/one-time/";
const NEW_PASSWORD: &str = "battery-staple-7";

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A server with the users `alice` and `bob`.
fn start(backend: Backend) -> (App, UserId) {
    start_as(backend, Setup::default())
}

fn start_as(backend: Backend, setup: Setup) -> (App, UserId) {
    let app = App::on(Database::migrated(backend), setup);
    let alice = app.add_user("alice", PASSWORD);
    app.add_user("bob", PASSWORD);
    (app, alice)
}

/// A browser in which this user has signed in.
fn signed_in(app: &App, name: &str) -> Browser {
    let mut browser = Browser::at(app.address);
    browser.extra = vec![("User-Agent".to_owned(), FIREFOX.to_owned())];
    browser.sign_in_at(HOME, name, PASSWORD);
    browser
}

/// Whether the cookie of a browser is still good.
fn is_in(browser: &mut Browser) -> bool {
    browser.open(HOME);
    browser.page.contains("Sign out")
}

/// The fields of the form for signing in.
fn credentials(browser: &Browser, name: &str, password: &str) -> Vec<(String, String)> {
    let mut fields = browser.fields(SIGN_IN);
    fields.retain(|(name, _)| !["username", "password"].contains(&name.as_str()));
    fields.extend([("username", name), ("password", password)].map(|(name, value)| (name.into(), value.into())));
    fields
}
