//! Keys that sign JWTs: list, rotate.

use serde_json::{Value, json};

use super::call::{Answer, Call, Reply};
use super::described::{Described, Gives, Kind, Takes, page_of};
use super::error::ApiError;
use crate::domain::jwt::Algorithm;
use crate::domain::time::Timestamp;
use crate::http::openapi::schema::{Schemas, object, one_of, time};
use crate::service::admin::ListedKey;
use crate::service::admin::desk::Length;

pub(super) const LIST: Described = Described::new("Keys that sign JWTs, oldest first", Gives::ok(page_of::<ListedKey>));
pub(super) const ROTATE: Described = Described::new("Add a key that takes over", Gives::created(rotated))
    .takes(&[&[Takes::new("algorithm", Kind::OneOf(&ALGORITHMS), "That of the settings, if it does not say.")]])
    .refuses(&[(409, "The secret of the settings is in use already.")]);

const ALGORITHMS: [&str; 3] = [Algorithm::Hs256.as_str(), Algorithm::EdDsa.as_str(), Algorithm::Rs256.as_str()];

fn rotated(_: &mut Schemas) -> Value {
    object([("algorithm", one_of(&ALGORITHMS)), ("signs_from", time())])
}

pub(super) async fn list(mut call: Call) -> Answer {
    call.finish()?;
    let keys = call.run(Length::Short, crate::service::admin::Admin::list_keys).await?;
    Reply::ok(&json!({ "results": keys, "next": null }))
}

pub(super) async fn rotate(mut call: Call) -> Answer {
    let named = |text: &str| Algorithm::ALL.into_iter().find(|known| known.as_str() == text);
    let algorithm = call.fields.parsed("algorithm", "HS256, EdDSA or RS256", named);
    call.finish()?;
    let algorithm = algorithm.unwrap_or(call.state.settings().algorithm);
    let signs_from = rotate_to(&call, algorithm).await?;
    Reply::created(&json!({ "algorithm": algorithm.as_str(), "signs_from": signs_from }))
}

/// Adds a key that takes over signing; returns from when.
///
/// # Errors
/// 409 if the secret of the settings signs already.
pub(in crate::http) async fn rotate_to(call: &Call, algorithm: Algorithm) -> Result<Timestamp, ApiError> {
    let secret = call.state.settings().jwt_secret.clone();
    call.run(Length::Computing, move |admin| admin.rotate_key(algorithm, secret.as_ref())).await
}
