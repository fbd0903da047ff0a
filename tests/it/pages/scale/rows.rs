//! The pages that are opened, and what each has to show.

use super::*;
use crate::harness::site::at;

/// The user who has every third session.
pub(super) const OF_MANY: u64 = 2;

/// A page with its query.
pub(super) struct Row {
    /// As the list of pages has it.
    pub(super) page: &'static str,
    id: String,
    query: String,
    /// A text that it has to have.
    pub(super) shows: &'static str,
    /// How many pages are opened, by the links to further rows.
    pub(super) pages: u32,
    /// Whether all of these pages may be empty, since the rows lie further back.
    pub(super) is_stopped_before: bool,
    /// Whether it is for those who have not signed in.
    pub(super) is_open: bool,
}

impl Row {
    pub(super) fn new(page: &'static str, query: impl Into<String>, shows: &'static str) -> Self {
        let (id, query) = (String::new(), query.into());
        Self { page, id, query, shows, pages: 3, is_stopped_before: false, is_open: false }
    }

    fn of(self, id: String) -> Self {
        Self { id, ..self }
    }

    pub(super) fn path(&self) -> String {
        let sign = if self.query.is_empty() { "" } else { "?" };
        format!("{}{sign}{}", self.page.replace("{id}", &self.id), self.query)
    }
}

/// The id of the session of this number.
fn session(number: u64) -> String {
    let hex = format!("{:012x}{number:020x}", at(number).as_micros() / 1000);
    let parts: Vec<&str> =
        [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].into_iter().map(|(a, b)| &hex[a..b]).collect();
    parts.join("-")
}

/// The conditions of sessions, with what a page of live ones then shows.
fn conditions(site: &Site) -> Vec<(String, &'static str)> {
    let (early, late) = (at(site.sessions / 2), at(site.sessions / 2 + site.sessions / 100));
    let [none, some] = ["No session matches", "data-label=\"Device\""];
    let plain = [
        ("user=2", some),
        ("user=8", some),
        ("user=4711000", none),
        ("address=10.200.0.0/16", some),
        ("address=10.200.0.0/15", some),
        ("address=10.200.1.0/24", some),
        ("address=10.200.128.0/17", none),
        ("address=10.0.2.0/24", some),
        ("address=10.0.2.0/25", some),
        ("address=10.0.2.3", some),
        ("address=10.200.1.1", some),
        ("address=10.0.0.0/8", some),
        ("address=172.16.0.0/12", none),
        ("address=2001:db8::/32", none),
        ("device=CURL", some),
        ("device=no+such+device", none),
        ("name=backup", some),
        ("name=no+such+name", none),
        ("dialect=djoser", some),
        ("dialect=simplejwt", none),
        ("user=2&device=no+such+device", none),
        ("user=2&address=10.0.2.0/24", some),
        ("user=2&address=10.200.0.0/16", some),
        ("user=8&address=10.0.0.0/8", some),
        ("user=7&address=10.200.0.0/16&device=no+such+device", none),
        ("address=10.200.0.0/16&name=no+such+name", none),
        ("address=10.200.128.0/17&device=firefox", none),
    ];
    let mut all: Vec<_> = plain.map(|(query, shows)| (query.to_owned(), shows)).into();
    all.push((format!("created_from={early}&created_before={late}"), some));
    all.push((format!("created_before={early}&device=no+such+device"), none));
    all.push((format!("created_from={late}&address=10.200.0.0/16"), some));
    all.push((format!("last_seen_before={}", at(10)), some));
    all.push((format!("last_seen_before={late}&dialect=djoser"), some));
    all.push((format!("created_before={early}&user=2&dialect=djoser"), some));
    all
}

/// Whether a search may stop before it comes to what it looks for.
const fn is_large(site: &Site) -> bool {
    site.sessions > 10_000
}

fn of_sessions(site: &Site, is_live: bool) -> Vec<Row> {
    let is_large = is_large(site);
    let mut rows = Vec::new();
    for (query, shows) in [(String::new(), "data-label=\"Device\"")].into_iter().chain(conditions(site)) {
        let found = if is_live { shows } else { "No session matches" };
        let live = if is_live || !query.is_empty() { found } else { "data-label=\"Device\"" };
        let others = Row::new("/admin/sessions/", format!("{query}&ended=true"), shows);
        rows.push(Row { is_stopped_before: is_large, ..others });
        rows.push(Row { is_stopped_before: is_large, ..Row::new("/admin/sessions/", query.clone(), live) });
        if !query.is_empty() {
            rows.push(Row::new("/admin/sessions/end/", query, "live session"));
        }
    }
    rows.extend([
        Row::new("/admin/sessions/end/", "", "Enter conditions"),
        Row::new(
            "/admin/sessions/end/result/",
            "user=2&moment=2026-01-01T00:00:00Z&count=7",
            "This node does not know this mass end",
        ),
        Row::new("/admin/sessions/{id}/", "", "Opened as").of(session(77)),
        Row::new("/admin/sessions/{id}/", "", "Opened as").of(session(site.sessions)),
    ]);
    rows
}

fn of_others(site: &Site) -> Vec<Row> {
    let last = letters(site.users);
    let day = format!("from={}&until={}", at(site.sessions / 4), at(site.sessions / 4 + 1000));
    let mut rows = vec![
        Row::new("/admin/", "", "Overview"),
        Row::new("/admin/users/new/", "", "New user"),
        Row::new("/admin/users/{id}/", "", "Live sessions").of(OF_MANY.to_string()),
        Row::new("/admin/users/{id}/", "", "Live sessions").of(7.to_string()),
        Row::new("/admin/explain/", "", "Explain"),
        Row::new("/admin/explain/", format!("session_id={}", session(77)), "This session"),
        Row::new("/admin/explain/", format!("session_id={}", session(site.sessions)), "This session"),
        Row::new("/admin/explain/", "session_id=00000000-0000-7000-8000-000000000000", "is not known"),
        Row::new("/admin/tokens/new/", "", "New token"),
        Row::new("/admin/keys/", "", "Keys"),
        Row::new("/admin/throttle/", "", "Throttling"),
    ];
    for (query, shows) in [
        ("", "data-label=\"Name\""),
        ("ended=true", "data-label=\"Name\""),
        ("name=backup&ended=true", "data-label=\"Name\""),
        ("name=no+such+name", "No script has"),
        ("user=2&ended=true", "Scripts"),
        ("user=2&name=no+such+name", "No script has"),
        ("user=7", "No script has"),
    ] {
        rows.push(Row { is_stopped_before: true, ..Row::new("/admin/tokens/", query, shows) });
    }
    let [none, some] = ["No user matches", "data-label=\"Name\""];
    for (query, shows) in [
        (String::new(), some),
        ("q=erson".to_owned(), some),
        (format!("q=erson{last}"), some),
        (format!("q=person{last}"), some),
        (format!("q=Person.{}@example.org", site.users), some),
        ("q=example.org".to_owned(), some),
        ("q=nobody+at+all".to_owned(), none),
        ("active=true".to_owned(), some),
        ("active=false".to_owned(), none),
        ("admin=true".to_owned(), some),
        ("admin=false&q=nobody+at+all".to_owned(), none),
    ] {
        rows.push(Row::new("/admin/users/", query, shows));
    }
    let [none, some] = ["No event matches", "data-label=\"When\""];
    for (query, shows) in [
        (String::new(), some),
        ("user=2".to_owned(), some),
        ("user=7".to_owned(), some),
        ("user=4711000".to_owned(), none),
        ("actor=user:2".to_owned(), some),
        ("actor=user:4711000".to_owned(), none),
        ("address=10.9.0.5".to_owned(), some),
        ("address=192.0.2.1".to_owned(), none),
        ("event=login".to_owned(), some),
        ("event=user_created".to_owned(), some),
        ("event=key_retired".to_owned(), none),
        ("event=login&actor=user:4711000&address=192.0.2.1".to_owned(), none),
        ("user=2&event=key_retired".to_owned(), none),
        (format!("session={}", session(2)), some),
        ("session=00000000-0000-7000-8000-000000000000".to_owned(), none),
        (day.clone(), some),
        (format!("{day}&event=key_retired"), none),
        (format!("until={}", at(1000)), some),
        (format!("until={}&event=key_retired", at(site.sessions / 3)), none),
        (format!("from={}", at(site.sessions / 3)), some),
    ] {
        rows.push(Row { is_stopped_before: is_large(site), ..Row::new("/admin/events/", query, shows) });
    }
    rows
}

/// The pages of administrators for those who have signed in, and that for signing in, which leads on.
pub(super) fn of_administrators(site: &Site, is_live: bool) -> Vec<Row> {
    let mut rows = of_others(site);
    rows.extend(of_sessions(site, is_live));
    rows.push(Row::new("/admin/sign-in/", "", "Overview"));
    rows
}

/// The pages of users about their own account.
pub(super) fn of_users() -> Vec<Row> {
    let open = |page, shows| Row { is_open: true, ..Row::new(page, "", shows) };
    vec![
        open("/account/sign-in/", "Sign in"),
        open("/account/one-time/", "One-time"),
        Row::new("/account/", "", "this device"),
        Row::new("/account/events/", "", "data-label=\"When\""),
        Row::new("/account/password/", "", "Current password"),
        Row::new("/account/not-me/", "", "Current password"),
    ]
}
