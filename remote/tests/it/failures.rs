//! Whatever goes wrong, a failed check is never taken for a refusal.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use knoxide_remote::{Authenticated, Guard, MaybeAuthenticated, Remote, TokenAuth, Unavailable};

use crate::calls::answer;
use crate::server::{Call, ID, SECRET, Server};

/// A call after a failed one succeeds: the failure leaves no trace.
fn works(server: &Server, remote: &Remote) {
    let check = remote.check("live-1");
    server.next().judge();
    assert_eq!(answer(check), Ok(Some(1)));
}

#[test]
fn an_answer_with_another_status_is_no_verdict() {
    let server = Server::start();
    let remote = server.remote();
    for status in [
        "201 Created",
        "204 No Content",
        "301 Moved",
        "400 Bad",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "413 Too Large",
        "429 Too Many",
        "500 Error",
        "502 Bad Gateway",
        "503 Unavailable",
    ] {
        let check = remote.check("live-1");
        let body = if status.starts_with("204") { "" } else { r#"{"results":[{"active":false}]}"# };
        server.next().status(status, body);
        assert_eq!(answer(check), Err(Unavailable), "{status}");
        works(&server, &remote);
    }
}

#[test]
fn an_answer_to_another_question_is_no_verdict() {
    let server = Server::start();
    let remote = server.remote();
    for body in [
        "",
        "no JSON",
        r#"{"active":false}"#,
        r#"{"results":[]}"#,
        r#"{"results":[{"active":false},{"active":false}]}"#,
        r#"{"results":[{"active":true}]}"#,
        r#"{"results":[{"active":false}]"#,
        r#"{"results":[{"active":true,"sub":"no number"}]}"#,
    ] {
        let check = remote.check("live-1");
        server.next().reply(body);
        assert_eq!(answer(check), Err(Unavailable), "{body}");
    }
    works(&server, &remote);
}

#[test]
fn one_result_that_cannot_be_read_fails_the_whole_call() {
    let server = Server::start();
    let remote = server.remote();
    let first = remote.check("live-1");
    let call = server.next();
    let others = ["live-2", "live-3"].map(|token| remote.check(token));
    call.judge();
    assert_eq!(answer(first), Ok(Some(1)));
    server.next().reply(r#"{"results":[{"active":false},{"active":"perhaps"}]}"#);
    assert_eq!(others.map(answer), [Err(Unavailable), Err(Unavailable)]);
}

#[test]
fn a_lost_connection_is_replaced_and_the_question_asked_again_once() {
    let server = Server::start();
    let remote = server.remote();
    let check = remote.check("live-1");
    server.next().hang_up();
    assert_eq!(answer(check), Err(Unavailable), "a new connection was lost at once");
    let losses: [fn(Call); 2] = [Call::hang_up, |call| call.last("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")];
    for lose in losses {
        works(&server, &remote);
        let check = remote.check("live-2");
        let call = server.next();
        let kept = call.connection;
        lose(call);
        let again = server.next();
        assert_eq!((again.connection, again.tokens()), (kept + 1, vec!["live-2"]));
        again.judge();
        assert_eq!(answer(check), Ok(Some(2)));
    }
    let check = remote.check("live-3");
    server.next().hang_up();
    server.next().hang_up();
    assert_eq!(answer(check), Err(Unavailable), "it is not asked a third time");
    works(&server, &remote);
}

#[test]
fn the_server_may_come_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let remote = Remote::unix(folder.path().join("nothing"), ID, SECRET).build().expect("a client");
    assert_eq!(answer(remote.check("live-1")), Err(Unavailable));
}

#[test]
fn a_server_that_does_not_answer_costs_the_time_limit() {
    let server = Server::start();
    let remote = server.builder().timeout(Duration::from_millis(100)).build().expect("a client");
    let check = remote.check("live-1");
    let silent = server.next();
    let waiting = remote.check("live-2");
    assert_eq!((answer(check), answer(waiting)), (Err(Unavailable), Err(Unavailable)));
    drop(silent);
    // Checks that had to wait for the silent call may or may not be sent before they give up.
    while let Some(call) = server.next_within(Duration::ZERO) {
        call.hang_up();
    }
}

#[test]
fn an_outage_is_503_for_every_kind_of_handler() {
    let folder = tempfile::tempdir().expect("a folder");
    let remote = Remote::unix(folder.path().join("nothing"), ID, SECRET).build().expect("a client");
    actix_web::rt::System::new().block_on(async {
        let app = App::new()
            .app_data(web::Data::new(Guard::new(remote.clone())))
            .service(web::resource("/wrapped").wrap(TokenAuth::new(remote)).to(HttpResponse::Ok))
            .route("/extracted", web::get().to(|_: Authenticated| async { "" }))
            .route("/maybe", web::get().to(|_: MaybeAuthenticated| async { "" }));
        let service = init_service(app).await;
        for path in ["/wrapped", "/extracted", "/maybe"] {
            let request = TestRequest::get().uri(path).insert_header(("Authorization", "Token x")).to_request();
            let response = call_service(&service, request).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!((header("Retry-After"), header("Cache-Control")), (Some("1"), Some("no-store")));
            assert_eq!(header("WWW-Authenticate"), None);
        }
        let request = TestRequest::get().uri("/maybe").to_request();
        assert_eq!(call_service(&service, request).await.status(), StatusCode::OK, "the server was not asked");
    });
}
