//! `GET /.well-known/oauth-authorization-server`.

use serde_json::json;

use super::stage::{Stage, form_request, members};
use crate::harness::app::{App, Backend, Database, Setup};
use crate::harness::wire::Request;

const PATH: &str = "/.well-known/oauth-authorization-server";

fn on(change: impl FnOnce(&mut Setup)) -> App {
    let mut setup = Setup::default();
    change(&mut setup);
    App::on(Database::migrated(Backend::Sqlite), setup)
}

#[test]
fn it_is_there_only_if_the_public_url_is_known_and_names_no_other_host() {
    assert_eq!(App::start(Backend::Sqlite).client().ask(&Request::new("GET", PATH)).status, 404);
    let app = on(|setup| setup.http.options.public_url = "https://auth.example.com".parse().ok());
    let expected = json!({
        "issuer": "https://auth.example.com",
        "introspection_endpoint": "https://auth.example.com/introspect/",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "Bearer"],
        "revocation_endpoint": "https://auth.example.com/revoke/",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "Bearer", "none"],
        "jwks_uri": "https://auth.example.com/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": [],
    });
    for headers in [
        &[][..],
        &[("Host", "evil.example"), ("X-Forwarded-Host", "evil.example")],
        &[("Forwarded", "host=evil.example")],
    ] {
        let request =
            headers.iter().fold(Request::new("GET", PATH), |request, (name, value)| request.header(name, *value));
        let reply = app.client().ask(&request);
        assert_eq!((reply.status, members(&reply)), (200, expected.clone()));
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    }
    assert_eq!(app.client().ask(&Request::new("HEAD", PATH)).status, 200);
}

#[test]
fn without_the_setting_there_are_no_endpoints() {
    let off = on(|setup| {
        setup.http.options.public_url = "https://auth.example.com".parse().ok();
        setup.http.options.introspection = false;
    });
    assert_eq!(off.client().ask(&Request::new("GET", PATH)).status, 404);
    let service = Stage::register(&off, "service", "introspect,revoke,batch");
    let header = super::stage::basic(&service.id.to_string(), service.secret.expose());
    for path in ["/introspect/", "/revoke/", "/check/"] {
        let request = form_request(path, &[("token", "x")]).header("Authorization", header.as_str());
        assert_eq!(off.client().ask(&request).status, 404, "{path}");
    }
}
