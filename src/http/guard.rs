//! The middleware that lets only verified requests through.

mod words;

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::ALLOW;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;

use self::words::{Complaint, Refused, Words};
use super::Mount;
use super::authorization::{self, Presented};
use super::negotiate::Style;
use super::reply::Replies;
use super::request_log::facts;
use crate::dialect::{Dialect, PerDialect};
use crate::service::{Activity, CheckError, Resolver};
use crate::session::{Refusal, Verified};

/// Asks a [`Resolver`] about the token that a request presents, and words the refusal as the
/// package of a dialect does.
#[derive(Clone)]
pub struct Guard {
    resolver: Arc<dyn Resolver + Send + Sync>,
    keywords: Arc<[Keyword]>,
    words: Words,
    activity: Activity,
}

/// A word before tokens, and whose tokens it announces.
#[derive(Debug)]
struct Keyword {
    word: String,
    dialects: Vec<Dialect>,
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
pub struct Rejection(Option<Refused>);

impl Guard {
    /// A guard for tokens of the knox dialect: `Authorization: Token <token>`.
    pub fn new(resolver: impl Resolver + Send + Sync) -> Self {
        Self::of(resolver, vec![Keyword { word: "Token".to_owned(), dialects: vec![Dialect::Knox] }], Words::Knox)
    }

    /// Takes tokens of this dialect under its usual keywords, and refuses in its words.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        let words = Mount::default_of(dialect).keywords.into_iter();
        self.keywords = words.map(|word| Keyword { word, dialects: vec![dialect] }).collect();
        self.words = Words::of(dialect);
        self
    }

    /// Takes tokens of every dialect that is switched on, each under its own keywords, and
    /// refuses in the words of the knox dialect (contract section 3).
    pub fn of_dialects(resolver: impl Resolver + Send + Sync, dialects: &PerDialect<Mount>) -> Self {
        let mut keywords: Vec<Keyword> = Vec::new();
        for dialect in Dialect::ALL {
            let mount = dialects.get(dialect);
            for word in mount.keywords.iter().filter(|_| mount.enabled) {
                match keywords.iter_mut().find(|known| known.word.eq_ignore_ascii_case(word)) {
                    Some(known) => known.dialects.push(dialect),
                    None => keywords.push(Keyword { word: word.clone(), dialects: vec![dialect] }),
                }
            }
        }
        Self::of(resolver, keywords, Words::Knox)
    }

    fn of(resolver: impl Resolver + Send + Sync, keywords: Vec<Keyword>, words: Words) -> Self {
        Self { resolver: Arc::new(resolver), keywords: keywords.into(), words, activity: Activity::Counts }
    }

    /// Takes another word before the token, compared without regard to case.
    #[must_use]
    pub fn keyword(mut self, word: &str) -> Self {
        let dialects = self.keywords.iter().flat_map(|keyword| keyword.dialects.clone()).collect();
        self.keywords = [Keyword { word: word.to_owned(), dialects }].into();
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
        let words: Vec<&str> = self.keywords.iter().map(|keyword| keyword.word.as_str()).collect();
        let presented = authorization::read(request.headers(), &words);
        let (keyword, token) = match presented {
            Presented::Token { keyword, token } => (keyword, token),
            Presented::NotProvided => {
                facts.refused("not_provided");
                return Outcome::Anonymous(self.reject(Complaint::NotProvided));
            }
            Presented::Empty { .. } | Presented::Spaces { .. } | Presented::Malformed { .. } => {
                facts.refused(Refusal::Malformed.as_str());
                return self.refuse(presented.keyword(), Complaint::of(&presented));
            }
        };
        match self.resolver.resolve(token, self.activity).await {
            Ok(verified) if self.announces(keyword, verified.session.dialect) => {
                facts.verified(&verified);
                Outcome::Verified(verified)
            }
            Ok(_) => {
                facts.refused("wrong_keyword");
                self.refuse(Some(keyword), Complaint::Bad(Refusal::Unknown))
            }
            Err(CheckError::Refused(refusal)) => {
                facts.refused(refusal.as_str());
                self.refuse(Some(keyword), Complaint::Bad(refusal))
            }
            Err(CheckError::Unavailable(error)) => {
                facts.refused("unavailable");
                log::warn!("a check could not be answered: {error}");
                Outcome::Refused(Rejection(None))
            }
        }
    }

    fn announces(&self, keyword: usize, dialect: Dialect) -> bool {
        self.keywords.get(keyword).is_some_and(|keyword| keyword.dialects.contains(&dialect))
    }

    /// What comes under the keyword of a dialect that has other words, and is not good, is no
    /// credential at all, as for the package whose words these are.
    fn refuse(&self, keyword: Option<usize>, complaint: Complaint) -> Outcome {
        let dialects = keyword.and_then(|index| self.keywords.get(index)).map(|keyword| &keyword.dialects);
        let speaks = |dialect: &Dialect| Words::of(*dialect) == self.words;
        if dialects.is_none_or(|dialects| dialects.iter().any(speaks)) {
            Outcome::Refused(self.reject(complaint))
        } else {
            Outcome::Refused(self.reject(Complaint::NotProvided))
        }
    }

    fn reject(&self, complaint: Complaint) -> Rejection {
        let word = self.keywords.first().map_or("Token", |keyword| keyword.word.as_str());
        Rejection(Some(self.words.refuse(complaint, word)))
    }
}

impl Rejection {
    /// The reply, written as the other replies of an endpoint.
    pub fn reply(&self, replies: &Replies) -> HttpResponse {
        match &self.0 {
            Some(Refused { body, challenge }) => replies.unauthorized(challenge, body),
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

    /// Takes tokens of this dialect under its usual keywords, and refuses in its words.
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
