//! An application in front of a node, which checks through the middleware of the crate `knoxide-remote`: a process that
//! keeps running when its node is killed.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::http::header::AUTHORIZATION;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use knoxide_remote::{Guard, Remote};
use serde_json::json;

use super::node::end_with_parent;
use crate::harness::setting;

/// Tells the child its node's address, its credentials, and its manner.
const GATE: &str = "KNOXIDE_HISTORY_GATE";

/// What the child prints before its address.
const LISTENING: &str = "listening on ";

/// Shorter than the clients wait.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long a gate that keeps answers reuses them.
const KEPT: Duration = Duration::from_millis(50);

/// How a gate works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As intended.
    Sound,
    /// It answers with results up to 50 ms old.
    Keeping,
}

/// The client whose credentials gates use.
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: String,
}

/// A gate, whose process ends when this is dropped.
pub(super) struct Gate {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Gate {
    /// Starts a gate in front of the node that listens on this socket.
    pub(super) fn start(socket: &Path, client: &Credentials, manner: Manner) -> Self {
        let socket = socket.to_str().expect("a path in UTF-8");
        let told = [socket, &client.id, &client.secret, if manner == Manner::Keeping { "keeping" } else { "" }];
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "history::gate::the_gate_serves", "--nocapture"]).env(GATE, told.join(" "));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("a child process");
        let mut output = BufReader::new(process.stdout.take().expect("a pipe, asked for once"));
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let said = lines.find_map(|line| Some(line.strip_prefix(LISTENING)?.to_owned()));
        // Kept open, since the child may print more.
        process.stdout = Some(output.into_inner());
        Self { process, address: said.and_then(|said| said.parse().ok()).expect("an address") }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The answers that a gate keeps, by `Authorization`.
type Kept = Arc<Mutex<HashMap<Vec<u8>, (Instant, String)>>>;

/// Not a test by itself: the child process, which is this very program, runs this.
#[test]
fn the_gate_serves() {
    let Some(told) = setting(GATE) else { return };
    end_with_parent();
    let [socket, id, secret, manner] = told.split(' ').collect::<Vec<_>>().try_into().expect("four words");
    let remote = Remote::unix(socket, id, secret).timeout(TIMEOUT).build().expect("a client");
    let kept: Option<Kept> = (manner == "keeping").then(Kept::default);
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            let application = App::new().app_data(web::Data::new(Guard::new(remote.clone())));
            application.app_data(web::Data::new(kept.clone())).route("/auth/user/", web::get().to(user))
        });
        let server = server.workers(2).bind("127.0.0.1:0").expect("a port");
        println!("\n{LISTENING}{}", server.addrs().first().expect("an address"));
        server.run().await.expect("a server that runs");
    });
}

/// Says whose the token is, in the format of the node's own reply.
async fn user(request: HttpRequest, guard: web::Data<Guard>, kept: web::Data<Option<Kept>>) -> HttpResponse {
    let header = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    if let Some(kept) = kept.as_ref() {
        let kept = kept.lock().expect("no panic");
        if let Some((_, body)) = kept.get(&header).filter(|(at, _)| at.elapsed() < KEPT) {
            return HttpResponse::Ok().body(body.clone());
        }
    }
    match guard.check(&request).await {
        Ok(who) => {
            let (user, session) = (&who.user, json!({ "id": who.session.id }));
            let body = json!({ "id": user.id, "username": user.username, "email": user.email, "session": session })
                .to_string();
            if let Some(kept) = kept.as_ref() {
                kept.lock().expect("no panic").insert(header, (Instant::now(), body.clone()));
            }
            HttpResponse::Ok().body(body)
        }
        Err(failure) => failure.response(),
    }
}
