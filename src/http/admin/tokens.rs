//! Tokens of scripts: list with their last use, make, end by id or by name.

use std::time::Duration;

use serde_json::json;

use super::call::{Answer, Call, Reply};
use super::error::ApiError;
use super::fields::Fields;
use super::sessions;
use crate::domain::dialect::Dialect;
use crate::domain::session::{SessionId, SessionKind};
use crate::domain::user::UserId;
use crate::service::admin::desk::Length;
use crate::service::admin::{ScriptToken, SessionMatch, SessionQuery};

/// The longest life of a token, in seconds: 100 years.
const LONGEST: i64 = 100 * 365 * 86_400;

pub(super) async fn list(mut call: Call) -> Answer {
    let query = read_query(&mut call.fields);
    call.finish()?;
    Reply::ok(&sessions::find(&call, query).await?)
}

/// What a search is about.
pub(in crate::http) fn read_query(fields: &mut Fields) -> SessionQuery {
    SessionQuery {
        matching: SessionMatch {
            user: fields.user("user"),
            name: fields.text("name"),
            for_script: true,
            ..SessionMatch::default()
        },
        with_ended: fields.flag("ended").unwrap_or(false),
        before: fields.parsed("cursor", "a cursor", SessionId::parse),
        limit: fields.limit(),
    }
}

pub(super) async fn create(mut call: Call) -> Answer {
    let fields = &mut call.fields;
    let user = fields.user("user");
    let user = fields.require("user", user).unwrap_or(UserId(0));
    let name = fields.required_text("name");
    let lifetime = fields.number("expires_in", 1..=LONGEST);
    let for_administration = fields.flag("admin").unwrap_or(false);
    call.finish()?;
    let lifetime = lifetime.map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
    let made = make(&call, Wanted { user, name, lifetime, for_administration }).await?;
    Reply::created(&json!({ "id": made.session, "token": made.token.expose(), "expires": made.expires }))
}

/// A token to be made.
pub(in crate::http) struct Wanted {
    /// As whom it acts.
    pub(in crate::http) user: UserId,
    /// What it is called.
    pub(in crate::http) name: String,
    /// How long it is good; `None`: until it is revoked.
    pub(in crate::http) lifetime: Option<Duration>,
    /// Whether it is good at the API of administrators, and there alone.
    pub(in crate::http) for_administration: bool,
}

/// Makes a token for a script.
///
/// # Errors
/// 404 if there is no such user; what cannot be.
pub(in crate::http) async fn make(call: &Call, wanted: Wanted) -> Result<ScriptToken, ApiError> {
    let Wanted { user, name, lifetime, for_administration } = wanted;
    let kind = if for_administration { SessionKind::AdminScript } else { Dialect::Knox.into() };
    let user = call.of_act(call.run(Length::Short, move |admin| admin.user_by_id(user)).await).await?;
    call.run(Length::Short, move |admin| admin.create_token(&user, name, lifetime, kind)).await
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
