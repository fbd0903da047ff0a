//! A server that passes each request to the test and sends the test's answer.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use knoxide_remote::{Remote, RemoteBuilder};
use serde::Deserialize;

/// Longer than anything takes on a busy machine; reaching it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const ID: &str = "0199c6f2-7e0a-7c31-9d5e-3f1f6f0c2b11";
pub(crate) const SECRET: &str = "kxc_5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";

/// A server on a Unix socket.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    calls: Receiver<Call>,
    ends: Receiver<()>,
}

/// A request that waits for the test's answer.
pub(crate) struct Call {
    /// The number of its connection.
    pub(crate) connection: usize,
    /// The first line and the headers.
    pub(crate) head: Vec<String>,
    pub(crate) question: Question,
    answer: Sender<Answer>,
}

#[derive(Deserialize)]
pub(crate) struct Question {
    pub(crate) tokens: Vec<String>,
    pub(crate) counts_as_use: bool,
}

enum Answer {
    Bytes(Vec<u8>),
    Last(Vec<u8>),
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("socket")).expect("a socket");
        let (sender, calls) = channel();
        let (end, ends) = channel();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (stream, sender, end) = (stream.expect("a connection"), sender.clone(), end.clone());
                thread::spawn(move || {
                    serve(stream, number, &sender);
                    end.send(()).ok();
                });
            }
        });
        Self { folder, calls, ends }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// A client that makes one call at a time.
    pub(crate) fn builder(&self) -> RemoteBuilder {
        Remote::unix(self.path(), ID, SECRET).calls(1).timeout(PATIENCE)
    }

    pub(crate) fn remote(&self) -> Remote {
        self.builder().build().expect("a client")
    }

    /// The next request.
    pub(crate) fn next(&self) -> Call {
        self.calls.recv_timeout(PATIENCE).expect("a call")
    }

    /// Waits until a connection has ended.
    pub(crate) fn wait_for_end(&self) {
        self.ends.recv_timeout(PATIENCE).expect("the end of a connection");
    }

    /// The next request; `None` if there is none within this time.
    pub(crate) fn next_within(&self, time: Duration) -> Option<Call> {
        match self.calls.recv_timeout(time) {
            Ok(call) => Some(call),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the server ended"),
        }
    }
}

/// Serves one connection; each request goes to the test.
pub(crate) fn serve(stream: impl Read + Write, number: usize, calls: &Sender<Call>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line) {
                Ok(read) if read > 0 => {}
                Ok(_) | Err(_) => return,
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let length = head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.expect("a length")];
        stream.read_exact(&mut body).expect("a body");
        let question = serde_json::from_slice(&body).expect("a question");
        let (answer, answered) = channel();
        if calls.send(Call { connection: number, head, question, answer }).is_err() {
            return;
        }
        match answered.recv() {
            Ok(Answer::Bytes(bytes)) => stream.get_mut().write_all(&bytes).expect("an answer that the client reads"),
            Ok(Answer::Last(bytes)) => {
                stream.get_mut().write_all(&bytes).expect("an answer that the client reads");
                return;
            }
            Err(_) => return,
        }
    }
}

impl Call {
    pub(crate) fn tokens(&self) -> Vec<&str> {
        self.question.tokens.iter().map(String::as_str).collect()
    }

    fn send(self, answer: Answer) {
        self.answer.send(answer).expect("a connection");
    }

    /// 200 with this JSON.
    pub(crate) fn reply(self, json: &str) {
        self.status("200 OK", json);
    }

    pub(crate) fn status(self, status: &str, body: &str) {
        let length = body.len();
        self.send(Answer::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()));
    }

    /// These bytes, then the end of the connection.
    pub(crate) fn last(self, bytes: &str) {
        self.send(Answer::Last(bytes.as_bytes().to_vec()));
    }

    /// Ends the connection without an answer.
    pub(crate) fn hang_up(self) {
        drop(self);
    }

    /// Reports tokens such as `live-17` as live tokens of the user with this id, and all others as not live.
    pub(crate) fn judge(self) {
        let results: Vec<String> = self.question.tokens.iter().map(|token| result(token)).collect();
        self.reply(&format!(r#"{{"results":[{}]}}"#, results.join(",")));
    }

    pub(crate) fn refuse_all(self) {
        let results = vec![r#"{"active":false}"#; self.question.tokens.len()];
        self.reply(&format!(r#"{{"results":[{}]}}"#, results.join(",")));
    }
}

fn result(token: &str) -> String {
    token.strip_prefix("live-").map_or_else(
        || r#"{"active":false}"#.to_owned(),
        |user| {
            format!(
                r#"{{"active":true,"token_type":"Token","iat":1767323045,"sub":"{user}","username":"user {user}","sid":"s{user}","email":"","is_staff":false,"is_admin":false,"session":{{"id":"s{user}","dialect":"knox"}}}}"#
            )
        },
    )
}
