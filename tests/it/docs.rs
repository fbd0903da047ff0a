//! The documents are true: what they link to and name is there, and what is there is named.

mod endpoints;
mod markdown;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use knoxide::dialect::Dialect;

use crate::support::app::{App, Backend};
use crate::support::wire::{Framing, Request};
use markdown::Document;

/// Files that may be longer than 400 lines, with the reason.
const LONG: &[(&str, &str)] = &[];

const MOST_LINES: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the project with one of these endings, by their paths from its root.
fn files(endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    collect(&root(), &mut found);
    let names = found.iter().map(|path| path.strip_prefix(root()).expect("a file of the project"));
    let mut names: Vec<_> = names.map(|path| path.to_str().expect("a name in UTF-8").to_owned()).collect();
    names.retain(|name| endings.iter().any(|ending| name.ends_with(ending)));
    names.sort();
    names
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn documents() -> Vec<Document> {
    let documents: Vec<_> = files(&[".md"]).into_iter().map(|name| Document::new(&name, &read(&name))).collect();
    assert!(documents.len() > 10, "the documents were not found");
    documents
}

#[test]
fn links_lead_somewhere() {
    let documents = documents();
    let mut broken = Vec::new();
    for document in &documents {
        for link in document.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = document.resolve(path);
            let there = root().join(&target).exists();
            let headed = heading.is_empty()
                || documents.iter().any(|other| other.name == target && other.headings().contains(heading));
            if !there || !headed {
                broken.push(format!("{}: {link}", document.name));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn named_tests_exist() {
    let mut missing = Vec::new();
    for document in documents() {
        for (file, test) in document.named_tests() {
            let code = fs::read_to_string(root().join(&file)).unwrap_or_default();
            if !code.contains(&format!("fn {test}(")) {
                missing.push(format!("{}: {file}::{test}", document.name));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn each_invariant_names_a_test() {
    let text = read("ARCHITECTURE.md");
    let (_, invariants) = text.split_once("\n## Invariants\n").expect("the chapter of invariants");
    let invariants: Vec<_> = invariants.split("\n* ").skip(1).collect();
    assert!(invariants.len() >= 10, "{}", invariants.len());
    for invariant in invariants {
        assert!(!Document::new("ARCHITECTURE.md", invariant).named_tests().is_empty(), "{invariant}");
    }
}

#[test]
fn named_files_exist_and_the_code_map_is_whole() {
    let mut missing = Vec::new();
    for document in documents() {
        missing.extend(
            document
                .named_files()
                .into_iter()
                .filter(|file| !root().join(file).exists())
                .map(|file| format!("{}: {file}", document.name)),
        );
    }
    assert_eq!(missing, Vec::<String>::new());
    let map = Document::new("ARCHITECTURE.md", &read("ARCHITECTURE.md")).named_files();
    let is_module = |file: &str| {
        let depth = file.matches('/').count();
        file.starts_with("src/") && (depth == 1 || depth == 2) && !file.ends_with("/tests.rs")
    };
    // Details of one module, told with it.
    let told = ["src/lib.rs", "src/http/dialects.rs"];
    let of_details = ["src/cli/", "src/config/", "src/telemetry/", "src/password/"];
    let unmapped = files(&[".rs"]).into_iter().filter(|file| {
        is_module(file)
            && !told.contains(&file.as_str())
            && !of_details.iter().any(|folder| file.starts_with(folder))
            && !map.contains(file)
    });
    assert_eq!(unmapped.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn each_dialect_has_a_page_transcripts_and_a_row() {
    let readme = read("README.md");
    let rows: BTreeSet<&str> = readme
        .lines()
        .filter(|line| line.contains("](tests/transcripts/"))
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .collect();
    let names = Dialect::ALL.map(Dialect::as_str);
    assert_eq!(rows, BTreeSet::from(names));
    let pages = files(&[".md"]).into_iter().filter_map(|file| Some(file.strip_prefix("docs/dialects/")?.to_owned()));
    assert_eq!(pages.collect::<BTreeSet<_>>(), names.map(|name| format!("{name}.md")).into());
    for name in names {
        let transcripts = files(&[".http"]);
        assert!(transcripts.iter().any(|file| file.starts_with(&format!("tests/transcripts/{name}/"))), "{name}");
        assert!(readme.contains(&format!("](docs/dialects/{name}.md)")), "{name}: no link to its page");
        assert!(readme.contains(&format!("](tests/transcripts/{name})")), "{name}: no link to its transcripts");
        assert!(
            read("tests/it/contract.rs").contains(&format!("play(\"{name}\"")),
            "{name}: its transcripts are not played"
        );
    }
}

#[test]
fn the_endpoints_of_the_readme_are_there() {
    let app = App::start(Backend::Sqlite);
    let readme = read("README.md");
    let endpoints: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).collect();
    let endpoints = endpoints.iter().filter_map(|(request, _)| request.split_once(" /"));
    let mut asked = 0;
    for (method, path) in endpoints {
        let framing = if method == "POST" { Framing::Length } else { Framing::Unsaid };
        let reply = app.client().ask(&Request::new(method, &format!("/{path}")).body("", framing));
        assert!(!matches!(reply.status, 404 | 405), "{method} /{path}: {}", reply.status);
        asked += 1;
    }
    assert!(asked >= 6, "{asked} endpoints");
}

#[test]
fn the_code_of_the_readme_is_that_of_the_example() {
    let example = read("examples/embed.rs");
    let blocks = Document::new("README.md", &read("README.md")).code("rust");
    assert!(!blocks.is_empty(), "no code");
    for block in blocks {
        assert!(example.contains(&block), "not in examples/embed.rs:\n{block}");
    }
}

#[test]
fn named_settings_and_commands_are_real() {
    // Those of the tests stand in the scripts that set them.
    let settings = read(".env.example") + "KNOXIDE_TEST_POSTGRES=" + &read("scripts/history");
    let commands = read("docs/command-line.md");
    let mut wrong = Vec::new();
    for document in documents() {
        for setting in document.words_with("KNOXIDE_") {
            if !settings.contains(&format!("{setting}=")) {
                wrong.push(format!("{}: {setting}", document.name));
            }
        }
        for command in document.named_commands("knoxide ") {
            if !is_command(&commands, &command) {
                wrong.push(format!("{}: knoxide {command}", document.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Whether the command line has this command; arguments may follow it.
fn is_command(commands: &str, typed: &str) -> bool {
    let headings =
        commands.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(" `knoxide ")?.strip_suffix('`'));
    let headings: Vec<&str> = headings.collect();
    let mut words = typed.split(' ');
    let first = words.next().unwrap_or_default();
    match words.next() {
        Some(second) if headings.iter().any(|heading| heading.starts_with(&format!("{first} "))) => {
            headings.contains(&format!("{first} {second}").as_str())
        }
        _ => headings.contains(&first),
    }
}

#[test]
fn no_file_is_long_and_nothing_is_put_off() {
    let later = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut wrong = Vec::new();
    for file in files(&[".rs", ".md", ".sql", ".toml", ".conf"]) {
        let text = read(&file);
        let long = text.lines().count() > MOST_LINES;
        if file.ends_with(".rs") && long != LONG.iter().any(|(name, _)| *name == file) {
            wrong.push(format!("{file}: {} lines", text.lines().count()));
        }
        wrong.extend(later.iter().filter(|word| text.contains(**word)).map(|word| format!("{file}: {word}")));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn decisions_are_numbered_and_have_their_parts() {
    let records: Vec<_> = files(&[".md"]).into_iter().filter(|file| file.starts_with("docs/adr/0")).collect();
    for (number, file) in (1..).zip(&records) {
        assert!(file.starts_with(&format!("docs/adr/{number:04}-")), "{file} is not number {number}");
        let text = read(file);
        for part in [format!("# {number:04}: ").as_str(), "## Context", "## Decision", "## Rejected", "## Consequences"]
        {
            assert!(text.contains(part), "{file}: {part}");
        }
        assert!(text.lines().count() <= 60, "{file} is longer than a page");
    }
}
