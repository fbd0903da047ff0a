//! The middleware that lets only verified requests through.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::ALLOW;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use serde_json::json;

use super::authorization::{self, Presented};
use super::negotiate::Style;
use super::reply::Replies;
use super::request_log::facts;
use crate::service::{Activity, CheckError, Resolver};
use crate::session::{Refusal, Verified};

/// Asks a [`Resolver`] about the token that a request presents, and words the refusal as
/// django-rest-knox does (contract, section 3).
#[derive(Clone)]
pub struct Guard {
    resolver: Arc<dyn Resolver + Send + Sync>,
    keyword: Arc<str>,
    activity: Activity,
}

/// What a request's credentials turned out to be.
pub enum Outcome {
    /// A good token.
    Verified(Verified),
    /// No credentials of ours at all; with the reply for those who need some.
    Anonymous(Rejection),
    /// A bad token, or nothing can be said; with the reply.
    Refused(Rejection),
}

/// A 401 or 503, ready to be sent.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// What is said with the 401, and the challenge that goes with it; `None` is the 503.
    refusal: Option<(&'static str, Arc<str>)>,
}

impl Guard {
    /// A guard that takes `Authorization: Token <token>`.
    pub fn new(resolver: impl Resolver + Send + Sync) -> Self {
        Self { resolver: Arc::new(resolver), keyword: "Token".into(), activity: Activity::Counts }
    }

    /// Takes another word than `Token`, compared without regard to case.
    #[must_use]
    pub fn keyword(mut self, keyword: &str) -> Self {
        self.keyword = keyword.into();
        self
    }

    /// Checks without counting as use of the session.
    #[must_use]
    pub fn without_activity(mut self) -> Self {
        self.activity = Activity::Ignored;
        self
    }

    /// Checks what `request` presents.
    pub async fn check(&self, request: &HttpRequest) -> Outcome {
        let facts = facts(request);
        let token = match authorization::read(request.headers(), &[&self.keyword]) {
            Presented::Token { token, .. } => token,
            other @ (Presented::NotProvided | Presented::Empty | Presented::Spaces | Presented::Malformed) => {
                let rejection = self.rejection(other.refusal().unwrap_or(authorization::INVALID_TOKEN));
                if matches!(other, Presented::NotProvided) {
                    facts.refused("not_provided");
                    return Outcome::Anonymous(rejection);
                }
                facts.refused(Refusal::Malformed.as_str());
                return Outcome::Refused(rejection);
            }
        };
        match self.resolver.resolve(&token, self.activity).await {
            Ok(verified) => {
                facts.verified(&verified);
                Outcome::Verified(verified)
            }
            Err(CheckError::Refused(refusal)) => {
                facts.refused(refusal.as_str());
                let detail = match refusal {
                    Refusal::InactiveUser => "User inactive or deleted.",
                    Refusal::Malformed
                    | Refusal::Unknown
                    | Refusal::Expired
                    | Refusal::SessionEnded
                    | Refusal::OldEpoch
                    | Refusal::Idle
                    | Refusal::WrongKind => authorization::INVALID_TOKEN,
                };
                Outcome::Refused(self.rejection(detail))
            }
            Err(CheckError::Unavailable(error)) => {
                facts.refused("unavailable");
                log::warn!("a check could not be answered: {error}");
                Outcome::Refused(Rejection { refusal: None })
            }
        }
    }

    fn rejection(&self, detail: &'static str) -> Rejection {
        Rejection { refusal: Some((detail, Arc::clone(&self.keyword))) }
    }
}

impl Rejection {
    /// The reply, written as the other replies of an endpoint.
    pub fn reply(&self, replies: &Replies) -> HttpResponse {
        match &self.refusal {
            Some((detail, challenge)) => replies.unauthorized(challenge, &json!({ "detail": detail })),
            None => replies.unavailable(),
        }
    }

    /// The reply outside of an endpoint of ours, which has no `Allow` header to tell of.
    pub fn response(&self) -> HttpResponse {
        let mut response = self.reply(&Replies::new(Style::COMPACT, String::new(), true));
        response.headers_mut().remove(ALLOW);
        response
    }
}

impl From<Rejection> for actix_web::Error {
    fn from(rejection: Rejection) -> Self {
        actix_web::error::InternalError::from_response("not authenticated", rejection.response()).into()
    }
}

/// Middleware that answers requests without a good token itself, and hands the others on with
/// their [`Verified`] in the request's extensions, where
/// [`Authenticated`](super::extract::Authenticated) finds it.
#[derive(Clone)]
pub struct TokenAuth {
    guard: Guard,
}

impl TokenAuth {
    /// Protects with `Authorization: Token <token>`, checked by `resolver`.
    pub fn new(resolver: impl Resolver + Send + Sync) -> Self {
        Self { guard: Guard::new(resolver) }
    }

    /// Takes another word than `Token`, compared without regard to case.
    #[must_use]
    pub fn keyword(self, keyword: &str) -> Self {
        Self { guard: self.guard.keyword(keyword) }
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
        ready(Ok(TokenAuthService { guard: self.guard.clone(), service: Rc::new(service) }))
    }
}

/// The service that [`TokenAuth`] wraps around a route, scope or application.
pub struct TokenAuthService<S> {
    guard: Guard,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for TokenAuthService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (guard, service) = (self.guard.clone(), Rc::clone(&self.service));
        Box::pin(async move {
            match guard.check(request.request()).await {
                Outcome::Verified(verified) => {
                    request.extensions_mut().insert(verified);
                    service.call(request).await.map(ServiceResponse::map_into_left_body)
                }
                Outcome::Anonymous(rejection) | Outcome::Refused(rejection) => {
                    Ok(request.into_response(rejection.response()).map_into_right_body())
                }
            }
        })
    }
}
