//! The yardsticks that serve, as children: a reply that is always the same, to everybody or to
//! whoever proves something in another way.

use std::net::SocketAddr;

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::{App, HttpMessage as _, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use jsonwebtoken::{DecodingKey, Validation};
use knoxide::config::HttpSettings;

use super::{ANY, PATH};
use crate::Fallible;
use crate::child::{answer, end_with_parent};
use crate::population::{Claims, JWT_SECRET};

/// A reply that is always the same.
#[derive(Clone)]
struct Fixed {
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Fixed {
    fn new(body: String, headers: &[String]) -> Fallible<Self> {
        let parse = |header: &String| -> Fallible<_> {
            let (name, value) = header.split_once(": ").ok_or("a header without a value")?;
            Ok((HeaderName::try_from(name)?, HeaderValue::try_from(value)?))
        };
        Ok(Self { body: Bytes::from(body), headers: headers.iter().map(parse).collect::<Fallible<_>>()? })
    }

    fn reply(&self) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response.body(self.body.clone())
    }
}

/// Serves a fixed reply: the least that any check over HTTP can cost.
pub(crate) fn bare(body: String, headers: &[String]) -> Fallible<()> {
    let fixed = Fixed::new(body, headers)?;
    let server = HttpServer::new(move || {
        let get = web::get().to(|fixed: web::Data<Fixed>| std::future::ready(fixed.reply()));
        App::new().app_data(web::Data::new(fixed.clone())).route(PATH, get)
    });
    let server = server.workers(workers()).bind(ANY)?;
    let addresses = server.addrs();
    serve(server.run(), &addresses)
}

/// Serves a fixed reply to whoever has logged in: a sealed cookie, which nobody can revoke.
pub(crate) fn identity(body: String, headers: &[String]) -> Fallible<()> {
    let fixed = Fixed::new(body, headers)?;
    let key = Key::generate();
    let server = HttpServer::new(move || {
        let session = SessionMiddleware::builder(CookieSessionStore::default(), key.clone()).cookie_secure(false);
        App::new()
            .wrap(IdentityMiddleware::default())
            .wrap(session.build())
            .app_data(web::Data::new(fixed.clone()))
            .route("/login", web::post().to(log_in))
            .route(PATH, web::get().to(who_am_i))
    });
    let server = server.workers(workers()).bind(ANY)?;
    let addresses = server.addrs();
    serve(server.run(), &addresses)
}

async fn log_in(request: HttpRequest) -> HttpResponse {
    match Identity::login(&request.extensions(), "alice".to_owned()) {
        Ok(_) => HttpResponse::Ok().finish(),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

async fn who_am_i(who: Identity, fixed: web::Data<Fixed>) -> HttpResponse {
    if who.id().is_ok_and(|name| name == "alice") { fixed.reply() } else { HttpResponse::Unauthorized().finish() }
}

/// What is needed to verify a JWT.
struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

/// Serves a fixed reply to whoever has a JWT that is signed and not over. Nobody can revoke it.
pub(crate) fn hs256(body: String, headers: &[String]) -> Fallible<()> {
    let fixed = Fixed::new(body, headers)?;
    let verifier = Verifier { key: DecodingKey::from_secret(JWT_SECRET), validation: Validation::default() };
    let verifier = web::Data::new(verifier);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(fixed.clone()))
            .app_data(verifier.clone())
            .route(PATH, web::get().to(who_signed))
    });
    let server = server.workers(workers()).bind(ANY)?;
    let addresses = server.addrs();
    serve(server.run(), &addresses)
}

async fn who_signed(request: HttpRequest, verifier: web::Data<Verifier>, fixed: web::Data<Fixed>) -> HttpResponse {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer "));
    let claims = token.map(|token| jsonwebtoken::decode::<Claims>(token, &verifier.key, &verifier.validation));
    match claims {
        Some(Ok(signed)) if signed.claims.token_type == "access" && signed.claims.user_id > 0 => fixed.reply(),
        Some(_) | None => HttpResponse::Unauthorized().finish(),
    }
}

/// Serves on as many threads as Knoxide would.
pub(super) fn workers() -> usize {
    HttpSettings::default().workers
}

pub(super) fn serve(server: actix_web::dev::Server, addresses: &[SocketAddr]) -> Fallible<()> {
    end_with_parent();
    answer(&addresses.first().ok_or("no address")?.to_string())?;
    Ok(actix_web::rt::System::new().block_on(server)?)
}
