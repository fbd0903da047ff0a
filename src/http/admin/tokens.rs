//! Tokens of scripts: list with their last use, make, end by id or by name.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::{Answer, Call, Reply};
use super::described::{Described, Gives, Kind, Takes, page_of};
use super::error::ApiError;
use super::fields::Fields;
use super::page::page_fields;
use super::sessions;
use crate::domain::dialect::Dialect;
use crate::domain::session::{SessionEntry, SessionId, SessionKind};
use crate::domain::user::UserId;
use crate::http::openapi::schema::{Schemas, id, nullable, object, time, token};
use crate::service::admin::desk::Length;
use crate::service::admin::{ScriptToken, SessionMatch, SessionQuery};

pub(super) const LIST: Described =
    Described::new("Tokens of scripts, newest first", Gives::ok(page_of::<SessionEntry>)).about(sessions::STOPS).takes(
        &[
            &page_fields(Kind::Id),
            &[
                Takes::new("user", Kind::User, "Their user's number."),
                Takes::text("name", "A part of their name."),
                Takes::flag("ended", "Also those that are over."),
            ],
        ],
    );
pub(super) const CREATE: Described = Described::new("Make a token for a script", Gives::created(made))
    .takes(&[
        NAMED,
        &[
            Takes::new("expires_in", Kind::Number(1, LONGEST), "After how many seconds it ends."),
            Takes::flag("admin", "Whether it is for administration; then it needs an end."),
        ],
    ])
    .refuses(&[(404, "There is no such user."), (409, "The user is not active, or is no administrator.")])
    .leads_to(&[("DELETE", "/admin/api/tokens/{id}/"), ("GET", "/admin/api/sessions/{id}/")]);
pub(super) const REVOKE: Described = Described::new("End all tokens of a user with a name", Gives::ok(ended))
    .takes(&[NAMED])
    .refuses(&[(403, "They are those of another administrator."), (404, "There is no such user, or no such token.")]);

const NAMED: &[Takes] = &[
    Takes::new("user", Kind::User, "The user's number.").required(),
    Takes::text("name", "The name of the token.").required(),
];

fn made(_: &mut Schemas) -> Value {
    object([("id", id()), ("token", token()), ("expires", nullable(time()))])
}

fn ended(_: &mut Schemas) -> Value {
    object([("ended", json!({ "type": "integer", "minimum": 0 }))])
}

/// The longest life of a token, in seconds: 100 years.
const LONGEST: i64 = 100 * 365 * 86_400;

pub(super) async fn list(mut call: Call) -> Answer {
    let query = read_query(&mut call.fields);
    call.finish()?;
    Reply::ok(&sessions::find(&call, query).await?.page)
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
