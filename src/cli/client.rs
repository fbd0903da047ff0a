//! `knoxide client …`

use std::time::Duration;

use serde_json::json;

use super::answer::{Answer, Answered, table, to_json};
use super::args::{Client as Action, Limit};
use super::{Context, Missing};
use crate::config::parse_duration;
use crate::domain::client::{ClientEntry, ClientId, MAX_LIMIT, Rights};
use crate::domain::escape::visible;
use crate::domain::time::Timestamp;
use crate::service::admin::MAX_KEEP_OLD_SECRET;

/// How many clients are read at once.
const PAGE: u32 = 500;

/// Runs the arguments after `client`.
pub(super) fn run(action: Action, context: &Context<'_>) -> Answered {
    match action {
        Action::Add { name, rights, limit } => add(name, rights, limit, context),
        Action::List => list(context),
        Action::Rotate { id, keep_old } => rotate(id, keep_old, context),
        Action::Delete { id } => {
            context.admin(Missing::Refuse)?.delete_client(id)?;
            Ok(Answer::new(format!("Client {id} is deleted: its secrets are refused."), json!({ "id": id })))
        }
    }
}

/// Parses names of rights.
pub(super) fn parse_rights(text: &str) -> Result<Rights, String> {
    Rights::parse(text).ok_or_else(|| "write introspect, batch or revoke, with commas between".to_owned())
}

/// Parses a limit.
pub(super) fn parse_limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.map(|limit| Limit(Some(limit))).ok_or_else(|| format!("write a number from 1 to {MAX_LIMIT}, or none"))
}

/// Parses how long an old secret stays good.
pub(super) fn parse_keep_old(text: &str) -> Result<Duration, String> {
    parse_duration(text, Duration::ZERO..=MAX_KEEP_OLD_SECRET)
}

/// Parses the id of a client.
pub(super) fn parse_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).ok_or_else(|| "this is not the id of a client: `knoxide client list` shows them".to_owned())
}

fn add(name: String, rights: Rights, Limit(limit): Limit, context: &Context<'_>) -> Answered {
    let added = context.admin(Missing::Refuse)?.add_client(name, rights, limit)?;
    let text = format!(
        "id:     {}\nsecret: {}\n\nThis is the client {}; its secret cannot be shown again. Its rights: {rights}. Its \
         limit: {}.",
        added.id,
        added.secret.expose(),
        visible(&added.name),
        limit.map_or_else(|| "none".to_owned(), |limit| format!("{limit} requests a second on each node")),
    );
    Ok(Answer::new(text, to_json(&added)?))
}

fn list(context: &Context<'_>) -> Answered {
    let admin = context.admin(Missing::Refuse)?;
    let mut clients: Vec<ClientEntry> = Vec::new();
    loop {
        let page = admin.list_clients(clients.last().map(|last| last.id), PAGE)?;
        if page.is_empty() {
            break;
        }
        clients.extend(page);
    }
    let now = context.clock.now();
    let rows = clients.iter().map(|client| row(client, now));
    let text = table(["ID", "NAME", "RIGHTS", "LIMIT", "CREATED", "LAST USED", "SECRETS"], rows);
    Ok(Answer::new(text, to_json(&clients)?))
}

fn row(client: &ClientEntry, now: Timestamp) -> [String; 7] {
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let secrets = match client.old_secret_until.filter(|until| now < *until) {
        Some(until) => format!("2 until {until}"),
        None => "1".to_owned(),
    };
    let limit = client.limit.map_or_else(|| "none".to_owned(), |limit| format!("{limit}/s"));
    [
        client.id.to_string(),
        client.name.clone(),
        client.rights.to_string(),
        limit,
        client.created.to_string(),
        time(client.last_used),
        secrets,
    ]
}

fn rotate(id: ClientId, keep_old: Duration, context: &Context<'_>) -> Answered {
    let rotated = context.admin(Missing::Refuse)?.rotate_client(id, keep_old)?;
    let old = match rotated.old_secret_until {
        Some(until) => format!("The old one is good until {until}."),
        None => "The old one is refused.".to_owned(),
    };
    let text = format!(
        "secret: {}\n\nThis is the client's new secret; it cannot be shown again. {old}",
        rotated.secret.expose()
    );
    Ok(Answer::new(text, to_json(&rotated)?))
}
