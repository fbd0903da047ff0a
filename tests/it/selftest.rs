//! Tests of the harness, which must itself be able to fail.

mod jwt;
#[cfg(feature = "postgres")]
mod postgres;
mod proxy;
mod transcript;
mod wire;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::thread;

/// A server that answers each head of a request with the next of these replies, and closes the connection after the
/// last.
fn canned(replies: &[&str]) -> SocketAddr {
    let replies: Vec<_> = replies.iter().map(|reply| reply.as_bytes().to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        'connections: for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            for reply in &replies {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    match stream.read(&mut byte) {
                        Ok(1) => request.push(byte[0]),
                        Ok(_) | Err(_) => continue 'connections,
                    }
                }
                stream.write_all(reply).ok();
            }
            // Closing with unread data would send a reset, which can overtake the last reply.
            stream.shutdown(Shutdown::Write).ok();
            std::io::copy(&mut stream, &mut std::io::sink()).ok();
        }
    });
    address
}

/// A server that echoes what it receives.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            thread::spawn(move || {
                let mut from = stream.try_clone().expect("a second handle");
                std::io::copy(&mut from, &mut stream).ok();
            });
        }
    });
    address
}
