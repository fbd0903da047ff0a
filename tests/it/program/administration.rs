//! The listener for administrators, as the program opens it.

use std::net::TcpListener;

use serde_json::json;

use crate::harness::admin::{json_of, request};
use crate::harness::app::{Backend, Client};
use crate::harness::program::{PASSWORD, Program, Running, tool};

/// The address in the log.
fn address_of(server: &Running) -> String {
    let line = server.wait_for("listening for administrators");
    line.split_once("address=").expect("an address").1.to_owned()
}

#[test]
fn it_listens_apart_or_beside_or_not_at_all() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let login = json!({ "username": "admin", "password": PASSWORD });
    let login = request("POST", "/admin/api/login/", None, Some(&login));
    let status = |address: &str| Client::connect(address.parse().expect("an address")).ask(&login).status;
    // Separate, at any free port.
    let apart = program.set("KNOXIDE_ADMIN_LISTEN", "127.0.0.1:0");
    let server = apart.start();
    assert_eq!(status(&address_of(&server)), 200);
    assert_eq!(status(&server.addresses[0]), 404);
    server.stop();
    // At a Unix socket.
    let socket = apart.folder().join("admin.sock");
    let listen = format!("unix:{}", socket.display());
    let at_socket = apart.set("KNOXIDE_ADMIN_LISTEN", &listen);
    let server = at_socket.start();
    assert_eq!(address_of(&server), listen);
    let path = socket.display().to_string();
    let body = format!("{{\"username\":\"admin\",\"password\":\"{PASSWORD}\"}}");
    let url = "http://localhost/admin/api/login/";
    let said = tool("curl", &["-s", "-H", "Content-Type: application/json", "-d", &body, "--unix-socket", &path, url]);
    assert!(said.contains("\"token\""), "{said}");
    server.stop();
    assert!(!socket.exists());
    // Together with everything else, at an address that is named twice.
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    let beside = at_socket.set("KNOXIDE_LISTEN", &format!("127.0.0.1:0,{free}")).set("KNOXIDE_ADMIN_LISTEN", &free);
    let server = beside.start();
    assert_eq!((status(&free), status(&server.addresses[0])), (200, 404));
    assert_eq!(Client::connect(free.parse().expect("an address")).login("admin", PASSWORD).len(), 40);
    server.stop();
    // Switched off.
    let server = beside.set("KNOXIDE_ADMIN_LISTEN", "off").start();
    assert_eq!(status(&server.addresses[0]), 404);
    let log = server.stop();
    assert!(!log.contains("for administrators"), "{log}");
}

#[test]
fn a_port_that_is_taken_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_ADMIN_LISTEN", &address);
    let done = program.run(&["serve"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains(&address) && done.err.contains("KNOXIDE_ADMIN_LISTEN"), "{}", done.err);
}

#[test]
fn hosts_are_those_of_the_setting() {
    let program = Program::on(Backend::Sqlite).with_admin();
    let program = program.set("KNOXIDE_ADMIN_LISTEN", "127.0.0.1:0").set("KNOXIDE_ADMIN_HOSTS", "admin.example.org");
    let server = program.start();
    let address = address_of(&server).parse().expect("an address");
    let status = |host: &str| {
        let asked = request("GET", "/admin/api/me/", None, None).header("Host", host);
        let reply = Client::connect(address).ask(&asked);
        (reply.status, json_of(&reply)["error"]["code"].clone())
    };
    assert_eq!(status("admin.example.org:443"), (401, json!("unauthenticated")));
    assert_eq!(status("localhost"), (421, json!("wrong_host")));
    let done = program.set("KNOXIDE_ADMIN_HOSTS", "http://admin.example.org").run(&["serve"]);
    assert!(done.code == Some(2) && done.err.contains("KNOXIDE_ADMIN_HOSTS"), "{}", done.err);
}
