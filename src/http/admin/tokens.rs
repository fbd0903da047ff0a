//! Tokens of scripts: list with their last use, make, end by id or by name.

use std::time::Duration;

use serde_json::json;

use super::call::{Answer, Call, Reply};
use super::page::Page;
use crate::domain::dialect::Dialect;
use crate::domain::session::{SessionId, SessionKind};
use crate::domain::user::UserId;
use crate::service::admin::desk::Length;
use crate::service::admin::{SessionMatch, SessionQuery};

/// The longest life of a token, in seconds: 100 years.
const LONGEST: i64 = 100 * 365 * 86_400;

pub(super) async fn list(mut call: Call) -> Answer {
    let limit = call.fields.limit();
    let query = SessionQuery {
        matching: SessionMatch {
            user: call.fields.user("user"),
            name: call.fields.text("name"),
            for_script: true,
            ..SessionMatch::default()
        },
        with_ended: call.fields.flag("ended").unwrap_or(false),
        before: call.fields.parsed("cursor", "a cursor", SessionId::parse),
        limit: Page::<()>::rows(limit),
    };
    call.finish()?;
    let tokens = call.run(Length::Short, move |admin| admin.list_sessions(query)).await?;
    Reply::ok(&Page::of(tokens, limit, |entry| entry.session.id.to_string()))
}

pub(super) async fn create(mut call: Call) -> Answer {
    let fields = &mut call.fields;
    let user = fields.user("user");
    let user = fields.require("user", user).unwrap_or(UserId(0));
    let name = fields.required_text("name");
    let lifetime = fields.number("expires_in", 1..=LONGEST);
    let for_administration = fields.flag("admin").unwrap_or(false);
    call.finish()?;
    let kind = if for_administration { SessionKind::AdminScript } else { Dialect::Knox.into() };
    let lifetime = lifetime.map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
    let user = call.of_act(call.run(Length::Short, move |admin| admin.user_by_id(user)).await).await?;
    let made = call.run(Length::Short, move |admin| admin.create_token(&user, name, lifetime, kind)).await?;
    Reply::created(&json!({ "id": made.session, "token": made.token.expose(), "expires": made.expires }))
}

/// All live ones of a user with exactly this name.
pub(super) async fn revoke(mut call: Call) -> Answer {
    let fields = &mut call.fields;
    let user = fields.user("user");
    let user = fields.require("user", user).unwrap_or(UserId(0));
    let name = fields.required_text("name");
    call.finish()?;
    let owner = call.of_act(call.run(Length::Short, move |admin| admin.user_by_id(user)).await).await?;
    call.permit_end_for(&owner).await?;
    let ended = call.run(Length::Long, move |admin| admin.end_tokens_named(&owner, &name)).await?;
    Reply::ok(&json!({ "ended": ended }))
}
