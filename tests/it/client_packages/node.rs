//! The Node client, and openid-client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::site::Site;
use super::{Knoxide, USER, can_run, code_after, new_folder, replaced, root, run, scenario, workshop};
use crate::harness::app::{Backend, on_each_database};

fn package() -> PathBuf {
    root().join("clients/node")
}

/// Node, which finds the package as it is packed for publishing. Its dependencies are in `target/clients`, below which
/// all applications of these tests are.
fn node() -> Command {
    static PACKED: OnceLock<()> = OnceLock::new();
    PACKED.get_or_init(|| {
        let folder = new_folder("pack");
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--pack-destination"]).arg(&folder).current_dir(package());
        let packed = run(&mut pack);
        let installed = workshop().join("node_modules/knoxide-client");
        fs::remove_dir_all(&installed).ok();
        fs::create_dir_all(&installed).expect("a folder");
        let mut unpack = Command::new("tar");
        run(unpack.arg("-xzf").arg(folder.join(packed.trim())).arg("--strip-components=1").arg("-C").arg(installed));
    });
    Command::new("node")
}

/// Copies a folder of the package into another one.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

/// A folder for an application that has no `package.json`. This writes one, so that the folder is not taken for a part
/// of the package whose libraries it uses.
fn new_application(name: &str) -> PathBuf {
    let folder = new_folder(name);
    fs::write(folder.join("package.json"), r#"{ "private": true, "type": "module" }"#).expect("a file");
    folder
}

#[test]
fn its_own_tests_pass() {
    if can_run() {
        let knoxide = Knoxide::start(Backend::Sqlite);
        let folder = new_application("node-tests");
        copy(&package().join("test"), &folder.join("test"));
        let mut tests = node();
        tests.arg("--test").current_dir(&folder);
        knoxide.prepare(&mut tests);
        run(&mut tests);
    }
}

#[test]
fn its_types_are_right_and_up_to_date() {
    if can_run() {
        let folder = new_folder("node-types");
        copy(&package(), &folder);
        let compiler = workshop().join("node_modules/typescript/bin/tsc");
        let compile = |project: &str| run(node().arg(&compiler).args(["-p", project]).current_dir(&folder));
        compile("tsconfig.types.json");
        for entry in fs::read_dir(folder.join("types")).expect("types") {
            let name = entry.expect("an entry").file_name();
            let types_in = |at: &Path| fs::read_to_string(at.join("types").join(&name)).ok();
            assert_eq!(types_in(&package()), types_in(&folder), "{name:?}: `npm run types` writes it anew");
        }
        compile("tsconfig.json");
    }
}

on_each_database! {
    fn an_express_application_made_as_the_readme_says(backend) {
        if !can_run() {
            return;
        }
        let mut knoxide = Knoxide::start(backend);
        let folder = new_folder(&format!("express-{backend:?}"));
        run(Command::new("npm").args(["init", "-y", "--silent"]).current_dir(&folder));
        let app = code_after(&package().join("README.md"), "Write `app.mjs`");
        let app = replaced(&app, "http://127.0.0.1:8080", &knoxide.socket_url());
        let app = replaced(&app, "the id of your client", &knoxide.client_id);
        knoxide.write_secret(&folder);
        let site = Site::start(&folder, "/notes", |port| {
            fs::write(folder.join("app.mjs"), replaced(&app, "3000", &port.to_string())).expect("a file");
            let mut command = node();
            command.arg("app.mjs");
            command
        });
        scenario::tokens(&site, &knoxide);
        if backend == Backend::Sqlite {
            scenario::without_database(&site, &knoxide);
        }
        scenario::outage_and_return(&site, &mut knoxide);
    }
}

#[test]
fn the_example_for_fastify() {
    if !can_run() {
        return;
    }
    let mut knoxide = Knoxide::start(Backend::Sqlite);
    let folder = new_application("fastify");
    fs::copy(package().join("examples/fastify.js"), folder.join("fastify.js")).expect("a copy");
    let site = Site::start(&folder, "/notes", |port| {
        let mut command = node();
        command.arg("fastify.js").env("PORT", port.to_string()).envs(knoxide.environment(&knoxide.url()));
        command
    });
    scenario::tokens(&site, &knoxide);
    scenario::outage(&site, &mut knoxide);
}

#[test]
fn openid_client_introspects_and_revokes_unchanged() {
    if !can_run() {
        return;
    }
    let knoxide = Knoxide::start(Backend::Sqlite);
    let folder = new_application("openid-client");
    fs::copy(root().join("tests/client_packages/openid_client.mjs"), folder.join("main.mjs")).expect("a copy");
    let token = knoxide.login();
    let mut command = node();
    command.arg("main.mjs").current_dir(&folder).envs(knoxide.environment(&knoxide.url())).env("TOKEN", &token);
    let answers: Value = serde_json::from_str(&run(&mut command)).expect("JSON");
    assert_eq!(answers[0]["active"], true);
    assert_eq!(answers[0]["username"], USER);
    assert_eq!(answers[1], serde_json::json!({ "active": false }));
    assert_eq!(knoxide.running().client().check(&token), 401);
}
