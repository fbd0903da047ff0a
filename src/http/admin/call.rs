//! A request after it was judged, as handlers see it; and their replies.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};

use super::AdminState;
use super::access::{Acting, By};
use super::error::ApiError;
use super::fields::Fields;
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::client::ClientId;
use crate::domain::session::SessionId;
use crate::domain::user::{User, UserId};
use crate::service::Auth;
use crate::service::admin::desk::{Caller, Length};
use crate::service::admin::{Admin, AdminError};

/// For how long the password counts as given.
const RECENT: Duration = Duration::from_secs(5 * 60);

/// The reply to a request, or its refusal.
pub(in crate::http) type Answer = Result<Reply, ApiError>;

/// A reply that is no refusal.
#[derive(Debug)]
pub(in crate::http) struct Reply {
    status: StatusCode,
    body: Option<Value>,
}

impl Reply {
    /// 200 with this body.
    pub(in crate::http) fn ok(body: &impl Serialize) -> Answer {
        Self::with(StatusCode::OK, body)
    }

    /// 201 with this body.
    pub(in crate::http) fn created(body: &impl Serialize) -> Answer {
        Self::with(StatusCode::CREATED, body)
    }

    /// 204.
    pub(in crate::http) const fn done() -> Answer {
        Ok(Self { status: StatusCode::NO_CONTENT, body: None })
    }

    fn with(status: StatusCode, body: &impl Serialize) -> Answer {
        let body = serde_json::to_value(body).map_err(|error| ApiError::unavailable(&error))?;
        Ok(Self { status, body: Some(body) })
    }

    pub(in crate::http) fn send(self) -> HttpResponse {
        let mut builder = HttpResponse::build(self.status);
        builder.insert_header((CACHE_CONTROL, "no-store"));
        match self.body {
            Some(body) => builder.json(body),
            None => builder.finish(),
        }
    }
}

/// A request whose host, path, token and fields' form are good.
pub(in crate::http) struct Call {
    pub(in crate::http) state: AdminState,
    pub(in crate::http) request: HttpRequest,
    acting: Option<Acting>,
    /// Its fields.
    pub(in crate::http) fields: Fields,
}

impl Call {
    pub(in crate::http) fn new(state: AdminState, request: HttpRequest, acting: Option<Acting>) -> Self {
        Self { state, request, acting, fields: Fields::default() }
    }

    /// After the last field was taken.
    ///
    /// # Errors
    /// All mistakes in the fields.
    pub(in crate::http) fn finish(&mut self) -> Result<(), ApiError> {
        std::mem::take(&mut self.fields).finish()
    }

    /// The service.
    pub(in crate::http) fn auth(&self) -> &Auth {
        self.state.http().auth()
    }

    /// Where the request came from.
    pub(in crate::http) fn origin(&self) -> Origin {
        self.state.http().origin(&self.request)
    }

    /// The administrator.
    ///
    /// # Errors
    /// 401 at an endpoint that needs none.
    pub(in crate::http) fn acting(&self) -> Result<&Acting, ApiError> {
        self.acting.as_ref().ok_or_else(|| ApiError::unauthenticated("a token is required"))
    }

    /// Runs a use case with the administrator as its actor.
    ///
    /// # Errors
    /// Its refusal, or that it could not be done now.
    pub(in crate::http) async fn run<T: Send + 'static>(
        &self,
        length: Length,
        work: impl FnOnce(&Admin) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let caller = Caller { actor: Actor::User(self.acting()?.who.user.id), origin: self.origin() };
        Ok(self.state.desk().run(caller, length, work).await?)
    }

    /// The same administrator, for work that nobody waits for.
    #[cfg(feature = "pages")]
    pub(in crate::http) fn in_background(&self) -> Self {
        Self::new(self.state.clone(), self.request.clone(), self.acting.clone())
    }

    /// The part of the path that is an id.
    fn id(&self) -> &str {
        self.request.match_info().get("id").unwrap_or_default()
    }

    /// The session of the path.
    ///
    /// # Errors
    /// 404 if that is no id.
    pub(in crate::http) fn session_id(&self) -> Result<SessionId, ApiError> {
        SessionId::parse(self.id()).ok_or_else(ApiError::not_found)
    }

    /// The client of the path.
    ///
    /// # Errors
    /// 404 if that is no id.
    pub(super) fn client_id(&self) -> Result<ClientId, ApiError> {
        ClientId::parse(self.id()).ok_or_else(ApiError::not_found)
    }

    /// The user of the path.
    ///
    /// # Errors
    /// 404 if there is none.
    pub(in crate::http) async fn user(&self) -> Result<User, ApiError> {
        let id: i64 = self.id().parse().map_err(|_| ApiError::not_found())?;
        self.run(Length::Short, move |admin| admin.user_by_id(UserId(id))).await
    }

    /// The user of the path, whose account this administrator may change now: that of an administrator, also the own
    /// one, needs a recent password. So a token that leaked cannot set the password of its owner.
    ///
    /// # Errors
    /// 404 if there is none, 403 until the password was given again.
    pub(in crate::http) async fn user_to_change(&self) -> Result<User, ApiError> {
        let user = self.of_act(self.user().await).await?;
        if user.is_admin {
            self.require_recent_password().await?;
        }
        Ok(user)
    }

    /// What an act is to be done to. If there is no such thing, the refusal is recorded.
    ///
    /// # Errors
    /// That of finding it.
    pub(in crate::http) async fn of_act<T>(&self, found: Result<T, ApiError>) -> Result<T, ApiError> {
        match found {
            Err(refusal) if refusal.is_not_found() => {
                self.record_refusal(refusal).await?;
                Err(ApiError::not_found())
            }
            found => found,
        }
    }

    /// Whether this administrator may end a session of that user now: one of the own ones always.
    ///
    /// # Errors
    /// 403 until the password was given again.
    pub(in crate::http) async fn permit_end_for(&self, user: &User) -> Result<(), ApiError> {
        if user.is_admin && user.id != self.acting()?.who.user.id {
            return self.require_recent_password().await;
        }
        Ok(())
    }

    /// Whether the password was given lately enough for acts that need it.
    ///
    /// # Errors
    /// 403 otherwise.
    pub(in crate::http) async fn require_recent_password(&self) -> Result<(), ApiError> {
        let Acting { who, by } = self.acting()?;
        if *by == By::Script {
            let words = "a script's token cannot do this: it has no password to give again";
            return self.record_refusal(ApiError::forbidden(words)).await;
        }
        let (session, now) = (who.session.id, self.auth().now());
        let given = self.run(Length::Short, move |admin| admin.password_given_at(session)).await?;
        if now.since(given.map_or(who.session.created, |given| given.max(who.session.created))) <= RECENT {
            return Ok(());
        }
        let words = "give the password again first: POST /admin/api/verify-password/";
        let refusal = ApiError::password_required(words);
        match by {
            By::Login | By::Script => self.record_refusal(refusal).await,
            // It asks, and goes on: nothing is refused.
            #[cfg(feature = "pages")]
            By::Page => Err(refusal),
        }
    }

    /// The refusal of an act, once it is recorded. Use cases record their own refusals.
    pub(in crate::http) async fn record_refusal(&self, refusal: ApiError) -> Result<(), ApiError> {
        let act = format!("{} {}", self.request.method(), self.request.match_pattern().unwrap_or_default());
        let detail = json!({ "act": act, "reason": refusal.reason() });
        self.run(Length::Short, move |admin| admin.record(Event::ActRefused, None, detail)).await?;
        Err(refusal)
    }
}
