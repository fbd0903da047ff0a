//! CORS: exact origins, preflights without a check, and nothing for administrators and proxies.

use std::collections::BTreeSet;
use std::net::TcpListener;

use knoxide::http::browser::cors::CorsOptions;

use super::*;
use crate::harness::app::Backend;
use crate::harness::documented::Documented;
use crate::harness::program::Program;

const READER: &str = "https://reader.example";

fn options(origins: &str, credentials: bool) -> CorsOptions {
    CorsOptions { origins: origins.parse().expect("origins"), credentials }
}

fn open(origins: &str, credentials: bool) -> Setup {
    let mut setup = setup(CookieMode::Lax);
    setup.http.options.cors = options(origins, credentials);
    setup
}

/// All CORS headers, and `Vary`.
fn said(reply: &Reply) -> Vec<(String, String)> {
    let is_its = |name: &str| name == "vary" || name.starts_with("access-control-");
    let headers = reply.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let mut said: Vec<_> = headers.filter(|(name, _)| is_its(name)).collect();
    said.sort();
    said
}

fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn preflight(path: &str, origin: &str) -> Request {
    Request::new("OPTIONS", path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "DELETE")
        .header("Access-Control-Request-Headers", "authorization,content-type")
}

/// Every method of what clients call, and `HEAD`, as the header has them. `tests/it/docs/endpoints.rs` compares the
/// document with what is mounted.
fn methods(app: &App) -> String {
    let documented = Documented::of(app.address);
    let of_clients = documented.operations().filter(|(_, path, _)| !path.starts_with("/forward-auth/"));
    let used: BTreeSet<String> = of_clients.map(|(method, ..)| method.to_uppercase()).collect();
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    all.into_iter().filter(|method| *method == "HEAD" || used.contains(*method)).collect::<Vec<_>>().join(", ")
}

/// Paths of every kind.
const PATHS: [&str; 9] = [
    "/auth/login/",
    "/auth/user/",
    "/auth/user",
    "/auth/sessions/01920000-0000-7000-8000-000000000000/",
    "/api/token/refresh/",
    "/jwt/create/",
    "/.well-known/jwks.json",
    "/healthz",
    "/nowhere/",
];

const VARY: (&str, &str) = ("vary", "Origin");

on_each_database! {
    fn a_listed_page_reads_replies_and_others_do_not(backend) {
        let app = serve(backend, open("https://reader.example, http://localhost:3000", true));
        let client = &mut app.client();
        let (access, _) = log_in(client, &ALL[0]);
        for origin in [READER, "http://localhost:3000"] {
            let allowed = expected(&[
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-origin", origin),
                ("access-control-expose-headers", "Retry-After, WWW-Authenticate, X-Request-Id"),
                VARY,
            ]);
            let reply = client.ask(&with("GET", "/auth/user/", &access.sent()).header("Origin", origin));
            assert_eq!((reply.status, said(&reply)), (200, allowed.clone()));
            // Errors can be read as well.
            for path in PATHS {
                let reply = client.ask(&Request::new("GET", path).header("Origin", origin));
                assert_eq!(said(&reply), allowed, "{path}");
            }
            // A page that may read replies still cannot use a cookie.
            let reply = client.ask(&with("POST", "/auth/logout/", &access.sent()).header("Origin", origin));
            assert_eq!((reply.status, said(&reply)), (403, allowed));
        }
        for origin in [
            "null",
            "",
            "http://reader.example",
            "https://reader.example:443",
            "https://reader.example.evil.example",
            "https://evil-reader.example",
            "https://sub.reader.example",
            "https://READER.example",
            "https://reader.example, http://localhost:3000",
            LISTED,
        ] {
            let reply = client.ask(&with("GET", "/auth/user/", &access.sent()).header("Origin", origin));
            assert_eq!((reply.status, said(&reply)), (200, expected(&[VARY])), "{origin}");
            let reply = client.ask(&preflight("/auth/user/", origin));
            assert_eq!((reply.status, said(&reply)), (403, expected(&[VARY])), "{origin}");
        }
        let twice = with("GET", "/auth/user/", &access.sent()).header("Origin", READER).header("Origin", READER);
        assert_eq!(said(&client.ask(&twice)), expected(&[VARY]));
        assert_eq!(said(&client.ask(&with("GET", "/auth/user/", &access.sent()))), expected(&[VARY]), "no origin");
    }
}

#[test]
fn a_preflight_is_answered_everywhere_without_a_check() {
    let app = serve(Backend::Sqlite, open(READER, true));
    let client = &mut app.client();
    let methods = methods(&app);
    for path in PATHS {
        let reply = client.ask(&preflight(path, READER));
        let answer = expected(&[
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-headers", "Authorization, Content-Type, X-Session-Name"),
            ("access-control-allow-methods", methods.as_str()),
            ("access-control-allow-origin", READER),
            ("access-control-max-age", "600"),
            VARY,
        ]);
        assert_eq!((reply.status, reply.text().as_str()), (204, ""), "{path}");
        assert_eq!(said(&reply), answer, "{path}");
        assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"), "{path}");
        assert!(reply.header("x-request-id").is_some(), "{path}");
    }
    // Requests that are not preflights are answered as before.
    let plain = app.beside(Setup::default().http);
    for path in PATHS {
        for method in ["OPTIONS", "GET", "PUT"] {
            let request = Request::new(method, path).header("Origin", READER);
            let (reply, usual) = (client.ask(&request), plain.client().ask(&request));
            assert_eq!((reply.status, reply.text()), (usual.status, usual.text()), "{method} {path}");
            assert!(reply.status != 204, "{method} {path}");
        }
    }
}

#[test]
fn all_pages_may_read_what_is_not_about_a_cookie() {
    // The settings refuse this; an application that uses the library gets no credentials either.
    for credentials in [false, true] {
        let app = serve(Backend::Sqlite, open("*", credentials));
        let client = &mut app.client();
        for origin in [READER, "null"] {
            let reply = client.ask(&Request::new("GET", "/auth/user/").header("Origin", origin));
            let exposed = ("access-control-expose-headers", "Retry-After, WWW-Authenticate, X-Request-Id");
            assert_eq!(said(&reply), expected(&[("access-control-allow-origin", "*"), exposed, VARY]));
            let reply = client.ask(&preflight("/auth/user/", origin));
            assert_eq!(reply.status, 204);
            assert_eq!(reply.header("access-control-allow-origin").as_deref(), Some("*"));
            assert_eq!(reply.header("access-control-allow-credentials"), None);
        }
    }
}

#[test]
fn without_the_setting_nothing_is_said() {
    let app = serve(Backend::Sqlite, setup(CookieMode::Lax));
    let client = &mut app.client();
    for path in PATHS {
        let reply = client.ask(&preflight(path, LISTED));
        assert!(reply.status != 204 && said(&reply).is_empty(), "{path}: {}", reply.status);
        assert_eq!(said(&client.ask(&Request::new("GET", path).header("Origin", LISTED))), [], "{path}");
    }
}

/// nginx and other proxies take any 2xx as permission to let a request pass.
#[test]
fn no_preflight_passes_where_a_proxy_asks() {
    let app = serve(Backend::Sqlite, open(READER, true));
    let client = &mut app.client();
    for kind in ["nginx", "caddy", "traefik", "haproxy", "envoy"] {
        for rest in ["", "/", "/staff/", "/any/path"] {
            let reply = client.ask(&preflight(&format!("/forward-auth/{kind}{rest}"), READER));
            assert!(matches!(reply.status, 401 | 404), "{kind}{rest}: {}", reply.status);
            assert_eq!(said(&reply), [], "{kind}{rest}");
        }
        let encoded = client.ask(&preflight(&format!("/%66orward-auth/{kind}/"), READER));
        assert_eq!((encoded.status, said(&encoded)), (401, vec![]), "{kind}");
    }
}

/// Neither at a separate listener nor at a shared one.
#[test]
fn no_page_reads_what_administrators_read() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    let mut program = Program::on(Backend::Sqlite).with_admin();
    program = program.set("KNOXIDE_CORS_ORIGINS", READER).set("KNOXIDE_ADMIN_LISTEN", &free);
    let beside = format!("127.0.0.1:0,{free}");
    for listen in ["127.0.0.1:0", &beside] {
        program = program.set("KNOXIDE_LISTEN", listen);
        let server = program.start();
        let client = &mut Client::connect(free.parse().expect("an address"));
        for path in ["/admin/api/me/", "/admin/api/users/", "/admin/api/login/"] {
            let read = client.ask(&Request::new("GET", path).header("Origin", READER));
            let asked = client.ask(&preflight(path, READER));
            assert_eq!((said(&read), asked.status, said(&asked)), (vec![], 405, vec![]), "{path}, {listen}");
        }
        let mut public = Client::connect(server.addresses[0].parse().expect("an address"));
        assert_eq!(public.ask(&preflight("/auth/user/", READER)).status, 204);
        server.stop();
    }
}
