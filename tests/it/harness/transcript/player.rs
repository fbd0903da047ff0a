//! Plays transcripts against a server, and compares the replies.

use std::io;
use std::net::SocketAddr;

use super::director::Director;
use super::notation::{NOW, Pattern, Variables};
use super::{Case, Transcript};
use crate::harness::documented::Documented;
use crate::harness::wire::{Framing, Reply, Request, Wire};

/// How much of a long text a report shows.
const SHOWN: usize = 400;

/// Rules for every reply of the server in addition to those of its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caching {
    /// `Cache-Control: no-store` on every reply: caches may not keep any of them.
    NoStore,
    /// Not checked, for servers other than ours.
    Unchecked,
}

/// A player for one server. Variables are kept from one file to the next.
pub(crate) struct Player<'a> {
    server: SocketAddr,
    caching: Caching,
    variables: Variables,
    director: Option<&'a dyn Director>,
    documented: Option<Documented>,
}

impl<'a> Player<'a> {
    /// A player with these variables.
    pub(crate) fn new(server: SocketAddr, caching: Caching, variables: Variables) -> Self {
        Self { server, caching, variables, director: None, documented: None }
    }

    /// Sets the `director`, which runs the directives between requests and reports the time.
    #[must_use]
    pub(crate) fn directed_by(mut self, director: &'a dyn Director) -> Self {
        self.director = Some(director);
        self
    }

    /// Also compares each reply with the server's API document.
    #[must_use]
    pub(crate) fn documented(mut self) -> Self {
        self.documented = Some(Documented::of(self.server));
        self
    }

    /// Plays all cases over one connection; on failure returns every difference of the file.
    pub(crate) fn play(&mut self, transcript: &Transcript) -> Result<(), String> {
        let mut wire = Wire::connect(self.server).map_err(|error| format!("{}: {error}", transcript.name))?;
        let mut report = String::new();
        for case in &transcript.cases {
            for difference in self.play_case(&mut wire, transcript, case) {
                report.push_str(&format!("{}:{}: {}\n  {difference}\n", transcript.name, case.line, case.name));
            }
        }
        if report.is_empty() { Ok(()) } else { Err(report) }
    }

    /// Plays one case; returns how the replies differ from what is expected.
    pub(crate) fn play_case(&mut self, wire: &mut Wire, transcript: &Transcript, case: &Case) -> Vec<String> {
        let request = match self.direct(case).and_then(|()| case.request(&self.variables)) {
            Ok(request) => request,
            Err(error) => return vec![error],
        };
        let mut differences = Vec::new();
        for _ in 0..case.controls.times.unwrap_or(1) {
            let reply = match case.controls.alone {
                true => Wire::connect(self.server).and_then(|mut own| own.ask(&request)),
                false => ask(wire, self.server, &request),
            };
            match reply {
                Ok(reply) => {
                    differences.extend(self.compare(transcript, case, &reply));
                    differences.extend(self.compare_with_document(case, &request, &reply));
                }
                Err(error) => differences.push(format!("no reply: {error}")),
            }
        }
        differences
    }

    /// Runs the directives before a case, and reads the clock.
    fn direct(&mut self, case: &Case) -> Result<(), String> {
        let Some(director) = self.director else {
            return match case.controls.directives.first() {
                Some(directive) => Err(format!("there is no director for {directive:?}")),
                None => Ok(()),
            };
        };
        case.controls.directives.iter().try_for_each(|directive| director.direct(directive))?;
        self.variables.insert(NOW.to_owned(), director.now().as_micros().to_string());
        Ok(())
    }

    fn compare(&mut self, transcript: &Transcript, case: &Case, reply: &Reply) -> Vec<String> {
        let mut differences = Vec::new();
        if reply.status != case.expect.status {
            differences.push(format!("status: expected {}, got {}", case.expect.status, reply.status));
        }
        for (name, pattern) in &case.expect.headers {
            let value = reply.header(name);
            let fits = match (pattern, &value) {
                (Some(pattern), Some(value)) => pattern.fits(value.as_bytes(), &mut self.variables),
                (None, None) => Ok(true),
                (Some(_), None) | (None, Some(_)) => Ok(false),
            };
            if fits != Ok(true) {
                let expected = pattern.as_ref().map(Pattern::source);
                differences.push(format!("{name}: expected {expected:?}, got {value:?}"));
            }
        }
        match case.expect.body.fits(&reply.body, &mut self.variables) {
            Ok(true) => {}
            Ok(false) => {
                let expected = shortened(case.expect.body.source());
                differences.push(format!("body: expected {expected}\n        but got {}", shortened(&reply.text())));
            }
            Err(error) => differences.push(error),
        }
        if !case.controls.bare {
            differences.extend(self.judge_by_rules(transcript, case, reply));
        }
        differences
    }

    /// How the reply differs from the server's API document.
    fn compare_with_document(&self, case: &Case, request: &Request, reply: &Reply) -> Vec<String> {
        let documented = self.documented.as_ref().filter(|_| !case.controls.bare);
        let target = String::from_utf8_lossy(&request.target);
        documented.map(|document| document.differences(&request.method, &target, reply)).unwrap_or_default()
    }

    /// The rules for all replies, unless the case itself specifies that header: JSON has
    /// its content type and nothing else has one; a 401 has its challenge and nothing else has one;
    /// nothing may be stored.
    fn judge_by_rules(&self, transcript: &Transcript, case: &Case, reply: &Reply) -> Vec<String> {
        let mut rules = Vec::new();
        if case.ask.method != "HEAD" {
            rules.push(("Content-Type", (!reply.body.is_empty()).then_some("application/json")));
        }
        let challenge = transcript.challenge.as_deref().filter(|_| reply.status == 401);
        rules.push(("WWW-Authenticate", challenge));
        match self.caching {
            Caching::NoStore => rules.push(("Cache-Control", Some("no-store"))),
            Caching::Unchecked => {}
        }
        rules
            .retain(|(name, _)| !case.expect.headers.iter().any(|(spoken_of, _)| spoken_of.eq_ignore_ascii_case(name)));
        let broken = rules.iter().filter(|(name, value)| reply.header(name).as_deref() != *value);
        broken.map(|(name, value)| format!("{name}: expected {value:?}, got {:?}", reply.header(name))).collect()
    }
}

impl Case {
    /// The request with its variables filled in.
    fn request(&self, variables: &Variables) -> Result<Request, String> {
        let mut headers = Vec::new();
        for (name, value) in &self.ask.headers {
            headers.push((name.clone(), value.fill(variables)?));
        }
        let mut body = self.ask.body.fill(variables)?;
        if self.controls.crlf {
            body = body.split(|&byte| byte == b'\n').flat_map(|line| [line, b"\r\n"].concat()).collect();
        }
        let framing = match (self.controls.chunked, self.ask.method.as_str()) {
            (Some(size), _) => Framing::Chunked(size),
            (None, "POST" | "PUT" | "PATCH") if !self.controls.unsaid => Framing::Length,
            (None, _) if !body.is_empty() => Framing::Length,
            (None, _) => Framing::Unsaid,
        };
        let target = self.ask.target.fill(variables)?;
        Ok(Request { method: self.ask.method.clone(), target, headers, body, framing })
    }
}

/// A lost connection fails its own case only.
fn ask(wire: &mut Wire, server: SocketAddr, request: &Request) -> io::Result<Reply> {
    let reply = wire.ask(request);
    if reply.is_err() {
        *wire = Wire::connect(server)?;
    }
    reply
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} … ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
