//! Extractors for handlers: the authenticated user.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture};

use crate::domain::session::Verified;
use crate::http::middleware::guard::{AuthFailure, Guard};

/// The verified user and session of this request.
///
/// Behind [`TokenAuth`](crate::http::middleware::guard::TokenAuth) it is the result of the middleware; without it,
/// the extractor itself asks the [`Guard`] in the application's data. The answer to a request without a good token
/// is 401, before the handler runs, and 503 if the check could not be made.
#[derive(Debug, Clone)]
pub struct Authenticated(pub Verified);

/// Like [`Authenticated`], but a request without any credentials gets
/// `None`. A bad token is still refused, and an outage is still 503.
#[derive(Debug, Clone)]
pub struct MaybeAuthenticated(pub Option<Verified>);

impl FromRequest for Authenticated {
    type Error = actix_web::Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, |verdict| Ok(Self(verdict?)))
    }
}

impl FromRequest for MaybeAuthenticated {
    type Error = actix_web::Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, |verdict| match verdict {
            Ok(verified) => Ok(Self(Some(verified))),
            Err(failure) if failure.is_anonymous() => Ok(Self(None)),
            Err(failure) => Err(failure.into()),
        })
    }
}

/// A running extraction: ready at once behind the middleware.
pub type Extracting<T> =
    Either<Ready<Result<T, actix_web::Error>>, LocalBoxFuture<'static, Result<T, actix_web::Error>>>;

/// The result of the middleware, or else of the guard in the application's data.
fn extract<T: 'static>(
    request: &HttpRequest,
    take: fn(Result<Verified, AuthFailure>) -> Result<T, actix_web::Error>,
) -> Extracting<T> {
    if let Some(verified) = request.extensions().get::<Verified>() {
        return Either::Left(ready(take(Ok(verified.clone()))));
    }
    let Some(guard) = request.app_data::<Data<Guard>>() else {
        log::error!("a handler needs the authenticated user, but neither TokenAuth nor a Guard is configured");
        return Either::Left(ready(Err(actix_web::error::ErrorInternalServerError(
            "authentication is not configured",
        ))));
    };
    let (guard, request) = (guard.clone(), request.clone());
    Either::Right(async move { take(guard.check(&request).await) }.boxed_local())
}
