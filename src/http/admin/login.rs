//! Sessions of administrators: log in, log out, verify the password again, look at one's own session.

use actix_web::HttpRequest;
use serde_json::{Value, json};

use super::access::{Acting, By};
use super::call::Call;
use super::description::{Description, Field, Kind, Success};
use super::error::ApiError;
use super::reply::{self, Answer};
use crate::domain::session::Session;
use crate::domain::user::{LoginName, Password, User};
use crate::http::middleware::request_log::note;
use crate::http::openapi::schema::{Schemas, flag, nullable, object, time, token};
use crate::service::admin::desk::Length;
use crate::service::{LoginError, LoginRefusal};

pub(super) const LOG_IN: Description = Description::new("Log in", Success::ok(logged_in))
    .fields(&[&[Field::text("username", "The name.").required()], PASSWORD])
    .refuses(&[
        (401, "The name or the password is wrong, or the user is not an active administrator."),
        (409, "The user has too many sessions."),
        (429, "There were too many wrong passwords."),
    ]);
pub(super) const LOG_OUT: Description = Description::new("Log out", Success::NOTHING);
pub(super) const VERIFY_PASSWORD: Description = Description::new("Verify the password again", Success::NOTHING)
    .about("For the next five minutes, this session may do what needs a recent password.")
    .fields(&[PASSWORD])
    .refuses(&[
        (401, "The password is wrong."),
        (409, "The user has too many sessions."),
        (429, "There were too many wrong passwords."),
    ]);
pub(super) const ME: Description = Description::new("The user and the session of the token", Success::ok(known));

const PASSWORD: &[Field] = &[Field::new("password", Kind::Password, "The password.").required()];

fn logged_in(schemas: &mut Schemas) -> Value {
    object([("token", token()), ("expires", nullable(time())), ("user", schemas.of::<User>())])
}

fn known(schemas: &mut Schemas) -> Value {
    object([
        ("user", schemas.of::<User>()),
        ("session", schemas.of::<Session>()),
        ("expires", nullable(time())),
        ("is_script", flag()),
    ])
}

pub(super) async fn log_in(mut call: Call) -> Answer {
    let name = call.fields.required_text("username");
    let password = call.fields.required_password("password");
    call.finish()?;
    let outcome = call.auth().log_in_administrator(LoginName::Username(name), password, call.origin()).await;
    let issued = outcome.map_err(|error| refused(&call.request, error))?;
    note(&call.request, |facts| facts.opened(issued.session, issued.user.id));
    reply::ok(&json!({
        "token": issued.access.token.expose(),
        "expires": issued.access.expires,
        "user": issued.user,
    }))
}

pub(super) async fn log_out(mut call: Call) -> Answer {
    call.finish()?;
    call.auth().logout(&call.acting()?.who, call.origin()).await?;
    reply::no_content()
}

pub(super) async fn verify_password(mut call: Call) -> Answer {
    let password = call.fields.required_password("password");
    call.finish()?;
    let acting = call.acting()?;
    if acting.by == By::Script {
        call.record_refusal(ApiError::forbidden("a script's token has no password to verify")).await?;
    }
    verify_again(&call, password).await?;
    reply::no_content()
}

/// Verifies the password of the administrator, and records in the session when it was entered.
///
/// # Errors
/// Those of a login.
pub(in crate::http) async fn verify_again(call: &Call, password: Password) -> Result<(), ApiError> {
    let who = &call.acting()?.who;
    let name = LoginName::Username(who.user.username.clone());
    let verified = call.auth().verify_administrator(name, password, call.origin()).await;
    let user = verified.map_err(|error| refused(&call.request, error))?;
    if user.id != who.user.id {
        call.record_refusal(ApiError::wrong_credentials()).await?;
    }
    let session = who.session.id;
    call.run(Length::Short, move |admin| admin.note_password_given(session)).await
}

pub(super) async fn me(mut call: Call) -> Answer {
    call.finish()?;
    let Acting { who, by } = call.acting()?;
    let is_script = *by == By::Script;
    reply::ok(&json!({ "user": *who.user, "session": who.session, "expires": who.expires, "is_script": is_script }))
}

/// The refusal of a login or of a password. A user who is not an administrator gets the same one as a wrong password.
pub(in crate::http) fn refused(request: &HttpRequest, error: LoginError) -> ApiError {
    match error {
        LoginError::Refused { why, account } => {
            note(request, |facts| facts.refused_login(why.as_str(), account));
            match why {
                LoginRefusal::UnknownUser | LoginRefusal::WrongPassword | LoginRefusal::InactiveUser => {
                    ApiError::wrong_credentials()
                }
                LoginRefusal::LimitReached => ApiError::conflict("the user has too many sessions"),
                LoginRefusal::Throttled { after } => ApiError::throttled(after),
            }
        }
        LoginError::Unavailable(error) => error.into(),
    }
}
