//! Keys that sign JWTs: list and rotate them.

use serde_json::json;

use super::call::Call;
use super::description::{Description, Field, Kind, Success, of, page_of};
use super::error::ApiError;
use super::fields::Fields;
use super::reply::{self, Answer};
use crate::domain::jwt::Algorithm;
use crate::service::admin::desk::Length;
use crate::service::admin::{Admin, ListedKey, RotatedKey};

pub(super) const LIST: Description =
    Description::new("Keys that sign JWTs, oldest first", Success::ok(page_of::<ListedKey>));
pub(super) const ROTATE: Description =
    Description::new("Add a key that takes over signing", Success::created(of::<RotatedKey>))
        .fields(&[&[Field::new("algorithm", Kind::OneOf(&ALGORITHMS), "The one in the settings by default.")]])
        .refuses(&[(409, "The secret in the settings is already in use.")]);

const ALGORITHMS: [&str; 3] = [Algorithm::Hs256.as_str(), Algorithm::EdDsa.as_str(), Algorithm::Rs256.as_str()];

pub(super) async fn list(mut call: Call) -> Answer {
    call.finish()?;
    let keys = call.run(Length::Short, Admin::list_keys).await?;
    reply::ok(&json!({ "results": keys, "next": null }))
}

pub(super) async fn rotate(mut call: Call) -> Answer {
    let algorithm = read_algorithm(&mut call.fields);
    call.finish()?;
    let algorithm = algorithm.unwrap_or(call.state.settings().algorithm);
    reply::created(&rotate_to(&call, algorithm).await?)
}

/// Reads the algorithm of a new key.
pub(in crate::http) fn read_algorithm(fields: &mut Fields) -> Option<Algorithm> {
    let named = |text: &str| Algorithm::ALL.into_iter().find(|known| known.as_str() == text);
    fields.parsed("algorithm", "HS256, EdDSA or RS256", named)
}

/// Adds a key that takes over signing.
///
/// # Errors
/// 409 if the secret in the settings is already in use.
pub(in crate::http) async fn rotate_to(call: &Call, algorithm: Algorithm) -> Result<RotatedKey, ApiError> {
    let secret = call.state.settings().jwt_secret.clone();
    call.run(Length::Computing, move |admin| admin.rotate_key(algorithm, secret.as_ref())).await
}
