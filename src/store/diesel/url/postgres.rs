//! The parts of a Postgres URL that this program needs. libpq reads the rest.

use std::net::IpAddr;

use zeroize::Zeroizing;

mod parts;

use self::parts::{Parts, decode};

/// A URL for libpq.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: Zeroizing<String>,
    parts: Parts,
}

impl PostgresUrl {
    /// Parses a URL, in which `rest` follows the scheme, and refuses servers that this build cannot
    /// reach safely.
    pub(super) fn parse(url: &str, rest: &str) -> Result<Self, String> {
        let parsed = Self { text: Zeroizing::new(url.to_owned()), parts: Parts::of(rest)? };
        parsed.check_transport()?;
        Ok(parsed)
    }

    /// As [`super::DatabaseUrl::redacted`].
    pub(super) fn redacted(&self) -> String {
        let scheme = self.text.split_once("://").map_or("postgres", |(scheme, _)| scheme);
        format!("{scheme}://{}", self.parts.place.trim_start_matches('/'))
    }

    /// Whether passwords and digests cross a network unencrypted, because the URL itself says so.
    pub(super) fn is_in_the_clear(&self) -> bool {
        let is_remote = self.parts.raw("service").is_some() || self.parts.hosts.iter().any(|host| !is_local(host));
        self.consents() && is_remote
    }

    /// Whether the URL itself demands a connection without TLS. Nothing else counts: an environment or a service
    /// file may belong to another program.
    fn consents(&self) -> bool {
        self.parts.get("sslmode").is_some_and(|mode| mode == "disable")
    }

    fn check_transport(&self) -> Result<(), String> {
        if cfg!(feature = "postgres-tls") || self.consents() {
            return Ok(());
        }
        let advice = "; build with the feature `postgres-tls`";
        if let Some(mode) =
            self.parts.get("sslmode").filter(|mode| matches!(mode.as_str(), "require" | "verify-ca" | "verify-full"))
        {
            return Err(format!("sslmode={mode} needs TLS, which this program was built without{advice}"));
        }
        let consent = ", or, if nobody else can read that network, write sslmode=disable into the URL";
        if self.parts.hosts.iter().any(|host| !is_local(host)) {
            return Err(format!(
                "the database is on another host, but this program was built without TLS, and passwords and \
                 digests would cross the network in the clear{advice}{consent}"
            ));
        }
        if self.parts.raw("service").is_some() {
            return Err(format!(
                "the service may be on any host, but this program was built without TLS: write the host into the \
                 URL instead{advice}{consent}"
            ));
        }
        Ok(())
    }

    /// The URL with our time-outs where it has none, so that a dead connection is noticed within
    /// seconds. `options` are settings for the server, `name=value`.
    pub(in super::super) fn with_time_outs(&self, options: Option<&[String]>) -> String {
        let mut url = String::clone(&self.text);
        let mut separator = match url.chars().next_back() {
            Some('?' | '&') => None,
            _ if url.contains('?') => Some('&'),
            _ => Some('?'),
        };
        let mut add = |name: &str, value: &str| {
            url.extend(separator);
            separator = Some('&');
            url.push_str(name);
            url.push('=');
            url.push_str(value);
        };
        for (name, value) in [
            ("connect_timeout", "3"),
            ("tcp_user_timeout", "3000"),
            ("keepalives", "1"),
            ("keepalives_idle", "5"),
            ("keepalives_interval", "2"),
            ("keepalives_count", "3"),
            ("application_name", "knoxide"),
            ("client_encoding", "UTF8"),
        ] {
            if self.parts.raw(name).is_none() {
                add(name, value);
            }
        }
        if !cfg!(feature = "postgres-tls") && self.parts.raw("service").is_none() {
            // An empty value is the default. Without it libpq would take the host from its environment and send the
            // password there in the clear. A service is named in the URL only with consent.
            if self.parts.hosts.iter().all(String::is_empty) {
                add("host", "");
            }
            if self.parts.raw("hostaddr").is_none() {
                add("hostaddr", "");
            }
        }
        if let Some(settings) = options {
            // The options of the URL come last and win.
            let ours: Vec<String> = settings.iter().map(|s| format!("-c%20{}", s.replace('=', "%3D"))).collect();
            let theirs = self.parts.raw("options").map(str::to_owned);
            let all: Vec<String> = ours.into_iter().chain(theirs).collect();
            add("options", &all.join("%20"));
        }
        url
    }

    /// Whether a text has the URL's user or database in quotation marks of whatever language.
    pub(in super::super) fn is_quoted_in(&self, text: &str) -> bool {
        const MARKS: [char; 14] = ['"', '\'', '«', '»', '„', '“', '”', '‚', '‘', '’', '「', '」', '『', '』'];
        self.parts.names.iter().any(|name| {
            text.match_indices(name.as_str()).any(|(at, _)| {
                let before = text.get(..at).unwrap_or_default().trim_end();
                let after = text.get(at + name.len()..).unwrap_or_default().trim_start();
                before.ends_with(MARKS) && after.starts_with(MARKS)
            })
        })
    }

    /// An error message of libpq, unless it contains a secret.
    pub(in super::super) fn without_secrets(&self, message: &str) -> String {
        let secrets = self.parts.password.iter().flat_map(|p| [p.clone(), decode(p)]).filter(|p| !p.is_empty());
        // A part of a password may look like a parameter.
        let cut = message.contains("URI") && self.parts.raw("password").is_some();
        if cut || message.contains("://") || secrets.into_iter().any(|secret| message.contains(&secret)) {
            return "the database URL cannot be read; see the form of a libpq connection URI".to_owned();
        }
        message.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// An empty host is libpq's default, a Unix socket; a path is a socket, too.
fn is_local(host: &str) -> bool {
    host.is_empty()
        || host.starts_with('/')
        || host.starts_with('@')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_place_and_never_the_password() {
        for (url, shown) in [
            ("postgres://u:hunter2@db:5432/knox?sslmode=require", "postgres://db:5432/knox"),
            ("postgresql://db/knox?password=hunter2", "postgresql://db/knox"),
            ("postgres://db/knox?password=x@hunter2", "postgres://db/knox"),
            ("postgres://u:a:b@db,other/knox", "postgres://db,other/knox"),
            ("postgres:///knox", "postgres://knox"),
        ] {
            // Read without the question whether this build may go there.
            let (_, rest) = url.split_once("://").expect("a scheme");
            let parsed = PostgresUrl { text: Zeroizing::new(url.to_owned()), parts: Parts::of(rest).expect(url) };
            assert_eq!(parsed.redacted(), shown);
        }
    }
}
