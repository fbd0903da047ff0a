//! The parts of a Postgres URL that this program needs. libpq reads the rest.

use std::net::IpAddr;

use zeroize::Zeroizing;

/// A URL for libpq.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: Zeroizing<String>,
    parts: Parts,
}

/// The parts of a Postgres URL that this program needs.
#[derive(Clone, PartialEq, Eq)]
struct Parts {
    hosts: Vec<String>,
    password: Option<String>,
    parameters: Vec<(String, String)>,
}

impl Parts {
    fn of(rest: &str) -> Self {
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = address.split_once('/').map_or(address, |(authority, _)| authority);
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let parameters: Vec<_> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (decode(key), value.to_owned()))
            .collect();
        let named = |(key, _): &&(String, String)| matches!(key.as_str(), "host" | "hostaddr");
        let mut hosts: Vec<String> = hosts.split(',').map(host_without_port).collect();
        hosts.extend(
            parameters
                .iter()
                .filter(named)
                .flat_map(|(_, v)| decode(v).split(',').map(str::to_owned).collect::<Vec<_>>()),
        );
        let in_query = parameters.iter().find(|(key, _)| key == "password").map(|(_, value)| value.clone());
        let password = login.split_once(':').map(|(_, password)| password.to_owned()).or(in_query);
        Self { hosts, password, parameters }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl PostgresUrl {
    /// Parses a URL, in which `rest` follows the scheme, and refuses servers that this build cannot
    /// reach safely.
    pub(super) fn parse(url: &str, rest: &str) -> Result<Self, String> {
        let parsed = Self { text: Zeroizing::new(url.to_owned()), parts: Parts::of(rest) };
        parsed.check_transport()?;
        Ok(parsed)
    }

    /// As [`super::DatabaseUrl::redacted`].
    pub(super) fn redacted(&self) -> String {
        let (scheme, rest) = self.text.split_once("://").unwrap_or_default();
        let place = match rest.split_once('@') {
            Some((user, place)) if !user.contains(['/', '?', '#']) && !place.contains('@') => place,
            Some(_) => "…",
            None => rest.trim_start_matches('/'),
        };
        format!("{scheme}://{}", place.split(['?', '#']).next().unwrap_or_default())
    }

    fn check_transport(&self) -> Result<(), String> {
        if cfg!(feature = "postgres-tls") {
            return Ok(());
        }
        let advice = "; build with the feature `postgres-tls`";
        if let Some(mode) =
            self.parts.get("sslmode").filter(|mode| matches!(*mode, "require" | "verify-ca" | "verify-full"))
        {
            return Err(format!("sslmode={mode} needs TLS, which this program was built without{advice}"));
        }
        if self.parts.hosts.iter().any(|host| !is_local(host)) {
            return Err(format!(
                "the database is on another host, but this program was built without TLS, and passwords and \
                 digests would cross the network in the clear{advice}"
            ));
        }
        Ok(())
    }

    /// The URL with our time-outs where it has none, so that a dead connection is noticed within
    /// seconds. `options` are settings for the server, `name=value`.
    pub(in super::super) fn with_time_outs(&self, options: Option<&[String]>) -> String {
        let mut url = String::clone(&self.text);
        let mut separator = if url.contains('?') { '&' } else { '?' };
        let mut add = |name: &str, value: &str| {
            url.push(separator);
            separator = '&';
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
            if self.parts.get(name).is_none() {
                add(name, value);
            }
        }
        if let Some(settings) = options {
            // The options of the URL come last and win.
            let ours: Vec<String> = settings.iter().map(|s| format!("-c%20{}", s.replace('=', "%3D"))).collect();
            let theirs = self.parts.get("options").map(str::to_owned);
            let all: Vec<String> = ours.into_iter().chain(theirs).collect();
            add("options", &all.join("%20"));
        }
        url
    }

    /// An error message of libpq, unless it contains a secret.
    pub(in super::super) fn without_secrets(&self, message: &str) -> String {
        let secrets = self.parts.password.iter().flat_map(|p| [p.clone(), decode(p)]).filter(|p| !p.is_empty());
        if message.contains("://") || secrets.into_iter().any(|secret| message.contains(&secret)) {
            return "the database URL cannot be read; see the form of a libpq connection URI".to_owned();
        }
        message.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn host_without_port(entry: &str) -> String {
    let host = match entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => entry.split_once(':').map_or(entry, |(host, _)| host),
    };
    decode(host)
}

/// An empty host is libpq's default, a Unix socket; a path is a socket, too.
fn is_local(host: &str) -> bool {
    host.is_empty()
        || host.starts_with('/')
        || host.starts_with('@')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let digits = bytes.clone().take(2).map(|b| char::from(b).to_digit(16)).collect::<Option<Vec<_>>>();
        match digits.as_deref() {
            Some(&[high, low]) if byte == b'%' => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                bytes.nth(1);
            }
            Some(_) | None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_place_and_never_the_password() {
        for (url, shown) in [
            ("postgres://u:hunter2@db:5432/knox?sslmode=require", "postgres://db:5432/knox"),
            ("postgresql://db/knox?password=hunter2", "postgresql://db/knox"),
            ("postgres://u:hunter2/x@db/knox", "postgres://…"),
            ("postgres://u:hunter2?x@db/knox", "postgres://…"),
            ("postgres://u:x@hunter2@db/knox", "postgres://…"),
            ("postgres://db/knox?password=x@hunter2", "postgres://…"),
            ("postgres:///knox", "postgres://knox"),
        ] {
            // Read without the question whether this build may go there.
            let parsed = PostgresUrl { text: Zeroizing::new(url.to_owned()), parts: Parts::of("") };
            assert_eq!(parsed.redacted(), shown);
        }
    }
}
