//! Sessions: search for them, look at one, end one or many.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::call::Call;
use super::description::{Description, Field, Kind, Success, of, page_of};
use super::error::ApiError;
use super::fields::Fields;
use super::page::{Found, Page, page_fields};
use super::reply::{self, Answer};
use crate::domain::session::{SessionEntry, SessionId, SessionKind};
use crate::domain::time::Timestamp;
use crate::http::openapi::schema::{Schemas, object};
use crate::service::admin::desk::Length;
use crate::service::admin::{Admin, DryRun, SessionList, SessionMatch, SessionQuery, Shown};

pub(super) const LIST: Description = Description::new("Sessions, newest first", Success::ok(page_of::<SessionEntry>))
    .about(STOPS)
    .fields(&[MATCH, &page_fields(Kind::Id), &[Field::flag("ended", "Also those that have ended.")]]);
pub(super) const GET: Description = Description::new("One session", Success::ok(of::<SessionEntry>));
pub(super) const END: Description =
    Description::new("End a session", Success::NOTHING).refuses(&[(403, "It belongs to another administrator.")]);
pub(super) const REVOKE: Description = Description::new(
    "End many sessions, or show which would end",
    Success::ok(dry_run_or_ended),
)
.about(
    "`all` alone ends those of all users, `before` alone those opened before a time. Conditions end those that match \
         them, and need the `moment` and the `count` of a dry run.",
)
.fields(&[
    MATCH,
    &[
        Field::flag("all", "All sessions."),
        Field::new("before", Kind::Time, "All sessions opened before this time."),
        Field::flag("dry_run", "Only shows what would end."),
        Field::new("moment", Kind::Time, "The one of the dry run."),
        Field::new("count", Kind::Number(0, i64::MAX), "The one of the dry run."),
    ],
])
.refuses(&[(409, "There are more sessions than the dry run has shown.")]);

/// The difference between pages of sessions and events, and those of other lists.
pub(super) const STOPS: &str = "Among very many rows that do not match, a search stops early: the page is not full \
                                then, and `next` continues the search.";

/// The conditions of a search, and of a mass end.
const MATCH: &[Field] = &[
    Field::new("user", Kind::User, "The number of their user."),
    Field::new(
        "address",
        Kind::Network,
        "The address from which they were opened, or a network such as `192.0.2.0/24`.",
    ),
    Field::new("created_from", Kind::Time, "Opened at this time or later."),
    Field::new("created_before", Kind::Time, "Opened before this time."),
    Field::new("last_seen_before", Kind::Time, "Last used before this time."),
    Field::new("dialect", Kind::OpenedAs, "Their kind."),
    Field::text("device", "A part of the client's `User-Agent`."),
    Field::text("name", "A part of their name."),
];

fn dry_run_or_ended(schemas: &mut Schemas) -> Value {
    let count = json!({ "type": ["integer", "null"], "minimum": 0 });
    json!({ "anyOf": [object([("ended", count)]), schemas.of::<DryRun>()] })
}

pub(super) async fn list(mut call: Call) -> Answer {
    let query = read_query(&mut call.fields);
    call.finish()?;
    reply::ok(&find(&call, query).await?.page)
}

/// Reads the conditions of a search.
pub(in crate::http) fn read_query(fields: &mut Fields) -> SessionQuery {
    SessionQuery {
        matching: read_match(fields),
        with_ended: fields.flag("ended").unwrap_or(false),
        before: fields.parsed("cursor", "a cursor", SessionId::parse),
        limit: fields.limit(),
    }
}

/// The page of the sessions that match.
///
/// # Errors
/// 400 for a text that cannot be searched for.
pub(in crate::http) async fn find(call: &Call, query: SessionQuery) -> Result<Found<SessionEntry>, ApiError> {
    let limit = query.limit;
    let query = SessionQuery { limit: Page::<()>::rows(limit), ..query };
    let SessionList { sessions, unsearched } = call.run(Length::Short, move |admin| admin.list_sessions(query)).await?;
    let page = Page::of(sessions, limit, |entry| entry.session.id.to_string());
    Ok(Found::of(page, unsearched.map(|id| (id.to_string(), id.opened()))))
}

/// Reads the conditions of a search, or of a mass end.
pub(in crate::http) fn read_match(fields: &mut Fields) -> SessionMatch {
    let network = |text: &str| match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address.to_canonical())),
        Err(_) => text.parse::<IpNet>().ok().map(|network| network.trunc()),
    };
    SessionMatch {
        user: fields.user("user"),
        address: fields.parsed("address", "an address or a network such as 192.0.2.0/24", network),
        created_from: fields.time("created_from"),
        created_before: fields.time("created_before"),
        last_seen_before: fields.time("last_seen_before"),
        kind: fields.parsed(
            "dialect",
            "a dialect, admin, admin_script, admin_page or account_page",
            SessionKind::from_name,
        ),
        device: fields.text("device"),
        name: fields.text("name"),
        ..SessionMatch::default()
    }
}

pub(super) async fn get(mut call: Call) -> Answer {
    call.finish()?;
    let id = call.session_id()?;
    reply::ok(&call.run(Length::Short, move |admin| admin.session_entry(id)).await?)
}

/// Ends a session. The token of a script is ended by the id of its session.
pub(super) async fn end(mut call: Call) -> Answer {
    call.finish()?;
    end_named(&call).await?;
    reply::no_content()
}

/// Ends the session in the path.
///
/// # Errors
/// 404 if there is no such session, 403 until the password is entered again if it belongs to another administrator.
pub(in crate::http) async fn end_named(call: &Call) -> Result<(), ApiError> {
    let id = call.session_id()?;
    let owner = call.run(Length::Short, move |admin| admin.user_by_id(admin.session_entry(id)?.user_id)).await;
    let owner = call.recording_not_found(owner).await?;
    call.permit_end_for(&owner).await?;
    call.run(Length::Short, move |admin| admin.end_session(id)).await
}

/// The sessions that a mass end is to end.
enum Scope {
    /// All sessions.
    All,
    /// Those opened before a time.
    Before(Timestamp),
    /// Those that match these conditions.
    Matching(SessionMatch),
}

/// Ends many sessions, or shows which would end. All sessions, or all before a time, take the same work whatever their
/// number, and are not counted.
pub(super) async fn revoke(mut call: Call) -> Answer {
    let matching = read_match(&mut call.fields);
    let all = call.fields.flag("all").unwrap_or(false);
    let before = call.fields.time("before");
    let is_dry = call.fields.flag("dry_run").unwrap_or(false);
    let moment = call.fields.time("moment");
    let count = call.fields.number("count", 0..=i64::MAX).map(i64::unsigned_abs);
    call.finish()?;
    let scope = match (all, before, matching.is_any()) {
        (true, None, true) => Scope::All,
        (false, Some(before), true) => Scope::Before(before),
        (false, None, false) => Scope::Matching(matching),
        (true, Some(_), _) | (true, _, false) | (false, Some(_), false) | (false, None, true) => {
            return Err(ApiError::invalid("say which sessions: by conditions, or before alone, or all alone"));
        }
    };
    if is_dry {
        return dry_run(&call, scope).await;
    }
    let ended = match scope {
        Scope::All => call.run(Length::Short, |admin| admin.end_everybody().map(|()| None)).await?,
        Scope::Before(before) => {
            call.run(Length::Short, move |admin| admin.end_issued_before(before).map(|()| None)).await?
        }
        Scope::Matching(matching) => {
            let (Some(moment), Some(count)) = (moment, count) else {
                let words = "conditions need the moment and the count of a dry run: send dry_run first";
                return Err(ApiError::invalid(words));
            };
            let shown = Shown { moment, count };
            let end = move |admin: &Admin| admin.end_filtered(&matching, shown, &mut |_| {});
            Some(call.run(Length::Long, end).await?)
        }
    };
    reply::ok(&json!({ "ended": ended }))
}

async fn dry_run(call: &Call, scope: Scope) -> Answer {
    let matching = match scope {
        Scope::All => SessionMatch::default(),
        Scope::Before(before) => SessionMatch { created_before: Some(before), ..SessionMatch::default() },
        Scope::Matching(matching) => matching,
    };
    reply::ok(&call.run(Length::Long, move |admin| admin.dry_run(&matching)).await?)
}
