//! `POST /revoke/`: ends the session of a token (RFC 7009). Without other credentials the token itself is the proof, as
//! at a logout.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;

use super::Call;
use super::caller::Caller;
use super::credentials::Credentials;
use super::form::Form;
use super::refusal::Refusal;
use crate::domain::client::Right;
use crate::domain::token::Token;
use crate::http::middleware::request_log::note;
use crate::service::Revoker;

pub(super) async fn answer(mut call: Call<'_>) -> Result<HttpResponse, Refusal> {
    let in_header = Credentials::of_header(call.request.headers())?;
    let form = Form::read(&mut call).await?;
    let revoker = match Credentials::of_request(in_header, &form)? {
        Credentials::None => Revoker::Holder,
        credentials @ (Credentials::Client { .. } | Credentials::Administrator(_)) => {
            Revoker::Entitled(Caller::authenticate(&call, credentials, Right::Revoke).await?.actor())
        }
    };
    // A text that cannot be a token is revoked already (RFC 7009, section 2.2).
    if let Some(token) = Token::parse(form.token()?.as_bytes()) {
        let origin = call.state.origin(call.request);
        match call.state.auth().revoke(&token, revoker, origin).await? {
            Some((session, user)) => note(call.request, |facts| facts.opened(session, user)),
            None => note(call.request, |facts| facts.refused("unknown")),
        }
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
}
