//! Keys that sign JWTs: list, rotate.

use serde_json::json;

use super::call::{Answer, Call, Reply};
use super::described::{Described, Gives, Kind, Takes, of, page_of};
use super::error::ApiError;
use crate::domain::jwt::Algorithm;
use crate::service::admin::desk::Length;
use crate::service::admin::{ListedKey, RotatedKey};

pub(super) const LIST: Described = Described::new("Keys that sign JWTs, oldest first", Gives::ok(page_of::<ListedKey>));
pub(super) const ROTATE: Described = Described::new("Add a key that takes over", Gives::created(of::<RotatedKey>))
    .takes(&[&[Takes::new("algorithm", Kind::OneOf(&ALGORITHMS), "That of the settings, if it does not say.")]])
    .refuses(&[(409, "The secret of the settings is in use already.")]);

const ALGORITHMS: [&str; 3] = [Algorithm::Hs256.as_str(), Algorithm::EdDsa.as_str(), Algorithm::Rs256.as_str()];

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
    Reply::created(&rotate_to(&call, algorithm).await?)
}

/// Adds a key that takes over signing.
///
/// # Errors
/// 409 if the secret of the settings signs already.
pub(in crate::http) async fn rotate_to(call: &Call, algorithm: Algorithm) -> Result<RotatedKey, ApiError> {
    let secret = call.state.settings().jwt_secret.clone();
    call.run(Length::Computing, move |admin| admin.rotate_key(algorithm, secret.as_ref())).await
}
