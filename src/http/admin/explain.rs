//! Explanations of what became of a session or a token.

use super::call::Call;
use super::description::{Description, Field, Kind, Success, of};
use super::error::ApiError;
use super::reply::{self, Answer};
use crate::domain::session::SessionId;
use crate::service::admin::desk::Length;
use crate::service::admin::{ExplainSettings, Explanation, Question};

pub(super) const EXPLAIN: Description =
    Description::new("What became of a session or a token", Success::ok(of::<Explanation>)).fields(&[&[
        Field::new("session_id", Kind::Id, "The id of the session."),
        Field::text("token", "The token, instead of an id."),
    ]]);

/// The token is in the body, since paths and queries are logged in many places.
pub(super) async fn explain(mut call: Call) -> Answer {
    let session = call.fields.parsed("session_id", "a session's id", SessionId::parse).map(Question::Session);
    let token = call.fields.parsed("token", "a text", |text| Some(Question::token(text)));
    call.finish()?;
    let ((Some(question), None) | (None, Some(question))) = (session, token) else {
        return Err(ApiError::invalid("say either session_id or token"));
    };
    reply::ok(&answer(&call, question).await?)
}

/// Finds the answer to a question.
///
/// # Errors
/// 503 if it could not be found.
pub(in crate::http) async fn answer(call: &Call, question: Question) -> Result<Explanation, ApiError> {
    let state = call.state.clone();
    call.run(Length::Short, move |admin| {
        let settings = ExplainSettings {
            session_retention: state.settings().session_retention,
            jwt_secret: state.settings().jwt_secret.as_ref(),
        };
        admin.explain(&question, &settings)
    })
    .await
}
