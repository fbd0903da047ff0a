//! Reading Rust as far as the rules need it: which paths a file names.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the library.
pub(super) struct Source {
    /// Its path under `src/`, without `.rs`.
    pub(super) file: String,
    /// The module it is.
    pub(super) module: Vec<String>,
    /// Whether it is built for tests only.
    pub(super) is_test: bool,
    /// Every path it names, from the root of its crate: `crate::http::reply`, `std::env::var`.
    pub(super) paths: Vec<String>,
    /// How often it takes a secret out of its type, its tests left aside.
    pub(super) exposures: usize,
    /// Its `static` items that can change, its tests left aside.
    pub(super) globals: Vec<String>,
}

/// All files of the library but the list of its modules.
pub(super) fn read_library() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let sources: Vec<_> = files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("a file under src").to_str().expect("a name in UTF-8");
            Source::read(name, &fs::read_to_string(path).expect("a readable file"))
        })
        .filter(|source| !matches!(&*source.file, "lib" | "main"))
        .collect();
    assert!(sources.len() > 50, "the library was not found");
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

impl Source {
    /// Reads the text of the file with this name under `src/`.
    pub(super) fn read(name: &str, text: &str) -> Self {
        let file = name.trim_end_matches(".rs").to_owned();
        let module: Vec<String> = file.split('/').map(str::to_owned).collect();
        // The suite for stores is a test that ships.
        let is_test = module.iter().any(|part| part == "tests" || part == "conformance");
        let mut source = Self { file, module, is_test, paths: Vec::new(), exposures: 0, globals: Vec::new() };
        source.scan(&tokens(text));
        source
    }

    fn scan(&mut self, tokens: &[String]) {
        let token = |at: usize| tokens.get(at).map_or("", String::as_str);
        // The modules around the place, each with the number of braces open before it.
        let mut inside: Vec<(usize, &str)> = Vec::new();
        let mut depth = 0;
        for at in 0..tokens.len() {
            let in_tests = self.is_test || inside.iter().any(|(_, name)| *name == "tests");
            match token(at) {
                "{" => {
                    if at >= 2 && token(at - 2) == "mod" {
                        inside.push((depth, token(at - 1)));
                    }
                    depth += 1;
                }
                "}" => {
                    depth -= 1;
                    inside.retain(|(outside, _)| *outside < depth);
                }
                "thread_local" if !in_tests && token(at + 1) == "!" => self.globals.push("thread_local".to_owned()),
                "static" if !in_tests => {
                    let declared = tokens.iter().skip(at + 1).take_while(|token| *token != "=" && *token != ";");
                    if declared.clone().any(|token| can_change(token)) {
                        self.globals.push(declared.cloned().collect::<Vec<_>>().join(" "));
                    }
                }
                "expose" if !in_tests && at > 0 && token(at - 1) == "." => self.exposures += 1,
                first if is_name(first) && token(at + 1) == "::" && (at == 0 || token(at - 1) != "::") => {
                    let mut here = self.module.clone();
                    here.extend(inside.iter().map(|(_, name)| (*name).to_owned()));
                    let mut paths = Vec::new();
                    tree(tokens, at, "", &mut paths);
                    let outside_tests = paths.into_iter().filter(|_| !in_tests || first == "crate" || first == "super");
                    self.paths.extend(outside_tests.map(|path| absolute(&path, &here)));
                }
                _ => {}
            }
        }
    }
}

/// Reads a path, or a tree of paths in braces, and returns the place behind it.
fn tree(tokens: &[String], mut at: usize, before: &str, paths: &mut Vec<String>) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut path = before.to_owned();
    loop {
        if token(at) == "{" {
            at += 1;
            while !matches!(token(at), "}" | "") {
                at = tree(tokens, at, &path, paths).max(at + 1);
                if token(at) == "," {
                    at += 1;
                }
            }
            return at + 1;
        }
        if !is_name(token(at)) && token(at) != "*" {
            return at;
        }
        path = if path.is_empty() { token(at).to_owned() } else { format!("{path}::{}", token(at)) };
        at += 1;
        if token(at) != "::" {
            paths.push(path);
            // `as` and the new name.
            return if token(at) == "as" { at + 2 } else { at };
        }
        at += 1;
        if !is_name(token(at)) && !matches!(token(at), "{" | "*") {
            // Generic arguments: the path so far is what was named.
            paths.push(path);
            return at;
        }
    }
}

/// A path from the root of its crate, wherever it was written.
fn absolute(path: &str, here: &[String]) -> String {
    let mut module = here.to_vec();
    let mut parts = path.split("::").peekable();
    match parts.peek() {
        Some(&"self") => drop(parts.next()),
        Some(&"super") => {
            while parts.next_if_eq(&"super").is_some() {
                module.pop();
            }
        }
        _ => return path.to_owned(),
    }
    let parts = module.into_iter().chain(parts.map(str::to_owned));
    ["crate".to_owned()].into_iter().chain(parts).collect::<Vec<_>>().join("::")
}

fn can_change(word: &str) -> bool {
    word.starts_with("Atomic")
        || ["mut", "Mutex", "RwLock", "OnceLock", "LazyLock", "Cell", "OnceCell", "LazyCell", "RefCell"].contains(&word)
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
}

/// The words and signs of a text in Rust, without comments, literals and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            '"' => quoted(rest, '"'),
            '\'' => quote(rest),
            'r' | 'b' if raw(rest).is_some() => raw(rest).unwrap_or(1),
            ':' if rest.starts_with("::") => {
                tokens.push("::".to_owned());
                2
            }
            _ if first == '_' || first.is_alphanumeric() => {
                let word = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
                tokens.push(rest[..word].to_owned());
                word
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push(first.to_string());
                }
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn quoted(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character, or the mark of a lifetime with its name.
fn quote(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), _) => quoted(text, '\''),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => text[1..].find(|c: char| c != '_' && !c.is_alphanumeric()).map_or(text.len(), |length| length + 1),
    }
}

/// The length of a raw or byte literal, if one begins here.
fn raw(text: &str) -> Option<usize> {
    let prefix = ["br", "r", "b"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let rest = &text[prefix.len()..];
    if prefix == "b" {
        return match rest.chars().next()? {
            '"' => Some(1 + quoted(rest, '"')),
            '\'' => Some(1 + quote(rest)),
            _ => None,
        };
    }
    let marks = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    Some(prefix.len() + marks + 1 + body.find(&end)? + end.len())
}
