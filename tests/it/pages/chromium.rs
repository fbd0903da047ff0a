//! The pages in Chromium, which the scripts in `tests/browser/` drive: what people do there, and how it looks.
//!
//! `scripts/test` installs the browser, its driver and the libraries below `target/browser`. Without them these tests say
//! that they did not run; in CI they fail.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use knoxide::http::pages::{account, admin};
use serde_json::{Value, json};

use super::*;
use crate::harness::app::on_each_database;
use crate::harness::{fixture, setting};

/// A name that would be markup, if it were not escaped everywhere.
const STRANGER: &str = "<img src=x onerror='hacked=1'><script>hacked=2</script>";

fn installed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/browser")
}

/// A program on the path.
fn program(name: &str) -> Option<PathBuf> {
    let path = setting("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The browser and its driver, if they and the libraries are there.
fn can_run() -> Option<(PathBuf, PathBuf)> {
    let libraries = installed().join("node_modules/installed").exists();
    let found = program("chromium").zip(program("chromedriver")).filter(|_| libraries);
    assert!(found.is_some() || setting("CI").is_none_or(|ci| ci != "true"), "scripts/test installs what this needs");
    if found.is_none() {
        eprintln!("NOT RUN: the pages in Chromium, which scripts/test installs with its driver and libraries");
    }
    found
}

/// The paths of pages that can be opened, with the ids that they need.
fn paths(pages: impl Iterator<Item = (&'static str, &'static str)>, user: &str, session: &str) -> Vec<String> {
    let read = pages.filter(|(method, path)| *method == "GET" && !path.ends_with("/sign-in/"));
    read.map(|(_, path)| path.replace("users/{id}", &format!("users/{user}")).replace("{id}", session)).collect()
}

/// Does a job of `tests/browser/main.mjs` on a server of its own.
fn run(backend: Backend, job: &str, screenshots: Option<&Path>) {
    let Some((chromium, chromedriver)) = can_run() else { return };
    let bench = Bench::new(backend);
    let [bob, carol, dave] = ["bob", "carol", "dave"].map(|name| bench.app.add_user(name, PASSWORD));
    let stranger = screenshots.is_none().then(|| bench.app.add_user(STRANGER, PASSWORD));
    bench.app.client().login("dave", PASSWORD);
    let session = bench.app.sessions_of(dave).remove(0).to_string();
    let user = bench.alice.to_string();
    let admin_pages = paths(admin::PAGES.iter().map(|page| (page.method, page.path)), &user, &session);
    let account_pages = paths(account::PAGES.iter().map(|page| (page.method, page.path)), &user, &session);
    // Inside of the folder of the libraries, so that Node finds them.
    let folder = tempfile::tempdir_in(installed()).expect("a folder");
    for entry in fs::read_dir(fixture::path("browser")).expect("the scripts") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "mjs") {
            fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
    let asked = json!({
        "job": job,
        "chromium": chromium,
        "chromedriver": chromedriver,
        "folder": folder.path(),
        "admin": format!("http://localhost:{}", bench.api.address.port()),
        "account": format!("http://{}", bench.app.address),
        "password": PASSWORD,
        "stranger": STRANGER,
        "users": { "bob": bob.0, "carol": carol.0, "stranger": stranger.map(|id| id.0) },
        "pages": { "admin": admin_pages, "account": account_pages, "user": user, "session": session },
        "screenshots": screenshots,
    });
    let said = folder.path().join("said");
    let node = Command::new("node")
        .arg(folder.path().join("main.mjs"))
        .env("ASKED", asked.to_string())
        .env("NO_PROXY", "localhost,127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(&said).expect("a file"))
        .spawn()
        .expect("node");
    let succeeded = attend(node, &bench);
    let said = fs::read_to_string(said).expect("a text");
    assert!(succeeded, "{said}");
    eprintln!("{said}");
}

/// Does what the scripts ask for, until they end; whether they succeeded.
fn attend(mut node: Child, bench: &Bench) -> bool {
    let mut answers = node.stdin.take().expect("a pipe");
    for line in BufReader::new(node.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("a line");
        let asked: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the scripts say: {line}"));
        let seconds = asked["advance"].as_u64().expect("seconds");
        bench.app.clock.advance(Duration::from_secs(seconds));
        writeln!(answers, "done").expect("an answer");
    }
    node.wait().expect("an end").success()
}

on_each_database! {
    fn people_do_what_the_pages_are_for_without_scripts(backend) {
        run(backend, "acts", None);
    }
}

#[test]
fn names_full_of_markup_are_text() {
    run(Backend::Sqlite, "markup", None);
}

#[test]
fn every_page_is_accessible_light_and_dark_on_phones_and_desktops() {
    run(Backend::Sqlite, "axe", None);
}

/// Writes the pictures of the documents anew; `scripts/screenshots` runs it.
#[test]
#[ignore = "writes files"]
fn screenshots() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
    fs::create_dir_all(&folder).expect("a folder");
    run(Backend::Sqlite, "screenshots", Some(&folder));
}
