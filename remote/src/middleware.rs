//! The middleware that passes on only verified requests.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready as wait_for};

use actix_web::HttpMessage;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use pin_project_lite::pin_project;

use crate::dialect::Dialect;
use crate::guard::{Checking, Guard};
use crate::remote::Remote;

/// Middleware that answers requests without a live token itself, and passes on the others with their
/// [`Verified`](crate::Verified) in the request's extensions, where [`Authenticated`](crate::Authenticated) finds it.
#[derive(Debug, Clone)]
pub struct TokenAuth {
    guard: Guard,
}

impl TokenAuth {
    /// Requires `Authorization: Token <token>`, checked by `remote`.
    pub fn new(remote: Remote) -> Self {
        Self { guard: Guard::new(remote) }
    }

    /// Accepts another keyword instead of `Token`, compared without regard to case.
    #[must_use]
    pub fn keyword(self, keyword: &str) -> Self {
        Self { guard: self.guard.keyword(keyword) }
    }

    /// Accepts tokens of this dialect under its usual keywords, and uses its wording for refusals.
    #[must_use]
    pub fn dialect(self, dialect: Dialect) -> Self {
        Self { guard: self.guard.dialect(dialect) }
    }
}

impl<S, B> Transform<S, ServiceRequest> for TokenAuth
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = TokenAuthService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(TokenAuthService { inner: Rc::new(Inner { guard: self.guard.clone(), service }) }))
    }
}

/// The service that [`TokenAuth`] wraps around a route, scope or application.
pub struct TokenAuthService<S> {
    inner: Rc<Inner<S>>,
}

struct Inner<S> {
    guard: Guard,
    service: S,
}

impl<S, B> Service<ServiceRequest> for TokenAuthService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Guarded<S, S::Future>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let checking = self.inner.guard.begin(request.request());
        Guarded { state: State::Checking { checking, request: Some(request), inner: Rc::clone(&self.inner) } }
    }
}

pin_project! {
    /// A request inside [`TokenAuth`].
    pub struct Guarded<S, F> {
        #[pin]
        state: State<S, F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F> {
        Checking { checking: Checking, request: Option<ServiceRequest>, inner: Rc<Inner<S>> },
        Serving { #[pin] answer: F },
    }
}

impl<S, B> Future for Guarded<S, S::Future>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let answer = match self.as_mut().project().state.project() {
                StateProjection::Checking { checking, request, inner } => {
                    let verdict = wait_for!(checking.poll(&inner.guard, context));
                    // Empty only if it is polled again after it was ready.
                    let Some(request) = request.take() else { return Poll::Pending };
                    match verdict {
                        Ok(verified) => {
                            request.extensions_mut().insert(verified);
                            inner.service.call(request)
                        }
                        Err(failure) => {
                            let response = request.into_response(failure.response());
                            return Poll::Ready(Ok(response.map_into_right_body()));
                        }
                    }
                }
                StateProjection::Serving { answer } => {
                    return answer.poll(context).map_ok(ServiceResponse::map_into_left_body);
                }
            };
            self.as_mut().project().state.set(State::Serving { answer });
        }
    }
}
