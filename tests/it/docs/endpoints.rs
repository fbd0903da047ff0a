//! Each operation (a method of a path) has a row in `docs/endpoints.md`, another page in `docs/`, a case in the
//! transcripts and a place in the document of the API. The application is asked which operations there are.

use std::collections::BTreeSet;

use actix_web::test::{TestRequest, call_and_read_body, init_service};
use actix_web::{HttpRequest, web};
use knoxide::domain::dialect::Dialect;
use knoxide::http::admin::ROUTES;
use knoxide::http::openapi::{self, ApiDocs};
use knoxide::{HttpOptions, HttpState};

use super::{files, read};
use crate::harness::app::{App, Backend, Client, Database, Setup, token_request};
use crate::harness::documented::Documented;
use crate::harness::fixture;
use crate::harness::transcript::Transcript;
use crate::harness::wire::Framing;

/// Operations without transcripts, and the tests that show their replies.
const WITHOUT_TRANSCRIPT: [(&str, &str); 15] = [
    ("POST /introspect", "tests/it/oauth/callers.rs"),
    ("POST /revoke", "tests/it/oauth/revocation.rs"),
    ("POST /check", "tests/it/oauth/batch.rs"),
    ("GET /.well-known/oauth-authorization-server", "tests/it/oauth/discovery.rs"),
    ("GET /forward-auth/nginx", "tests/it/forward_auth.rs"),
    ("GET /forward-auth/caddy", "tests/it/forward_auth.rs"),
    ("GET /forward-auth/traefik", "tests/it/forward_auth.rs"),
    ("GET /forward-auth/haproxy", "tests/it/forward_auth.rs"),
    ("GET /forward-auth/envoy", "tests/it/forward_auth.rs"),
    ("GET /.well-known/jwks.json", "tests/it/offline.rs"),
    ("GET /openapi.json", "tests/it/openapi.rs"),
    ("GET /docs", "tests/it/openapi.rs"),
    ("GET /docs/style.css", "tests/it/openapi.rs"),
    ("GET /healthz", "tests/it/program/requests.rs"),
    ("GET /readyz", "tests/it/outage/sqlite.rs"),
];

/// The page with a row for each operation.
const LIST: &str = "docs/endpoints.md";

/// What the document of the API does not have: parts of a page.
const UNDOCUMENTED: [&str; 1] = ["GET /docs/style.css"];

/// The methods that are asked for, besides `HEAD` and one that nobody knows.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// An operation as it is compared: without the final slash of its path.
fn operation(method: &str, path: &str) -> String {
    format!("{method} {}", path.trim_end_matches('/'))
}

/// Whether a text names this very path, and not only a longer one.
fn names(text: &str, path: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/'));
    text.match_indices(path).any(|(at, _)| {
        let rest = text.get(at + path.len()..).unwrap_or_default();
        !goes_on(rest.strip_prefix('/').unwrap_or(rest))
    })
}

/// What a page says of an operation. Forward authentication answers every method, so its page has paths alone.
fn on_a_page(operation: &str) -> &str {
    let path = operation.trim_start_matches("GET ");
    if path.starts_with("/forward-auth/") { path } else { operation }
}

/// The paths that are mounted, with `{id}` in the place of an id. actix shows them in the debug form of its map only.
fn paths(state: &HttpState) -> BTreeSet<String> {
    let docs = ApiDocs::new(Some(state.clone()), None);
    let map = async |request: HttpRequest| format!("{:?}", request.resource_map());
    let map = actix_web::rt::System::new().block_on(async {
        let app = actix_web::App::new()
            .configure(|config| openapi::configure(config, &docs))
            .service(web::resource("/map").to(map))
            .configure(|config| knoxide::http::configure(config, state));
        let app = init_service(app).await;
        call_and_read_body(&app, TestRequest::with_uri("/map").to_request()).await
    });
    let map = String::from_utf8(map.to_vec()).expect("UTF-8");
    let patterns = map.split("patterns: ").skip(1).filter_map(|rest| rest.split_once(", is_prefix"));
    let patterns = patterns.flat_map(|(patterns, _)| patterns.split('"').skip(1).step_by(2));
    let paths = patterns.filter(|pattern| !matches!(*pattern, "" | "/map")).map(|pattern| {
        let Some((start, rest)) = pattern.split_once(":[") else { return pattern.to_owned() };
        let (_, end) = rest.rsplit_once('}').expect("the end of the id");
        format!("{start}}}{end}")
    });
    paths.collect()
}

/// Somebody who asks which methods a path has, always with a good token: without one, endpoints that need it refuse
/// before they look at the method.
struct Asking<'a> {
    client: &'a mut Client,
    token: String,
}

impl Asking<'_> {
    fn knows(&mut self, method: &str, path: &str) -> bool {
        if self.client.check(&self.token) != 200 {
            // It was an operation that ends sessions.
            self.token = self.client.login("alice", "correct horse");
        }
        let path = path.replace("{id}", "0190d8a0-0000-7000-8000-000000000000");
        let framing = if method == "GET" { Framing::Unsaid } else { Framing::Length };
        self.client.ask(&token_request(method, &path, &self.token).body("", framing)).status != 405
    }

    /// The operations of a path. One that knows every method is documented for `GET`.
    fn operations(&mut self, path: &str) -> Vec<String> {
        let knows_all = self.knows("BREW", path);
        let known: Vec<_> = METHODS.into_iter().filter(|method| self.knows(method, path)).collect();
        assert_eq!(self.knows("HEAD", path), known.contains(&"GET"), "HEAD {path}");
        assert!(!knows_all || known == METHODS, "{path}");
        let listed = if knows_all { vec!["GET"] } else { known };
        listed.into_iter().map(|method| operation(method, path)).collect()
    }
}

/// The operations of the table's rows, of which one may have several.
fn listed() -> BTreeSet<String> {
    let list = read(LIST);
    let quoted = list.lines().filter(|line| line.starts_with("| `")).flat_map(|row| row.split('`').skip(1).step_by(2));
    let operations = quoted.filter_map(|quoted| quoted.split_once(" /"));
    operations.map(|(method, path)| operation(method, &format!("/{path}"))).collect()
}

/// The operations that the transcripts ask for, and not only to be refused.
fn played() -> BTreeSet<String> {
    let read = |dialect: Dialect| Transcript::read_all(&fixture::path("transcripts"), dialect.as_str());
    let cases = Dialect::ALL.into_iter().flat_map(|dialect| read(dialect).expect("transcripts"));
    let cases = cases.flat_map(|transcript| transcript.cases).filter(|case| case.expect.status != 405);
    let asked = cases.map(|case| (case.ask.method, case.ask.target.with("{id}")));
    asked.map(|(method, target)| operation(&method, target.split('?').next().unwrap_or_default())).collect()
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

/// Who may ask for each is tested by `tests/it/pages/access.rs` and `tests/it/pages/account/access.rs`, over the same
/// lists.
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
fn each_operation_has_a_row_a_page_a_case_and_a_place_in_the_document() {
    let mut setup = Setup::default();
    setup.http.options.public_url = "https://auth.example.com".parse().ok();
    let options: HttpOptions = setup.http.options.clone();
    let app = App::on(Database::migrated(Backend::Sqlite), setup);
    app.add_user("alice", "correct horse");
    let client = &mut app.client();
    let token = client.login("alice", "correct horse");
    let mut asking = Asking { client, token };
    let paths = paths(&HttpState::new(options, app.auth.clone()));
    let mounted: BTreeSet<String> = paths.iter().flat_map(|path| asking.operations(path)).collect();
    assert!(mounted.len() > 35, "{mounted:?}");

    let documented = Documented::of(app.address);
    let documented = documented.operations().filter(|(_, path, _)| !path.contains("{requirement}"));
    let documented = documented.map(|(method, path, _)| operation(&method.to_uppercase(), path));
    let documented: BTreeSet<String> = documented.chain(UNDOCUMENTED.map(str::to_owned)).collect();
    let mut wrong = Vec::new();
    for (place, there) in [(LIST, listed()), ("the document of the API", documented)] {
        wrong.extend(mounted.difference(&there).map(|operation| format!("{operation} is not in {place}")));
        wrong.extend(there.difference(&mounted).map(|operation| format!("{operation} is only in {place}")));
    }
    let pages = files(&[".md"]).into_iter().filter(|file| file.starts_with("docs/") && file != LIST);
    let pages: String = pages.map(|file| read(&file)).collect();
    let unnamed = mounted.iter().filter(|operation| !names(&pages, on_a_page(operation)));
    wrong.extend(unnamed.map(|operation| format!("{operation} is on no other page in docs/")));
    let elsewhere = WITHOUT_TRANSCRIPT.into_iter().filter(|(operation, file)| {
        let (_, path) = operation.split_once(' ').expect("a method");
        names(&read(file), path)
    });
    let shown: BTreeSet<String> = elsewhere.map(|(operation, _)| operation.to_owned()).chain(played()).collect();
    wrong.extend(mounted.difference(&shown).map(|operation| format!("{operation} is in no transcript and no test")));
    assert_eq!(wrong, Vec::<String>::new());
}
