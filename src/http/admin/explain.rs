//! What became of a session or a token.

use super::call::{Answer, Call, Reply};
use super::described::{Described, Gives, Kind, Takes, of};
use super::error::ApiError;
use crate::domain::session::SessionId;
use crate::service::admin::desk::Length;
use crate::service::admin::{ExplainSettings, Explanation, Question};

pub(super) const EXPLAIN: Described =
    Described::new("What became of a session or a token", Gives::ok(of::<Explanation>)).takes(&[&[
        Takes::new("session_id", Kind::Id, "The id of the session."),
        Takes::text("token", "The token, in place of an id."),
    ]]);

/// The token is a field of the body: paths and queries are logged in many places.
pub(super) async fn explain(mut call: Call) -> Answer {
    let session = call.fields.parsed("session_id", "a session's id", SessionId::parse).map(Question::Session);
    let token = call.fields.parsed("token", "a text", |text| Some(Question::token(text)));
    call.finish()?;
    let ((Some(question), None) | (None, Some(question))) = (session, token) else {
        return Err(ApiError::invalid("say either session_id or token"));
    };
    Reply::ok(&answer(&call, question).await?)
}

/// Answers the question.
///
/// # Errors
/// 503 if that could not be found out.
pub(in crate::http) async fn answer(call: &Call, question: Question) -> Result<Explanation, ApiError> {
    let state = call.state.clone();
    let explanation = call.run(Length::Short, move |admin| {
        let settings = ExplainSettings {
            session_retention: state.settings().session_retention,
            jwt_secret: state.settings().jwt_secret.as_ref(),
        };
        admin.explain(&question, &settings)
    });
    explanation.await
}
