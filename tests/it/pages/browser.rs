//! What a browser does as far as pages without scripts need it: it keeps cookies, says where a form comes from, and sends
//! the fields that stand in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::harness::app::Client;
use crate::harness::wire::{Framing, Reply, Request};

/// The address that the browser shows.
const ORIGIN: &str = "http://localhost";

pub(super) struct Browser {
    client: Client,
    pub(super) cookies: BTreeMap<String, String>,
    /// The page that is shown.
    pub(super) page: String,
    /// The path that the page asks to be opened after a moment.
    pub(super) refresh: Option<String>,
    /// Headers besides those of every browser.
    pub(super) extra: Vec<(String, String)>,
}

impl Browser {
    pub(super) fn at(address: SocketAddr) -> Self {
        let client = Client::connect(address);
        Self { client, cookies: BTreeMap::new(), page: String::new(), refresh: None, extra: Vec::new() }
    }

    /// Sends a request with the cookies, and keeps those of the reply and its page.
    pub(super) fn send(&mut self, mut request: Request) -> Reply {
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("Cookie", cookies.join("; "));
        }
        for (name, value) in &self.extra {
            request = request.header(name, value.as_str());
        }
        let reply = self.client.ask(&request);
        for (_, line) in reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let (name, rest) = line.split_once('=').expect("a cookie");
            let value = rest.split(';').next().expect("a value");
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        self.page = reply.text();
        let refresh = reply.header("Refresh");
        self.refresh = refresh.map(|after| after.split_once("; url=").expect("a path").1.to_owned());
        reply
    }

    /// Opens a page, and those that it leads to.
    pub(super) fn open(&mut self, path: &str) -> Reply {
        let mut reply = self.send(Request::new("GET", path));
        while reply.status == 303 {
            let path = location(&reply);
            reply = self.send(Request::new("GET", &path));
        }
        reply
    }

    /// Looks again, as pages about work in the background ask for, until it is done. Each page waits a moment for that.
    pub(super) fn settle(&mut self) {
        while let Some(path) = self.refresh.take() {
            self.open(&path);
        }
    }

    /// The fields of the form that leads to this path, as they stand on the page.
    pub(super) fn fields(&self, action: &str) -> Vec<(String, String)> {
        let opening = format!("action=\"{action}\"");
        let form =
            self.page.split("<form").find(|form| form.split('>').next().is_some_and(|tag| tag.contains(&opening)));
        let form = form.unwrap_or_else(|| panic!("no form leads to {action}: {}", self.page));
        let form = form.split("</form>").next().expect("a form");
        let inputs = form.split("<input").skip(1).map(|input| input.split('>').next().expect("an end"));
        inputs
            .filter(|input| input.contains(" name=\""))
            .filter(|input| !input.contains("type=\"checkbox\"") || input.contains(" checked"))
            .map(|input| (attribute(input, "name"), attribute(input, "value")))
            .collect()
    }

    /// Sends the form that leads to this path, with these fields filled in, and follows where it leads.
    pub(super) fn submit(&mut self, action: &str, filled: &[(&str, &str)]) -> Reply {
        let mut fields = self.fields(action);
        fields.retain(|(name, _)| filled.iter().all(|(other, _)| other != name));
        fields.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.submit_to(action, &fields)
    }

    /// Sends these fields as a form of a page of ours, and follows where it leads.
    pub(super) fn submit_to(&mut self, action: &str, fields: &[(String, String)]) -> Reply {
        let reply = self.post(action, fields);
        if reply.status == 303 { self.open(&location(&reply)) } else { reply }
    }

    /// Sends these fields as a form of a page of ours.
    pub(super) fn post(&mut self, path: &str, fields: &[(String, String)]) -> Reply {
        self.send(form(path, fields).header("Origin", ORIGIN))
    }

    pub(super) fn sign_in(&mut self, name: &str, password: &str) {
        self.sign_in_at("/admin/", name, password);
    }

    /// Signs in at the pages below this path.
    pub(super) fn sign_in_at(&mut self, home: &str, name: &str, password: &str) {
        self.open(home);
        let reply = self.submit(&format!("{home}sign-in/"), &[("username", name), ("password", password)]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(self.page.contains("Sign out"), "{}", self.page);
    }
}

/// A form as browsers encode it.
pub(super) fn form(path: &str, fields: &[(String, String)]) -> Request {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded").body(body, Framing::Length)
}

/// Where a reply leads.
pub(super) fn location(reply: &Reply) -> String {
    reply.header("Location").unwrap_or_else(|| panic!("no location: {}", reply.text()))
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    unescape(value)
}

/// The text that HTML stands for.
pub(super) fn unescape(html: &str) -> String {
    let entities = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">")];
    let text = entities.iter().fold(html.to_owned(), |text, (entity, c)| text.replace(entity, c));
    text.replace("&#38;", "&").replace("&amp;", "&")
}
