//! The middleware in an application, with the wording of each dialect
//! (`docs/contract.md#the-authorization-header`).

use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App as Application, web};
use knoxide::domain::audit::{Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::user::{LoginName, Password};
use knoxide::http::middleware::extract::Authenticated;
use knoxide::http::middleware::guard::TokenAuth;
use knoxide::service::{Auth, LoginRequest};
use knoxide::store::AdminStore as _;
use knoxide::store::LastAdmin;

use crate::harness::app::{App, Backend};

async fn whoami(Authenticated(who): Authenticated) -> String {
    who.user.username.clone()
}

/// A live access token and a refresh token if the dialect has them.
async fn log_in(auth: &Auth, dialect: Dialect) -> (String, String) {
    let login = match dialect {
        Dialect::Simplejwt => LoginName::Email("alice@example.com".to_owned()),
        Dialect::Knox | Dialect::DrfJwt | Dialect::AccessToken | Dialect::Djoser => {
            LoginName::Username("alice".to_owned())
        }
    };
    let password = Password::new("correct horse".to_owned());
    let issued =
        auth.login(LoginRequest { dialect, login, password, session_name: None, origin: Origin::default() }).await;
    let issued = issued.expect("a login");
    let refresh = issued.refresh.map_or_else(String::new, |refresh| refresh.token.expose().to_owned());
    (issued.access.token.expose().to_owned(), refresh)
}

/// Sends a request with each header, and compares status, challenge and body.
async fn compare(app: &App, dialect: Dialect, cases: &[(&str, u16, &str)], challenge: &str) {
    let guard = TokenAuth::new(app.auth.clone()).dialect(dialect);
    let service = Application::new().service(web::resource("/").wrap(guard).get(whoami));
    let service = init_service(service).await;
    for (header, status, body) in cases {
        let mut request = TestRequest::get().uri("/");
        if !header.is_empty() {
            request = request.insert_header(("Authorization", *header));
        }
        let response = call_service(&service, request.to_request()).await;
        assert_eq!(response.status().as_u16(), *status, "{dialect:?} {header}");
        let challenged =
            response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().expect("ASCII").to_owned());
        assert_eq!(challenged.as_deref(), (*status == 401).then_some(challenge), "{dialect:?} {header}");
        assert_eq!(read_body(response).await, body.as_bytes(), "{dialect:?} {header}");
    }
}

const NOT_PROVIDED: &str = r#"{"detail":"Authentication credentials were not provided."}"#;

#[test]
fn each_dialect_is_refused_in_its_own_words() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", "correct horse");
    actix_web::rt::System::new().block_on(refusals(&app));
}

async fn refusals(app: &App) {
    for dialect in [Dialect::Knox, Dialect::AccessToken] {
        let (token, _) = log_in(&app.auth, dialect).await;
        let cases = [
            ("", 401, NOT_PROVIDED),
            ("Bearer x", 401, NOT_PROVIDED),
            ("Token", 401, r#"{"detail":"Invalid token header. No credentials provided."}"#),
            ("Token a b", 401, r#"{"detail":"Invalid token header. Token string should not contain spaces."}"#),
            ("Token x", 401, r#"{"detail":"Invalid token."}"#),
            (&format!("Bearer {token}"), 401, NOT_PROVIDED),
            (&format!("token {token}"), 200, "alice"),
        ];
        compare(app, dialect, &cases, "Token").await;
    }
    let (token, _) = log_in(&app.auth, Dialect::DrfJwt).await;
    let cases = [
        ("", 401, NOT_PROVIDED),
        ("Bearer x", 401, NOT_PROVIDED),
        ("JWT", 401, r#"{"detail":"Invalid Authorization header. No credentials provided."}"#),
        ("JWT a b", 401, r#"{"detail":"Invalid Authorization header. Credentials string should not contain spaces."}"#),
        ("JWT x", 401, r#"{"detail":"Error decoding signature."}"#),
        (&format!("jwt {token}"), 200, "alice"),
    ];
    compare(app, Dialect::DrfJwt, &cases, "JWT realm=\"api\"").await;
    let (token, refresh) = log_in(&app.auth, Dialect::Simplejwt).await;
    let two_values = r#"{"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}"#;
    let not_valid = |message: &str| {
        format!(
            r#"{{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{{"token_class":"AccessToken","token_type":"access","message":"{message}"}}]}}"#
        )
    };
    let cases = [
        ("", 401, NOT_PROVIDED),
        ("Token x", 401, NOT_PROVIDED),
        ("Bearer", 401, two_values),
        ("Bearer a b", 401, two_values),
        ("Bearer x", 401, &not_valid("Token is invalid or expired")),
        (&format!("Bearer {refresh}"), 401, &not_valid("Token has wrong type")),
        (&format!("Bearer {token}"), 200, "alice"),
    ];
    compare(app, Dialect::Simplejwt, &cases, "Bearer realm=\"api\"").await;
}

#[test]
fn the_state_of_the_user_and_the_token_is_told_in_the_dialects_words() {
    let app = App::start(Backend::Sqlite);
    let alice = app.add_user("alice", "correct horse");
    actix_web::rt::System::new().block_on(states(&app, alice));
}

async fn states(app: &App, alice: knoxide::domain::user::UserId) {
    let (drf, _) = log_in(&app.auth, Dialect::DrfJwt).await;
    let (simple, _) = log_in(&app.auth, Dialect::Simplejwt).await;
    let (knox, _) = log_in(&app.auth, Dialect::Knox).await;
    app.store.set_active(alice, false, LastAdmin::MayGo, &app.audit(Event::Deactivated)).expect("a write");
    let cases = [(format!("JWT {drf}"), r#"{"detail":"User account is disabled."}"#)];
    compare(app, Dialect::DrfJwt, &[(&cases[0].0, 401, cases[0].1)], "JWT realm=\"api\"").await;
    let inactive = r#"{"detail":"User is inactive","code":"user_inactive"}"#;
    compare(app, Dialect::Simplejwt, &[(&format!("Bearer {simple}"), 401, inactive)], "Bearer realm=\"api\"").await;
    let inactive = r#"{"detail":"User inactive or deleted."}"#;
    compare(app, Dialect::Knox, &[(&format!("Token {knox}"), 401, inactive)], "Token").await;
    // Expired comes before inactive.
    app.clock.advance(std::time::Duration::from_secs(8_000_000));
    let expired = r#"{"detail":"Signature has expired."}"#;
    compare(app, Dialect::DrfJwt, &[(&format!("JWT {drf}"), 401, expired)], "JWT realm=\"api\"").await;
}
