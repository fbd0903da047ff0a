//! Users of another system: they sign in as there, and have no password here.

use std::sync::Arc;

use knoxide::domain::user::{LoginName, Password};
use knoxide::http::pages::account::{Available, PAGES};
use knoxide::service::{Auth, ExternalUser, UserProvider, UserProviderError};

use super::*;
use crate::harness::app::{Served, on_each_database};

/// Knows `ada` with the usual password.
struct Elsewhere;

impl UserProvider for Elsewhere {
    fn verify(&self, login: &LoginName, password: &Password) -> Result<Option<ExternalUser>, UserProviderError> {
        let (LoginName::Username(name) | LoginName::Email(name)) = login;
        let known = ExternalUser { id: UserId(7), username: name.clone(), email: String::new(), is_staff: false };
        Ok((name == "ada" && password.expose() == PASSWORD).then_some(known))
    }
}

on_each_database! {
    fn users_of_another_system_sign_in_and_have_no_password_pages(backend) {
        let app = App::start(backend);
        let auth = Auth::builder(Arc::clone(&app.store)).user_provider(Elsewhere).build().expect("a service");
        let served = Served::start(auth, Setup::default().http);
        let mut browser = Browser::at(served.address);
        browser.open(HOME);
        assert!(!browser.page.contains(ONE_TIME));
        for password in ["a wrong guess", "0123456789abcdef0123456789abcdef"] {
            let reply = browser.submit(SIGN_IN, &[("username", "ada"), ("password", password)]);
            assert_eq!(reply.status, 403);
            assert!(reply.text().contains("The name or the password is wrong."), "{}", reply.text());
        }
        let token = served.client().login("ada", PASSWORD);
        browser.sign_in_at(HOME, "ada", PASSWORD);
        for page in PAGES {
            let reply = browser.send(Request::new(page.method, page.path));
            let exists = page.extra == Available::Always;
            assert_eq!(reply.status != 404, exists, "{page:?}: {}", reply.status);
        }
        browser.open(HOME);
        assert!(browser.page.contains("where you usually do"));
        for path in [CHANGE, NOT_ME, "/account/events/"] {
            assert!(!browser.page.contains(path), "{path}");
        }
        let reply = browser.submit(OTHERS, &[]);
        assert!(reply.text().contains("All other devices are signed out."));
        assert_eq!(served.client().check(&token), 401);
        assert!(is_in(&mut browser));
        browser.submit(SIGN_OUT, &[]);
        assert!(!is_in(&mut browser));
    }
}
