//! Login throttling on this node: list, forgive.

use serde_json::json;

use super::call::{Answer, Call, Reply};
use super::error::ApiError;
use crate::domain::audit::Event;
use crate::service::ThrottleScope;
use crate::service::admin::desk::Length;

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
    let user = match user {
        Some(id) => Some(call.of_act(call.run(Length::Short, move |admin| admin.user_by_id(id)).await).await?),
        None => None,
    };
    // First, so that nothing is forgiven without it.
    let (about, detail) = (user.as_ref().map(|user| user.id), json!({ "all": all, "address": address }));
    call.run(Length::Short, move |admin| admin.record(Event::ThrottleCleared, about, detail)).await?;
    let cleared = call.auth().clear_throttle(ThrottleScope { user: user.as_ref(), address });
    Reply::ok(&json!({ "cleared": cleared }))
}
