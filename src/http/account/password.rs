//! Changing one's password, and logging out everywhere by it.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | change: `current_password`, `new_password`, perhaps `keep_other_sessions`; token in the header, or `username` | 204 | 401, by what the header holds; field errors; 400 `{"non_field_errors":["Unable to log in with provided credentials."]}`; 429 |
//! | revoke-all: `username`, `password` | 204 | field errors; the same |

use actix_web::HttpResponse;

use crate::domain::password_rules::WeakPassword;
use crate::domain::session::Verified;
use crate::domain::user::{LoginName, Password, UserId};
use crate::http::drf::endpoint::{Endpoint, EndpointResult, endpoint, post};
use crate::http::drf::fields::{Field, FieldErrors, Fields, Trim};
use crate::http::drf::request::RequestContext;
use crate::http::openapi::document::Section;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{about, flag, name, new_password, password};
use crate::http::openapi::{errors_of, non_field_errors};
use crate::service::{LoginError, PasswordError, PasswordRequest, Whose};

pub(super) static ENDPOINTS: [Endpoint; 2] = [
    endpoint(
        "auth/sessions/revoke-all",
        "Revoke All Sessions",
        &[post(&[], |at| at.open(revoke_all), describe_revoke_all)],
    ),
    endpoint("auth/password/change", "Password Change", &[post(&[], |at| at.perhaps_known(change), describe_change)]),
];

fn describe_revoke_all(_: &mut Section<'_>) -> Operation {
    let revoke_all = Operation::new("Log out everywhere by password")
        .reads(&[("password", password()), ("username", name()), email()], 1)
        .empty(204, "All sessions of the user are over.");
    denied_by_password(revoke_all).asks_the_database()
}

async fn revoke_all(context: &mut RequestContext<'_>) -> EndpointResult {
    let (login, password) = context.read(|fields| (login_name(fields), password_in(fields, "password"))).await?;
    match context.auth().logout_all_by_password(login, password, context.origin()).await {
        Ok(user) => Ok(done(context, user)),
        Err(error) => denied(context, &error),
    }
}

fn describe_change(section: &mut Section<'_>) -> Operation {
    let fields = [
        ("current_password", about(password(), "The present password, or a one-time password.")),
        ("new_password", about(new_password(), "The new one.")),
        ("keep_other_sessions", about(flag(), "Whether the other sessions go on.")),
        ("username", about(name(), "Needed without a token, else not read.")),
        email(),
    ];
    let change = Operation::new("Change one's password")
        .about("With a token its session goes on; without one, all sessions end.")
        .perhaps_known(section)
        .reads(&fields, 2)
        .empty(204, "The new password is set, and the other sessions are over.")
        .reply(400, "The new password breaks a rule.", errors_of(&["new_password"]));
    denied_by_password(change)
}

async fn change(context: &mut RequestContext<'_>, who: Option<Verified>) -> EndpointResult {
    let origin = context.origin();
    let request = |fields: &mut Fields<'_>| PasswordRequest {
        whose: who.map_or_else(|| Whose::Named(login_name(fields)), |who| Whose::Session(Box::new(who))),
        current: password_in(fields, "current_password"),
        new: password_in(fields, "new_password"),
        keep_others: fields.flag("keep_other_sessions"),
        origin,
    };
    let request = context.read(request).await?;
    match context.auth().change_password(request).await {
        Ok(user) => Ok(done(context, user)),
        Err(PasswordError::Login(error)) => denied(context, &error),
        Err(PasswordError::Weak(weak)) => {
            context.note(|facts| facts.refused("weak_password"));
            Ok(context.replies().field_errors(&FieldErrors::one("new_password", wording(weak))))
        }
    }
}

fn email() -> (&'static str, serde_json::Value) {
    ("email", about(name(), "May take the place of `username`."))
}

/// The user name, or the e-mail address if only that is given.
fn login_name(fields: &mut Fields<'_>) -> LoginName {
    if fields.has("email") && !fields.has("username") {
        LoginName::Email(fields.text(Field::text("email", Trim::Yes)))
    } else {
        LoginName::Username(fields.text(Field::text("username", Trim::Yes)))
    }
}

fn password_in(fields: &mut Fields<'_>, name: &'static str) -> Password {
    Password::new(fields.text(Field::text(name, Trim::No)))
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

fn done(context: &RequestContext<'_>, user: UserId) -> HttpResponse {
    context.note(|facts| facts.of_user(user));
    context.replies().done()
}

/// The refusal of a name and a password: as that of a login with knox.
fn denied(context: &RequestContext<'_>, error: &LoginError) -> EndpointResult {
    let denial = context.login_denial(error)?;
    Ok(context.replies().non_field_error(denial.message("Unable to log in with provided credentials.")))
}

fn denied_by_password(operation: Operation) -> Operation {
    operation
        .reply(400, "The name or the password is wrong, or the user is not active.", non_field_errors())
        .throttled("There were too many wrong passwords.")
}
