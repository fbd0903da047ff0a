//! The Python client, and Authlib.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::site::Site;
use super::{Knoxide, can_run, code_after, new_folder, replaced, root, run, scenario, workshop};
use crate::harness::app::{Backend, on_each_database};

fn package() -> PathBuf {
    root().join("clients/python")
}

/// A program of the virtual environment, which uses the package as installed from its folder.
fn program(name: &str) -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let site = BUILT.get_or_init(|| {
        let site = workshop().join("built");
        fs::remove_dir_all(&site).ok();
        let install = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target"];
        run(bare_program("pip").args(install).arg(&site).arg(package()));
        site
    });
    let mut command = bare_program(name);
    command.env("PYTHONPATH", site);
    command
}

fn bare_program(name: &str) -> Command {
    let mut command = Command::new(workshop().join("venv/bin").join(name));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    command
}

#[test]
fn its_own_tests_pass() {
    if can_run() {
        let knoxide = Knoxide::start(Backend::Sqlite);
        let mut pytest = program("pytest");
        pytest.args(["-q", "-p", "no:cacheprovider"]).current_dir(package());
        knoxide.prepare(&mut pytest);
        run(&mut pytest);
    }
}

#[test]
fn its_types_are_right() {
    if can_run() {
        let mut mypy = program("mypy");
        mypy.arg("--cache-dir").arg(workshop().join("mypy")).args(["src", "tests"]);
        run(mypy.current_dir(package()));
    }
}

/// A Django project, as `django-admin` creates it.
fn django_project(name: &str) -> PathBuf {
    let folder = new_folder(name);
    run(program("django-admin").args(["startproject", "notes", "."]).current_dir(&folder));
    folder
}

fn append(file: &Path, text: &str) {
    let before = fs::read_to_string(file).expect("a file");
    fs::write(file, before + text).expect("a file");
}

fn serve_django(folder: &Path, knoxide: &Knoxide) -> Site {
    Site::start(folder, "/notes/", |port| {
        let mut command = program("python");
        command.args(["manage.py", "runserver", "--noreload", &format!("127.0.0.1:{port}")]);
        command.envs(knoxide.environment(&knoxide.url()));
        command
    })
}

on_each_database! {
    fn a_django_project_made_as_the_readme_says(backend) {
        if !can_run() {
            return;
        }
        let mut knoxide = Knoxide::start(backend);
        let folder = django_project(&format!("django-{backend:?}"));
        let readme = package().join("README.md");
        let settings = code_after(&readme, "Add to `notes/settings.py`");
        let settings = replaced(&settings, "http://127.0.0.1:8080", &knoxide.socket_url());
        append(&folder.join("notes/settings.py"), &replaced(&settings, "the id of your client", &knoxide.client_id));
        fs::write(folder.join("notes/urls.py"), code_after(&readme, "Write `notes/urls.py`")).expect("a file");
        knoxide.write_secret(&folder);
        let site = serve_django(&folder, &knoxide);
        scenario::tokens(&site, &knoxide);
        if backend == Backend::Sqlite {
            scenario::without_database(&site, &knoxide);
        }
        scenario::outage_and_return(&site, &mut knoxide);
    }
}

#[test]
fn the_example_for_plain_django() {
    if !can_run() {
        return;
    }
    let mut knoxide = Knoxide::start(Backend::Sqlite);
    let folder = django_project("plain-django");
    fs::copy(package().join("examples/django_middleware.py"), folder.join("django_middleware.py")).expect("a copy");
    append(&folder.join("notes/settings.py"), "\nMIDDLEWARE += [\"django_middleware.KnoxideMiddleware\"]\n");
    let urls = "from django.http import JsonResponse\nfrom django.urls import path\n\n\
                def notes(request):\n    return JsonResponse({\"owner\": request.knoxide.user.username})\n\n\
                urlpatterns = [path(\"notes/\", notes)]\n";
    fs::write(folder.join("notes/urls.py"), urls).expect("a file");
    let site = serve_django(&folder, &knoxide);
    scenario::tokens(&site, &knoxide);
    scenario::outage(&site, &mut knoxide);
}

#[test]
fn the_example_for_fastapi() {
    if !can_run() {
        return;
    }
    let mut knoxide = Knoxide::start(Backend::Sqlite);
    let site = Site::start(&new_folder("fastapi"), "/notes", |port| {
        let mut command = program("uvicorn");
        command.args(["fastapi_app:app", "--port", &port.to_string(), "--app-dir"]).arg(package().join("examples"));
        command.envs(knoxide.environment(&knoxide.url()));
        command
    });
    scenario::tokens(&site, &knoxide);
    scenario::outage(&site, &mut knoxide);
}

#[test]
fn authlib_introspects_unchanged() {
    if !can_run() {
        return;
    }
    let knoxide = Knoxide::start(Backend::Sqlite);
    let site = Site::start(&new_folder("authlib"), "/notes", |port| {
        let mut command = program("flask");
        command.arg("--app").arg(root().join("tests/client_packages/authlib_app.py"));
        command.args(["run", "--port", &port.to_string()]);
        command.envs(knoxide.environment(&knoxide.url()));
        command
    });
    let token = knoxide.login();
    let header = format!("Bearer {token}");
    let reply = site.get(&[&header]);
    let owner: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((reply.status, owner["owner"].as_str()), (200, Some(super::USER)), "{}", site.log());
    knoxide.logout(&token);
    for header in [&header, "Bearer unknown"] {
        let reply = site.get(&[header]);
        assert_eq!(reply.status, 401, "{}", site.log());
        assert!(reply.text().contains("invalid_token"), "{}", reply.text());
    }
}
