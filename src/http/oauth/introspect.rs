//! `POST /introspect/`: whose a token is (RFC 7662).

use actix_web::HttpResponse;

use super::caller::Caller;
use super::credentials::Credentials;
use super::form::Form;
use super::refusal::Refusal;
use super::{Call, describe, reply};
use crate::domain::client::Right;
use crate::domain::session;
use crate::domain::token::Token;
use crate::http::middleware::request_log::{Facts, note};
use crate::service::{Activity, CheckError};

pub(super) async fn answer(mut call: Call<'_>) -> Result<HttpResponse, Refusal> {
    note(call.request, Facts::read_only);
    let in_header = Credentials::of_header(call.request.headers())?;
    let form = Form::read(&mut call).await?;
    let credentials = Credentials::of_request(in_header, &form)?;
    let caller = Caller::authenticate(&call, credentials, Right::Introspect).await?;
    let token = form.token()?;
    let activity = activity(&form, &caller)?;
    let outcome = match Token::parse(token.as_bytes()) {
        Some(token) => match call.state.auth().check(&token, activity).await {
            Ok(who) => Ok(who),
            Err(CheckError::Refused(refusal)) => Err(refusal),
            Err(CheckError::Unavailable(error)) => return Err(error.into()),
        },
        None => Err(session::Refusal::Malformed),
    };
    if let Err(refusal) = &outcome {
        note(call.request, |facts| facts.refused(refusal.as_str()));
    }
    let mut body = Vec::with_capacity(describe::USUAL_LENGTH);
    describe::write(&mut body, &outcome, &call.state.options().dialects);
    Ok(reply(body))
}

/// A service asks because its client sent the token, so that counts as use of the session unless it says otherwise. An
/// administrator inspects.
fn activity(form: &Form, caller: &Caller) -> Result<Activity, Refusal> {
    match (form.get("counts_as_use"), caller) {
        (Some("true"), _) | (None, Caller::Client(_)) => Ok(Activity::Counts),
        (Some("false"), _) | (None, Caller::Administrator(_)) => Ok(Activity::Ignored),
        (Some(_), _) => Err(Refusal::invalid_request("counts_as_use has to be true or false")),
    }
}
