//! Each endpoint has a row in `docs/endpoints.md`, another page in `docs/`, a case in the transcripts and a place in the
//! document of the API.

use std::collections::BTreeSet;

use knoxide::http::admin::ROUTES;

use super::{files, read};
use crate::harness::app::{App, Backend, Database, Setup};
use crate::harness::documented::Documented;
use crate::harness::wire::{Framing, Request};

/// Where paths are mounted: all other code calls these functions. The paths of administrators have a test of their own.
const MOUNTED_IN: [&str; 7] = [
    "src/http.rs",
    "src/http/admin.rs",
    "src/http/dialects.rs",
    "src/http/forward_auth.rs",
    "src/http/oauth.rs",
    "src/http/pages/account.rs",
    "src/http/pages/admin.rs",
];

/// Paths without transcripts, and the tests that show their replies.
const WITHOUT_TRANSCRIPT: [(&str, &str); 15] = [
    ("/introspect/", "tests/it/oauth/callers.rs"),
    ("/revoke/", "tests/it/oauth/revocation.rs"),
    ("/check/", "tests/it/oauth/batch.rs"),
    ("/.well-known/oauth-authorization-server", "tests/it/oauth/discovery.rs"),
    ("/forward-auth/nginx/", "tests/it/forward_auth.rs"),
    ("/forward-auth/caddy/", "tests/it/forward_auth.rs"),
    ("/forward-auth/traefik/", "tests/it/forward_auth.rs"),
    ("/forward-auth/haproxy/", "tests/it/forward_auth.rs"),
    ("/forward-auth/envoy/", "tests/it/forward_auth.rs"),
    ("/.well-known/jwks.json", "tests/it/offline.rs"),
    ("/openapi.json", "tests/it/openapi.rs"),
    ("/docs", "tests/it/openapi.rs"),
    ("/docs/style.css", "tests/it/openapi.rs"),
    ("/healthz", "tests/it/program/requests.rs"),
    ("/readyz", "tests/it/outage/sqlite.rs"),
];

/// The page with a row for each endpoint.
const LIST: &str = "docs/endpoints.md";

/// Paths that the document of the API does not have: parts of a page.
const UNDOCUMENTED: [&str; 1] = ["/docs/style.css"];

/// Whether a text names this very path, and not only a longer one.
fn names(text: &str, path: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/'));
    let path = path.trim_end_matches('/');
    text.match_indices(path).any(|(at, _)| {
        let rest = text.get(at + path.len()..).unwrap_or_default();
        !goes_on(rest.strip_prefix('/').unwrap_or(rest))
    })
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// The paths that this part of the program mounts, each once.
fn mounted(file: &str) -> BTreeSet<String> {
    let text = read(file);
    let lists = text.split("PATHS: [").skip(1).filter_map(|rest| rest.split_once("];").map(|(list, _)| list));
    let of_dialects = lists.flat_map(quoted).map(|path| format!("/{path}/"));
    let lines = text.lines().filter(|line| line.contains("read_at(config, \"") || line.contains("for path in ["));
    let alone = lines.flat_map(quoted).filter(|path| path.starts_with('/'));
    of_dialects.chain(alone.map(|path| path.trim_end_matches('/').to_owned())).collect()
}

/// Who may call each is in the table of `tests/it/admin_api/rows.rs`, which its test compares with the same list.
#[test]
fn each_endpoint_of_administrators_has_a_row_on_its_page() {
    let page = read("docs/admin-api.md");
    let rows: BTreeSet<&str> =
        page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0)).collect();
    let documented: BTreeSet<String> =
        rows.iter().filter(|row| row.contains(" /admin/api/")).map(|row| (*row).to_owned()).collect();
    let mounted: BTreeSet<String> = ROUTES.iter().map(|route| format!("{route:?}")).collect();
    assert_eq!(documented, mounted);
    assert!(read("README.md").contains("](docs/admin-api.md)"));
}

/// Who may ask for each is tested by `tests/it/pages/access.rs` and `tests/it/pages/account/access.rs`, over the same lists.
#[cfg(feature = "pages")]
#[test]
fn each_page_has_a_row_in_its_document() {
    let document = read("docs/pages.md");
    let rows = document.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0.to_owned()));
    let of_admins = knoxide::http::pages::admin::PAGES.iter().map(|page| format!("{page:?}"));
    let of_users = knoxide::http::pages::account::PAGES.iter().map(|page| format!("{page:?}"));
    let mounted = of_admins.chain(of_users);
    assert_eq!(rows.collect::<BTreeSet<_>>(), mounted.collect::<BTreeSet<_>>());
    assert!(read("README.md").contains("](docs/pages.md)"));
}

#[test]
fn each_endpoint_has_a_row_a_page_and_a_transcript() {
    let sources = files(&[".rs"]).into_iter().filter(|file| file.starts_with("src/http/") && !file.contains("tests"));
    let sources: Vec<_> = sources.collect();
    let elsewhere = sources.iter().filter(|file| {
        let text = read(file);
        (text.contains(".route(") || text.contains("resource(")) && !MOUNTED_IN.contains(&file.as_str())
    });
    assert_eq!(elsewhere.collect::<Vec<_>>(), Vec::<&String>::new(), "paths that this test does not see");
    let paths: BTreeSet<_> = sources.iter().flat_map(|file| mounted(file)).collect();
    assert!(paths.len() > 15, "{paths:?}");
    let all = |wanted: &dyn Fn(&str) -> bool, endings: &[&str]| {
        files(endings).iter().filter(|file| wanted(file)).map(|file| read(file)).collect::<String>()
    };
    let rows: String = read(LIST).lines().filter(|line| line.starts_with("| `")).collect();
    let pages = all(&|file| file.starts_with("docs/") && file != LIST, &[".md"]);
    // A case that holds for several dialects takes its path from a variable, which is set beside them.
    let plays = |file: &str| file.starts_with("tests/transcripts/") || file == "tests/it/contract.rs";
    let transcripts =
        all(&|file| plays(file) || file.starts_with("tests/it/harness/transcript"), &[".http", ".txt", ".rs"]);
    let mut setup = Setup::default();
    setup.http.options.public_url = "https://auth.example.com".parse().ok();
    let app = App::on(Database::migrated(Backend::Sqlite), setup);
    let documented = Documented::of(app.address);
    let documented: String = documented.operations().map(|(_, path, _)| format!("{path}\n")).collect();
    let mut missing = Vec::new();
    for path in paths {
        if !names(&documented, &path) && !UNDOCUMENTED.contains(&path.as_str()) {
            missing.push(format!("{path}: the document of the API"));
        }
        let elsewhere = WITHOUT_TRANSCRIPT.iter().find(|(other, _)| *other == path);
        let tests = elsewhere.map(|(_, file)| read(file));
        let places = [(LIST, &rows), ("docs/", &pages), ("the tests", tests.as_ref().unwrap_or(&transcripts))];
        let without = places.iter().filter(|(_, text)| !names(text, &path));
        missing.extend(without.map(|(place, _)| format!("{path}: {place}")));
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_listed_endpoints_are_there() {
    let mut setup = Setup::default();
    setup.http.options.public_url = "https://auth.example.com".parse().ok();
    let app = App::on(Database::migrated(Backend::Sqlite), setup);
    let list = read(LIST);
    let endpoints = list.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")?.0.split_once(" /"));
    let mut asked = 0;
    for (method, path) in endpoints {
        let framing = if method == "POST" { Framing::Length } else { Framing::Unsaid };
        let path = path.replace("{id}", "0190d8a0-0000-7000-8000-000000000000");
        let reply = app.client().ask(&Request::new(method, &format!("/{path}")).body("", framing));
        assert!(!matches!(reply.status, 404 | 405), "{method} /{path}: {}", reply.status);
        asked += 1;
    }
    assert!(asked > 30, "{asked} endpoints");
}
