//! The pages: who may ask for which, what their cookie is good for, and what their forms do.

mod access;
mod account;
mod acts;
mod browser;
mod chromium;
mod cookie;
mod markup;
mod requests;
mod scale;

use knoxide::domain::user::UserId;

use self::browser::Browser;
use crate::harness::admin::AdminApi;
use crate::harness::app::{App, Backend};

/// A password that the rules accept.
const PASSWORD: &str = "correct-horse-9";

/// A server with the administrators `root` and `second` and the user `alice`.
struct Bench {
    app: App,
    api: AdminApi,
    second: UserId,
    alice: UserId,
}

impl Bench {
    fn new(backend: Backend) -> Self {
        Self::on(App::start(backend))
    }

    fn on(app: App) -> Self {
        let [root, second, alice] = ["root", "second", "alice"].map(|name| app.add_user(name, PASSWORD));
        for id in [root, second] {
            app.change(id, |admin, user| admin.set_admin(user, true));
        }
        let api = AdminApi::start(&app);
        Self { app, api, second, alice }
    }

    /// A browser at the pages of administrators.
    fn browser(&self) -> Browser {
        Browser::at(self.api.address)
    }

    /// A browser in which `root` has signed in.
    fn root(&self) -> Browser {
        let mut browser = self.browser();
        browser.sign_in("root", PASSWORD);
        browser
    }
}
