//! Each page, asked by everyone; and what the cookie is good for.

use std::time::Duration;

use knoxide::domain::session::SessionKind;
use knoxide::http::pages::account::{Needs, PAGES};
use knoxide::service::admin::Admin;

use super::super::browser::{form, location};
use super::*;
use crate::harness::admin::{json_of, request};
use crate::harness::app::{Client, on_each_database};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Nobody,
    /// With the token of a dialect as the cookie.
    DialectToken,
    /// With a token of the administration API.
    AdminToken,
    /// With a token that was made for a script of an administrator.
    ScriptToken,
    /// With the cookie of the pages of administrators.
    AdminPage,
    /// Who was deactivated after signing in.
    Deactivated,
    /// Whose session an administrator has ended.
    Ended,
    /// Who has signed out, and sends the cookie again.
    SignedOut,
    /// With the cookie under the name that it has behind TLS.
    OtherName,
    User,
    /// An administrator has an account, too.
    Admin,
}

impl Caller {
    const ALL: [Self; 11] = [
        Self::Nobody,
        Self::DialectToken,
        Self::AdminToken,
        Self::ScriptToken,
        Self::AdminPage,
        Self::Deactivated,
        Self::Ended,
        Self::SignedOut,
        Self::OtherName,
        Self::User,
        Self::Admin,
    ];

    const fn is_known(self) -> bool {
        matches!(self, Self::User | Self::Admin)
    }
}

/// The cookie of a new user who is such a caller.
fn cookie(bench: &Bench, caller: Caller, name: &str) -> Option<(&'static str, String)> {
    let app = &bench.app;
    let id = app.add_user(name, PASSWORD);
    let make_admin = || app.change(id, |admin, user| admin.set_admin(user, true));
    let token = |browser: &Browser| browser.cookies[COOKIE].clone();
    Some(match caller {
        Caller::Nobody => return None,
        Caller::DialectToken => (COOKIE, app.client().login(name, PASSWORD)),
        Caller::AdminToken => {
            make_admin();
            (COOKIE, bench.api.log_in(name, PASSWORD))
        }
        Caller::ScriptToken => {
            make_admin();
            let hour = Some(Duration::from_secs(3600));
            let script = SessionKind::AdminScript;
            let made = app.change(id, |admin, user| admin.create_token(user, "script".to_owned(), hour, script));
            (COOKIE, made.token.expose().to_owned())
        }
        Caller::AdminPage => {
            make_admin();
            let mut browser = bench.browser();
            browser.sign_in(name, PASSWORD);
            (COOKIE, token(&browser))
        }
        Caller::Deactivated => {
            let token = token(&signed_in(app, name));
            app.change(id, |admin, user| admin.set_active(user, false));
            (COOKIE, token)
        }
        Caller::Ended => {
            let token = token(&signed_in(app, name));
            app.change(id, Admin::end_all_sessions);
            (COOKIE, token)
        }
        Caller::SignedOut => {
            let mut browser = signed_in(app, name);
            let token = token(&browser);
            browser.submit(SIGN_OUT, &[]);
            (COOKIE, token)
        }
        Caller::OtherName => ("__Host-knoxide", token(&signed_in(app, name))),
        Caller::User => (COOKIE, token(&signed_in(app, name))),
        Caller::Admin => {
            make_admin();
            (COOKIE, token(&signed_in(app, name)))
        }
    })
}

on_each_database! {
    fn each_page_is_open_to_users_who_have_signed_in_and_to_nobody_else(backend) {
        let bench = Bench::new(backend);
        bench.app.client().login("alice", PASSWORD);
        let session = bench.app.sessions_of(bench.alice).remove(0).to_string();
        let mut wrong = Vec::new();
        for (number, caller) in Caller::ALL.into_iter().enumerate() {
            let cookie = cookie(&bench, caller, &format!("caller{number}"));
            for page in PAGES {
                let path = page.path.replace("{id}", &session);
                let asked = match page.method {
                    "GET" => Request::new("GET", &path),
                    _ => form(&path, &[]).header("Origin", "http://localhost"),
                };
                let asked = cookie.iter().fold(asked, |asked, (name, value)| {
                    asked.header("Cookie", format!("{name}={value}"))
                });
                let reply = Client::connect(bench.app.address).ask(&asked);
                let expected = match (page.needs, page.method) {
                    // Who has signed in is led on.
                    (Needs::Nothing, "GET") if caller.is_known() && page.path == SIGN_IN => 303,
                    (Needs::Nothing, "GET") => 200,
                    (_, "GET") if caller.is_known() => 200,
                    // There is no token in the form.
                    (Needs::Nothing, _) => 403,
                    (_, _) if caller.is_known() => 403,
                    (_, _) => 303,
                };
                let leads_to_sign_in =
                    reply.status != 303 || caller.is_known() || location(&reply).starts_with(SIGN_IN);
                if reply.status != expected || !leads_to_sign_in {
                    wrong.push(format!("{page:?} by {caller:?}: {}, not {expected}", reply.status));
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(bench.app.sessions_of(bench.alice).len(), 1, "nothing was done");
    }

    fn the_cookie_is_good_at_these_pages_alone(backend) {
        let bench = Bench::new(backend);
        // Of an administrator, who could do much with another token.
        let mut browser = signed_in(&bench.app, "root");
        let token = browser.cookies[COOKIE].clone();
        for path in ["/admin/api/me/", "/admin/api/users/"] {
            assert_eq!(bench.api.ask("GET", path, Some(&token), None).status, 401, "{path}");
        }
        let asked = Request::new("GET", "/admin/keys/").header("Cookie", format!("{COOKIE}={token}"));
        assert_eq!(location(&Client::connect(bench.api.address).ask(&asked)), "/admin/sign-in/?next=%2Fadmin%2Fkeys%2F");
        let client = &mut bench.app.client();
        for path in ["/auth/user/", "/auth/sessions/", "/auth/events/", "/forward-auth/nginx/"] {
            for keyword in ["Token", "JWT", "Bearer"] {
                let asked = Request::new("GET", path).header("Authorization", format!("{keyword} {token}"));
                assert_eq!(client.ask(&asked).status, 401, "{keyword} {path}");
            }
            let asked = Request::new("GET", path).header("Cookie", format!("{COOKIE}={token}"));
            assert_eq!(client.ask(&asked).status, 401, "{path} reads no cookie");
        }
        let body = serde_json::json!({ "refresh": token, "token": token });
        for path in ["/api/token/refresh/", "/api/token/verify/", "/jwt/refresh/", "/jwt/verify/"] {
            let reply = client.ask(&request("POST", path, None, Some(&body)));
            assert!(matches!(reply.status, 400 | 401), "{path}: {}", reply.status);
        }
        assert!(is_in(&mut browser));
    }

    fn its_session_is_listed_and_ended_as_any_other(backend) {
        let (app, alice) = start(backend);
        let mut browser = signed_in(&app, "alice");
        let client = &mut app.client();
        let token = client.login("alice", PASSWORD);
        let listed = json_of(&client.with_token("GET", "/auth/sessions/", &token));
        let rows = listed["results"].as_array().expect("a list");
        let page = rows.iter().find(|row| row["dialect"] == "account_page").expect("the session of the page");
        assert_eq!(page["user_agent"], FIREFOX);
        let path = format!("/auth/sessions/{}/", page["id"].as_str().expect("an id"));
        assert!(is_in(&mut browser));
        assert_eq!(client.with_token("DELETE", &path, &token).status, 204);
        assert!(!is_in(&mut browser));
        assert_eq!(app.sessions_of(alice).len(), 1);
        // Logging out everywhere ends it, too.
        let mut browser = signed_in(&app, "alice");
        assert_eq!(client.logout_all(&token), 200);
        assert!(!is_in(&mut browser));
    }

    fn a_session_ends_when_it_is_idle_and_after_eight_hours(backend) {
        let (app, _) = start(backend);
        let (mut busy, mut idle) = (signed_in(&app, "alice"), signed_in(&app, "alice"));
        // 15 minutes, and the interval at which uses are written.
        let limit = Duration::from_secs(16 * 60);
        app.clock.advance(limit);
        assert!(is_in(&mut busy));
        app.clock.advance(Duration::from_micros(1));
        assert!(is_in(&mut busy) && !is_in(&mut idle));
        app.clock.advance(limit - Duration::from_micros(1));
        for _ in 0..27 {
            assert!(is_in(&mut busy));
            app.clock.advance(limit);
        }
        assert!(is_in(&mut busy));
        app.clock.advance(limit - Duration::from_micros(1));
        assert!(is_in(&mut busy));
        app.clock.advance(Duration::from_micros(1));
        assert!(!is_in(&mut busy));
    }

    fn a_user_may_have_any_number_of_them(backend) {
        let mut setup = Setup::default();
        setup.policy.token_limit = Some(1);
        // These characters would end or quote a cookie.
        setup.policy.token_prefix = "a;\"b,".to_owned();
        let (app, _) = start_as(backend, setup);
        let token = app.client().login("alice", PASSWORD);
        let mut browsers = [(); 3].map(|()| signed_in(&app, "alice"));
        assert!(browsers.iter_mut().all(is_in));
        assert_eq!(app.client().check(&token), 200, "none of them has taken its place");
    }
}
