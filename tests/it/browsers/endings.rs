//! The end of a session clears its cookies, and nothing else does.

use knoxide::domain::audit::Event;
use knoxide::domain::password::one_time::OneTimePassword;
use knoxide::domain::random::SystemRandom;
use knoxide::domain::time::Clock as _;
use knoxide::store::{AdminStore as _, UserChanged};
use serde_json::json;

use super::*;
use crate::harness::app::Backend;
use crate::harness::dialects::posting;

fn ours(request: Request) -> Request {
    request.header("Origin", LISTED)
}

/// The id of the session of this cookie.
fn session_of(client: &mut Client, cookie: &Cookie) -> String {
    let user = members(&client.ask(&with("GET", "/auth/user/", &cookie.sent())));
    user["session"]["id"].as_str().expect("an id").to_owned()
}

on_each_database! {
    fn whatever_ends_the_session_of_a_cookie_clears_its_cookies(backend) {
        let app = serve(backend, setup(CookieMode::Lax));
        let client = &mut app.client();
        for speech in ALL {
            for ending in ["/auth/logout/", "/auth/logoutall/", "itself", "/api/token/blacklist/"] {
                let (access, refresh) = log_in(client, &speech);
                let reply = match ending {
                    "itself" => {
                        let path = format!("/auth/sessions/{}/", session_of(client, &access));
                        client.ask(&ours(with("DELETE", &path, &access.sent())))
                    }
                    "/api/token/blacklist/" => {
                        let Some(refresh) = refresh.filter(|_| speech.dialect == Dialect::Simplejwt) else { continue };
                        // The browser also sends the access token, as long as that lives.
                        client.ask(&ours(with("POST", ending, &format!("{}; {}", access.sent(), refresh.sent()))))
                    }
                    _ => client.ask(&ours(with("POST", ending, &access.sent()))),
                };
                let what = format!("{:?} {ending}", speech.dialect);
                assert_eq!(reply.status, if ending == "itself" { 204 } else { 200 }, "{what}: {}", reply.text());
                assert_eq!(cleared(&reply), all_of(&speech), "{what}");
                assert_eq!(cookies(&reply).len(), all_of(&speech).len(), "{what}");
                assert_eq!(check(client, &access), 401, "{what}");
            }
        }
    }

    fn what_ends_other_sessions_clears_nothing(backend) {
        let app = serve(backend, setup(CookieMode::Lax));
        let client = &mut app.client();
        for speech in ALL {
            let (other, _) = log_in(client, &speech);
            let (access, _) = log_in(client, &speech);
            let path = format!("/auth/sessions/{}/", session_of(client, &other));
            let reply = client.ask(&ours(with("DELETE", &path, &access.sent())));
            assert_eq!((reply.status, cookies(&reply)), (204, vec![]));
            assert_eq!(check(client, &other), 401);
            let reply = client.ask(&ours(with("DELETE", &path, &access.sent())));
            assert_eq!((reply.status, cookies(&reply)), (404, vec![]));
            let reply = client.ask(&ours(with("POST", "/auth/sessions/revoke-others/", &access.sent())));
            assert_eq!((reply.status, cookies(&reply)), (204, vec![]));
            assert_eq!(check(client, &access), 200);
            // Here the token is not in a cookie.
            let reply = speech.ask(client, "POST", "/auth/logout/", &access.value);
            assert_eq!((reply.status, cookies(&reply)), (200, vec![]));
            assert_eq!(check(client, &access), 401);
        }
    }

    fn a_password_is_changed_with_a_cookie_and_by_one_who_has_a_dead_one(backend) {
        let app = serve(backend, setup(CookieMode::Strict));
        let user = app.add_user("bertha", PASSWORD);
        let client = &mut app.client();
        let speech = ALL[0];
        let login = |client: &mut Client, password: &str| both(&speech.try_login(client, "bertha", password)).0;
        let (one, two) = (login(client, PASSWORD), login(client, PASSWORD));
        let change = json!({ "current_password": PASSWORD, "new_password": "battery staple" });
        let asked = |cookie: &Cookie, body| posting("/auth/password/change/", body).header("Cookie", cookie.sent());
        assert_eq!(client.ask(&asked(&one, &change)).status, 403, "from nowhere");
        let reply = client.ask(&ours(asked(&one, &change)));
        // The session that changes the password is kept.
        assert_eq!((reply.status, cookies(&reply)), (204, vec![]), "{}", reply.text());
        assert_eq!((check(client, &one), check(client, &two)), (200, 401));
        // An administrator resets the password, and the browser still has the cookie.
        let made = OneTimePassword::generate(&SystemRandom, app.clock.now()).expect("random bytes");
        let audit = app.audit(Event::PasswordReset);
        assert_eq!(app.store.set_password(user, &made.stored, None, &audit), Ok(UserChanged::Done));
        assert_eq!(check(client, &one), 401);
        let reset = json!({ "username": "bertha", "current_password": made.value.expose(), "new_password": "a third phrase" });
        let reply = client.ask(&ours(asked(&one, &reset)));
        assert_eq!(reply.status, 204, "{}", reply.text());
        let again = login(client, "a third phrase");
        assert_eq!(check(client, &again), 200);
    }
}

/// The cookie stays until the next login, and is refused just as its token in the header is.
#[test]
fn a_cookie_whose_token_has_expired_is_401() {
    let app = serve(Backend::Sqlite, setup(CookieMode::Lax));
    let client = &mut app.client();
    for speech in ALL.into_iter().filter(|speech| speech.dialect != Dialect::Knox) {
        let (access, _) = log_in(client, &speech);
        app.clock.advance(std::time::Duration::from_secs(access.max_age + 1));
        let reply = client.ask(&with("GET", "/auth/user/", &access.sent()));
        assert_eq!((reply.status, reply.text().as_str()), (401, r#"{"detail":"Invalid token."}"#));
        let (access, _) = log_in(client, &speech);
        assert_eq!(check(client, &access), 200);
    }
}

/// An outage is not an end: the browser keeps its cookies, and nobody is treated as anonymous.
#[test]
fn an_outage_is_503_and_clears_nothing() {
    let app = serve(Backend::Sqlite, setup(CookieMode::Lax));
    let client = &mut app.client();
    let path = std::path::PathBuf::from(app.database.url.strip_prefix("sqlite://").expect("a file"));
    let logins: Vec<_> = ALL.into_iter().map(|speech| (speech, log_in(client, &speech))).collect();
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).expect("the file is moved away");
    for (speech, (access, refresh)) in &logins {
        let sent =
            refresh.as_ref().map_or_else(|| access.sent(), |refresh| format!("{}; {}", access.sent(), refresh.sent()));
        let posts = |path: &str| ours(posting(path, &json!({})).header("Cookie", sent.clone()));
        let mut requests = vec![
            with("GET", "/auth/user/", &sent),
            ours(with("DELETE", "/auth/sessions/01920000-0000-7000-8000-000000000000/", &sent)),
            posts("/auth/logout/"),
            posts("/auth/logoutall/"),
            posts("/auth/password/change/"),
        ];
        requests.extend(speech.exchange.into_iter().flat_map(|(verify, refresh, _)| [posts(verify), posts(refresh)]));
        if speech.dialect == Dialect::Simplejwt {
            requests.push(posts("/api/token/blacklist/"));
        }
        for request in requests {
            let reply = client.ask(&request);
            assert_eq!((reply.status, cookies(&reply)), (503, vec![]), "{:?}: {request:?}", speech.dialect);
        }
    }
    std::fs::rename(&aside, &path).expect("the file is moved back");
}
