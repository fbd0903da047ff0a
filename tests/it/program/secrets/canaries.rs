//! Secrets that the tests use and later search for.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::program::revocation::digest;

/// All secrets that were used, in the forms that are searched for.
#[derive(Default)]
pub(super) struct Canaries {
    /// In lower case, since the search ignores case.
    patterns: Vec<String>,
    /// Allowed in the database but not in logs: digests of tokens, and passwords typed as names.
    not_for_logs: Vec<String>,
    made: u32,
}

impl Canaries {
    /// A new password. It has no characters that a URL, a form or JSON would encode.
    pub(super) fn password(&mut self) -> String {
        let password = self.make();
        // The digest that bcrypt gets is as useful as the password.
        self.patterns.push(hex::encode(Sha256::digest(&password)));
        self.watch(&password);
        password
    }

    /// A password that was typed as the name. The database has to be queried for it.
    pub(super) fn name(&mut self) -> String {
        let name = self.make();
        self.not_for_logs.push(name.clone());
        name
    }

    fn make(&mut self) -> String {
        self.made += 1;
        format!("Canary-{:03}-{:08x}", self.made, 0x9e37_79b9_u32.wrapping_mul(self.made))
    }

    /// A new token that was never issued.
    pub(super) fn token(&mut self) -> String {
        self.made += 1;
        // It must not begin with many zeros, which may occur anywhere.
        let token = format!("ca9a{:036x}", u128::from(self.made) * 0x1_0000_0001_0000_0000_0001_9e37);
        self.issued(&token);
        token
    }

    /// A token that the program issued.
    pub(super) fn issued(&mut self, token: &str) {
        self.not_for_logs.push(digest(token));
        self.watch(token);
        // The Django package stores the beginning of a token in clear; this program must not.
        self.patterns.push(token[..15].to_owned());
    }

    /// A secret that was not made here.
    pub(super) fn watch(&mut self, secret: &str) {
        self.patterns.push(secret.to_owned());
        self.patterns.push(hex::encode(secret));
        // Within other data, its base64 form depends on which of three offsets it begins at.
        for skipped in 0..3 {
            let rest = &secret.as_bytes()[skipped..];
            let whole = &rest[..rest.len() / 3 * 3];
            self.patterns.push(STANDARD_NO_PAD.encode(whole));
            self.patterns.push(URL_SAFE_NO_PAD.encode(whole));
        }
    }

    /// Searches all files under `place`.
    pub(super) fn assert_absent(&self, place: &Path) {
        assert!(self.patterns.len() > 100, "hardly anything to search for");
        assert_eq!(search(&self.patterns, place), "", "secrets were written down");
    }

    /// Searches logs, which may contain even less.
    pub(super) fn assert_log_is_quiet(&self, place: &Path) {
        self.assert_absent(place);
        assert_eq!(search(&self.not_for_logs, place), "", "digests or names were written down");
    }

    /// The same search finds something that is there.
    pub(super) fn assert_found(&self, what: &str, place: &Path) {
        assert_ne!(search(&[what.to_owned()], place), "", "{what} should be somewhere");
    }
}

/// The places of the patterns, as `grep` prints them.
fn search(patterns: &[String], place: &Path) -> String {
    let mut list = tempfile::NamedTempFile::new().expect("a file");
    let mut text = String::new();
    for pattern in patterns {
        writeln!(text, "{pattern}").expect("a string");
    }
    std::io::Write::write_all(&mut list, text.as_bytes()).expect("a written file");
    let mut command = Command::new("grep");
    command.env("LC_ALL", "C").args(["-r", "-a", "-i", "-o", "-F", "-f"]).arg(list.path()).arg(place);
    let output = command.output().expect("grep");
    // 1 means "nothing found"; a file may vanish during the search.
    assert!(output.status.code().is_some_and(|code| code < 2) || !output.stdout.is_empty() || vanished(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().take(20).collect::<Vec<_>>().join("\n")
}

fn vanished(complaints: &[u8]) -> bool {
    String::from_utf8_lossy(complaints).lines().all(|line| line.ends_with("No such file or directory"))
}
