//! Extractors for handlers: who is asking.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::guard::{Guard, Outcome};
use crate::session::Verified;

/// The verified user and session of this request.
///
/// Behind [`TokenAuth`](super::guard::TokenAuth) it is what the middleware found; without it,
/// the extractor asks the [`Guard`] in the application's data itself. A request without a good token is
/// answered with 401 before the handler runs, and with 503 when nothing can be said.
#[derive(Debug, Clone)]
pub struct Authenticated(pub Verified);

/// Like [`Authenticated`], but a request that presents no credentials at all is let through
/// as `None`. A token that is not good is still refused, and an outage is still 503.
#[derive(Debug, Clone)]
pub struct MaybeAuthenticated(pub Option<Verified>);

impl FromRequest for Authenticated {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match resolve(&request).await? {
                Outcome::Verified(verified) => Ok(Self(verified)),
                Outcome::Anonymous(refusal) | Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
    }
}

impl FromRequest for MaybeAuthenticated {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match resolve(&request).await? {
                Outcome::Verified(verified) => Ok(Self(Some(verified))),
                Outcome::Anonymous(_) => Ok(Self(None)),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
    }
}

/// What the middleware found, or else what the guard in the application's data finds.
async fn resolve(request: &HttpRequest) -> Result<Outcome, actix_web::Error> {
    if let Some(verified) = request.extensions().get::<Verified>() {
        return Ok(Outcome::Verified(verified.clone()));
    }
    let Some(guard) = request.app_data::<actix_web::web::Data<Guard>>().cloned() else {
        log::error!("a handler asks who is asking, but neither TokenAuth nor a Guard is there to tell");
        return Err(actix_web::error::ErrorInternalServerError("authentication is not set up"));
    };
    Ok(guard.check(request).await)
}
