//! `knoxide doctor`: looks for problems, and says how to fix them.

mod database;
mod files;
mod users;

use serde_json::json;

use super::answer::{Answer, Code};
use super::running::{Readiness, readiness};
use crate::config::{EnvFile, Mistake, Mistakes, Settings};
use crate::domain::escape::visible;
use crate::domain::time::Clock;
use crate::server::process;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// As it should be.
    Fine,
    /// Works, but could be better.
    Advice,
    /// Must be fixed: the exit code says so.
    Wrong,
}

impl Weight {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Advice => "advice",
            Self::Wrong => "wrong",
        }
    }
}

/// What was found.
#[derive(Debug)]
struct Finding {
    weight: Weight,
    subject: &'static str,
    fact: String,
    remedy: Option<String>,
}

impl Finding {
    fn fine(subject: &'static str, fact: impl Into<String>) -> Self {
        Self { weight: Weight::Fine, subject, fact: fact.into(), remedy: None }
    }

    fn advice(subject: &'static str, fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { weight: Weight::Advice, subject, fact: fact.into(), remedy: Some(remedy.into()) }
    }

    fn wrong(subject: &'static str, fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { weight: Weight::Wrong, subject, fact: fact.into(), remedy: Some(remedy.into()) }
    }

    fn is_wrong(&self) -> bool {
        self.weight == Weight::Wrong
    }
}

/// Examines everything that can be examined.
pub(super) fn examine(settings: Result<Settings, Mistakes>, env_file: Option<&EnvFile>, clock: &dyn Clock) -> Answer {
    let mut findings = Vec::new();
    if let Some(env_file) = env_file {
        let database = settings.as_ref().ok().and_then(|settings| settings.database.url.sqlite_file());
        files::examine_settings(env_file, database, &mut findings);
    }
    match settings {
        Err(mistakes) => {
            let wrong = |mistake: Mistake| Finding::wrong("settings", mistake.subject, mistake.problem);
            findings.extend(mistakes.0.into_iter().map(wrong));
        }
        Ok(settings) => {
            findings.push(Finding::fine("settings", "are valid"));
            check_settings(&settings, &mut findings);
            files::examine_secrets(&settings.secret_files, &mut findings);
            // If the file cannot be looked at, the examination of the database reports that.
            if let Some(file) = settings.database.url.sqlite_file().filter(|file| file.try_exists().is_ok()) {
                files::examine(file, &mut findings);
            }
            check_open_files(settings.http.workers, process::most_files(), &mut findings);
            database::examine(&settings, clock, &mut findings);
            findings.push(ask_server(&settings));
        }
    }
    report(&findings)
}

/// Settings that are allowed, but rarely intended.
fn check_settings(settings: &Settings, findings: &mut Vec<Finding>) {
    let everybody = |network: &&ipnet::IpNet| network.prefix_len() == 0;
    if let Some(network) = settings.http.options.proxies.networks.iter().find(everybody) {
        findings.push(Finding::advice(
            "settings",
            format!("KNOXIDE_TRUSTED_PROXIES trusts every address ({network}), so any client can forge its own"),
            "name the networks of your proxies",
        ));
    }
}

/// What only a running server knows: whether it still uses the files that other processes open.
fn ask_server(settings: &Settings) -> Finding {
    match readiness(&settings.http.listen) {
        Some(Readiness::Ready) => Finding::fine("server", "runs and is ready"),
        Some(Readiness::NotReady) => Finding::wrong(
            "server",
            "runs but is not ready: it answers 503",
            "its log says why; if the files of its database were removed or replaced, restart it, then end all sessions",
        ),
        Some(Readiness::Full) => Finding::wrong(
            "server",
            "runs, and its disk is full: it answers checks and ends sessions, and refuses everything that needs disk space",
            "free space on the disk of the database",
        ),
        None => Finding::fine("server", "not found at the addresses in the settings"),
    }
}

/// With fewer connections than this, the doctor advises to raise the limit.
const FEW_CONNECTIONS: usize = 500;

/// How many connections fit if this many files may be open.
fn check_open_files(workers: usize, files: Option<u64>, findings: &mut Vec<Finding>) {
    let Some(files) = files else {
        findings.push(Finding::fine("open files", "any number"));
        return;
    };
    let connections = process::connections_each(workers, Some(files)) * workers;
    let fact = format!("{files} may be open, which leaves room for {connections} connections");
    let remedy = "raise the hard limit (`ulimit -Hn`, LimitNOFILE= of systemd)";
    findings.push(if files < process::MIN_FILES {
        let fact = format!("{files} may be open, and the server needs at least {}", process::MIN_FILES);
        Finding::wrong("open files", fact, remedy)
    } else if connections < FEW_CONNECTIONS {
        Finding::advice("open files", fact, remedy)
    } else {
        Finding::fine("open files", fact)
    });
}

fn report(findings: &[Finding]) -> Answer {
    let wrong = findings.iter().any(Finding::is_wrong);
    let mut text = String::new();
    for finding in findings {
        let remedy =
            finding.remedy.as_ref().map(|remedy| format!("\n        remedy: {}", visible(remedy))).unwrap_or_default();
        let (word, fact) = (finding.weight.as_str(), visible(&finding.fact));
        text.push_str(&format!("{word:<7} {}: {fact}{remedy}\n", finding.subject));
    }
    text.push_str(if wrong { "\nThere are problems to fix." } else { "\nNothing is wrong." });
    let json = findings.iter().map(|finding| {
        json!({ "weight": finding.weight.as_str(), "subject": finding.subject, "fact": finding.fact,
                "remedy": finding.remedy })
    });
    let code = if wrong { Code::Failed } else { Code::Done };
    Answer { code, ..Answer::new(text, json.collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_few_connections_is_told() {
        for (files, weight, words) in [
            (None, Weight::Fine, "any number"),
            (Some(1_048_576), Weight::Fine, "room for 50000 connections"),
            (Some(1024), Weight::Fine, "room for 896 connections"),
            (Some(512), Weight::Advice, "room for 384 connections"),
            (Some(63), Weight::Wrong, "at least 64"),
        ] {
            let mut findings = Vec::new();
            check_open_files(2, files, &mut findings);
            let [finding] = &findings[..] else { panic!("{findings:?}") };
            assert_eq!((finding.weight, finding.remedy.is_some()), (weight, weight != Weight::Fine), "{finding:?}");
            assert!(finding.fact.contains(words), "{finding:?}");
        }
    }
}
