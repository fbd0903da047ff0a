//! Registered clients: list with their last use, add, rotate the secret, delete.

use std::time::Duration;

use super::call::{Answer, Call, Reply};
use super::described::{Described, Gives, Kind, Takes, of, page_of};
use super::page::{Page, page_fields};
use crate::domain::client::{ClientEntry, ClientId, DEFAULT_LIMIT, MAX_LIMIT, Right, Rights};
use crate::service::admin::desk::Length;
use crate::service::admin::{AddedClient, KEEP_OLD_SECRET, RotatedClient};

pub(super) const LIST: Described =
    Described::new("Registered clients, by their ids", Gives::ok(page_of::<ClientEntry>))
        .takes(&[&page_fields(Kind::Id)]);
pub(super) const ADD: Described = Described::new("Register a client", Gives::created(of::<AddedClient>))
    .about("The secret is shown this one time.")
    .takes(&[&[
        Takes::text("name", "Its name.").required(),
        Takes::new("rights", Kind::Rights, "What it may do; `introspect`, if it does not say."),
        Takes::new("limit", Kind::Limit, "How many requests a second on each node; `null`: any number."),
    ]])
    .refuses(&[(409, "The name is taken.")])
    .leads_to(&[("POST", "/admin/api/clients/{id}/rotate/"), ("DELETE", "/admin/api/clients/{id}/")]);
pub(super) const ROTATE: Described =
    Described::new("Give a client another secret", Gives::created(of::<RotatedClient>)).takes(&[&[Takes::new(
        "keep_old",
        Kind::Number(0, i64::MAX),
        "For how many seconds the present one stays good; a day, if it does not say.",
    )]]);
pub(super) const DELETE: Described = Described::new("Delete a client", Gives::NOTHING);

pub(super) async fn list(mut call: Call) -> Answer {
    let limit = call.fields.limit();
    let after = call.fields.parsed("cursor", "a cursor", ClientId::parse);
    call.finish()?;
    let clients = call.run(Length::Short, move |admin| admin.list_clients(after, Page::<()>::rows(limit))).await?;
    Reply::ok(&Page::of(clients, limit, |entry| entry.id.to_string()))
}

pub(super) async fn add(mut call: Call) -> Answer {
    let name = call.fields.required_text("name");
    let rights = call.fields.texts("rights", "a list of introspect, batch and revoke", Right::from_name);
    let limit = call.fields.number_or_null("limit", 1..=i64::from(MAX_LIMIT));
    call.finish()?;
    let rights = rights.map_or(Rights::USUAL, |rights| rights.into_iter().collect());
    let limit = limit.map_or(Some(DEFAULT_LIMIT), |limit| limit.and_then(|limit| u32::try_from(limit).ok()));
    Reply::created(&call.run(Length::Short, move |admin| admin.add_client(name, rights, limit)).await?)
}

pub(super) async fn rotate(mut call: Call) -> Answer {
    let id = call.client_id();
    let keep_old = call.fields.number("keep_old", 0..=i64::MAX);
    call.finish()?;
    let id = call.of_act(id).await?;
    let keep_old = keep_old.map_or(KEEP_OLD_SECRET, |seconds| Duration::from_secs(seconds.unsigned_abs()));
    Reply::created(&call.run(Length::Short, move |admin| admin.rotate_client(id, keep_old)).await?)
}

pub(super) async fn delete(mut call: Call) -> Answer {
    let id = call.client_id();
    call.finish()?;
    let id = call.of_act(id).await?;
    call.run(Length::Short, move |admin| admin.delete_client(id)).await?;
    Reply::done()
}
