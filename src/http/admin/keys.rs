//! Keys that sign JWTs: list, rotate.

use serde_json::json;

use super::call::{Answer, Call, Reply};
use crate::domain::jwt::Algorithm;
use crate::service::admin::desk::Length;

pub(super) async fn list(mut call: Call) -> Answer {
    call.finish()?;
    let keys = call.run(Length::Short, crate::service::admin::Admin::list_keys).await?;
    Reply::ok(&json!({ "results": keys, "next": null }))
}

pub(super) async fn rotate(mut call: Call) -> Answer {
    let named = |text: &str| Algorithm::ALL.into_iter().find(|known| known.as_str() == text);
    let algorithm = call.fields.parsed("algorithm", "HS256, EdDSA or RS256", named);
    call.finish()?;
    let settings = call.state.settings().clone();
    let algorithm = algorithm.unwrap_or(settings.algorithm);
    let rotated = call.run(Length::Computing, move |admin| admin.rotate_key(algorithm, settings.jwt_secret.as_ref()));
    Reply::created(&json!({ "algorithm": algorithm.as_str(), "signs_from": rotated.await? }))
}
