//! Applications with either middleware or extractor, one for each dialect.

use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App as Application, HttpResponse, web};
use knoxide::domain::dialect::Dialect;
use knoxide::http::middleware::extract::Authenticated;
use knoxide::http::middleware::guard::{Guard, TokenAuth};

use super::Scene;
use super::asking::Said;
use super::states::Presented;

/// An origin whose pages may use the cookie.
const ORIGIN: &str = "https://app.example.com";

/// Serves this configuration for each token, for the dialect that it is presented as, and sends a request with this
/// header.
fn answers<C: FnOnce(&mut web::ServiceConfig)>(
    tokens: &[Presented],
    configure: impl Fn(Dialect) -> C,
    header: impl Fn(&Presented) -> (&'static str, String),
) -> Vec<Said> {
    System::new().block_on(async {
        let mut said = Vec::new();
        for token in tokens {
            let service = init_service(Application::new().configure(configure(token.state.dialect()))).await;
            let request = TestRequest::get().uri("/").insert_header(header(token)).to_request();
            let response = call_service(&service, request).await;
            let status = response.status().as_u16();
            let body = String::from_utf8_lossy(&read_body(response).await).into_owned();
            said.push(Said::of_status(status, &body));
        }
        said
    })
}

fn in_header(token: &Presented) -> (&'static str, String) {
    ("Authorization", token.authorization())
}

fn in_cookie(token: &Presented) -> (&'static str, String) {
    ("Cookie", token.cookie())
}

/// Behind the middleware, which has verified the request, nothing is checked again.
async fn reached() -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn extracted(_: Authenticated) -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn extracted_remotely(_: knoxide_remote::Authenticated) -> HttpResponse {
    HttpResponse::Ok().finish()
}

pub(super) fn middleware(scene: &Scene, tokens: &[Presented]) -> Vec<Said> {
    let configure = |dialect| {
        let auth = TokenAuth::new(scene.stage.app.auth.clone()).dialect(dialect);
        move |config: &mut web::ServiceConfig| _ = config.service(web::resource("/").wrap(auth).get(reached))
    };
    answers(tokens, configure, in_header)
}

pub(super) fn middleware_by_cookie(scene: &Scene, tokens: &[Presented]) -> Vec<Said> {
    let configure = |dialect| {
        let origins = ORIGIN.parse().expect("origins");
        let auth = TokenAuth::new(scene.stage.app.auth.clone()).cookie(origins).dialect(dialect);
        move |config: &mut web::ServiceConfig| _ = config.service(web::resource("/").wrap(auth).get(reached))
    };
    answers(tokens, configure, in_cookie)
}

pub(super) fn extractor(scene: &Scene, tokens: &[Presented]) -> Vec<Said> {
    let configure = |dialect| {
        let guard = web::Data::new(Guard::new(scene.stage.app.auth.clone()).dialect(dialect));
        move |config: &mut web::ServiceConfig| _ = config.app_data(guard).route("/", web::get().to(extracted))
    };
    answers(tokens, configure, in_header)
}

/// The other crate's value for the dialect.
fn remotely(dialect: Dialect) -> knoxide_remote::Dialect {
    knoxide_remote::Dialect::from_name(dialect.as_str()).expect("the same dialects")
}

pub(super) fn remote(scene: &Scene, tokens: &[Presented]) -> Vec<Said> {
    let configure = |dialect| {
        let auth = knoxide_remote::TokenAuth::new(scene.remote.clone()).dialect(remotely(dialect));
        move |config: &mut web::ServiceConfig| _ = config.service(web::resource("/").wrap(auth).get(reached))
    };
    answers(tokens, configure, in_header)
}

pub(super) fn remote_extractor(scene: &Scene, tokens: &[Presented]) -> Vec<Said> {
    let configure = |dialect| {
        let guard = knoxide_remote::Guard::new(scene.remote.clone()).dialect(remotely(dialect));
        let guard = web::Data::new(guard);
        move |config: &mut web::ServiceConfig| _ = config.app_data(guard).route("/", web::get().to(extracted_remotely))
    };
    answers(tokens, configure, in_header)
}
