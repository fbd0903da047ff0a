//! Placeholders in the cases that several dialects share, and their texts for one dialect.
//!
//! The replacement is textual: the result is parsed as if it had been written in the file.

use std::collections::BTreeMap;
use std::path::Path;

use knoxide::domain::dialect::Dialect;

/// The text of each placeholder for one dialect.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    dialect: String,
    /// Placeholders for a part of a line.
    texts: BTreeMap<String, Placeholder>,
    /// Placeholders for the status and the body of a reply.
    replies: BTreeMap<String, Reply>,
}

#[derive(Debug)]
struct Placeholder {
    parameters: Vec<String>,
    text: String,
}

#[derive(Debug)]
struct Reply {
    differs: Option<String>,
    status: String,
    body: Placeholder,
}

impl Placeholders {
    /// No placeholders, for cases of one dialect.
    pub(crate) fn none(dialect: &str) -> Self {
        Self { dialect: dialect.to_owned(), ..Self::default() }
    }

    /// Reads the file of a dialect.
    pub(crate) fn read(dialect: &str, file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(dialect, &text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Parses `{name} = text`, one on each line, then a block for each reply.
    pub(crate) fn parse(dialect: &str, text: &str) -> Result<Self, String> {
        let mut placeholders = Self::none(dialect);
        let mut blocks = text.split("\n### ");
        for line in blocks.next().unwrap_or_default().lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (heading, text) = line.split_once(" =").ok_or_else(|| format!("{line:?} has no ="))?;
            let (name, parameters) = heading_of(heading)?;
            let text = text.strip_prefix(' ').unwrap_or(text).to_owned();
            placeholders.texts.insert(name, Placeholder { parameters, text });
        }
        for block in blocks {
            let (name, reply) = Reply::parse(block)?;
            placeholders.replies.insert(name, reply);
        }
        Ok(placeholders)
    }

    /// The names of all placeholders.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().chain(self.replies.keys()).map(String::as_str)
    }

    /// The lines of a case for this dialect; `None` if the case is not for it.
    pub(crate) fn case(&self, lines: &[&str]) -> Result<Option<Vec<String>>, String> {
        let mut expanded = Vec::new();
        let mut lines = lines.iter().copied();
        while let Some(line) = lines.next() {
            if let Some(dialects) = line.strip_prefix("@for ") {
                if !self.is_among(dialects)? {
                    return Ok(None);
                }
            } else if let Some(rest) = line.strip_prefix("# differs (") {
                let (dialects, why) = rest.split_once("): ").ok_or_else(|| format!("{line:?} is not closed"))?;
                if self.is_among(dialects)? {
                    expanded.push(format!("# differs: {why}"));
                }
            } else if let Some(call) = line.strip_prefix("=> {") {
                let rest: Vec<_> = lines.by_ref().collect();
                self.reply(call, &rest, &mut expanded)?;
            } else {
                expanded.push(self.expand(line));
            }
        }
        Ok(Some(expanded))
    }

    /// Whether this dialect is one of the named ones.
    pub(crate) fn is_among(&self, dialects: &str) -> Result<bool, String> {
        let mut found = false;
        for name in dialects.split([' ', ',']).filter(|name| !name.is_empty()) {
            if !Dialect::ALL.iter().any(|dialect| dialect.as_str() == name) {
                return Err(format!("{name} is not a dialect"));
            }
            found |= name == self.dialect;
        }
        Ok(found)
    }

    /// Appends a reply's status, the case's own headers and the reply's body to the request. The reason why the reply
    /// differs goes first, so that the case can replace it.
    fn reply(&self, call: &str, headers: &[&str], into: &mut Vec<String>) -> Result<(), String> {
        let call = call.strip_suffix('}').ok_or_else(|| format!("=> {{{call} is not closed"))?;
        let call = self.expand(call);
        let name = call.split(' ').next().unwrap_or_default();
        let reply = self.replies.get(name).ok_or_else(|| format!("there is no reply {{{name}}}"))?;
        let body = reply.body.fill(&call).ok_or_else(|| format!("{{{call}}}: {:?}", reply.body.parameters))?;
        if let Some(why) = &reply.differs {
            into.insert(1, why.clone());
        }
        into.push(reply.status.clone());
        let used = headers.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        if headers.iter().take(used).any(|line| line.is_empty()) {
            return Err(format!("{{{name}}} has its own body"));
        }
        into.extend(headers.iter().take(used).map(|line| self.expand(line)));
        into.push(String::new());
        into.extend(body.lines().map(str::to_owned));
        Ok(())
    }

    /// A line with its placeholders filled in. Braces around anything else are left alone.
    pub(crate) fn expand(&self, line: &str) -> String {
        let mut expanded = String::new();
        let mut rest = line;
        while let Some(start) = rest.find('{') {
            let (before, from) = rest.split_at(start);
            expanded.push_str(before);
            let filled = closing(from).and_then(|end| {
                let call = &from[1..end];
                let placeholder = self.texts.get(call.split(' ').next()?)?;
                Some((placeholder.fill(&self.expand(call))?, end + 1))
            });
            let length = match filled {
                Some((text, length)) => {
                    expanded.push_str(&text);
                    length
                }
                None => {
                    expanded.push('{');
                    1
                }
            };
            rest = &from[length..];
        }
        expanded + rest
    }
}

impl Reply {
    /// Parses its name in braces, why it differs, `=> STATUS`, and a body.
    fn parse(block: &str) -> Result<(String, Self), String> {
        let mut lines = block.lines();
        let (name, parameters) = heading_of(lines.next().unwrap_or_default())?;
        let mut differs = None;
        let status = loop {
            let line = lines.next().ok_or_else(|| format!("{{{name}}} has no => STATUS"))?;
            if line.starts_with("# differs: ") {
                differs = Some(line.to_owned());
            } else if line.starts_with("=> ") {
                break line.to_owned();
            } else if !line.starts_with('#') {
                return Err(format!("{{{name}}}: what is {line:?}?"));
            }
        };
        let text = lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned();
        Ok((name, Self { differs, status, body: Placeholder { parameters, text } }))
    }
}

impl Placeholder {
    /// The text with the arguments after the name filled in; `None` if there are too few or too many. The last argument
    /// may contain spaces.
    fn fill(&self, call: &str) -> Option<String> {
        if self.parameters.is_empty() {
            return (!call.contains(' ')).then(|| self.text.clone());
        }
        let (_, arguments) = call.split_once(' ')?;
        let arguments: Vec<_> = arguments.splitn(self.parameters.len(), ' ').collect();
        (arguments.len() == self.parameters.len()).then(|| {
            let pairs = self.parameters.iter().zip(arguments);
            pairs.fold(self.text.clone(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
        })
    }
}

/// `{name PARAMETER PARAMETER}`.
fn heading_of(text: &str) -> Result<(String, Vec<String>), String> {
    let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let mut names = inside.ok_or_else(|| format!("{text:?} is not in braces"))?.split(' ').map(str::to_owned);
    Ok((names.next().unwrap_or_default(), names.collect()))
}

/// The position of the brace that closes the one at the start of a text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}
