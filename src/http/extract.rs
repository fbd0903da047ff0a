//! Extractors for handlers: who is asking.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::guard::{Asked, Guard, Outcome};
use crate::service::Check;
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
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let take = |outcome| match outcome {
            Outcome::Verified(verified) => Ok(Self(verified)),
            Outcome::Anonymous(refusal) | Outcome::Refused(refusal) => Err(refusal.into()),
        };
        Extracting { state: resolve(request), take }
    }
}

impl FromRequest for MaybeAuthenticated {
    type Error = actix_web::Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let take = |outcome| match outcome {
            Outcome::Verified(verified) => Ok(Self(Some(verified))),
            Outcome::Anonymous(_) => Ok(Self(None)),
            Outcome::Refused(refusal) => Err(refusal.into()),
        };
        Extracting { state: resolve(request), take }
    }
}

/// An extraction under way: done at once behind the middleware.
pub struct Extracting<T> {
    state: State,
    take: fn(Outcome) -> Result<T, actix_web::Error>,
}

enum State {
    /// `None` once it was taken.
    Known(Option<Result<Outcome, actix_web::Error>>),
    Asking {
        check: Check,
        keyword: usize,
        guard: Data<Guard>,
        request: HttpRequest,
    },
}

impl<T> Future for Extracting<T> {
    type Output = Result<T, actix_web::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = match &mut this.state {
            State::Known(outcome) => match outcome.take() {
                Some(outcome) => outcome?,
                None => return Poll::Pending,
            },
            State::Asking { check, keyword, guard, request } => {
                let answer = ready!(Pin::new(check).poll(context));
                guard.judge(request, *keyword, answer)
            }
        };
        Poll::Ready((this.take)(outcome))
    }
}

/// What the middleware found, or else what the guard in the application's data finds.
fn resolve(request: &HttpRequest) -> State {
    if let Some(verified) = request.extensions().get::<Verified>() {
        return State::Known(Some(Ok(Outcome::Verified(verified.clone()))));
    }
    let Some(guard) = request.app_data::<Data<Guard>>() else {
        log::error!("a handler asks who is asking, but neither TokenAuth nor a Guard is there to tell");
        let error = actix_web::error::ErrorInternalServerError("authentication is not set up");
        return State::Known(Some(Err(error)));
    };
    match guard.ask(request) {
        Asked::Told(outcome) => State::Known(Some(Ok(outcome))),
        Asked::Resolver { keyword, check } => {
            State::Asking { check, keyword, guard: guard.clone(), request: request.clone() }
        }
    }
}
