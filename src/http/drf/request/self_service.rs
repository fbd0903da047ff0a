//! Steps of the endpoints for a user's own sessions and password.

use std::borrow::Cow;

use super::{LoginDenial, RequestContext};
use crate::domain::password_rules::WeakPassword;
use crate::domain::session::{SessionId, Verified};
use crate::domain::user::{LoginName, Password, UserId};
use crate::http::drf::endpoint::EndpointResult;
use crate::http::drf::fields::{Field, FieldErrors, Fields, Trim};
use crate::http::middleware::request_log::{Facts, note};
use crate::service::{PasswordError, PasswordRequest, SessionPage, Unavailable, Whose};

/// The most sessions on a page, and how many there are if the client does not say.
pub(in crate::http) const MAX_LIMIT: u32 = 100;
pub(in crate::http) const USUAL_LIMIT: u32 = 50;

impl RequestContext<'_> {
    /// The user of the token, or `None` if the request has no credentials for this server.
    ///
    /// # Errors
    /// The reply to send: the token is not good.
    pub(super) async fn authenticate_if_asked(&self) -> EndpointResult<Option<Verified>> {
        match self.state.guard().check(self.request).await {
            Ok(who) => Ok(Some(who)),
            Err(failure) if failure.is_anonymous() => Ok(None),
            Err(failure) => Err(failure.reply(self.replies())),
        }
    }

    /// Reads `cursor` and `limit` in the query, and lists the user's sessions.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn own_sessions(&self, who: &Verified) -> EndpointResult<SessionPage> {
        let (after, limit) =
            page(self.request.query_string()).map_err(|errors| self.replies().field_errors(&errors))?;
        self.done(self.state.auth().own_sessions(who, after, limit).await)
    }

    /// Ends the session in the path, and returns its id. `None` if the user has no such live session.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn end_own_session(&self, who: &Verified) -> EndpointResult<Option<SessionId>> {
        let Some(session) = self.request.match_info().get("id").and_then(SessionId::parse) else { return Ok(None) };
        let ended =
            self.done(self.state.auth().end_own_session(who, session, self.state.origin(self.request)).await)?;
        Ok(ended.then_some(session))
    }

    /// Ends all sessions of the user but the current one.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn end_other_sessions(&self, who: &Verified) -> EndpointResult<()> {
        self.done(self.state.auth().end_other_sessions(who, self.state.origin(self.request)).await)
    }

    /// Reads name and password, and ends all sessions of that user.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn log_out_everywhere_by_password(&mut self) -> EndpointResult<Result<(), LoginDenial>> {
        let document = self.document().await?;
        let read = || {
            let mut fields = Fields::of(&document)?;
            let login = login_name(&mut fields);
            let password = Password::new(fields.text(Field::text("password", Trim::No)));
            fields.finish().map(|()| (login, password))
        };
        let (login, password) = read().map_err(|errors| self.replies().field_errors(&errors))?;
        let origin = self.state.origin(self.request);
        match self.state.auth().logout_all_by_password(login, password, origin).await {
            Ok(user) => {
                self.note_user(user);
                Ok(Ok(()))
            }
            Err(error) => self.login_denial(&error).map(Err),
        }
    }

    /// Reads the present password and a new one, without a token also the name, and sets the new password.
    ///
    /// # Errors
    /// The reply to send.
    pub async fn change_password(&mut self, who: Option<Verified>) -> EndpointResult<Result<(), LoginDenial>> {
        let document = self.document().await?;
        let origin = self.state.origin(self.request);
        let read = || {
            let mut fields = Fields::of(&document)?;
            let whose = match who {
                Some(who) => Whose::Session(Box::new(who)),
                None => Whose::Named(login_name(&mut fields)),
            };
            let current = Password::new(fields.text(Field::text("current_password", Trim::No)));
            let new = Password::new(fields.text(Field::text("new_password", Trim::No)));
            let keep_others = fields.flag("keep_other_sessions");
            fields.finish().map(|()| PasswordRequest { whose, current, new, keep_others, origin })
        };
        let request = read().map_err(|errors| self.replies().field_errors(&errors))?;
        match self.state.auth().change_password(request).await {
            Ok(user) => {
                self.note_user(user);
                Ok(Ok(()))
            }
            Err(PasswordError::Login(error)) => self.login_denial(&error).map(Err),
            Err(PasswordError::Weak(weak)) => {
                note(self.request, |facts| facts.refused("weak_password"));
                Err(self.replies().field_errors(&FieldErrors::one("new_password", wording(weak))))
            }
        }
    }

    fn note_user(&self, user: UserId) {
        note(self.request, |facts: &Facts| facts.of_user(user));
    }

    fn done<T>(&self, outcome: Result<T, Unavailable>) -> EndpointResult<T> {
        outcome.map_err(|error| self.unavailable(&error))
    }
}

/// The user name, or the e-mail address if only that is given.
fn login_name(fields: &mut Fields<'_>) -> LoginName {
    if fields.has("email") && !fields.has("username") {
        LoginName::Email(fields.text(Field::text("email", Trim::Yes)))
    } else {
        LoginName::Username(fields.text(Field::text("username", Trim::Yes)))
    }
}

/// The words of Django's own validators, which its clients know, where it has the rule.
const fn wording(weak: WeakPassword) -> &'static str {
    match weak {
        WeakPassword::TooShort => "This password is too short. It must contain at least 8 characters.",
        WeakPassword::OuterSpace => "This password begins or ends with white space.",
        WeakPassword::Common => "This password is too common.",
        WeakPassword::OwnName => "The password is too similar to the username or the email address.",
    }
}

/// The page that a query asks for: after which session, and how many.
fn page(query: &str) -> Result<(Option<SessionId>, u32), FieldErrors> {
    let last = |name: &str| {
        let values = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
        values.map(|(_, value)| value).last().filter(|value| !value.is_empty())
    };
    let after = last("cursor").map(|cursor| SessionId::parse(&cursor).ok_or("Invalid cursor.")).transpose();
    let limit = last("limit").map_or(Ok(USUAL_LIMIT), |limit| whole_number(&limit));
    match (after, limit) {
        (Ok(after), Ok(limit)) => Ok((after, limit)),
        (Err(message), _) => Err(FieldErrors::one("cursor", message)),
        (Ok(_), Err(message)) => Err(FieldErrors::one("limit", message)),
    }
}

/// A number from 1 to [`MAX_LIMIT`].
fn whole_number(text: &str) -> Result<u32, Cow<'static, str>> {
    let number: i64 = text.parse().map_err(|_| "A valid integer is required.")?;
    match u32::try_from(number) {
        Ok(number @ 1..=MAX_LIMIT) => Ok(number),
        Ok(0) | Err(_) if number < 1 => Err("Ensure this value is greater than or equal to 1.".into()),
        Ok(_) | Err(_) => Err(format!("Ensure this value is less than or equal to {MAX_LIMIT}.").into()),
    }
}
