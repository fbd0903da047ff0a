//! What comments and documents refer to: files, headings, tests, records and sections of documents.

use std::fs;
use std::path::Path;

use super::markdown::Document;

/// Folders of the project; a word that begins with one of them is a path.
const FOLDERS: [&str; 10] =
    ["src/", "tests/", "docs/", "examples/", "migrations/", "contrib/", "scripts/", "benches/", "clients/", "remote/"];

/// External documents, whose sections may be cited by number.
const STANDARDS: [&str; 3] = ["RFC ", "NIST ", "Unicode TR "];

/// How many words before a section number its document must be named.
const NEAR: usize = 6;

/// The broken references of a file.
pub(super) fn broken(root: &Path, file: &str, text: &str) -> Vec<String> {
    let text = if file.ends_with(".md") { text.to_owned() } else { comments(file, text) };
    let paths = paths(&text).into_iter().filter_map(|path| missing(root, &path));
    let all = paths.chain(missing_records(root, &text)).chain(nameless_sections(&text));
    all.map(|what| format!("{file}: {what}")).collect()
}

/// The comment marks of a file: for line comments, and for block comments the beginning and the end.
fn marks(file: &str) -> (Option<&'static str>, Option<(&'static str, &'static str)>) {
    match Path::new(file).extension().and_then(|ending| ending.to_str()) {
        Some("rs") => (Some("//"), None),
        Some("js" | "mjs") => (Some("//"), Some(("/*", "*/"))),
        Some("css") => (None, Some(("/*", "*/"))),
        Some("html") => (None, Some(("{#", "#}"))),
        Some("sql" | "lua") => (Some("--"), None),
        _ => (Some("#"), None),
    }
}

/// The text of the comments, joined across lines; anything between two comments ends a sentence.
fn comments(file: &str, text: &str) -> String {
    let (to_the_end, enclosed) = marks(file);
    let begins = |line: &str, mark: &str| {
        // In templates nothing else looks like the mark; in code a string may.
        let is_plain = mark == "{#" || line.trim_start().starts_with(mark);
        if is_plain { line.find(mark) } else { line.find(&format!(" {mark} ")) }
    };
    let mut is_open = false;
    let mut comment = |line: &str| {
        let opened = enclosed.and_then(|(mark, _)| begins(line, mark));
        let began = if is_open { Some(0) } else { opened };
        if let (Some((_, end)), Some(at)) = (enclosed, began) {
            let rest = line.split_at(at).1;
            let closed = rest.split_once(end);
            is_open = closed.is_none();
            return closed.map_or(rest, |(inside, _)| inside).to_owned();
        }
        let at = to_the_end.and_then(|mark| begins(line, mark));
        at.map(|at| line.split_at(at).1.to_owned()).unwrap_or_default()
    };
    let bare = |line: String| line.trim().trim_start_matches(['/', '!', '#', '-', '*', '{']).to_owned();
    text.lines().map(|line| bare(comment(line))).collect::<Vec<_>>().join("\n")
}

/// Words that are paths of the project, unchanged.
fn paths(text: &str) -> Vec<String> {
    let is_border = |c: char| c.is_whitespace() || "`()[],;\"'|→".contains(c);
    let words = text.split(is_border).map(|word| word.trim_end_matches(['.', ':', '!', '?']));
    let is_path = |word: &&str| {
        FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains(['<', '*', '…', '{', '$', '\\'])
    };
    words.filter(is_path).map(str::to_owned).collect()
}

/// Checks `docs/jwt.md#claims`, `src/domain/token.rs::debug_output_hides_both`: returns what does not exist.
fn missing(root: &Path, path: &str) -> Option<String> {
    let (place, test) = path.split_once("::").unwrap_or((path, ""));
    let (place, heading) = place.split_once('#').unwrap_or((place, ""));
    if !root.join(place).exists() {
        return Some(format!("there is no {place}"));
    }
    let text = fs::read_to_string(root.join(place)).unwrap_or_default();
    if !heading.is_empty() && !Document::new(place, &text).headings().contains(heading) {
        return Some(format!("{place} has no heading #{heading}"));
    }
    let has_test = test.is_empty() || text.contains(&format!("fn {test}("));
    (!has_test).then(|| format!("{place} has no test {test}"))
}

/// Decision records cited by number, after the word or alone in parentheses.
fn missing_records(root: &Path, text: &str) -> Vec<String> {
    let records = fs::read_dir(root.join("docs/adr")).expect("the records");
    let names = records.map(|record| record.expect("an entry").file_name().to_string_lossy().into_owned());
    let numbers: Vec<String> = names.filter_map(|name| Some(name.split_once('-')?.0.to_owned())).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let named = words.iter().enumerate().filter_map(|(at, word)| {
        let number = word.trim_matches(|c: char| !c.is_ascii_digit());
        let is_number = number.len() == 4 && number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
        let before = at.checked_sub(1).and_then(|before| words.get(before)).unwrap_or(&"");
        let follows = ["record", "records", "ADR", "decision"].contains(&before.trim_matches(['(', '[', '`']));
        let alone = word.starts_with(&format!("({number})"));
        (is_number && (follows || alone)).then_some(number)
    });
    let missing = named.filter(|number| !numbers.iter().any(|known| known == number));
    missing.map(|number| format!("there is no record {number}")).collect()
}

/// "Section 3", "table 2.3" and the like, without the name of the document, and of no public standard.
fn nameless_sections(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut nameless = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let &[word, number] = pair else { continue };
        let word = word.trim_start_matches(['(', '[']).to_lowercase();
        let numbered = ["section", "sections", "table", "chapter", "contract"].contains(&word.as_str());
        if !numbered || !number.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let before = words.get(at.saturating_sub(NEAR)..at).unwrap_or_default().join(" ");
        if !STANDARDS.iter().any(|standard| before.contains(standard)) {
            nameless.push(format!("{word} {number} of which document?"));
        }
    }
    nameless
}

#[test]
fn each_way_of_leading_nowhere_is_seen() {
    let root = super::root();
    for (file, text) in [
        ("src/a.rs", "//! As in docs/nothing.md."),
        ("src/a.rs", "/// As in docs/contract.md#nothing, but shorter."),
        ("src/a.rs", "let a = 1; // see src/domain/token.rs::nothing"),
        ("src/a.rs", "/// The order of the steps (record 9999 and\n/// record 0999)."),
        ("src/a.rs", "// Idleness is judged by the row (0999)."),
        ("src/a.rs", "//! The header, as section 3 of the contract reads it."),
        ("src/a.rs", "//! As contract\n//! sections 2.4 to 2.7 have it."),
        ("src/a.rs", "/// Refused (contract 2.6)."),
        ("scripts/a", "# Reads docs/nothing.md\n"),
        ("migrations/a.sql", "-- As table 2.3 says"),
        (".env.example", "# As in docs/nothing.md.\n#KNOXIDE_A=b"),
        ("contrib/a/a.yaml", "a: b # As in docs/nothing.md."),
        ("contrib/a/a.cfg", "# As in docs/nothing.md."),
        ("contrib/a/a.lua", "-- As in docs/nothing.md."),
        ("contrib/a/Caddyfile", "# As in docs/nothing.md."),
        ("clients/node/a.js", "/**\n * As in docs/nothing.md.\n */"),
        ("clients/node/a.js", "// As in docs/nothing.md."),
        ("src/http/a.css", "a { b: c; } /* As in\n docs/nothing.md. */"),
        ("templates/a.html", "<p>{# As in docs/nothing.md. #}</p>"),
        ("docs/a.md", "As `tests/it/nothing.rs` shows."),
    ] {
        assert!(!broken(&root, file, text).is_empty(), "{text}");
    }
    for (file, text) in [
        ("src/a.rs", "let a = \"docs/nothing.md\";"),
        ("clients/node/a.js", "/** As in docs/contract.md. */\nconst a = \"docs/nothing.md\";"),
        (
            "src/a.rs",
            "/// As in docs/contract.md#accept: see src/domain/token.rs::debug_output_hides_both and record 0015 (0006).",
        ),
        ("src/a.rs", "/// Empty lines (RFC 9112, section 2.2), for NIST SP 800-63B, section 5.1.1.2."),
        ("docs/a.md", "One of `docs/dialects/<name>.md`, or all of `docs/`; the table 'of 3' has 4 rows."),
    ] {
        assert_eq!(broken(&root, file, text), Vec::<String>::new(), "{text}");
    }
}
