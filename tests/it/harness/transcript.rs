//! Golden transcripts: requests with their required replies, in readable text files.
//!
//! `tests/transcripts/README.md` describes the notation. A file is parsed completely before anything is sent, so that a
//! mistake in it is reported as such.

use std::path::{Path, PathBuf};

mod claims;
pub(crate) mod director;
pub(crate) mod notation;
pub(crate) mod placeholders;
pub(crate) mod player;
mod shape;

use director::Directive;
use notation::{Pattern, Template};
use placeholders::Placeholders;

/// The folder of cases that several dialects share.
pub(crate) const COMMON: &str = "common";

/// The file in a dialect's folder that defines its placeholders.
pub(crate) const PLACEHOLDERS: &str = "placeholders.txt";

/// A file of cases, played in order: later ones may use values from earlier replies.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) name: String,
    /// `WWW-Authenticate` of every 401 in this file.
    pub(crate) challenge: Option<String>,
    pub(crate) cases: Vec<Case>,
}

/// One request and its reply.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The line of its heading.
    pub(crate) line: usize,
    /// Why our reply differs from that of the Django package.
    pub(crate) differs: Option<String>,
    pub(crate) controls: Controls,
    pub(crate) ask: RequestTemplate,
    pub(crate) expect: Expect,
}

/// How a case is sent and compared.
#[derive(Debug, Default)]
pub(crate) struct Controls {
    /// The body is sent in chunks of this many bytes.
    pub(crate) chunked: Option<usize>,
    /// The lines of the body end in CR LF, the last one too.
    pub(crate) crlf: bool,
    /// No `Content-Length`, although the method could have a body.
    pub(crate) unsaid: bool,
    /// The HTTP layer answers, so the rules for all other replies do not apply.
    pub(crate) bare: bool,
    /// The case has a connection of its own, because it is not specified whether the server keeps a connection open
    /// when it left a long body unread.
    pub(crate) alone: bool,
    /// How often it is sent; once if absent.
    pub(crate) times: Option<usize>,
    /// What happens before it is sent.
    pub(crate) directives: Vec<Directive>,
}

/// A request whose variables have not been replaced yet.
#[derive(Debug)]
pub(crate) struct RequestTemplate {
    pub(crate) method: String,
    pub(crate) target: Template,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) body: Template,
}

/// The expected reply.
#[derive(Debug)]
pub(crate) struct Expect {
    pub(crate) status: u16,
    /// Headers with the values they must have; `None`: they must be absent.
    pub(crate) headers: Vec<(String, Option<Pattern>)>,
    pub(crate) body: Pattern,
}

impl Transcript {
    /// Reads all cases for a dialect: those shared with other dialects, and its own.
    pub(crate) fn read_all(root: &Path, dialect: &str) -> Result<Vec<Self>, String> {
        let own = root.join(dialect);
        let placeholders = Placeholders::read(dialect, &own.join(PLACEHOLDERS))?;
        let mut transcripts = Vec::new();
        for file in files(&root.join(COMMON))? {
            transcripts.extend(Self::read(COMMON, &file, &placeholders)?);
        }
        for file in files(&own)? {
            transcripts.extend(Self::read(dialect, &file, &Placeholders::none(dialect))?);
        }
        Ok(transcripts)
    }

    /// Reads a file; `None` if none of it is for this dialect.
    fn read(folder: &str, file: &Path, placeholders: &Placeholders) -> Result<Option<Self>, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse_for(placeholders, &format!("{folder}/{name}"), &text)
    }

    /// Reads a transcript without placeholders.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let transcript = Self::parse_for(&Placeholders::default(), name, text)?;
        transcript.ok_or_else(|| format!("{name}: for some dialects only"))
    }

    /// Reads a transcript's text for one dialect; `None` if none of it is for this dialect.
    pub(crate) fn parse_for(placeholders: &Placeholders, name: &str, text: &str) -> Result<Option<Self>, String> {
        let lines: Vec<_> = text.lines().collect();
        let starts: Vec<_> = (0..lines.len()).filter(|&at| lines[at].starts_with("### ")).collect();
        let first = starts.first().copied().ok_or_else(|| format!("{name}: no cases"))?;
        let mut challenge = None;
        for line in &lines[..first] {
            let line = placeholders.expand(line);
            if let Some(value) = line.strip_prefix("@challenge ") {
                challenge = (!value.is_empty()).then(|| value.to_owned());
            } else if let Some(dialects) = line.strip_prefix("@for ") {
                if !placeholders.is_among(dialects).map_err(|error| format!("{name}: {error}"))? {
                    return Ok(None);
                }
            } else if !line.is_empty() && !line.starts_with('#') {
                return Err(format!("{name}: {line:?} before the first case"));
            }
        }
        let ends = starts.iter().skip(1).copied().chain([lines.len()]);
        let cases = starts.iter().zip(ends).map(|(&start, end)| {
            let case = Case::read(&lines[start..end], start + 1, placeholders);
            case.map_err(|error| format!("{name}:{}: {error}", start + 1))
        });
        let cases: Vec<_> = cases.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok((!cases.is_empty()).then(|| Self { name: name.to_owned(), challenge, cases }))
    }
}

impl Case {
    /// Reads the lines of a case that begins at this line of the file; `None` if it is not for this dialect.
    fn read(lines: &[&str], line: usize, placeholders: &Placeholders) -> Result<Option<Self>, String> {
        let Some(lines) = placeholders.case(lines)? else { return Ok(None) };
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        Scanner { lines: &lines, at: 0 }.case(line).map(Some)
    }
}

/// The `.http` files of a directory, in order of their names.
fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "http"));
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: no transcripts", directory.display()));
    }
    Ok(files)
}

/// Reads the lines of one case from top to bottom.
struct Scanner<'a> {
    lines: &'a [&'a str],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.at).copied();
        self.at += 1;
        line
    }

    fn case(&mut self, line: usize) -> Result<Case, String> {
        let name = self.next().and_then(|heading| heading.strip_prefix("### ")).unwrap_or_default().to_owned();
        let mut differs = None;
        let mut controls = Controls::default();
        let request_line = loop {
            let line = self.next().ok_or("the case has no request")?;
            if let Some(why) = line.strip_prefix("# differs: ") {
                differs = Some(why.to_owned());
            } else if let Some(control) = line.strip_prefix('@') {
                controls.set(control)?;
            } else if !line.starts_with('#') {
                break line;
            }
        };
        let (method, target) = request_line.split_once(' ').ok_or("the request line is METHOD TARGET")?;
        let headers = self.headers(|name, value| match value {
            Some(value) => Ok((name, Template::parse(value)?)),
            None => Err(format!("a request cannot demand the absence of {name}")),
        })?;
        let body = self.block(|line| line.starts_with("=> "));
        let ask = RequestTemplate {
            method: method.to_owned(),
            target: Template::parse(target)?,
            headers,
            body: Template::parse(&body)?,
        };
        let status = self.next().and_then(|line| line.strip_prefix("=> ")).ok_or("the case has no => STATUS")?;
        let status = status.parse().map_err(|_| format!("{status:?} is not a status"))?;
        let headers = self.headers(|name, value| Ok((name, value.map(Pattern::parse).transpose()?)))?;
        let body = Pattern::parse(&self.block(|_| false))?;
        Ok(Case { name, line, differs, controls, ask, expect: Expect { status, headers, body } })
    }

    /// Header lines up to an empty line, the start of the reply, or the end. `!Name` means that a header must be
    /// absent.
    fn headers<T>(&mut self, read: impl Fn(String, Option<&str>) -> Result<T, String>) -> Result<Vec<T>, String> {
        let mut headers = Vec::new();
        while let Some(line) = self.lines.get(self.at).copied() {
            if line.starts_with("=> ") {
                break;
            }
            self.at += 1;
            if line.is_empty() {
                break;
            }
            headers.push(match (line.strip_prefix('!'), line.split_once(':')) {
                (Some(absent), _) => read(absent.to_owned(), None)?,
                (None, Some((name, value))) => read(name.to_owned(), Some(value.strip_prefix(' ').unwrap_or(value)))?,
                (None, None) => return Err(format!("{line:?} is not a header")),
            });
        }
        Ok(headers)
    }

    /// Lines up to one that ends the block, without empty lines at its end.
    fn block(&mut self, ends: impl Fn(&str) -> bool) -> String {
        let rest = &self.lines[self.at.min(self.lines.len())..];
        let length = rest.iter().position(|line| ends(line)).unwrap_or(rest.len());
        self.at += length;
        let block = &rest[..length];
        let used = block.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        block[..used].join("\n")
    }
}

impl Controls {
    fn set(&mut self, control: &str) -> Result<(), String> {
        if let Some(directive) = Directive::read(control) {
            self.directives.push(directive?);
            return Ok(());
        }
        let (word, number) = match control.split_once(' ') {
            Some((word, number)) => (word, number.parse().ok()),
            None => (control, None),
        };
        match (word, number) {
            ("chunked", Some(size)) => self.chunked = Some(size),
            ("times", Some(times)) => self.times = Some(times),
            ("alone", None) => self.alone = true,
            ("crlf", None) => self.crlf = true,
            ("unsaid", None) => self.unsaid = true,
            ("bare", None) => self.bare = true,
            _ => return Err(format!("@{control} is unknown")),
        }
        Ok(())
    }
}
