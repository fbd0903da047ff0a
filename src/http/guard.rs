//! The middleware that lets only verified requests through.

mod words;

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready as wait_for};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use pin_project_lite::pin_project;

use self::words::{Complaint, Refused, Words};
use super::Mount;
use super::authorization::{self, Presented};
use super::reply::Replies;
use super::request_log::note;
use crate::dialect::{Dialect, PerDialect};
use crate::service::{Activity, Check, CheckError, Resolver};
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

impl AsRef<str> for Keyword {
    fn as_ref(&self) -> &str {
        &self.word
    }
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

/// A check as far as it goes without waiting.
pub(super) enum Asked {
    /// There was nothing to ask the resolver about.
    Told(Outcome),
    /// The resolver is asked.
    Resolver {
        /// The keyword's place in the guard's list, for [`Guard::judge`].
        keyword: usize,
        /// The resolver's answer, once it is there.
        check: Check,
    },
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
        match self.ask(request) {
            Asked::Told(outcome) => outcome,
            Asked::Resolver { keyword, check } => self.judge(request, keyword, check.await),
        }
    }

    /// Reads what `request` presents, and asks the resolver about it if it can be a token.
    pub(super) fn ask(&self, request: &HttpRequest) -> Asked {
        let presented = authorization::read(request.headers(), &self.keywords);
        match presented {
            Presented::Token { keyword, token } => {
                Asked::Resolver { keyword, check: self.resolver.resolve(token, self.activity) }
            }
            Presented::NotProvided => {
                note(request, |facts| facts.refused("not_provided"));
                Asked::Told(Outcome::Anonymous(self.reject(Complaint::NotProvided)))
            }
            Presented::Empty { .. } | Presented::Spaces { .. } | Presented::Malformed { .. } => {
                note(request, |facts| facts.refused(Refusal::Malformed.as_str()));
                Asked::Told(self.refuse(presented.keyword(), Complaint::of(&presented)))
            }
        }
    }

    /// What the resolver's answer means for a request with this keyword.
    pub(super) fn judge(&self, request: &HttpRequest, keyword: usize, answer: Result<Verified, CheckError>) -> Outcome {
        let (reason, outcome) = match answer {
            Ok(verified) if self.announces(keyword, verified.session.dialect) => {
                note(request, |facts| facts.verified(&verified));
                return Outcome::Verified(verified);
            }
            Ok(_) => ("wrong_keyword", self.refuse(Some(keyword), Complaint::Bad(Refusal::Unknown))),
            Err(CheckError::Refused(refusal)) => {
                (refusal.as_str(), self.refuse(Some(keyword), Complaint::Bad(refusal)))
            }
            Err(CheckError::Unavailable(error)) => {
                log::warn!("a check could not be answered: {error}");
                ("unavailable", Outcome::Refused(Rejection(None)))
            }
        };
        note(request, |facts| facts.refused(reason));
        outcome
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
        self.reply(&Replies::new(None, true))
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
        let inner = Rc::new(Inner { guard: self.guard.clone(), service });
        ready(Ok(TokenAuthService { inner }))
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
        let state = match self.inner.guard.ask(request.request()) {
            Asked::Resolver { keyword, check } => {
                State::Checking { check, keyword, request: Some(request), inner: Rc::clone(&self.inner) }
            }
            Asked::Told(outcome) => self.inner.act(request, outcome),
        };
        Guarded { state }
    }
}

impl<S: Service<ServiceRequest>> Inner<S> {
    fn act(&self, request: ServiceRequest, outcome: Outcome) -> State<S, S::Future> {
        match outcome {
            Outcome::Verified(verified) => {
                request.extensions_mut().insert(verified);
                State::Serving { answer: self.service.call(request) }
            }
            Outcome::Anonymous(rejection) | Outcome::Refused(rejection) => {
                State::Refused { response: Some(request.into_response(rejection.response())) }
            }
        }
    }
}

pin_project! {
    /// A request that [`TokenAuth`] has in hand: no box of its own, since every request would pay.
    pub struct Guarded<S, F> {
        #[pin]
        state: State<S, F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F> {
        Checking { check: Check, keyword: usize, request: Option<ServiceRequest>, inner: Rc<Inner<S>> },
        Serving { #[pin] answer: F },
        Refused { response: Option<ServiceResponse> },
    }
}

impl<S, B> Future for Guarded<S, S::Future>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProjection::Checking { check, keyword, request, inner } => {
                    let answer = wait_for!(Pin::new(check).poll(context));
                    // Empty only for somebody who asks on after the answer.
                    let Some(request) = request.take() else { return Poll::Pending };
                    let outcome = inner.guard.judge(request.request(), *keyword, answer);
                    inner.act(request, outcome)
                }
                StateProjection::Serving { answer } => {
                    return answer.poll(context).map_ok(ServiceResponse::map_into_left_body);
                }
                StateProjection::Refused { response } => {
                    return response
                        .take()
                        .map_or(Poll::Pending, |response| Poll::Ready(Ok(response.map_into_right_body())));
                }
            };
            self.as_mut().project().state.set(next);
        }
    }
}
