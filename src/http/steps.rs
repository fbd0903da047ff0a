//! What the endpoints of every dialect do between reading a request and wording the reply.

use actix_web::{HttpRequest, HttpResponse, web};

use super::HttpState;
use super::body::Limits;
use super::fields::{Field, Trim};
use super::front::{Answer, Front};
use super::request_log::facts;
use crate::dialect::Dialect;
use crate::service::{Exchanged, Issued, LoginError, LoginRequest, TokenError, Unavailable};
use crate::session::Verified;
use crate::user::{LoginName, Password};

/// A request to an endpoint, as far as it was judged.
pub struct Step<'a> {
    /// The request.
    pub request: &'a HttpRequest,
    /// What all handlers share.
    pub state: &'a HttpState,
    /// How to answer.
    pub front: &'a Front<'a>,
    /// Whose endpoint it is.
    pub dialect: Dialect,
}

impl Step<'_> {
    /// Reads two fields and logs in with them. A refusal to read them is sent as it is.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn log_in(
        &self,
        payload: web::Payload,
        declared: [Field; 2],
        name: fn(String) -> LoginName,
    ) -> Answer<Result<Issued, LoginError>> {
        let [login, password] = self.front.fields(payload, self.limits(), declared).await?;
        let login = LoginRequest {
            dialect: self.dialect,
            login: name(login),
            password: Password::new(password),
            origin: self.state.origin(self.request),
        };
        let outcome = self.state.auth().login(login).await;
        let facts = facts(self.request);
        match &outcome {
            Ok(issued) => facts.opened(issued.session, issued.user.id),
            Err(LoginError::Refused(reason)) => facts.refused(reason.as_str()),
            Err(LoginError::LimitReached) => facts.refused("limit_reached"),
            Err(LoginError::Unavailable(error)) => return Err(self.unavailable(error)),
        }
        Ok(outcome)
    }

    /// Reads the field `name` and verifies the token in it; with the token as it was read.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn verify(
        &self,
        payload: web::Payload,
        name: &'static str,
    ) -> Answer<Result<(String, Verified), TokenError>> {
        let [token] = self.front.fields(payload, self.limits(), [Field::text(name, Trim::Yes)]).await?;
        let outcome = self.state.auth().verify(self.dialect, &token).await;
        facts(self.request).read_only();
        self.note(outcome.map(|who| (token, who)), |(_, who)| who)
    }

    /// Reads the field `name` and refreshes the token in it.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn refresh(&self, payload: web::Payload, name: &'static str) -> Answer<Result<Exchanged, TokenError>> {
        let [token] = self.front.fields(payload, self.limits(), [Field::text(name, Trim::Yes)]).await?;
        let outcome = self.state.auth().refresh(self.dialect, &token, self.state.origin(self.request)).await;
        self.note(outcome, |exchanged| &exchanged.who)
    }

    fn note<T>(&self, outcome: Result<T, TokenError>, who: fn(&T) -> &Verified) -> Answer<Result<T, TokenError>> {
        let facts = facts(self.request);
        match &outcome {
            Ok(value) => facts.verified(who(value)),
            Err(TokenError::Unavailable(error)) => return Err(self.unavailable(error)),
            Err(refusal) => facts.refused(refusal.as_str()),
        }
        Ok(outcome)
    }

    /// 503: nothing is known of the outcome.
    pub fn unavailable(&self, error: &Unavailable) -> HttpResponse {
        facts(self.request).refused("unavailable");
        log::warn!("a request could not be answered: {error}");
        self.front.replies().unavailable()
    }

    fn limits(&self) -> Limits {
        let options = self.state.options();
        Limits { size: options.body_limit, patience: options.read_timeout }
    }
}
