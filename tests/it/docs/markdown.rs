//! Parsing of documents, as far as their tests need it.

use std::collections::BTreeSet;

/// A document.
pub(super) struct Document {
    /// Its path from the root of the project.
    pub(super) name: String,
    text: String,
}

impl Document {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }

    /// The targets of its links, except in code.
    pub(super) fn links(&self) -> Vec<String> {
        let prose: String = self.prose().join("\n").split('`').step_by(2).collect();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(|(target, _)| target.to_owned()).collect()
    }

    /// Resolves a relative path in this document to one from the root of the project.
    pub(super) fn resolve(&self, path: &str) -> String {
        if path.is_empty() {
            return self.name.clone();
        }
        let mut parts: Vec<&str> = self.name.split('/').collect();
        parts.pop();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        parts.join("/")
    }

    /// The anchors of its headings.
    pub(super) fn headings(&self) -> BTreeSet<String> {
        let headings = self.prose().into_iter().filter(|line| line.starts_with('#'));
        let names = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        names.map(|name| name.chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
    }

    /// Tests that it names in the form `file.rs::test`.
    pub(super) fn named_tests(&self) -> Vec<(String, String)> {
        let split = |code: &String| {
            let (file, test) = code.split_once(".rs::")?;
            Some((format!("{file}.rs"), test.to_owned()))
        };
        self.inline_code().iter().filter_map(split).collect()
    }

    /// The code blocks in this language.
    pub(super) fn code(&self, language: &str) -> Vec<String> {
        let mark = format!("```{language}\n");
        let blocks = self.text.split(&mark).skip(1).filter_map(|rest| rest.split_once("```"));
        blocks.map(|(block, _)| block.to_owned()).collect()
    }

    /// Words of capitals, digits and underscores with this prefix, wherever they are.
    pub(super) fn words_with(&self, start: &str) -> BTreeSet<String> {
        let is_part = |c: char| c == '_' || c.is_ascii_uppercase() || c.is_ascii_digit();
        let words = self.text.split(|c| !is_part(c)).filter(|word| word.len() > start.len() && word.starts_with(start));
        words.map(str::to_owned).collect()
    }

    /// The text after `program` where that begins inline code or a line of a shell block.
    pub(super) fn named_commands(&self, program: &str) -> BTreeSet<String> {
        let lines = self.code("sh").concat();
        let lines = lines.lines().map(str::to_owned);
        let all = lines.chain(self.inline_code());
        all.filter_map(|line| line.strip_prefix(program).map(str::to_owned))
            .filter(|rest| !rest.starts_with('-'))
            .collect()
    }

    /// Its lines outside of code blocks.
    fn prose(&self) -> Vec<&str> {
        self.text.split("```").step_by(2).flat_map(str::lines).collect()
    }

    fn inline_code(&self) -> Vec<String> {
        self.prose().join("\n").split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }
}
