//! Which call answers which check.

use actix_web::rt::System;
use knoxide_remote::{Check, Remote, Unavailable};

use crate::server::{ID, SECRET, Server};

/// The id of the token's user.
pub(crate) fn answer(check: Check) -> Result<Option<i64>, Unavailable> {
    System::new().block_on(check).map(|who| who.map(|who| who.user.id.0))
}

#[test]
fn a_call_is_what_the_server_takes() {
    let server = Server::start();
    let check = server.remote().check("live-1");
    let call = server.next();
    assert_eq!(call.head.first().map(String::as_str), Some("POST /check/ HTTP/1.1"));
    for line in ["host: localhost", "content-type: application/json"] {
        assert!(call.head.iter().any(|own| own.eq_ignore_ascii_case(line)), "{line} is not in {:?}", call.head);
    }
    let credentials = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{ID}:{SECRET}"));
    let authorization = format!("authorization: Basic {credentials}");
    assert!(call.head.contains(&authorization), "{:?}", call.head);
    assert_eq!((call.tokens(), call.question.counts_as_use), (vec!["live-1"], true));
    call.judge();
    drop(check);
    let still = server.builder().counts_as_use(false).build().expect("a client");
    let _check = still.check("live-1");
    assert!(!server.next().question.counts_as_use);
}

#[test]
fn a_unix_socket_can_be_said_in_a_url() {
    let server = Server::start();
    let url = format!("unix:{}", server.path().display());
    let check = Remote::at(&url, ID, SECRET).build().expect("a client").check("live-1");
    server.next().judge();
    assert_eq!(answer(check), Ok(Some(1)));
    assert!(Remote::at("unix:relative", ID, SECRET).build().is_err());
}

#[test]
fn a_check_is_never_answered_by_a_call_that_was_sent_before_it() {
    let server = Server::start();
    let remote = server.remote();
    let first = remote.check("live-1");
    let sent = server.next();
    // The token is revoked now, while the answer to the first call is in transit.
    let second = remote.check("live-1");
    sent.judge();
    assert_eq!(answer(first), Ok(Some(1)));
    let call = server.next();
    assert_eq!(call.tokens(), ["live-1"]);
    call.refuse_all();
    assert_eq!(answer(second), Ok(None));
}

#[test]
fn checks_that_begin_during_a_call_share_the_next_one() {
    let server = Server::start();
    let remote = server.remote();
    let first = remote.check("live-1");
    let sent = server.next();
    let others: Vec<_> = (2..=1_500).map(|number| remote.check(&format!("live-{number}"))).collect();
    sent.judge();
    assert_eq!(answer(first), Ok(Some(1)));
    let [call, next] = [1_000, 499].map(|length| {
        let call = server.next();
        assert_eq!(call.tokens().len(), length);
        call.judge();
        length
    });
    assert_eq!(call + next, others.len());
    for (number, check) in (2..).zip(others) {
        assert_eq!(answer(check), Ok(Some(number)));
    }
}

#[test]
fn as_many_calls_are_under_way_as_were_asked_for() {
    let server = Server::start();
    let remote = server.builder().calls(2).build().expect("a client");
    let first = remote.check("live-1");
    let call = server.next();
    let second = remote.check("live-2");
    let other = server.next();
    assert_ne!(call.connection, other.connection);
    let third = remote.check("live-3");
    other.judge();
    assert_eq!(answer(second), Ok(Some(2)), "the first call is still under way");
    let last = server.next();
    assert_eq!(last.tokens(), ["live-3"]);
    last.judge();
    assert_eq!(answer(third), Ok(Some(3)));
    call.judge();
    assert_eq!(answer(first), Ok(Some(1)));
}

#[test]
fn a_dropped_check_is_withdrawn_and_its_answer_goes_to_nobody() {
    let server = Server::start();
    let remote = server.remote();
    let dropped_in_call = remote.check("live-1");
    let call = server.next();
    let [waiting, dropped, last] = ["live-2", "live-3", "live-4"].map(|token| remote.check(token));
    drop((dropped, dropped_in_call));
    call.judge();
    let call = server.next();
    assert_eq!(call.tokens(), ["live-2", "live-4"]);
    call.judge();
    assert_eq!((answer(waiting), answer(last)), (Ok(Some(2)), Ok(Some(4))));
}

#[test]
fn a_text_that_cannot_be_a_token_is_not_sent() {
    let server = Server::start();
    let remote = server.remote();
    for text in ["", "a b", "zo\u{eb}", &"a".repeat(4097)] {
        assert_eq!(answer(remote.check(text)), Ok(None), "{text:?}");
    }
    let _check = remote.check("x");
    assert_eq!(server.next().tokens(), ["x"]);
}

#[test]
fn a_connection_is_kept() {
    let server = Server::start();
    let remote = server.remote();
    for number in 0..3 {
        let check = remote.check("live-1");
        let call = server.next();
        assert_eq!(call.connection, 0, "call {number}");
        call.judge();
        assert_eq!(answer(check), Ok(Some(1)));
    }
}

#[test]
fn the_connections_end_with_the_last_clone_and_the_last_check() {
    let server = Server::start();
    let remote = server.remote();
    let first = remote.check("live-1");
    let call = server.next();
    let waiting = remote.clone().check("live-2");
    drop(remote);
    call.judge();
    assert_eq!(answer(first), Ok(Some(1)));
    server.next().judge();
    assert_eq!(answer(waiting), Ok(Some(2)));
    server.wait_for_end();
}
