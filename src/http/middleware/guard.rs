//! The middleware that passes only verified requests on.

use std::future::{Future, Ready, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready as wait_for};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use pin_project_lite::pin_project;

use crate::domain::dialect::{Dialect, PerDialect};
use crate::domain::session::{Refusal, Verified};
use crate::domain::token::Token;
use crate::http::Mount;
use crate::http::drf::authorization::{self, Presented};
use crate::http::drf::challenge::{CredentialsProblem, ErrorStyle, Refused};
use crate::http::drf::reply::Replies;
use crate::http::middleware::request_log::note;
use crate::service::{Activity, Check, CheckError, Resolver};

/// Asks a [`Resolver`] about the token in a request, and words refusals as the
/// Django package of a dialect does.
#[derive(Clone)]
pub struct Guard {
    resolver: Arc<dyn Resolver + Send + Sync>,
    keywords: Arc<[Keyword]>,
    words: ErrorStyle,
    activity: Activity,
}

/// A keyword before tokens, and the dialects whose tokens may follow it.
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

/// Why a request is not authenticated, and the reply for it.
#[derive(Debug, Clone)]
pub struct AuthFailure(Failure);

#[derive(Debug, Clone)]
enum Failure {
    /// It has no credentials for this server: 401.
    Anonymous(Refused),
    /// Its token is bad: 401.
    Refused(Refused),
    /// The check could not be made: 503.
    Unavailable,
}

/// The running check of one request.
enum Checking {
    /// The result was clear without the resolver; `None` once it was returned.
    Known(Option<AuthFailure>),
    /// The resolver is working. `keyword` is the index of the request's keyword in the guard's list.
    Asking { keyword: usize, check: Check },
}

impl Guard {
    /// A guard for tokens of the knox dialect: `Authorization: Token <token>`.
    pub fn new(resolver: impl Resolver + Send + Sync) -> Self {
        Self::of(resolver, vec![Keyword { word: "Token".to_owned(), dialects: vec![Dialect::Knox] }], ErrorStyle::Knox)
    }

    /// Accepts tokens of this dialect under its usual keywords, and uses its wording for refusals.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        let words = Mount::default_of(dialect).keywords.into_iter();
        self.keywords = words.map(|word| Keyword { word, dialects: vec![dialect] }).collect();
        self.words = ErrorStyle::of(dialect);
        self
    }

    /// Accepts tokens of every enabled dialect, each under its own keywords, and
    /// uses the wording of the knox dialect for refusals (`docs/dialects/knox.md#the-token-in-the-header`).
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
        Self::of(resolver, keywords, ErrorStyle::Knox)
    }

    fn of(resolver: impl Resolver + Send + Sync, keywords: Vec<Keyword>, words: ErrorStyle) -> Self {
        Self { resolver: Arc::new(resolver), keywords: keywords.into(), words, activity: Activity::Counts }
    }

    /// Accepts another keyword before the token, compared without regard to case.
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

    /// Checks the credentials of `request`.
    ///
    /// # Errors
    /// Why it is not authenticated.
    pub async fn check(&self, request: &HttpRequest) -> Result<Verified, AuthFailure> {
        let mut checking = self.begin(request);
        poll_fn(|context| checking.poll(self, request, context)).await
    }

    /// Checks a token that came without a keyword, such as in a cookie: one of any dialect that this guard accepts.
    pub(in crate::http) async fn check_bare(
        &self,
        request: &HttpRequest,
        token: &[u8],
    ) -> Result<Verified, AuthFailure> {
        let Some(token) = Token::parse(token) else {
            note(request, |facts| facts.refused(Refusal::Malformed.as_str()));
            return Err(self.refuse(None, CredentialsProblem::Bad(Refusal::Malformed)));
        };
        let answer = self.resolver.resolve(token, self.activity).await;
        let dialect = answer.as_ref().ok().and_then(|verified| verified.session.kind.dialect());
        // The keyword that the token would have had; a token of a dialect without one is refused.
        let has = |keyword: &Keyword| dialect.is_some_and(|dialect| keyword.dialects.contains(&dialect));
        let keyword = self.keywords.iter().position(has).unwrap_or_default();
        self.conclude(request, keyword, answer)
    }

    /// Reads the credentials of `request`, and asks the resolver if they can be a token.
    fn begin(&self, request: &HttpRequest) -> Checking {
        let presented = authorization::read(request.headers(), &self.keywords);
        match presented {
            Presented::Token { keyword, token } => {
                Checking::Asking { keyword, check: self.resolver.resolve(token, self.activity) }
            }
            Presented::NotProvided => {
                note(request, |facts| facts.refused("not_provided"));
                Checking::Known(Some(AuthFailure(Failure::Anonymous(self.word(CredentialsProblem::NotProvided)))))
            }
            Presented::Empty { .. } | Presented::Spaces { .. } | Presented::Malformed { .. } => {
                note(request, |facts| facts.refused(Refusal::Malformed.as_str()));
                Checking::Known(Some(self.refuse(presented.keyword(), CredentialsProblem::of(&presented))))
            }
        }
    }

    /// The result for a request with this keyword, given the resolver's answer.
    fn conclude(
        &self,
        request: &HttpRequest,
        keyword: usize,
        answer: Result<Verified, CheckError>,
    ) -> Result<Verified, AuthFailure> {
        let (reason, failure) = match answer {
            Ok(verified) if verified.session.kind.dialect().is_some_and(|dialect| self.announces(keyword, dialect)) => {
                note(request, |facts| facts.verified(&verified));
                return Ok(verified);
            }
            Ok(_) => ("wrong_keyword", self.refuse(Some(keyword), CredentialsProblem::Bad(Refusal::Unknown))),
            Err(CheckError::Refused(refusal)) => {
                (refusal.as_str(), self.refuse(Some(keyword), CredentialsProblem::Bad(refusal)))
            }
            Err(CheckError::Unavailable(error)) => {
                log::warn!("a check could not be answered: {error}");
                ("unavailable", AuthFailure(Failure::Unavailable))
            }
        };
        note(request, |facts| facts.refused(reason));
        Err(failure)
    }

    fn announces(&self, keyword: usize, dialect: Dialect) -> bool {
        self.keywords.get(keyword).is_some_and(|keyword| keyword.dialects.contains(&dialect))
    }

    /// A bad token under the keyword of a dialect with another wording counts as no
    /// credentials, as it does for the Django package whose wording this guard uses.
    fn refuse(&self, keyword: Option<usize>, problem: CredentialsProblem) -> AuthFailure {
        let dialects = keyword.and_then(|index| self.keywords.get(index)).map(|keyword| &keyword.dialects);
        let speaks = |dialect: &Dialect| ErrorStyle::of(*dialect) == self.words;
        let is_ours = dialects.is_none_or(|dialects| dialects.iter().any(speaks));
        AuthFailure(Failure::Refused(self.word(if is_ours { problem } else { CredentialsProblem::NotProvided })))
    }

    fn word(&self, problem: CredentialsProblem) -> Refused {
        let keyword = self.keywords.first().map_or("Token", |keyword| keyword.word.as_str());
        self.words.refuse(problem, keyword)
    }
}

impl Checking {
    /// The verdict on this request, whose check `guard` began.
    fn poll(
        &mut self,
        guard: &Guard,
        request: &HttpRequest,
        context: &mut Context<'_>,
    ) -> Poll<Result<Verified, AuthFailure>> {
        match self {
            Self::Known(failure) => failure.take().map_or(Poll::Pending, |failure| Poll::Ready(Err(failure))),
            Self::Asking { keyword, check } => {
                let answer = wait_for!(Pin::new(check).poll(context));
                Poll::Ready(guard.conclude(request, *keyword, answer))
            }
        }
    }
}

impl AuthFailure {
    /// Whether the request has no credentials for this server.
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.0, Failure::Anonymous(_))
    }

    /// The challenge of a 401; `None` if the check could not be made.
    pub(in crate::http) fn challenge(&self) -> Option<&str> {
        match &self.0 {
            Failure::Anonymous(Refused { challenge, .. }) | Failure::Refused(Refused { challenge, .. }) => {
                Some(challenge)
            }
            Failure::Unavailable => None,
        }
    }

    /// The reply, in the form of an endpoint's other replies.
    pub fn reply(&self, replies: &Replies) -> HttpResponse {
        match &self.0 {
            Failure::Anonymous(Refused { body, challenge }) | Failure::Refused(Refused { body, challenge }) => {
                replies.unauthorized(challenge, body)
            }
            Failure::Unavailable => replies.unavailable(),
        }
    }

    /// The reply outside of this crate's endpoints, without an `Allow` header.
    pub fn response(&self) -> HttpResponse {
        self.reply(&Replies::new(None, true))
    }
}

impl From<AuthFailure> for actix_web::Error {
    fn from(failure: AuthFailure) -> Self {
        actix_web::error::InternalError::from_response("not authenticated", failure.response()).into()
    }
}

/// Middleware that answers requests without a good token itself, and passes the others on with
/// their [`Verified`] in the request's extensions, where
/// [`Authenticated`](crate::http::middleware::extract::Authenticated) finds it.
#[derive(Clone)]
pub struct TokenAuth {
    guard: Guard,
}

impl TokenAuth {
    /// Requires `Authorization: Token <token>`, checked by `resolver`.
    pub fn new(resolver: impl Resolver + Send + Sync) -> Self {
        Self { guard: Guard::new(resolver) }
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
        let checking = self.inner.guard.begin(request.request());
        Guarded { state: State::Checking { checking, request: Some(request), inner: Rc::clone(&self.inner) } }
    }
}

pin_project! {
    /// A request inside [`TokenAuth`]. It is not boxed, since that would cost every request an allocation.
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
                    // Empty only if it is polled again after the answer.
                    let Some(asked) = request.as_ref() else { return Poll::Pending };
                    let verdict = wait_for!(checking.poll(&inner.guard, asked.request(), context));
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
