//! Login throttling on this node: which accounts and addresses are counted, and forgiving.

use std::net::IpAddr;

use askama::Template;

use super::request::{Answer, Asked, go, show};
use crate::http::admin::error::ApiError;
use crate::http::admin::throttle::forgive;
use crate::http::pages::frame::Frame;
use crate::http::pages::when::When;
use crate::service::ThrottleEntry;

const THROTTLE: &str = "/admin/throttle/";

/// How many counters are shown.
const MOST: usize = 200;

struct Counter {
    what: &'static str,
    account: String,
    address: String,
    failures: u32,
    is_full: bool,
    clear_at: When,
    /// The fields that forgive this one, if it can be forgiven alone.
    user: Option<String>,
    from: Option<String>,
}

impl Counter {
    fn of(asked: &Asked, entry: ThrottleEntry) -> Self {
        let user = entry.account.clone().filter(|account| account.parse::<i64>().is_ok());
        let is_name = entry.account.is_some() && user.is_none();
        // The first 64 bits of an IPv6 address are shown as a network.
        let from = entry.address.as_ref().map(|address| address.split('/').next().unwrap_or(address).to_owned());
        Self {
            what: match entry.bucket {
                "pair" => "account from an address",
                "address" => "address",
                _ => "account",
            },
            account: match (&user, &entry.account) {
                (Some(id), _) => format!("user {id}"),
                (None, Some(_)) => "a name that nobody has".to_owned(),
                (None, None) => "all".to_owned(),
            },
            address: entry.address.unwrap_or_else(|| "all".to_owned()),
            failures: entry.failures,
            is_full: entry.is_full,
            clear_at: asked.when(entry.clear_at),
            user,
            from: from.filter(|address| !is_name && address.parse::<IpAddr>().is_ok()),
        }
    }

    fn can_be_forgiven(&self) -> bool {
        self.user.is_some() || self.from.is_some()
    }
}

#[derive(Template)]
#[template(path = "admin/throttle.html")]
struct Throttle {
    frame: Frame,
    rows: Vec<Counter>,
}

pub(super) async fn list(mut asked: Asked) -> Answer {
    let frame = asked.frame_after_act("Throttling", THROTTLE);
    asked.call.finish()?;
    let entries = asked.call.auth().throttled(MOST);
    let rows = entries.into_iter().map(|entry| Counter::of(&asked, entry)).collect();
    show(&Throttle { frame, rows })
}

pub(super) async fn clear(mut asked: Asked) -> Answer {
    let user = asked.call.fields.user("user");
    let address = asked.call.fields.address("address");
    let all = asked.call.fields.flag("all").unwrap_or(false);
    asked.call.finish()?;
    if all == (user.is_some() || address.is_some()) {
        return Err(ApiError::invalid("say either all, or a user, an address or both"));
    }
    forgive(&asked.call, user, address).await?;
    go(&format!("{THROTTLE}?done=forgiven"))
}
