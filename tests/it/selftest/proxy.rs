//! The proxy.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::echo;
use crate::harness::proxy::{Proxy, Towards};

/// Long enough to distinguish silence from slowness, short enough to wait for.
const SILENCE: Duration = Duration::from_millis(200);

fn through(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    stream
}

fn say(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).expect("sent");
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard).expect("an answer");
    String::from_utf8(heard).expect("text")
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset counts as the end too.
    stream.read_to_end(&mut rest).ok();
    rest
}

#[test]
fn carries_both_ways_and_counts_connections() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    let (mut one, mut two) = (through(&proxy), through(&proxy));
    assert_eq!(say(&mut one, "hello"), "hello");
    assert_eq!(say(&mut two, "you"), "you");
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn cuts_what_is_open_and_welcomes_new_ones() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    let mut old = through(&proxy);
    say(&mut old, "x");
    proxy.cut();
    assert!(rest(&mut old).is_empty());
    assert_eq!(say(&mut through(&proxy), "again"), "again");
}

#[test]
fn refuses_new_ones_and_keeps_what_is_open() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    let mut old = through(&proxy);
    say(&mut old, "x");
    proxy.refuse(true);
    assert!(rest(&mut through(&proxy)).is_empty());
    assert_eq!(say(&mut old, "still here"), "still here");
    proxy.refuse(false);
    assert_eq!(say(&mut through(&proxy), "back"), "back");
}

#[test]
fn frozen_it_holds_back_and_thawed_it_delivers() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    let mut stream = through(&proxy);
    say(&mut stream, "x");
    proxy.freeze();
    stream.write_all(b"later").expect("sent");
    stream.set_read_timeout(Some(SILENCE)).expect("a time-out");
    let silence = stream.read(&mut [0]).expect_err("nothing may arrive");
    assert!(matches!(silence.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    proxy.thaw();
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).expect("it arrives after all");
    assert_eq!(&heard, b"later");
}

#[test]
fn a_frozen_connection_can_be_cut() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    let mut stream = through(&proxy);
    say(&mut stream, "x");
    proxy.freeze();
    stream.write_all(b"never").expect("sent");
    proxy.cut();
    assert!(rest(&mut stream).is_empty());
}

#[test]
fn strands_what_is_open_and_welcomes_new_ones() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    let mut old = through(&proxy);
    say(&mut old, "x");
    proxy.strand();
    old.write_all(b"never").expect("sent");
    assert_eq!(say(&mut through(&proxy), "new"), "new");
    old.set_read_timeout(Some(SILENCE)).expect("a time-out");
    assert!(old.read(&mut [0]).is_err(), "nothing may arrive, not even the end");
    proxy.cut();
    assert!(rest(&mut old).is_empty());
}

#[test]
fn delays_each_way() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    let mut stream = through(&proxy);
    say(&mut stream, "x");
    proxy.delay(SILENCE);
    let asked = Instant::now();
    assert_eq!(say(&mut stream, "slow"), "slow");
    assert!(asked.elapsed() >= 2 * SILENCE);
}

#[test]
fn breaks_off_after_so_many_bytes() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    proxy.break_off(Some((Towards::Client, 3)));
    let mut stream = through(&proxy);
    stream.write_all(b"abcdef").expect("sent");
    assert_eq!(rest(&mut stream), b"abc");
    proxy.break_off(Some((Towards::Server, 2)));
    let mut stream = through(&proxy);
    stream.write_all(b"abcdef").expect("sent");
    assert!(rest(&mut stream).len() <= 2);
    proxy.break_off(None);
    assert_eq!(say(&mut through(&proxy), "all of it"), "all of it");
}

#[test]
fn ends_with_its_connections_when_dropped() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    let address = proxy.address();
    let mut stream = through(&proxy);
    say(&mut stream, "x");
    drop(proxy);
    assert!(rest(&mut stream).is_empty());
    assert!(TcpStream::connect(address).is_err());
}

#[cfg(feature = "postgres")]
#[test]
fn resets_connections() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    let mut one = through(&proxy);
    assert_eq!(say(&mut one, "hello"), "hello");
    proxy.reset();
    let end = one.read(&mut [0]).expect_err("a reset is an error");
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(say(&mut through(&proxy), "again"), "again");
}

#[cfg(feature = "postgres")]
#[test]
fn loses_answers_to_commits() {
    let proxy = Proxy::to(echo()).expect("a proxy");
    proxy.swallow_commits(1);
    let (mut one, mut two) = (through(&proxy), through(&proxy));
    assert_eq!(say(&mut one, "hello"), "hello");
    one.write_all(b"COMMIT\0").expect("sent");
    assert_eq!((rest(&mut one), proxy.swallowed()), (Vec::new(), 1));
    assert_eq!(say(&mut two, "COMMIT\0"), "COMMIT\0");
}
