//! Registered clients: list them, add one, rotate its secret, delete it.

use std::time::Duration;

use super::call::Call;
use super::description::{Description, Field, Kind, Success, of, page_of};
use super::page::{Page, page_fields};
use super::reply::{self, Answer};
use crate::domain::client::{ClientEntry, ClientId, DEFAULT_LIMIT, MAX_LIMIT, Right, Rights};
use crate::service::admin::desk::Length;
use crate::service::admin::{AddedClient, KEEP_OLD_SECRET, RotatedClient};

pub(super) const LIST: Description = Description::new("Registered clients, by id", Success::ok(page_of::<ClientEntry>))
    .fields(&[&page_fields(Kind::Id)]);
pub(super) const ADD: Description = Description::new("Register a client", Success::created(of::<AddedClient>))
    .about("The secret is shown once, here.")
    .fields(&[&[
        Field::text("name", "Its name.").required(),
        Field::new("rights", Kind::Rights, "What it may do; `introspect` by default."),
        Field::new("limit", Kind::Limit, "How many requests a second on each node; `null` for no limit."),
    ]])
    .refuses(&[(409, "The name is taken.")])
    .leads_to(&[("POST", "/admin/api/clients/{id}/rotate/"), ("DELETE", "/admin/api/clients/{id}/")]);
pub(super) const ROTATE: Description =
    Description::new("Rotate the secret of a client", Success::created(of::<RotatedClient>)).fields(&[&[Field::new(
        "keep_old",
        Kind::Number(0, i64::MAX),
        "For how many seconds the old secret stays valid; a day by default.",
    )]]);
pub(super) const DELETE: Description = Description::new("Delete a client", Success::NOTHING);

pub(super) async fn list(mut call: Call) -> Answer {
    let limit = call.fields.limit();
    let after = call.fields.parsed("cursor", "a cursor", ClientId::parse);
    call.finish()?;
    let clients = call.run(Length::Short, move |admin| admin.list_clients(after, Page::<()>::rows(limit))).await?;
    reply::ok(&Page::of(clients, limit, |entry| entry.id.to_string()))
}

pub(super) async fn add(mut call: Call) -> Answer {
    let name = call.fields.required_text("name");
    let rights = call.fields.texts("rights", "a list of introspect, batch and revoke", Right::from_name);
    let limit = call.fields.number_or_null("limit", 1..=i64::from(MAX_LIMIT));
    call.finish()?;
    let rights = rights.map_or(Rights::USUAL, |rights| rights.into_iter().collect());
    let limit = limit.map_or(Some(DEFAULT_LIMIT), |limit| limit.and_then(|limit| u32::try_from(limit).ok()));
    reply::created(&call.run(Length::Short, move |admin| admin.add_client(name, rights, limit)).await?)
}

pub(super) async fn rotate(mut call: Call) -> Answer {
    let id = call.client_id();
    let keep_old = call.fields.number("keep_old", 0..=i64::MAX);
    call.finish()?;
    let id = call.recording_not_found(id).await?;
    let keep_old = keep_old.map_or(KEEP_OLD_SECRET, |seconds| Duration::from_secs(seconds.unsigned_abs()));
    reply::created(&call.run(Length::Short, move |admin| admin.rotate_client(id, keep_old)).await?)
}

pub(super) async fn delete(mut call: Call) -> Answer {
    let id = call.client_id();
    call.finish()?;
    let id = call.recording_not_found(id).await?;
    call.run(Length::Short, move |admin| admin.delete_client(id)).await?;
    reply::no_content()
}
