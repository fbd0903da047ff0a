//! Each dependency in `Cargo.toml` is used, and a comment says why it is needed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::source::{rust_files, tokens};

/// Linked into the program, so that diesel finds them, and never named.
const LINKED: [&str; 2] = ["libsqlite3-sys", "pq-sys"];

/// The name of a crate in code, if it is not that of its package.
const LIBRARY_NAMES: [(&str, &str); 1] = [("md-5", "md5")];

/// The names in a section of a manifest, each with whether a comment precedes it.
fn dependencies<'m>(manifest: &'m str, section: &str) -> Vec<(&'m str, bool)> {
    let lines = manifest.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    let mut explained = false;
    let mut found = Vec::new();
    for line in lines {
        if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            found.push((name, explained));
        }
        explained = line.starts_with('#');
    }
    found
}

/// The crates that Rust source may name: all words before a `::` or after a `use`.
fn named(text: &str) -> BTreeSet<String> {
    let tokens = tokens(text);
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    pairs
        .filter_map(|(first, second)| match (first.as_str(), second.as_str()) {
            (_, "::") => Some(first),
            ("use", _) => Some(second),
            _ => None,
        })
        .cloned()
        .collect()
}

/// What is wrong with the dependencies of a section, whose crates are used in `code`.
fn mistakes(manifest: &str, section: &str, code: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, explained) in dependencies(manifest, section) {
        if !explained {
            wrong.push(format!("{name} has no comment that says why it is needed"));
        }
        let renamed = LIBRARY_NAMES.iter().find(|(package, _)| *package == name);
        let library = renamed.map_or_else(|| name.replace('-', "_"), |(_, library)| (*library).to_owned());
        if !code.contains(&library) && !LINKED.contains(&name) {
            wrong.push(format!("{name} is not used"));
        }
    }
    wrong
}

#[test]
fn each_dependency_is_used_and_says_what_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let code = |folders: &[&str]| -> BTreeSet<String> {
        let files = folders.iter().flat_map(|folder| rust_files(&root.join(folder)));
        files.flat_map(|file| named(&fs::read_to_string(file).expect("a readable file"))).collect()
    };
    assert!(dependencies(&manifest, "[dependencies]").len() > 40, "the dependencies were not found");
    assert_eq!(mistakes(&manifest, "[dependencies]", &code(&["src"])), Vec::<String>::new());
    let tests = code(&["src", "tests", "benches", "examples"]);
    assert_eq!(mistakes(&manifest, "[dev-dependencies]", &tests), Vec::<String>::new());
    let manifest = fs::read_to_string(root.join("remote/Cargo.toml")).expect("a manifest");
    assert_eq!(mistakes(&manifest, "[dependencies]", &code(&["remote/src"])), Vec::<String>::new());
    let tests = code(&["remote/tests", "remote/examples"]);
    assert_eq!(mistakes(&manifest, "[dev-dependencies]", &tests), Vec::<String>::new());
}

/// The rule itself can fail.
#[test]
fn a_dependency_without_use_or_reason_is_seen() {
    let manifest = "[dependencies]\n# Why.\nmd-5 = \"1\"\nserde_json = \"1\"\n# Why.\nmime = \"1\"\n[lints]\nx = 1\n";
    let code = named("use md5; // mime::Mime\nfn f() { serde_json::to_string(\"mime::Mime\") }");
    let expected = ["serde_json has no comment that says why it is needed", "mime is not used"];
    assert_eq!(mistakes(manifest, "[dependencies]", &code), expected);
}
