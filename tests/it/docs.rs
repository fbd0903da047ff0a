//! The documents are accurate: everything that they link to or name exists, and everything important is named.

mod endpoints;
mod figures;
mod markdown;
mod references;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use knoxide::domain::audit::Event;
use knoxide::domain::dialect::Dialect;

use markdown::Document;

/// Files that may be longer than 400 lines, each with its reason.
const LONG: &[(&str, &str)] = &[];

const MOST_LINES: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the project with one of these endings, as paths from its root.
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
            // The packages that npm installs for the Node client are not ours.
            if !matches!(name, "target" | "node_modules") && !name.starts_with('.') {
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

/// There are many records, so their index is listed instead.
#[test]
fn each_page_is_listed() {
    let list = Document::new("docs/README.md", &read("docs/README.md"));
    let listed: BTreeSet<String> = list.links().iter().map(|link| list.resolve(link)).collect();
    let is_page = |file: &String| file.starts_with("docs/") && !file.starts_with("docs/adr/") && *file != list.name;
    let pages = files(&[".md"]).into_iter().filter(is_page).chain(["docs/adr".to_owned()]);
    assert_eq!(pages.filter(|page| !listed.contains(page)).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(read("README.md").contains("](docs/README.md)"));
}

#[test]
fn the_glossary_is_short_and_in_order() {
    let text = read("ARCHITECTURE.md");
    let (_, rest) = text.split_once("\n## Glossary\n").expect("the glossary");
    let rows = rest.split("\n## ").next().unwrap_or_default().lines().filter_map(|line| line.strip_prefix("| "));
    let words: Vec<&str> = rows.filter_map(|row| Some(row.split_once(" |")?.0)).skip(1).collect();
    assert!((5..=15).contains(&words.len()), "{}", words.len());
    assert!(words.is_sorted(), "{words:?}");
}

/// The functions themselves are named in its table, where `references_lead_somewhere` looks for them.
#[test]
fn the_drawing_of_a_check_names_functions_of_its_table() {
    let page = Document::new("docs/check.md", &read("docs/check.md"));
    let in_table: BTreeSet<String> = page.named_tests().into_iter().map(|(_, function)| function).collect();
    let drawing = page.code("text").concat();
    let drawn: BTreeSet<&str> = drawing.split_whitespace().filter_map(|word| Some(word.split_once("()")?.0)).collect();
    assert!(drawn.len() > 12, "{drawn:?}");
    let unknown: Vec<_> = drawn.into_iter().filter(|function| !in_table.contains(*function)).collect();
    assert_eq!(unknown, Vec::<&str>::new());
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

/// Everything that is read about the project besides its code: documents, and comments in files of all kinds.
#[test]
fn references_lead_somewhere() {
    let endings = [
        ".md", ".rs", ".sql", ".toml", ".conf", ".cfg", ".yaml", ".yml", ".lua", ".py", ".js", ".mjs", ".css", ".html",
        ".http", ".txt", ".example", ".service",
    ];
    let mut read_files = files(&endings);
    read_files.extend(files(&["Caddyfile"]));
    read_files.extend(files(&[""]).into_iter().filter(|file| file.starts_with("scripts/")));
    read_files.retain(|file| file != "tests/it/docs/references.rs" && file != "src/domain/password_rules/common.txt");
    let broken: Vec<_> = read_files.iter().flat_map(|file| references::broken(&root(), file, &read(file))).collect();
    assert_eq!(broken, Vec::<String>::new());
    assert!(read_files.len() > 300, "the files were not found");
}

/// The first lines of the files are the map of the code; ARCHITECTURE names the files to begin with.
#[test]
fn each_file_says_what_it_is_for() {
    let is_shipped = |file: &String| ["src/", "remote/src/"].iter().any(|folder| file.starts_with(folder));
    let modules = files(&[".rs"]).into_iter().filter(|file| is_shipped(file) && !file.contains("/tests"));
    let silent = modules.filter(|file| !read(file).starts_with("//! "));
    assert_eq!(silent.collect::<Vec<_>>(), Vec::<String>::new());
    let text = read("ARCHITECTURE.md");
    let chapter = |name: &str| {
        let (_, chapter) = text.split_once(&format!("\n## {name}\n")).expect("the chapter");
        chapter.split("\n## ").next().unwrap_or_default().lines().filter(|line| line.starts_with("| `")).count()
    };
    assert!((8..=15).contains(&chapter("Code map")), "the code map is too short or too long");
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
fn the_code_of_documents_is_that_of_the_examples() {
    let documents = [
        ("README.md", "examples/embed.rs"),
        ("docs/remote.md", "remote/examples/app.rs"),
        ("remote/README.md", "remote/examples/app.rs"),
    ];
    for (document, example) in documents {
        let blocks = Document::new(document, &read(document)).code("rust");
        assert!(!blocks.is_empty(), "{document} has no code");
        for block in blocks {
            assert!(read(example).contains(&block), "in {document}, but not in {example}:\n{block}");
        }
    }
}

#[test]
fn named_settings_and_commands_are_real() {
    // Settings of the tests are in the scripts that set them.
    let settings =
        read(".env.example") + "KNOXIDE_TEST_POSTGRES=" + &read("scripts/history") + &read("scripts/compare");
    // Settings that the clients in other languages read.
    let of_clients = read("clients/python/src/knoxide_client/_client.py") + &read("clients/node/src/client.js");
    let commands = read("docs/command-line.md");
    let mut wrong = Vec::new();
    for document in documents() {
        for setting in document.words_with("KNOXIDE_") {
            let is_read = settings.contains(&format!("{setting}=")) || of_clients.contains(&format!("\"{setting}\""));
            if !is_read {
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
fn the_table_of_events_has_each_of_them_once() {
    let text = read("docs/audit.md");
    let (_, table) = text.split_once("\n| event | when |\n|---|---|\n").expect("the table");
    let rows = table.lines().map_while(|line| line.strip_prefix("| ")?.split(" |").next());
    let mut named: Vec<&str> = rows.flat_map(|names| names.split('`')).collect();
    named.retain(|word| word.chars().any(char::is_alphabetic));
    named.sort_unstable();
    let mut events = Event::ALL.map(Event::as_str);
    events.sort_unstable();
    assert_eq!(named, events);
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
fn decisions_are_numbered_dated_and_have_their_parts() {
    let records: Vec<_> = files(&[".md"]).into_iter().filter(|file| file.starts_with("docs/adr/0")).collect();
    let mut numbers = BTreeSet::new();
    for file in &records {
        let number = file.trim_start_matches("docs/adr/").split('-').next().unwrap_or_default();
        assert!(numbers.insert(number), "{file}: there are two records {number}");
        let text = read(file);
        assert!(text.starts_with(&format!("# {number}: ")), "{file}: the heading has another number");
        for part in ["## Context", "## Decision", "## Rejected", "## Consequences"] {
            assert!(text.contains(part), "{file}: {part}");
        }
        assert!(text.lines().count() <= 60, "{file} is longer than a page");
        let status = text.split("\n\n").nth(1).unwrap_or_default().replace('\n', " ");
        assert!(is_status(&status), "{file}: the second paragraph is not a status: {status}");
    }
}

/// `Status: accepted, 2026-11-22.`, or with `; superseded by [0015](…)` or `; superseded in part by …` before the full
/// stop. Another test checks the targets of the links.
fn is_status(paragraph: &str) -> bool {
    let Some(rest) = paragraph.strip_prefix("Status: accepted, ").and_then(|rest| rest.strip_suffix('.')) else {
        return false;
    };
    let (date, superseded) = rest.split_once("; superseded ").unwrap_or((rest, "by [0"));
    let is_date = date.len() == 10 && date.parse::<jiff::civil::Date>().is_ok();
    is_date && (superseded.starts_with("by [0") || superseded.starts_with("in part by [0"))
}

#[test]
fn a_record_without_a_status_is_seen() {
    for status in [
        "Status: accepted, 2026-11-22.",
        "Status: accepted, 2026-11-22; superseded by [0015](0015-a.md).",
        "Status: accepted, 2026-11-22; superseded in part by [0015](0015-a.md) (how checks read).",
    ] {
        assert!(is_status(status), "{status}");
    }
    for status in [
        "## Context",
        "Status: accepted.",
        "Status: accepted, 2026-13-22.",
        "Status: accepted, 2026-11-22; superseded by something.",
    ] {
        assert!(!is_status(status), "{status}");
    }
}
