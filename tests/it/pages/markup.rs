//! Texts of strangers never become markup.

use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::time::Timestamp;
use knoxide::store::NewEvent;

use super::*;
use crate::harness::app::{Client, on_each_database};
use crate::harness::wire::{Framing, Request};

const EVIL: &str = "<img src=x onerror=alert(1)>\"'&</td><script>";

on_each_database! {
    fn what_strangers_say_is_text(backend) {
        let bench = Bench::new(backend);
        let name = "<b>\"bob\"</b>&'";
        let bob = bench.app.add_user(name, PASSWORD);
        let body = serde_json::json!({ "username": name, "password": PASSWORD, "session_name": "<i>\"phone\"</i>" });
        let asked = Request::new("POST", "/auth/login/")
            .header("Content-Type", "application/json")
            .header("User-Agent", EVIL)
            .body(body.to_string(), Framing::Length);
        assert_eq!(Client::connect(bench.app.address).ask(&asked).status, 200);
        let session = bench.app.sessions_of(bob).remove(0).to_string();
        let act = AuditContext {
            event: Event::MassEndDone,
            actor: Actor::User(bob),
            origin: Origin::default(),
            at: Timestamp::EPOCH,
            detail: Some(serde_json::json!({ "filter": { (EVIL): EVIL, "name": "<i>" } })),
        };
        let event = NewEvent { audit: act, user: Some(bob), session: None, count: 1 };
        bench.app.connection().record_events(&[event]).expect("an event");
        let mut browser = bench.root();
        let query = form_urlencoded::byte_serialize(EVIL.as_bytes()).collect::<String>();
        for path in [
            "/admin/".to_owned(),
            "/admin/users/".to_owned(),
            format!("/admin/users/{bob}/"),
            format!("/admin/users/?q={query}"),
            "/admin/sessions/".to_owned(),
            format!("/admin/sessions/?device={query}&user={query}&cursor={query}"),
            format!("/admin/sessions/{session}/"),
            format!("/admin/sessions/end/?user={bob}&device=img"),
            "/admin/events/".to_owned(),
            format!("/admin/events/?event={query}&actor={query}&{query}={query}"),
            format!("/admin/explain/?session_id={session}"),
            format!("/admin/explain/?session_id={query}"),
            format!("/admin/users/?done={query}"),
        ] {
            let reply = browser.open(&path);
            assert!(reply.status < 500, "{path}: {}", reply.status);
            for bad in ["<img src=x", "<script>", "<b>", "<i>", "onerror=alert(1)>\"", "&</td>"] {
                assert!(!browser.page.contains(bad), "{path} has {bad}: {}", browser.page);
            }
        }
        browser.open("/admin/events/");
        let page = super::browser::unescape(&browser.page);
        assert!(page.contains(&format!("{EVIL}</bdi>")) && page.contains(&format!("{name}</bdi></a> ({bob})")), "{page}");
        browser.open("/admin/users/");
        assert!(super::browser::unescape(&browser.page).contains(name), "{}", browser.page);
    }
}

/// No template lets a value through as it is.
#[test]
fn no_template_switches_escaping_off() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/templates"))];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a template");
            assert!(path.extension().is_some_and(|ending| ending == "html"), "{path:?}");
            for bad in ["safe", "autoescape", "escape_html", "|e", "| e"] {
                assert!(!text.contains(bad), "{path:?} has {bad}");
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}
