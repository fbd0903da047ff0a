//! Login throttling on this node: the counters of accounts and addresses, and clearing them.

use std::net::IpAddr;

use askama::Template;

use super::request::{Answer, PageRequest, redirect, show};
use crate::http::admin::throttle::clear_counters;
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::RelativeTime;
use crate::service::ThrottleEntry;

const THROTTLE: &str = "/admin/throttle/";

/// The largest number of counters on the page.
const MOST: usize = 200;

struct Counter {
    what: &'static str,
    account: String,
    address: String,
    failures: u32,
    is_full: bool,
    clear_at: RelativeTime,
    /// The fields that clear this counter, if it can be cleared alone.
    user: Option<String>,
    from: Option<String>,
}

impl Counter {
    fn of(request: &PageRequest, entry: ThrottleEntry) -> Self {
        let user = entry.account.clone().filter(|account| account.parse::<i64>().is_ok());
        let is_name = entry.account.is_some() && user.is_none();
        // An IPv6 address is counted by its first 64 bits, which are shown as a network.
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
            clear_at: request.when(entry.clear_at),
            user,
            from: from.filter(|address| !is_name && address.parse::<IpAddr>().is_ok()),
        }
    }

    fn can_be_cleared(&self) -> bool {
        self.user.is_some() || self.from.is_some()
    }
}

#[derive(Template)]
#[template(path = "admin/throttle.html")]
struct Throttle {
    layout: Layout,
    rows: Vec<Counter>,
}

pub(super) async fn list(mut request: PageRequest) -> Answer {
    let layout = request.layout_after_action("Throttling", THROTTLE);
    request.call.finish()?;
    let entries = request.call.auth().throttled(MOST);
    let rows = entries.into_iter().map(|entry| Counter::of(&request, entry)).collect();
    show(&Throttle { layout, rows })
}

pub(super) async fn clear(mut request: PageRequest) -> Answer {
    clear_counters(&mut request.call).await?;
    redirect(&format!("{THROTTLE}?done=cleared"))
}
