//! Parses Rust as far as the rules need it: which paths a file names.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A file of the library.
pub(super) struct Source {
    /// Its path under `src/`, without `.rs`.
    pub(super) file: String,
    /// The path of its module.
    pub(super) module: Vec<String>,
    /// Whether it is built for tests only.
    pub(super) is_test: bool,
    /// Every path it names, from the root of its crate: `crate::http::drf::reply`, `std::env::var`.
    pub(super) paths: Vec<String>,
    /// How often it takes a secret out of its type, not counting its tests.
    pub(super) exposures: usize,
    /// Its mutable `static` items, not counting its tests.
    pub(super) globals: Vec<String>,
}

/// All files of the library except the list of its modules.
pub(super) fn read_library() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&root);
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

/// All Rust files in a folder and its subfolders.
pub(super) fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(root, &mut files);
    files.sort();
    files
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
    /// Parses the text of the file with this name under `src/`.
    pub(super) fn read(name: &str, text: &str) -> Self {
        let file = name.trim_end_matches(".rs").to_owned();
        let module: Vec<String> = file.split('/').map(str::to_owned).collect();
        // The test suite for stores is a test, although it ships.
        let is_test = module.iter().any(|part| part == "tests" || part == "conformance");
        let mut source = Self { file, module, is_test, paths: Vec::new(), exposures: 0, globals: Vec::new() };
        source.scan(&tokens(text));
        source
    }

    fn scan(&mut self, tokens: &[String]) {
        let token = |at: usize| tokens.get(at).map_or("", String::as_str);
        // The modules around the current position, each with the number of braces open before it.
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

/// Parses a path, or a tree of paths in braces, and returns the position after it.
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
            // Generic arguments: the path before them is what was named.
            paths.push(path);
            return at;
        }
    }
}

/// The path from the root of its crate, from any place in the source.
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

/// The words and punctuation of Rust source, without comments, literals and lifetimes.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    flatten(text.parse().expect("Rust"), &mut tokens);
    tokens
}

fn flatten(stream: TokenStream, tokens: &mut Vec<String>) {
    let mut trees = stream.into_iter();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis | Delimiter::None => ("(", ")"),
                };
                tokens.push(open.to_owned());
                flatten(group.stream(), tokens);
                tokens.push(close.to_owned());
            }
            TokenTree::Ident(word) => tokens.push(word.to_string()),
            // The name of a lifetime.
            TokenTree::Punct(sign) if sign.as_char() == '\'' => drop(trees.next()),
            TokenTree::Punct(sign) if sign.as_char() == ':' && sign.spacing() == Spacing::Joint => {
                trees.next();
                tokens.push("::".to_owned());
            }
            TokenTree::Punct(sign) => tokens.push(sign.to_string()),
            TokenTree::Literal(_) => {}
        }
    }
}
