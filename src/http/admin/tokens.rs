//! Tokens of scripts: list them, make one, end them by id or by name.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::description::{Description, Field, Kind, Success, page_of};
use super::error::ApiError;
use super::fields::Fields;
use super::page::page_fields;
use super::reply::{self, Answer};
use super::sessions;
use crate::domain::dialect::Dialect;
use crate::domain::session::{SessionEntry, SessionId, SessionKind};
use crate::domain::user::UserId;
use crate::http::openapi::schema::{Schemas, id, nullable, object, time, token};
use crate::service::admin::desk::Length;
use crate::service::admin::{ScriptToken, SessionMatch, SessionQuery};

pub(super) const LIST: Description =
    Description::new("Tokens of scripts, newest first", Success::ok(page_of::<SessionEntry>))
        .about(sessions::STOPS)
        .fields(&[
            &page_fields(Kind::Id),
            &[
                Field::new("user", Kind::User, "Their user's number."),
                Field::text("name", "A part of their name."),
                Field::flag("ended", "Also those that have ended."),
            ],
        ]);
pub(super) const CREATE: Description = Description::new("Make a token for a script", Success::created(made))
    .fields(&[
        NAMED,
        &[
            Field::new("expires_in", Kind::Number(1, LONGEST), "After how many seconds it expires."),
            Field::flag("admin", "Whether it is for administration; then it has to expire."),
        ],
    ])
    .refuses(&[(404, "There is no such user."), (409, "The user is not active, or not an administrator.")])
    .leads_to(&[("DELETE", "/admin/api/tokens/{id}/"), ("GET", "/admin/api/sessions/{id}/")]);
pub(super) const REVOKE: Description = Description::new("End all tokens of a user with a name", Success::ok(ended))
    .fields(&[NAMED])
    .refuses(&[(403, "They belong to another administrator."), (404, "There is no such user, or no such token.")]);

const NAMED: &[Field] = &[
    Field::new("user", Kind::User, "The user's number.").required(),
    Field::text("name", "The name of the token.").required(),
];

fn made(_: &mut Schemas) -> Value {
    object([("id", id()), ("token", token()), ("expires", nullable(time()))])
}

fn ended(_: &mut Schemas) -> Value {
    object([("ended", json!({ "type": "integer", "minimum": 0 }))])
}

/// The longest lifetime of a token, in seconds: 100 years.
const LONGEST: i64 = 100 * 365 * 86_400;

pub(super) async fn list(mut call: Call) -> Answer {
    let query = read_query(&mut call.fields);
    call.finish()?;
    reply::ok(&sessions::find(&call, query).await?.page)
}

/// Reads the conditions of a search.
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
    let user = fields.required_user("user");
    let name = fields.required_text("name");
    let lifetime = fields.number("expires_in", 1..=LONGEST);
    let for_administration = fields.flag("admin").unwrap_or(false);
    call.finish()?;
    let lifetime = lifetime.map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
    let made = make(&call, NewToken { user, name, lifetime, for_administration }).await?;
    reply::created(&json!({ "id": made.session, "token": made.token.expose(), "expires": made.expires }))
}

/// A request for a new token.
pub(in crate::http) struct NewToken {
    pub(in crate::http) user: UserId,
    pub(in crate::http) name: String,
    /// `None`: until it is revoked.
    pub(in crate::http) lifetime: Option<Duration>,
    /// Whether it is valid at the API of administrators, and there alone.
    pub(in crate::http) for_administration: bool,
}

/// Makes a token for a script.
///
/// # Errors
/// 404 if there is no such user, or what is wrong with the request.
pub(in crate::http) async fn make(call: &Call, new: NewToken) -> Result<ScriptToken, ApiError> {
    let NewToken { user, name, lifetime, for_administration } = new;
    let kind = if for_administration { SessionKind::AdminScript } else { Dialect::Knox.into() };
    let user = call.target_user(user).await?;
    call.run(Length::Short, move |admin| admin.create_token(&user, name, lifetime, kind)).await
}

/// Ends all live tokens of a user with exactly this name.
pub(super) async fn revoke(mut call: Call) -> Answer {
    let fields = &mut call.fields;
    let user = fields.required_user("user");
    let name = fields.required_text("name");
    call.finish()?;
    let owner = call.target_user(user).await?;
    call.permit_end_for(&owner).await?;
    let ended = call.run(Length::Long, move |admin| admin.end_tokens_named(&owner, &name)).await?;
    reply::ok(&json!({ "ended": ended }))
}
