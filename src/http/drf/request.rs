//! What the endpoints of all dialects do between reading a request and wording the reply.
//!
//! A handler takes an [`Incoming`], and words each outcome. "Could not look" is not one of
//! these outcomes: it is answered here, with 503, so that no dialect can treat it as a refusal.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};

use crate::domain::dialect::Dialect;
use crate::domain::session::Verified;
use crate::domain::session_name::SessionName;
use crate::domain::user::{LoginName, Password};
use crate::http::browser::jar::Slot;
use crate::http::drf::body::Limits;
use crate::http::drf::body::value::{Document, Value};
use crate::http::drf::endpoint::{Endpoint, EndpointResult, Negotiated, respond};
use crate::http::drf::fields::{self, Field};
use crate::http::drf::reply::Replies;
use crate::http::middleware::request_log::{Facts, note};
use crate::http::{Compat, HttpState};
use crate::service::{
    EventCursor, Issued, LoginError, LoginRefusal, LoginRequest, OwnEvents, RefreshedTokens, TokenError, TokenRefusal,
    Unavailable,
};

mod cookies;
mod self_service;

use self::cookies::Delivery;
pub(in crate::http) use self::self_service::{MAX_LIMIT, USUAL_LIMIT};

/// Names the new session, where the body of a login does not.
static SESSION_NAME: HeaderName = HeaderName::from_static("x-session-name");

/// Why a login was denied, as far as the dialects word it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginDenial {
    /// The credentials are not good.
    Credentials,
    /// The user has too many sessions.
    LimitReached,
}

impl LoginDenial {
    /// The message for the client; `credentials` is the dialect's message for bad credentials.
    #[must_use]
    pub const fn message(self, credentials: &'static str) -> &'static str {
        match self {
            Self::Credentials => credentials,
            Self::LimitReached => "Maximum amount of tokens allowed per user exceeded.",
        }
    }
}

/// A request to an endpoint of a dialect, before any check.
pub struct Incoming {
    request: HttpRequest,
    payload: Payload,
    state: web::Data<HttpState>,
}

impl FromRequest for Incoming {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state = web::Data::from_request(request, payload).into_inner();
        ready(state.map(|state| Self { request: request.clone(), payload: payload.take(), state }))
    }
}

impl Incoming {
    /// A request that changes nothing, whatever its outcome: logged at debug level if it succeeds.
    #[must_use]
    pub fn read_only(self) -> Self {
        note(&self.request, Facts::read_only);
        self
    }

    /// Answers for an endpoint without authentication: steps 2, 3 and 5 of
    /// `docs/contract.md#order-of-judgement`, then `answer`.
    pub async fn answer(
        mut self,
        endpoint: &Endpoint,
        dialect: Dialect,
        answer: impl AsyncFnOnce(&mut RequestContext<'_>) -> EndpointResult,
    ) -> HttpResponse {
        let judge = async {
            let mut context = self.open(endpoint, dialect)?;
            context.negotiated.check_method()?;
            answer(&mut context).await
        };
        respond(judge.await)
    }

    /// Answers for an endpoint that requires a token: authentication comes between steps 3 and 5,
    /// and the body is never read.
    pub async fn answer_known(
        mut self,
        endpoint: &Endpoint,
        dialect: Dialect,
        answer: impl AsyncFnOnce(&RequestContext<'_>, Verified) -> EndpointResult,
    ) -> HttpResponse {
        let judge = async {
            let context = self.open(endpoint, dialect)?;
            let who = context.authenticate().await?;
            context.negotiated.check_method()?;
            answer(&context, who).await
        };
        respond(judge.await)
    }

    /// Answers for an endpoint that may be asked with a token or without. A token that is not good is refused.
    pub async fn answer_perhaps_known(
        mut self,
        endpoint: &Endpoint,
        dialect: Dialect,
        answer: impl AsyncFnOnce(&mut RequestContext<'_>, Option<Verified>) -> EndpointResult,
    ) -> HttpResponse {
        let judge = async {
            let mut context = self.open(endpoint, dialect)?;
            let who = context.authenticate_if_asked().await?;
            context.negotiated.check_method()?;
            answer(&mut context, who).await
        };
        respond(judge.await)
    }

    fn open(&mut self, endpoint: &Endpoint, dialect: Dialect) -> EndpointResult<RequestContext<'_>> {
        let negotiated = endpoint.open(&self.request)?;
        Ok(RequestContext {
            request: &self.request,
            payload: &mut self.payload,
            state: &self.state,
            negotiated,
            dialect,
            delivery: Delivery::Body,
        })
    }
}

/// A request to an endpoint, after the checks so far.
pub struct RequestContext<'a> {
    request: &'a HttpRequest,
    payload: &'a mut Payload,
    state: &'a HttpState,
    negotiated: Negotiated<'a>,
    dialect: Dialect,
    /// Where new tokens go.
    delivery: Delivery,
}

impl RequestContext<'_> {
    /// Writes replies to this request.
    pub const fn replies(&self) -> &Replies {
        self.negotiated.replies()
    }

    /// Which replies are sent where the documented contract and the Django package differ.
    pub fn compat(&self) -> Compat {
        self.state.options().compat
    }

    /// Reads two fields and logs in with them, under the name that the client gives its session. An error in the fields is the reply to send, and so is 429: all
    /// Django packages leave it to Django REST framework.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn log_in(
        &mut self,
        declared: [Field; 2],
        name: fn(String) -> LoginName,
    ) -> EndpointResult<Result<Issued, LoginDenial>> {
        self.begin_login()?;
        let document = self.document().await?;
        let [login, password] =
            fields::take(&document, declared).map_err(|errors| self.replies().field_errors(&errors))?;
        let login = LoginRequest {
            dialect: self.dialect,
            login: name(login),
            password: Password::new(password),
            session_name: self.session_name(&document),
            origin: self.state.origin(self.request),
        };
        match self.state.auth().login(login).await {
            Ok(issued) => {
                note(self.request, |facts| facts.opened(issued.session, issued.user.id));
                Ok(Ok(issued))
            }
            Err(error) => self.login_denial(&error).map(Err),
        }
    }

    /// The name that the client gives its session, in the body or else in a header. What cannot be a name is
    /// ignored, as the Django packages ignore fields that they do not know.
    fn session_name(&self, document: &Document) -> Option<SessionName> {
        let in_body = match document.get("session_name") {
            Some(Value::Text(text)) => SessionName::new(text.as_str()),
            Some(Value::Null | Value::Bool(_) | Value::Other) | None => None,
        };
        let in_header = || {
            let value = self.request.headers().get(&SESSION_NAME)?;
            SessionName::new(std::str::from_utf8(value.as_bytes()).ok()?)
        };
        in_body.or_else(in_header)
    }

    /// How a login was denied, as far as a dialect words it.
    fn login_denial(&self, error: &LoginError) -> EndpointResult<LoginDenial> {
        match error {
            LoginError::Refused { why, account } => {
                note(self.request, |facts| facts.refused_login(why.as_str(), *account));
                match why {
                    LoginRefusal::UnknownUser | LoginRefusal::WrongPassword | LoginRefusal::InactiveUser => {
                        Ok(LoginDenial::Credentials)
                    }
                    LoginRefusal::LimitReached => Ok(LoginDenial::LimitReached),
                    LoginRefusal::Throttled { after } => Err(self.replies().throttled(*after)),
                }
            }
            LoginError::Unavailable(error) => Err(self.unavailable(error)),
        }
    }

    /// Reads the field `name`, or else the cookie with the access token, and verifies the token in it; returns the
    /// token as it was read, unless it was in the cookie.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn verify(
        &mut self,
        name: &'static str,
    ) -> EndpointResult<Result<(Option<String>, Verified), TokenRefusal>> {
        let token = self.presented(name, Slot::Access).await?;
        let outcome = self.state.auth().verify(self.dialect, &token).await;
        note(self.request, Facts::read_only);
        let token = (self.delivery == Delivery::Body).then_some(token);
        self.note(outcome.map(|who| (token, who)), |(_, who)| who)
    }

    /// Reads the field `name`, or else the cookie with the token that can be refreshed, and refreshes it.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn refresh(&mut self, name: &'static str) -> EndpointResult<Result<RefreshedTokens, TokenRefusal>> {
        let token = self.presented(name, Slot::Refreshable).await?;
        let outcome = self.state.auth().refresh(self.dialect, &token, self.state.origin(self.request)).await;
        self.note(outcome, |refreshed| &refreshed.who)
    }

    /// Ends the session of the token that was presented.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn log_out(&self, who: &Verified) -> EndpointResult<()> {
        let ended = self.state.auth().logout(who, self.state.origin(self.request)).await;
        ended.map_err(|error| self.unavailable(&error))
    }

    /// Reads the field `name`, or else the cookie with the refresh token, and ends the session of the token in it.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn log_out_by_refresh_token(
        &mut self,
        name: &'static str,
    ) -> EndpointResult<Result<Verified, TokenRefusal>> {
        let token = self.presented(name, Slot::Refreshable).await?;
        let origin = self.state.origin(self.request);
        let outcome = self.state.auth().logout_by_refresh_token(self.dialect, &token, origin).await;
        self.note(outcome, |who| who)
    }

    /// Ends all sessions of the user, those of other dialects too.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn log_out_everywhere(&self, who: &Verified) -> EndpointResult<()> {
        let ended = self.state.auth().logout_all(who, self.state.origin(self.request)).await;
        ended.map_err(|error| self.unavailable(&error))
    }

    /// The query string, without its question mark.
    pub fn query(&self) -> &str {
        self.request.query_string()
    }

    /// A page of the events about the user of the token that was presented.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn own_events(
        &self,
        who: &Verified,
        after: Option<EventCursor>,
        limit: u32,
    ) -> EndpointResult<OwnEvents> {
        let listed = self.state.auth().own_events(who, after, limit).await;
        listed.map_err(|error| self.unavailable(&error))
    }

    async fn authenticate(&self) -> EndpointResult<Verified> {
        self.state.guard().check(self.request).await.map_err(|failure| failure.reply(self.replies()))
    }

    async fn document(&mut self) -> EndpointResult<Document> {
        let limits = self.limits();
        self.negotiated.document(&mut *self.payload, limits).await
    }

    fn limits(&self) -> Limits {
        let options = self.state.options();
        Limits { size: options.body_limit, patience: options.read_timeout }
    }

    fn note<T>(
        &self,
        outcome: Result<T, TokenError>,
        who: fn(&T) -> &Verified,
    ) -> EndpointResult<Result<T, TokenRefusal>> {
        match outcome {
            Ok(value) => {
                note(self.request, |facts| facts.verified(who(&value)));
                Ok(Ok(value))
            }
            Err(TokenError::Refused(refusal)) => {
                note(self.request, |facts| facts.refused(refusal.as_str()));
                Ok(Err(refusal))
            }
            Err(TokenError::Throttled(after)) => {
                note(self.request, |facts| facts.refused("throttled"));
                Err(self.replies().throttled(after))
            }
            Err(TokenError::Unavailable(error)) => Err(self.unavailable(&error)),
        }
    }

    /// 503: the outcome is unknown.
    fn unavailable(&self, error: &Unavailable) -> HttpResponse {
        note(self.request, |facts| facts.refused("unavailable"));
        log::warn!("a request could not be answered: {error}");
        self.replies().unavailable()
    }
}
