//! The middleware in an application, with the wording of each dialect (`docs/contract.md#the-authorization-header`):
//! that of this library, and that of the crate `knoxide-remote`, which asks the server. The server does not tell it the
//! reasons of refusals.

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

/// Status, challenge and body.
type Answer = (u16, Option<String>, String);

/// The answers of an application with this route to requests with each of these headers.
async fn answers(configure: impl FnOnce(&mut web::ServiceConfig), headers: &[&str]) -> Vec<Answer> {
    let service = init_service(Application::new().configure(configure)).await;
    let mut answers = Vec::new();
    for header in headers {
        let mut request = TestRequest::get().uri("/");
        if !header.is_empty() {
            request = request.insert_header(("Authorization", *header));
        }
        let response = call_service(&service, request.to_request()).await;
        let status = response.status().as_u16();
        let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().expect("ASCII").to_owned());
        let body = String::from_utf8(read_body(response).await.to_vec()).expect("UTF-8");
        answers.push((status, challenge, body));
    }
    answers
}

/// Sends a request with each header to an application with either middleware, and compares status, challenge and body.
/// Each case's last body is that of the remote middleware.
async fn compare_reasons(app: &App, dialect: Dialect, cases: &[(&str, u16, &str, &str)], challenge: &str) {
    let headers: Vec<_> = cases.iter().map(|(header, ..)| *header).collect();
    let own = TokenAuth::new(app.auth.clone()).dialect(dialect);
    let route = web::resource("/").wrap(own).get(whoami);
    let own = answers(move |config| _ = config.service(route), &headers).await;
    let remote = knoxide_remote::TokenAuth::new(crate::remote::stage::remote(app))
        .dialect(knoxide_remote::Dialect::from_name(dialect.as_str()).expect("the same dialects"));
    let route = web::resource("/").wrap(remote).get(crate::remote::stage::whoami);
    let remote = answers(move |config| _ = config.service(route), &headers).await;
    for (((header, status, body, remote_body), own), remote) in cases.iter().zip(own).zip(remote) {
        let expected = |body: &str| (*status, (*status == 401).then(|| challenge.to_owned()), body.to_owned());
        assert_eq!(own, expected(body), "{dialect:?} {header}");
        assert_eq!(remote, expected(remote_body), "{dialect:?} {header}");
    }
}

/// The same, where both middlewares give the same body.
async fn compare(app: &App, dialect: Dialect, cases: &[(&str, u16, &str)], challenge: &str) {
    let cases: Vec<_> = cases.iter().map(|(header, status, body)| (*header, *status, *body, *body)).collect();
    compare_reasons(app, dialect, &cases, challenge).await;
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
        (&format!("Bearer {token}"), 200, "alice"),
    ];
    compare(app, Dialect::Simplejwt, &cases, "Bearer realm=\"api\"").await;
    let (wrong, bad) = (not_valid("Token has wrong type"), not_valid("Token is invalid or expired"));
    let cases = [(&*format!("Bearer {refresh}"), 401, &*wrong, &*bad)];
    compare_reasons(app, Dialect::Simplejwt, &cases, "Bearer realm=\"api\"").await;
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
    let drf = format!("JWT {drf}");
    let bad = r#"{"detail":"Error decoding signature."}"#;
    let inactive = r#"{"detail":"User account is disabled."}"#;
    compare_reasons(app, Dialect::DrfJwt, &[(&drf, 401, inactive, bad)], "JWT realm=\"api\"").await;
    let inactive = r#"{"detail":"User is inactive","code":"user_inactive"}"#;
    let bad = concat!(
        r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":["#,
        r#"{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}"#
    );
    let simple = format!("Bearer {simple}");
    compare_reasons(app, Dialect::Simplejwt, &[(&simple, 401, inactive, bad)], "Bearer realm=\"api\"").await;
    let inactive = r#"{"detail":"User inactive or deleted."}"#;
    let bad = r#"{"detail":"Invalid token."}"#;
    compare_reasons(app, Dialect::Knox, &[(&format!("Token {knox}"), 401, inactive, bad)], "Token").await;
    // Being expired is reported before being inactive.
    app.clock.advance(std::time::Duration::from_secs(8_000_000));
    let expired = r#"{"detail":"Signature has expired."}"#;
    let bad = r#"{"detail":"Error decoding signature."}"#;
    compare_reasons(app, Dialect::DrfJwt, &[(&drf, 401, expired, bad)], "JWT realm=\"api\"").await;
}

/// Whatever the header is, both middlewares give the same answer.
#[test]
fn headers_of_all_forms_are_read_alike() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", "correct horse");
    actix_web::rt::System::new().block_on(forms(&app));
}

async fn forms(app: &App) {
    let route = |config: &mut web::ServiceConfig, dialect| {
        let guard = TokenAuth::new(app.auth.clone()).dialect(dialect).keyword("Key");
        let remote = knoxide_remote::Dialect::from_name(dialect.as_str()).expect("the same dialects");
        let remote = knoxide_remote::TokenAuth::new(crate::remote::stage::remote(app)).dialect(remote).keyword("Key");
        config.service(web::resource("/own").wrap(guard).get(whoami));
        config.service(web::resource("/remote").wrap(remote).get(crate::remote::stage::whoami));
    };
    for dialect in Dialect::ALL {
        let (token, _) = log_in(&app.auth, dialect).await;
        let service = init_service(Application::new().configure(|config| route(config, dialect))).await;
        for value in FORMS {
            let value = [value, &b"|"[..]].concat();
            let headers = String::from_utf8_lossy(&value).replace("TOKEN", &token);
            let mut seen = Vec::new();
            for path in ["/own", "/remote"] {
                let mut request = TestRequest::get().uri(path);
                for header in headers.split('|').filter(|header| !header.is_empty()) {
                    request = request.append_header(("Authorization", header.as_bytes()));
                }
                let response = call_service(&service, request.to_request()).await;
                let headers = response.headers().clone();
                let header = |name: &str| headers.get(name).map(|value| value.as_bytes().to_vec());
                let shown = ["WWW-Authenticate", "Cache-Control", "Content-Type"].map(header);
                seen.push((response.status(), shown, read_body(response).await));
            }
            let challenge = seen[0].1[0].clone().unwrap_or_default();
            let is_ok = seen[0].0 == 200;
            assert_eq!(is_ok, challenge.is_empty(), "{dialect:?} {headers}");
            assert_eq!(seen[0].0, seen[1].0, "{dialect:?} {headers}");
            assert_eq!(seen[0].2, seen[1].2, "{dialect:?} {headers}");
            assert!(is_ok || seen[0].1 == seen[1].1, "{dialect:?} {headers}: {seen:?}");
        }
    }
}

/// Values of `Authorization`, several of them separated by a bar.
const FORMS: [&[u8]; 24] = [
    b"",
    b" ",
    b"Key",
    b"Key ",
    b"\tkey\t",
    b"Token TOKEN",
    b"Bearer TOKEN",
    b"JWT TOKEN",
    b"Key TOKEN",
    b"KEY\tTOKEN",
    b"  key   TOKEN  ",
    b"Key TOKEN x",
    b"Key x",
    b"Keyx",
    b"Key: TOKEN",
    b"Key=TOKEN",
    b"TOKEN",
    b"Key \xc3\xa9",
    b"Key TOKEN,",
    b"Key \"TOKEN\"",
    b"Key TOKEN|Key TOKEN",
    b"Key|TOKEN",
    b"Basic YTpi|Key TOKEN",
    b"Key \\",
];
