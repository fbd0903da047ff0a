//! Each page, asked by everyone.

use std::time::Duration;

use knoxide::domain::session::SessionKind;
use knoxide::http::pages::admin::{Needs, PAGES};

use super::browser::location;
use super::*;
use crate::harness::admin::request;
use crate::harness::app::{Client, on_each_database};
use crate::harness::wire::Request;

const COOKIE: &str = "knoxide";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Nobody,
    /// With a user's token of a dialect as the cookie.
    User,
    /// With the token of an administrator's login at the API.
    ApiToken,
    /// With a token that was made for a script of an administrator.
    ScriptToken,
    /// Who was deactivated after signing in.
    Deactivated,
    /// Whose flag was taken away after signing in, and given back.
    Former,
    /// Who has signed out, and sends the cookie again.
    SignedOut,
    /// With the cookie that the other kind of page would have.
    OtherName,
    Admin,
}

impl Caller {
    const ALL: [Self; 9] = [
        Self::Nobody,
        Self::User,
        Self::ApiToken,
        Self::ScriptToken,
        Self::Deactivated,
        Self::Former,
        Self::SignedOut,
        Self::OtherName,
        Self::Admin,
    ];
}

/// The cookie of a new administrator who is such a caller.
fn cookie(bench: &Bench, caller: Caller, name: &str) -> Option<(&'static str, String)> {
    let id = bench.app.add_user(name, PASSWORD);
    bench.app.change(id, |admin, user| admin.set_admin(user, true));
    let signed_in = || {
        let mut browser = bench.browser();
        browser.sign_in(name, PASSWORD);
        browser
    };
    let token = |browser: &Browser| browser.cookies[COOKIE].clone();
    Some(match caller {
        Caller::Nobody => return None,
        Caller::User => (COOKIE, bench.app.client().login(name, PASSWORD)),
        Caller::ApiToken => (COOKIE, bench.api.log_in(name, PASSWORD)),
        Caller::ScriptToken => {
            let hour = Some(Duration::from_secs(3600));
            let made = bench.app.change(id, |admin, user| {
                admin.create_token(user, "script".to_owned(), hour, SessionKind::AdminScript)
            });
            (COOKIE, made.token.expose().to_owned())
        }
        Caller::Deactivated => {
            let token = token(&signed_in());
            bench.app.change(id, |admin, user| admin.set_active(user, false));
            (COOKIE, token)
        }
        Caller::Former => {
            let token = token(&signed_in());
            for is_admin in [false, true] {
                bench.app.change(id, |admin, user| admin.set_admin(user, is_admin));
            }
            (COOKIE, token)
        }
        Caller::SignedOut => {
            let mut browser = signed_in();
            let token = token(&browser);
            browser.submit("/admin/sign-out/", &[]);
            (COOKIE, token)
        }
        Caller::OtherName => ("__Host-knoxide", token(&signed_in())),
        Caller::Admin => (COOKIE, token(&signed_in())),
    })
}

on_each_database! {
    fn each_page_is_open_to_administrators_who_have_signed_in_and_to_nobody_else(backend) {
        let bench = Bench::new(backend);
        let session = bench.app.client().login("alice", PASSWORD);
        assert!(!session.is_empty());
        let session = bench.app.sessions_of(bench.alice).remove(0).to_string();
        let mut wrong = Vec::new();
        for (number, caller) in Caller::ALL.into_iter().enumerate() {
            let cookie = cookie(&bench, caller, &format!("caller{number}"));
            for page in PAGES.iter().filter(|page| page.path != "/admin/sign-out/") {
                let id = if page.path.contains("/users/") { bench.alice.to_string() } else { session.clone() };
                let mut asked = Request::new(page.method, &page.path.replace("{id}", &id));
                if page.method == "POST" {
                    asked = super::browser::form(&page.path.replace("{id}", &id), &[]).header("Origin", "http://localhost");
                }
                if let Some((name, value)) = &cookie {
                    asked = asked.header("Cookie", format!("{name}={value}"));
                }
                let reply = Client::connect(bench.api.address).ask(&asked);
                let expected = match (page.needs, page.method, caller) {
                    // Who has signed in is led on.
                    (Needs::Nothing, "GET", Caller::Admin) => 303,
                    (Needs::Nothing, "GET", _) | (_, "GET", Caller::Admin) => 200,
                    // There is no token in the form.
                    (Needs::Nothing, _, _) | (_, _, Caller::Admin) => 403,
                    (_, _, _) => 303,
                };
                let leads_to_sign_in = reply.status != 303
                    || caller == Caller::Admin
                    || location(&reply).starts_with("/admin/sign-in/");
                if reply.status != expected || !leads_to_sign_in {
                    wrong.push(format!("{page:?} by {caller:?}: {}, not {expected}", reply.status));
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(bench.app.sessions_of(bench.alice).len(), 1, "nothing was done");
    }

    fn the_cookie_is_good_at_the_pages_alone(backend) {
        let bench = Bench::new(backend);
        let browser = bench.root();
        let token = browser.cookies[COOKIE].clone();
        for path in ["/admin/api/me/", "/admin/api/users/"] {
            assert_eq!(bench.api.ask("GET", path, Some(&token), None).status, 401, "{path}");
            // The API reads no cookie.
            let asked = request("GET", path, None, None).header("Cookie", format!("{COOKIE}={token}"));
            assert_eq!(Client::connect(bench.api.address).ask(&asked).status, 401, "{path}");
        }
        for keyword in ["Token", "JWT", "Bearer"] {
            for path in ["/auth/user/", "/auth/sessions/", "/forward-auth/nginx/"] {
                let asked = Request::new("GET", path).header("Authorization", format!("{keyword} {token}"));
                assert_eq!(bench.app.client().ask(&asked).status, 401, "{keyword} {path}");
            }
        }
        let body = serde_json::json!({ "refresh": token, "token": token });
        for path in ["/api/token/refresh/", "/api/token/verify/", "/jwt/refresh/", "/jwt/verify/"] {
            let reply = bench.app.client().ask(&request("POST", path, None, Some(&body)));
            assert!(matches!(reply.status, 400 | 401), "{path}: {}", reply.status);
        }
        // It can be listed and ended as any other.
        let root = bench.api.log_in("second", PASSWORD);
        let listed = bench.api.ask("GET", "/admin/api/sessions/?dialect=admin_page", Some(&root), None);
        let listed = crate::harness::admin::json_of(&listed);
        let id = listed["results"][0]["id"].as_str().expect("a session").to_owned();
        assert_eq!(listed["results"][0]["username"], "root");
        let path = format!("/admin/api/sessions/{id}/");
        assert_eq!(bench.api.ask("DELETE", &path, Some(&root), None).status, 204);
        let mut browser = browser;
        browser.open("/admin/");
        assert!(browser.page.contains("Sign in") && !browser.page.contains("Sign out"));
    }

    fn a_session_ends_when_it_is_idle_and_after_eight_hours(backend) {
        let bench = Bench::new(backend);
        let (mut busy, mut idle) = (bench.root(), bench.root());
        let is_in = |browser: &mut Browser| {
            browser.open("/admin/keys/");
            browser.page.contains("Sign out")
        };
        // 15 minutes, and the interval at which uses are written.
        let limit = Duration::from_secs(16 * 60);
        bench.app.clock.advance(limit);
        assert!(is_in(&mut busy));
        bench.app.clock.advance(Duration::from_micros(1));
        assert!(is_in(&mut busy) && !is_in(&mut idle));
        bench.app.clock.advance(limit - Duration::from_micros(1));
        for _ in 0..27 {
            assert!(is_in(&mut busy));
            bench.app.clock.advance(limit);
        }
        assert!(is_in(&mut busy));
        bench.app.clock.advance(limit - Duration::from_micros(1));
        assert!(is_in(&mut busy));
        bench.app.clock.advance(Duration::from_micros(1));
        assert!(!is_in(&mut busy));
    }
}
