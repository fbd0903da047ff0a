//! What the endpoints of all dialects do between reading a request and wording the reply.
//!
//! A handler takes a [`RequestContext`], and words each outcome. "Could not look" is not one of
//! these outcomes: it is answered here, with 503, so that no dialect can treat it as a refusal.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Route, web};

use crate::domain::audit::Origin;
use crate::domain::dialect::Dialect;
use crate::domain::session::Verified;
use crate::domain::session_name::SessionName;
use crate::domain::user::{LoginName, Password};
use crate::http::browser::jar::Slot;
use crate::http::drf::body::Limits;
use crate::http::drf::body::value::{Document, Value};
use crate::http::drf::endpoint::{Endpoint, EndpointResult, Negotiated, Verb, respond};
use crate::http::drf::fields::{self, Field, FieldErrors, Fields, Trim};
use crate::http::drf::reply::Replies;
use crate::http::middleware::request_log::{Facts, note};
use crate::http::{Compat, HttpState};
use crate::service::{
    Auth, Issued, LoginError, LoginRefusal, LoginRequest, RefreshedTokens, TokenError, TokenRefusal, Unavailable,
};

mod cookies;

use self::cookies::Delivery;

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

/// A method of an endpoint, where it is mounted.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Mounted {
    pub(super) endpoint: &'static Endpoint,
    pub(super) verb: Verb,
    pub(super) dialect: Dialect,
}

/// A request to an endpoint of a dialect, before any check.
struct Incoming {
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

impl Mounted {
    /// Needs no token: steps 2, 3 and 5 of `docs/contract.md#order-of-judgement`, then `handler`.
    pub(in crate::http) fn open<H>(self, handler: H) -> Route
    where
        H: AsyncFn(&mut RequestContext<'_>) -> EndpointResult + Copy + 'static,
    {
        self.route(async move |context: &mut RequestContext<'_>| {
            context.negotiated.check_method()?;
            handler(context).await
        })
    }

    /// Needs a token: authentication comes between steps 3 and 5.
    pub(in crate::http) fn known<H>(self, handler: H) -> Route
    where
        H: AsyncFn(&mut RequestContext<'_>, &Verified) -> EndpointResult + Copy + 'static,
    {
        self.route(async move |context: &mut RequestContext<'_>| {
            let who = context.authenticate().await?;
            context.negotiated.check_method()?;
            handler(context, &who).await
        })
    }

    /// Takes a token, or none. A token that is not good is refused.
    pub(in crate::http) fn perhaps_known<H>(self, handler: H) -> Route
    where
        H: AsyncFn(&mut RequestContext<'_>, Option<Verified>) -> EndpointResult + Copy + 'static,
    {
        self.route(async move |context: &mut RequestContext<'_>| {
            let who = context.authenticate_if_asked().await?;
            context.negotiated.check_method()?;
            handler(context, who).await
        })
    }

    fn route<J>(self, judge: J) -> Route
    where
        J: AsyncFn(&mut RequestContext<'_>) -> EndpointResult + Copy + 'static,
    {
        web::to(move |incoming: Incoming| incoming.answer(self, judge))
    }
}

impl Incoming {
    async fn answer(
        mut self,
        at: Mounted,
        judge: impl AsyncFn(&mut RequestContext<'_>) -> EndpointResult,
    ) -> HttpResponse {
        if at.verb == Verb::Get {
            note(&self.request, Facts::read_only);
        }
        let negotiated = match at.endpoint.open(&self.request) {
            Ok(negotiated) => negotiated,
            Err(refusal) => return refusal,
        };
        let mut context = RequestContext {
            request: &self.request,
            payload: &mut self.payload,
            state: &self.state,
            negotiated,
            dialect: at.dialect,
            delivery: Delivery::Body,
        };
        respond(judge(&mut context).await)
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

    /// The service.
    pub fn auth(&self) -> &Auth {
        self.state.auth()
    }

    /// Where the request came from, for the audit trail.
    pub fn origin(&self) -> Origin {
        self.state.origin(self.request)
    }

    /// The query string, without its question mark.
    pub fn query(&self) -> &str {
        self.request.query_string()
    }

    /// What stands at `{name}` in the path.
    pub fn part(&self, name: &str) -> Option<&str> {
        self.request.match_info().get(name)
    }

    /// Notes something for the log line at the end of the request.
    pub fn note(&self, what: impl FnOnce(&Facts)) {
        note(self.request, what);
    }

    /// The outcome, if there is one.
    ///
    /// # Errors
    /// 503: it is unknown.
    pub fn available<T>(&self, outcome: Result<T, Unavailable>) -> EndpointResult<T> {
        outcome.map_err(|error| self.unavailable(&error))
    }

    /// What was read of the query or the body.
    ///
    /// # Errors
    /// 400, with what is wrong.
    pub fn right<T>(&self, read: Result<T, FieldErrors>) -> EndpointResult<T> {
        read.map_err(|errors| self.replies().field_errors(&errors))
    }

    /// Reads the body, of which `take` takes the fields.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn read<T>(&mut self, take: impl FnOnce(&mut Fields<'_>) -> T) -> EndpointResult<T> {
        let document = self.document().await?;
        let taken = Fields::of(&document).and_then(|mut fields| {
            let taken = take(&mut fields);
            fields.finish().map(|()| taken)
        });
        self.right(taken)
    }

    /// Reads the field `name` and the password, and logs in with them, under the name that the client gives its
    /// session. Wrong fields are answered here, and so is 429: all the Django packages leave both to Django REST
    /// framework.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn log_in(
        &mut self,
        name: &'static str,
        password: Trim,
        login: fn(String) -> LoginName,
    ) -> EndpointResult<Result<Issued, LoginDenial>> {
        self.begin_login()?;
        let document = self.document().await?;
        let declared = [Field::text(name, Trim::Yes), Field::text("password", password)];
        let [name, password] = self.right(fields::take(&document, declared))?;
        let login = LoginRequest {
            dialect: self.dialect,
            login: login(name),
            password: Password::new(password),
            session_name: self.session_name(&document),
            origin: self.origin(),
        };
        match self.auth().login(login).await {
            Ok(issued) => {
                self.note(|facts| facts.opened(issued.session, issued.user.id));
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
    ///
    /// # Errors
    /// The reply to send.
    pub fn login_denial(&self, error: &LoginError) -> EndpointResult<LoginDenial> {
        match error {
            LoginError::Refused { why, account } => {
                self.note(|facts| facts.refused_login(why.as_str(), *account));
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
        let outcome = self.auth().verify(self.dialect, &token).await;
        self.note(Facts::read_only);
        let token = (self.delivery == Delivery::Body).then_some(token);
        self.judged(outcome.map(|who| (token, who)), |(_, who)| who)
    }

    /// Reads the field `name`, or else the cookie with the token that can be refreshed, and refreshes it.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn refresh(&mut self, name: &'static str) -> EndpointResult<Result<RefreshedTokens, TokenRefusal>> {
        let token = self.presented(name, Slot::Refreshable).await?;
        let outcome = self.auth().refresh(self.dialect, &token, self.origin()).await;
        self.judged(outcome, |refreshed| &refreshed.who)
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
        let origin = self.origin();
        let outcome = self.auth().logout_by_refresh_token(self.dialect, &token, origin).await;
        self.judged(outcome, |who| who)
    }

    async fn authenticate(&self) -> EndpointResult<Verified> {
        self.state.guard().check(self.request).await.map_err(|failure| failure.reply(self.replies()))
    }

    /// The user of the token, or `None` if the request has no credentials for this server.
    async fn authenticate_if_asked(&self) -> EndpointResult<Option<Verified>> {
        match self.state.guard().check(self.request).await {
            Ok(who) => Ok(Some(who)),
            Err(failure) if failure.is_anonymous() => Ok(None),
            Err(failure) => Err(failure.reply(self.replies())),
        }
    }

    async fn document(&mut self) -> EndpointResult<Document> {
        let limits = self.limits();
        self.negotiated.document(&mut *self.payload, limits).await
    }

    fn limits(&self) -> Limits {
        let options = self.state.options();
        Limits { size: options.body_limit, patience: options.read_timeout }
    }

    /// The outcome for a token, if there is one, noted for the log.
    fn judged<T>(
        &self,
        outcome: Result<T, TokenError>,
        who: fn(&T) -> &Verified,
    ) -> EndpointResult<Result<T, TokenRefusal>> {
        match outcome {
            Ok(value) => {
                self.note(|facts| facts.verified(who(&value)));
                Ok(Ok(value))
            }
            Err(TokenError::Refused(refusal)) => {
                self.note(|facts| facts.refused(refusal.as_str()));
                Ok(Err(refusal))
            }
            Err(TokenError::Throttled(after)) => {
                self.note(|facts| facts.refused("throttled"));
                Err(self.replies().throttled(after))
            }
            Err(TokenError::Unavailable(error)) => Err(self.unavailable(&error)),
        }
    }

    /// 503: the outcome is unknown.
    fn unavailable(&self, error: &Unavailable) -> HttpResponse {
        self.note(|facts| facts.refused("unavailable"));
        log::warn!("a request could not be answered: {error}");
        self.replies().unavailable()
    }
}
