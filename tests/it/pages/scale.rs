//! How long each page takes among very many sessions. `scripts/soak pages` does it with 100,000 users, 1,000,000 sessions
//! and 500,000 events, and fails if any page takes too long; the tests with few, and then only the results count.

mod rows;

use std::time::{Duration, Instant};

use knoxide::domain::random::SystemRandom;
use knoxide::domain::user::Password;
use knoxide::http::pages::{account, admin};

use self::rows::{OF_MANY, Row};
use super::*;
use crate::harness::app::{Database, Setup, cheap_hasher, on_each_database};
use crate::harness::number;
use crate::harness::site::{Site, letters};
use crate::harness::wire::Reply;

/// How long a page may take.
const LIMIT: Duration = Duration::from_millis(200);

/// How many of the slowest pages are printed.
const SHOWN: usize = 40;

on_each_database! {
    fn each_page_of_a_large_site_is_there_at_once(backend) {
        let wanted = number("KNOXIDE_SOAK_PAGES");
        let sessions = wanted.unwrap_or(4_000);
        let database = Database::migrated(backend);
        let hash = cheap_hasher().hash(&Password::new(PASSWORD.to_owned()), &SystemRandom).expect("a hash");
        let site = Site::fill(&database, backend, sessions, hash.expose());
        site.add_events(sessions / 2);
        site.run("ANALYZE");
        let bench = Bench::on(App::on(database, Setup::default()));
        let mut table = Table::default();
        look(&bench, &site, "all are live", &mut table);
        end_many(&bench, &mut table);
        // The tokens have their end in the year 2051, and nobody has logged in since: now each session is looked at for
        // nothing.
        bench.app.clock.advance(Duration::from_secs(30 * 365 * 86_400));
        look(&bench, &site, "all are over", &mut table);
        let slowest = table.print(backend);
        assert_eq!(table.wrong, Vec::<String>::new());
        assert!(wanted.is_none() || slowest <= LIMIT, "the slowest page took {slowest:?}");
    }
}

/// Opens each page of both kinds.
fn look(bench: &Bench, site: &Site, state: &'static str, table: &mut Table) {
    table.state = state;
    let is_live = state == "all are live";
    let session = bench.app.client().login(&Site::name_of(7), PASSWORD);
    let of_administrators = rows::of_administrators(site, is_live);
    let read = admin::PAGES.iter().filter(|page| page.method == "GET").map(|page| page.path);
    assert_eq!(without_rows(read, &of_administrators), Vec::<&str>::new());
    let mut browser = bench.browser();
    browser.open("/admin/sign-in/");
    table.measure(&mut browser, &Row::new("/admin/sign-in/", "", "Sign in"));
    browser.sign_in("root", PASSWORD);
    for row in &of_administrators {
        table.measure(&mut browser, row);
    }
    browser.open("/admin/explain/");
    let mut explain = browser.fields("/admin/explain/");
    explain.retain(|(name, _)| name != "token");
    explain.push(("token".to_owned(), session));
    table.time("POST /admin/explain/", &mut browser, |browser| browser.post("/admin/explain/", &explain));
    assert!(browser.page.contains("This token is valid"), "{}", browser.page);
    let (sessions, events) = ("/admin/sessions/?device=no+such+device&ended=true", "/admin/events/?event=key_retired");
    search_to_the_end(&mut browser, table, (sessions, "No session matches."), wanted_stop(site));
    search_to_the_end(&mut browser, table, (events, "No event matches."), false);
    for user in [OF_MANY, 7] {
        let rows = rows::of_users();
        let read = account::PAGES.iter().filter(|page| page.method == "GET").map(|page| page.path);
        assert_eq!(without_rows(read, &rows), Vec::<&str>::new());
        let mut browser = Browser::at(bench.app.address);
        table.about = format!("user {user}: ");
        for row in rows.iter().filter(|row| row.is_open) {
            table.measure(&mut browser, row);
        }
        browser.sign_in_at("/account/", &Site::name_of(user), PASSWORD);
        for row in rows.iter().filter(|row| !row.is_open) {
            table.measure(&mut browser, row);
        }
        table.about.clear();
    }
}

/// Whether a search among so many sessions cannot come to its end on one page.
const fn wanted_stop(site: &Site) -> bool {
    site.sessions >= 1_000_000
}

/// Follows the links to further rows until there are none.
fn search_to_the_end(
    browser: &mut Browser,
    table: &mut Table,
    (searched, shows): (&'static str, &str),
    has_to_stop: bool,
) {
    let (mut path, mut stops) = (searched.to_owned(), 0);
    table.time(&path, browser, |browser| browser.open(&path));
    while let Some(next) = next_of(&browser.page) {
        assert!(browser.page.contains("have not been searched yet") && next != path, "{}", browser.page);
        (path, stops) = (next, stops + 1);
        table.time("a search that goes on", browser, |browser| browser.open(&path));
    }
    assert!(browser.page.contains(shows), "{}", browser.page);
    assert!(stops > 0 || !has_to_stop, "it has never stopped");
    println!("{searched} takes {} pages", stops + 1);
}

/// Pages that the table leaves out.
fn without_rows(pages: impl Iterator<Item = &'static str>, rows: &[Row]) -> Vec<&'static str> {
    pages.filter(|page| !rows.iter().any(|row| row.page == *page)).collect()
}

/// Counts and ends the sessions of a device, and opens every page on the way.
fn end_many(bench: &Bench, table: &mut Table) {
    table.state = "an end";
    let mut browser = bench.root();
    table.time("the count of a device", &mut browser, |browser| browser.open("/admin/sessions/end/?device=curl"));
    table.settle(&mut browser, "the count of a device");
    let fields = browser.fields("/admin/sessions/end/");
    let reply =
        table.time("the end of a device", &mut browser, |browser| browser.post("/admin/sessions/end/", &fields));
    let result = browser::location(&reply);
    table.time("the end of a device", &mut browser, |browser| browser.open(&result));
    table.settle(&mut browser, "the end of a device");
    assert!(browser.page.contains("sessions ended"), "{}", browser.page);
}

/// How long each page took.
#[derive(Default)]
struct Table {
    state: &'static str,
    about: String,
    wrong: Vec<String>,
    took: Vec<(Duration, String)>,
}

impl Table {
    /// Opens a page, and those that come after it as far as the row says.
    fn measure(&mut self, browser: &mut Browser, row: &Row) {
        let (mut path, mut seen) = (row.path(), String::new());
        for number in 1..=row.pages {
            let name = if number == 1 { path.clone() } else { format!("{}, page {number}", row.path()) };
            let reply = self.time(&name, browser, |browser| browser.open(&path));
            assert_eq!(reply.status, 200, "{name}");
            self.settle(browser, &name);
            seen.push_str(&browser.page);
            let Some(next) = next_of(&browser.page) else { break };
            path = next;
        }
        if !row.is_stopped_before && !seen.contains(row.shows) {
            self.wrong.push(format!("{}: {} does not show {}", self.state, row.path(), row.shows));
        }
    }

    /// Opens what a page about work in the background asks for, until that is done.
    fn settle(&mut self, browser: &mut Browser, name: &str) {
        while let Some(path) = browser.refresh.take() {
            self.time(&format!("{name}, again"), browser, |browser| browser.open(&path));
        }
    }

    fn time(&mut self, name: &str, browser: &mut Browser, work: impl FnOnce(&mut Browser) -> Reply) -> Reply {
        let begun = Instant::now();
        let reply = work(browser);
        self.took.push((begun.elapsed(), format!("{}, {}: {}{name}", self.state, reply.status, self.about)));
        reply
    }

    /// Prints the slowest pages, and returns the longest time.
    fn print(&mut self, backend: Backend) -> Duration {
        self.took.sort_by(|one, other| other.cmp(one));
        println!("{backend:?}: {} requests, of which these took longest", self.took.len());
        for (took, name) in self.took.iter().take(SHOWN) {
            println!("{:7.1} ms  {name}", took.as_secs_f64() * 1000.0);
        }
        self.took.first().map_or(Duration::ZERO, |(took, _)| *took)
    }
}

/// Where the link to further rows leads.
fn next_of(page: &str) -> Option<String> {
    let link = page.split("<p class=\"more\"><a class=\"button quiet\" href=\"").nth(1)?;
    Some(browser::unescape(link.split('"').next()?))
}
