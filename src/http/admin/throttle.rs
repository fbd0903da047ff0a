//! Login throttling on this node: list the counters, and clear them.

use serde_json::{Value, json};

use super::call::Call;
use super::description::{Description, Field, Kind, Success, page_of};
use super::error::ApiError;
use super::fields::MOST_ROWS;
use super::reply::{self, Answer};
use crate::domain::audit::Event;
use crate::http::openapi::schema::{Schemas, object};
use crate::service::admin::desk::Length;
use crate::service::{ThrottleEntry, ThrottleScope};

pub(super) const LIST: Description = Description::new(
    "Counters of wrong passwords on this node, the full ones first",
    Success::ok(page_of::<ThrottleEntry>),
)
.fields(&[&[Field::new("limit", Kind::Number(1, MOST_ROWS), "How many; 50 by default.")]]);
pub(super) const CLEAR: Description =
    Description::new("Clear counters of wrong passwords on this node", Success::ok(cleared))
        .fields(&[&[
            Field::new("user", Kind::User, "The counters of this account."),
            Field::new("address", Kind::Address, "The counters of this address."),
            Field::flag("all", "All counters."),
        ]])
        .refuses(&[(404, "There is no such user.")]);

fn cleared(_: &mut Schemas) -> Value {
    object([("cleared", json!({ "type": "integer", "minimum": 0 }))])
}

pub(super) async fn list(mut call: Call) -> Answer {
    let limit = usize::try_from(call.fields.limit()).unwrap_or_default();
    call.finish()?;
    reply::ok(&json!({ "results": call.auth().throttled(limit), "next": null }))
}

pub(super) async fn clear(mut call: Call) -> Answer {
    reply::ok(&json!({ "cleared": clear_counters(&mut call).await? }))
}

/// Clears the counters of a user, of an address, or all; returns their number.
///
/// # Errors
/// 400 if the fields do not say which; 404 if there is no such user; 503 if it could not be recorded.
pub(in crate::http) async fn clear_counters(call: &mut Call) -> Result<usize, ApiError> {
    let user = call.fields.user("user");
    let address = call.fields.address("address");
    let all = call.fields.flag("all").unwrap_or(false);
    call.finish()?;
    if all == (user.is_some() || address.is_some()) {
        return Err(ApiError::invalid("say either all, or a user, an address or both"));
    }
    let user = match user {
        Some(id) => Some(call.target_user(id).await?),
        None => None,
    };
    // The event comes first: without it, nothing is cleared.
    let (about, detail) = (user.as_ref().map(|user| user.id), json!({ "all": all, "address": address }));
    call.run(Length::Short, move |admin| admin.record(Event::ThrottleCleared, about, detail)).await?;
    Ok(call.auth().clear_throttle(ThrottleScope { user: user.as_ref(), address }))
}
