//! The yardsticks that serve, as children: a constant reply, to every client or to those that prove themselves in
//! another way.

use std::net::SocketAddr;

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpMessage as _, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use knoxide::config::HttpSettings;

use super::{ANY, PATH};
use crate::Fallible;
use crate::child::{answer, end_with_parent};

/// A constant reply.
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

/// Serves a constant reply: the lowest cost that any check over HTTP can have.
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

/// Serves a constant reply to logged-in clients, with a sealed cookie that cannot be revoked.
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

/// Serves on as many threads as Knoxide would.
fn workers() -> usize {
    HttpSettings::default().workers
}

fn serve(server: actix_web::dev::Server, addresses: &[SocketAddr]) -> Fallible<()> {
    end_with_parent();
    answer(&addresses.first().ok_or("no address")?.to_string())?;
    Ok(actix_web::rt::System::new().block_on(server)?)
}
