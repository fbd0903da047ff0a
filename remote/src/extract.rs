//! Extractors for handlers: the authenticated user.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::guard::{AuthFailure, Checking, Guard};
use crate::verified::Verified;

/// The user and the session of this request.
///
/// Behind [`TokenAuth`](crate::TokenAuth) it is the result of the middleware; without it, the extractor itself asks the
/// [`Guard`] in the application's data. A request without a live token is answered 401 before the handler runs, and 503
/// if the check could not be made.
#[derive(Debug, Clone)]
pub struct Authenticated(pub Verified);

/// Like [`Authenticated`], but a request without any credentials gets `None`. A bad token is still refused, and an
/// outage is still 503.
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

type Take<T> = fn(Result<Verified, AuthFailure>) -> Result<T, actix_web::Error>;

/// A running extraction, which is ready at once behind the middleware.
pub struct Extracting<T>(State<T>);

enum State<T> {
    Known(Ready<Result<T, actix_web::Error>>),
    Asking { guard: Data<Guard>, checking: Checking, take: Take<T> },
}

impl<T> Future for Extracting<T> {
    type Output = Result<T, actix_web::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Known(result) => Pin::new(result).poll(context),
            State::Asking { guard, checking, take } => checking.poll(guard, context).map(*take),
        }
    }
}

/// The result of the middleware, or else of the guard in the application's data.
fn extract<T>(request: &HttpRequest, take: Take<T>) -> Extracting<T> {
    if let Some(verified) = request.extensions().get::<Verified>() {
        return Extracting(State::Known(ready(take(Ok(verified.clone())))));
    }
    let Some(guard) = request.app_data::<Data<Guard>>() else {
        log::error!("a handler needs the authenticated user, but neither TokenAuth nor a Guard is configured");
        let error = actix_web::error::ErrorInternalServerError("authentication is not configured");
        return Extracting(State::Known(ready(Err(error))));
    };
    let checking = guard.begin(request);
    Extracting(State::Asking { guard: guard.clone(), checking, take })
}
