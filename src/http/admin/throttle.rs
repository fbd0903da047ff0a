//! Login throttling on this node: list, forgive.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::call::{Answer, Call, Reply};
use super::described::{Described, Gives, Kind, Takes, page_of};
use super::error::ApiError;
use super::fields::MOST_ROWS;
use crate::domain::audit::Event;
use crate::domain::user::UserId;
use crate::http::openapi::schema::{Schemas, object};
use crate::service::admin::desk::Length;
use crate::service::{ThrottleEntry, ThrottleScope};

pub(super) const LIST: Described = Described::new(
    "Counters of wrong passwords on this node, the full ones first",
    Gives::ok(page_of::<ThrottleEntry>),
)
.takes(&[&[Takes::new("limit", Kind::Number(1, MOST_ROWS), "How many; 50, if it does not say.")]]);
pub(super) const CLEAR: Described = Described::new("Forgive wrong passwords on this node", Gives::ok(cleared))
    .takes(&[&[
        Takes::new("user", Kind::User, "Those for this account."),
        Takes::new("address", Kind::Address, "Those from this address."),
        Takes::flag("all", "All of them."),
    ]])
    .refuses(&[(404, "There is no such user.")]);

fn cleared(_: &mut Schemas) -> Value {
    object([("cleared", json!({ "type": "integer", "minimum": 0 }))])
}

pub(super) async fn list(mut call: Call) -> Answer {
    let limit = usize::try_from(call.fields.limit()).unwrap_or_default();
    call.finish()?;
    Reply::ok(&json!({ "results": call.auth().throttled(limit), "next": null }))
}

pub(super) async fn clear(mut call: Call) -> Answer {
    let user = call.fields.user("user");
    let address = call.fields.address("address");
    let all = call.fields.flag("all").unwrap_or(false);
    call.finish()?;
    if all == (user.is_some() || address.is_some()) {
        return Err(ApiError::invalid("say either all, or a user, an address or both"));
    }
    Reply::ok(&json!({ "cleared": forgive(&call, user, address).await? }))
}

/// Forgives the wrong passwords of a user, from an address, or all; returns how many counters were reset.
///
/// # Errors
/// 404 if there is no such user; 503 if it could not be recorded.
pub(in crate::http) async fn forgive(
    call: &Call,
    user: Option<UserId>,
    address: Option<IpAddr>,
) -> Result<usize, ApiError> {
    let all = user.is_none() && address.is_none();
    let user = match user {
        Some(id) => Some(call.of_act(call.run(Length::Short, move |admin| admin.user_by_id(id)).await).await?),
        None => None,
    };
    // First, so that nothing is forgiven without it.
    let (about, detail) = (user.as_ref().map(|user| user.id), json!({ "all": all, "address": address }));
    call.run(Length::Short, move |admin| admin.record(Event::ThrottleCleared, about, detail)).await?;
    Ok(call.auth().clear_throttle(ThrottleScope { user: user.as_ref(), address }))
}
