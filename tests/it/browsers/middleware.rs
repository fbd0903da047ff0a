//! The cookie in an application that embeds Knoxide, and at forward authentication: both read it only if configured to.

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App as Application, web};
use knoxide::http::middleware::extract::{Authenticated, MaybeAuthenticated};
use knoxide::http::middleware::guard::{Guard, TokenAuth};

use super::*;
use crate::harness::app::Backend;

async fn whoami(Authenticated(who): Authenticated) -> String {
    who.user.username.clone()
}

async fn greeting(MaybeAuthenticated(who): MaybeAuthenticated) -> String {
    who.map_or_else(|| "stranger".to_owned(), |who| who.user.username.clone())
}

/// A live cookie and a dead one of this dialect.
fn live_and_dead(app: &App, speech: &Speech) -> (String, String) {
    let client = &mut app.client();
    let (live, _) = log_in(client, speech);
    let (dead, _) = log_in(client, speech);
    assert_eq!(speech.ask(client, "POST", "/auth/logout/", &dead.value).status, 200);
    (live.sent(), dead.sent())
}

async fn ask<S, B>(service: &S, path: &str, method: &str, headers: &[(&'static str, String)]) -> (u16, String)
where
    S: actix_web::dev::Service<
            actix_http::Request,
            Response = actix_web::dev::ServiceResponse<B>,
            Error = actix_web::Error,
        >,
    B: actix_web::body::MessageBody,
{
    let mut request = TestRequest::default().method(method.parse().expect("a method")).uri(path);
    for (name, value) in headers {
        request = request.append_header((*name, value.clone()));
    }
    let response = call_service(service, request.to_request()).await;
    let status = response.status().as_u16();
    (status, String::from_utf8_lossy(&read_body(response).await).into_owned())
}

#[test]
fn an_application_reads_the_cookie_only_if_it_is_told_to() {
    let app = serve(Backend::Sqlite, setup(CookieMode::Lax));
    actix_web::rt::System::new().block_on(async {
        for speech in ALL {
            let (live, dead) = live_and_dead(&app, &speech);
            let origins = || LISTED.parse().expect("origins");
            let strict = TokenAuth::new(app.auth.clone()).cookie(origins()).dialect(speech.dialect);
            let plain = TokenAuth::new(app.auth.clone()).dialect(speech.dialect);
            let guard = Guard::new(app.auth.clone()).dialect(speech.dialect).cookie(origins());
            let service = init_service(
                Application::new()
                    .app_data(web::Data::new(guard))
                    .service(web::resource("/strict").wrap(strict).to(whoami))
                    .service(web::resource("/plain").wrap(plain).to(whoami))
                    .route("/greeting", web::to(greeting)),
            )
            .await;
            let header = format!("{} {}", speech.keyword, live.split_once('=').expect("a value").1);
            let cookie = |value: &str| vec![("Cookie", value.to_owned())];
            let origin = |value: &str, origin: &str| vec![("Cookie", value.to_owned()), ("Origin", origin.to_owned())];
            let both = vec![("Cookie", live.clone()), ("Authorization", header.clone())];
            let other = if speech.dialect == Dialect::Knox { "__Host-djoser" } else { "__Host-knox" };
            let renamed = format!("{other}={}", live.split_once('=').expect("a value").1);
            let cases = [
                ("/strict", "GET", cookie(&live), 200),
                ("/strict", "GET", cookie(&dead), 401),
                ("/strict", "GET", cookie(&renamed), 401),
                ("/strict", "GET", vec![], 401),
                ("/strict", "POST", cookie(&live), 403),
                ("/strict", "POST", origin(&live, "https://evil.example"), 403),
                ("/strict", "POST", origin(&live, LISTED), 200),
                ("/strict", "POST", vec![("Authorization", header.clone())], 200),
                ("/strict", "GET", both.clone(), 400),
                ("/strict", "GET", cookie(&format!("{live}; {live}")), 400),
                ("/plain", "GET", cookie(&live), 401),
                ("/plain", "POST", both, 200),
                ("/greeting", "GET", cookie(&live), 200),
                ("/greeting", "GET", cookie(&dead), 200),
                ("/greeting", "POST", cookie(&live), 403),
                ("/greeting", "POST", cookie(&dead), 403),
                ("/greeting", "GET", vec![("Authorization", format!("{} x", speech.keyword))], 401),
            ];
            for (path, method, headers, expected) in cases {
                let (status, body) = ask(&service, path, method, &headers).await;
                let what = format!("{:?}: {method} {path} {headers:?}", speech.dialect);
                assert_eq!(status, expected, "{what}: {body}");
                if status == 200 {
                    // A request with a dead cookie counts as anonymous, since the browser keeps sending the cookie.
                    let is_known = headers != cookie(&dead);
                    assert_eq!(body, if is_known { "alice" } else { "stranger" }, "{what}");
                }
            }
        }
    });
}

#[test]
fn a_proxy_asks_with_the_cookie_that_a_login_sets() {
    for speech in ALL {
        let mut setup = setup(CookieMode::Lax);
        setup.http.options.proxies = "127.0.0.1".parse().expect("proxies");
        let without = App::on(Database::migrated(Backend::Sqlite), setup);
        without.add_user("alice", PASSWORD);
        let mut told = self::setup(CookieMode::Lax).http;
        told.options.proxies = "127.0.0.1".parse().expect("proxies");
        told.options.forward_auth.cookie = Some(format!("__Host-{}", speech.dialect.as_str()).parse().expect("a name"));
        let with = without.beside(told);
        let (access, _) = log_in(&mut without.client(), &speech);
        let asked = |value: &str| {
            let cookie = format!("{}={value}", access.name);
            Request::new("GET", "/forward-auth/nginx/").header("X-Forwarded-Method", "GET").header("Cookie", cookie)
        };
        let reply = with.client().ask(&asked(&access.value));
        assert_eq!(reply.status, 200, "{:?}", speech.dialect);
        assert_eq!(reply.header("remote-token-from").as_deref(), Some("cookie"));
        assert_eq!(without.client().ask(&asked(&access.value)).status, 401, "not told to");
        // The cookie contains only tokens of its own dialect.
        for other in ALL {
            let (foreign, _) = log_in(&mut without.client(), &other);
            let expected = if other.dialect == speech.dialect { 200 } else { 401 };
            assert_eq!(with.client().ask(&asked(&foreign.value)).status, expected, "{:?}", other.dialect);
        }
    }
}
