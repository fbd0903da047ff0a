//! Sessions: search, look at one, end one or many.

use serde_json::json;

use super::call::{Answer, Call, Reply};
use super::error::ApiError;
use super::page::Page;
use crate::domain::session::SessionId;
use crate::service::admin::desk::Length;
use crate::service::admin::{Admin, SessionQuery};

pub(super) async fn list(mut call: Call) -> Answer {
    let limit = call.fields.limit();
    let query = SessionQuery {
        user: call.fields.user("user"),
        with_ended: call.fields.flag("ended").unwrap_or(false),
        before: call.fields.parsed("cursor", "a cursor", SessionId::parse),
        limit: Page::<()>::rows(limit),
    };
    call.finish()?;
    let sessions = call.run(Length::Short, move |admin| admin.list_sessions(query)).await?;
    Reply::ok(&Page::of(sessions, limit, |entry| entry.session.id.to_string()))
}

pub(super) async fn get(mut call: Call) -> Answer {
    call.finish()?;
    let id = call.session_id()?;
    Reply::ok(&call.run(Length::Short, move |admin| admin.session_entry(id)).await?)
}

pub(super) async fn end(mut call: Call) -> Answer {
    call.finish()?;
    let id = call.session_id()?;
    let owner = call.run(Length::Short, move |admin| admin.user_by_id(admin.session_entry(id)?.user_id)).await?;
    call.permit_on(&owner).await?;
    call.run(Length::Short, move |admin| admin.end_session(id)).await?;
    Reply::done()
}

/// Ends everybody's sessions, or those that were opened before a moment: the same work for any number.
pub(super) async fn revoke(mut call: Call) -> Answer {
    let all = call.fields.flag("all").unwrap_or(false);
    let before = call.fields.time("before");
    call.finish()?;
    match (all, before) {
        (true, None) => call.run(Length::Short, Admin::end_everybody).await?,
        (false, Some(before)) => call.run(Length::Short, move |admin| admin.end_issued_before(before)).await?,
        (true, Some(_)) | (false, None) => return Err(ApiError::invalid("say either all or before")),
    }
    // They are not counted.
    Reply::ok(&json!({ "ended": null }))
}
