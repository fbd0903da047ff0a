//! A request that has passed the checks, as handlers see it.

use std::time::Duration;

use actix_web::HttpRequest;
use serde_json::json;

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

/// How long an entered password counts as recent.
const RECENT: Duration = Duration::from_secs(5 * 60);

/// A request with a served host, an existing path, and a valid token where one is needed.
pub struct Call {
    pub(in crate::http) state: AdminState,
    pub(in crate::http) request: HttpRequest,
    acting: Option<Acting>,
    pub(in crate::http) fields: Fields,
}

impl Call {
    pub(in crate::http) fn new(state: AdminState, request: HttpRequest, acting: Option<Acting>) -> Self {
        Self { state, request, acting, fields: Fields::default() }
    }

    /// Ends the reading of fields.
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

    /// The address, device and id of the request.
    pub(in crate::http) fn origin(&self) -> Origin {
        self.state.http().origin(&self.request)
    }

    /// The administrator who makes the request.
    ///
    /// # Errors
    /// 401 at an endpoint that anyone may call.
    pub(in crate::http) fn acting(&self) -> Result<&Acting, ApiError> {
        self.acting.as_ref().ok_or_else(|| ApiError::unauthenticated("a token is required"))
    }

    /// Runs a use case with this administrator as its actor.
    ///
    /// # Errors
    /// Its refusal, or 503 if it could not be done now.
    pub(in crate::http) async fn run<T: Send + 'static>(
        &self,
        length: Length,
        work: impl FnOnce(&Admin) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let caller = Caller { actor: Actor::User(self.acting()?.who.user.id), origin: self.origin() };
        Ok(self.state.desk().run(caller, length, work).await?)
    }

    /// A call by the same administrator, for work in the background.
    #[cfg(feature = "pages")]
    pub(in crate::http) fn in_background(&self) -> Self {
        Self::new(self.state.clone(), self.request.clone(), self.acting.clone())
    }

    /// The id in the path.
    fn id(&self) -> &str {
        self.request.match_info().get("id").unwrap_or_default()
    }

    /// The id of the session in the path.
    ///
    /// # Errors
    /// 404 if it is not an id.
    pub(in crate::http) fn session_id(&self) -> Result<SessionId, ApiError> {
        SessionId::parse(self.id()).ok_or_else(ApiError::not_found)
    }

    /// The id of the client in the path.
    ///
    /// # Errors
    /// 404 if it is not an id.
    pub(super) fn client_id(&self) -> Result<ClientId, ApiError> {
        ClientId::parse(self.id()).ok_or_else(ApiError::not_found)
    }

    /// The user whose number is in the path.
    ///
    /// # Errors
    /// 404 if there is no such user.
    pub(in crate::http) async fn user(&self) -> Result<User, ApiError> {
        let id: i64 = self.id().parse().map_err(|_| ApiError::not_found())?;
        self.run(Length::Short, move |admin| admin.user_by_id(UserId(id))).await
    }

    /// The same, if this administrator may change the account now. The account of an administrator, including one's own,
    /// needs a recent password, so a leaked token cannot set the password of its owner.
    ///
    /// # Errors
    /// 404 if there is no such user, 403 until the password is entered again.
    pub(in crate::http) async fn user_to_change(&self) -> Result<User, ApiError> {
        let user = self.recording_not_found(self.user().await).await?;
        if user.is_admin {
            self.require_recent_password().await?;
        }
        Ok(user)
    }

    /// The target of an action. If it does not exist, the refusal is recorded.
    ///
    /// # Errors
    /// The error of the lookup.
    pub(in crate::http) async fn recording_not_found<T>(&self, found: Result<T, ApiError>) -> Result<T, ApiError> {
        if found.as_ref().is_err_and(ApiError::is_not_found) {
            self.record_refusal(ApiError::not_found()).await?;
        }
        found
    }

    /// The user with this number, as the target of an action.
    ///
    /// # Errors
    /// 404 if there is no such user.
    pub(super) async fn target_user(&self, id: UserId) -> Result<User, ApiError> {
        self.recording_not_found(self.run(Length::Short, move |admin| admin.user_by_id(id)).await).await
    }

    /// Checks that this administrator may end a session of that user now. One's own sessions need no recent password.
    ///
    /// # Errors
    /// 403 until the password is entered again.
    pub(in crate::http) async fn permit_end_for(&self, user: &User) -> Result<(), ApiError> {
        if user.is_admin && user.id != self.acting()?.who.user.id {
            return self.require_recent_password().await;
        }
        Ok(())
    }

    /// Checks that the password was entered recently.
    ///
    /// # Errors
    /// 403 if it was not.
    pub(in crate::http) async fn require_recent_password(&self) -> Result<(), ApiError> {
        let Acting { who, by } = self.acting()?;
        if *by == By::Script {
            let message = "a script's token cannot do this: it has no password to give again";
            return self.record_refusal(ApiError::forbidden(message)).await;
        }
        let (session, now) = (who.session.id, self.auth().now());
        let given = self.run(Length::Short, move |admin| admin.password_given_at(session)).await?;
        if now.since(given.map_or(who.session.created, |given| given.max(who.session.created))) <= RECENT {
            return Ok(());
        }
        let refusal = ApiError::password_required("give the password again first: POST /admin/api/verify-password/");
        match by {
            By::Login | By::Script => self.record_refusal(refusal).await,
            // The page asks for the password and then continues: nothing is refused.
            #[cfg(feature = "pages")]
            By::Page => Err(refusal),
        }
    }

    /// Records the refusal of an action. Use cases record their own refusals.
    ///
    /// # Errors
    /// The refusal, or 503 if it could not be recorded.
    pub(in crate::http) async fn record_refusal(&self, refusal: ApiError) -> Result<(), ApiError> {
        let act = format!("{} {}", self.request.method(), self.request.match_pattern().unwrap_or_default());
        let detail = json!({ "act": act, "reason": refusal.reason() });
        self.run(Length::Short, move |admin| admin.record(Event::ActRefused, None, detail)).await?;
        Err(refusal)
    }
}
