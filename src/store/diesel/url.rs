//! Database URLs: which database, where, and whether this build may go there.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Which database a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file on this machine.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// Judges a database URL before anything is opened: `sqlite://path`, `sqlite:path`,
/// `postgres://…` or `postgresql://…`.
///
/// # Errors
/// What is wrong and what to do about it, without any part of the URL that may be secret.
pub fn check_url(url: &str) -> Result<DatabaseKind, String> {
    DatabaseUrl::parse(url).map(|parsed| parsed.kind())
}

/// A URL that was read; its `Debug` output shows no more than the kind.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum DatabaseUrl {
    /// The file's path.
    Sqlite(PathBuf),
    /// The URL as given.
    Postgres(PostgresUrl),
}

impl DatabaseUrl {
    /// Reads a URL; see [`check_url`].
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            if !cfg!(feature = "sqlite") {
                return Err("this program was built without SQLite (feature `sqlite`)".to_owned());
            }
            return sqlite_path(rest.strip_prefix("//").unwrap_or(rest)).map(Self::Sqlite);
        }
        let Some((_, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "postgres" | "postgresql"))
        else {
            return Err("a database URL begins with `sqlite://`, `postgres://` or `postgresql://`".to_owned());
        };
        if !cfg!(feature = "postgres") {
            return Err("this program was built without PostgreSQL (feature `postgres`)".to_owned());
        }
        let parsed = PostgresUrl { text: url.to_owned(), parts: Parts::of(rest) };
        parsed.check_transport()?;
        Ok(Self::Postgres(parsed))
    }

    /// Which database it names.
    pub(super) const fn kind(&self) -> DatabaseKind {
        match self {
            Self::Sqlite(_) => DatabaseKind::Sqlite,
            Self::Postgres(_) => DatabaseKind::Postgres,
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({:?})", self.kind())
    }
}

fn sqlite_path(path: &str) -> Result<PathBuf, String> {
    if path.is_empty() {
        return Err("the database URL names no file: write `sqlite:///var/lib/knoxide/knoxide.db`".to_owned());
    }
    if path.contains(":memory:") || path.contains("mode=memory") {
        return Err("a database in memory is a different one for each connection: name a file".to_owned());
    }
    if path.contains('\0') || path.contains('?') {
        return Err("the path of the database file has a character that SQLite cannot take".to_owned());
    }
    // SQLite reads `file:…` as a URI of its own, whose parameters could undo our settings.
    let path = Path::new(path);
    if path.starts_with("file:") || path.to_string_lossy().starts_with("file:") {
        return Ok(Path::new(".").join(path));
    }
    Ok(path.to_owned())
}

/// A URL for libpq.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PostgresUrl {
    text: String,
    parts: Parts,
}

/// What of a Postgres URL decides how it is used.
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
    fn check_transport(&self) -> Result<(), String> {
        if cfg!(feature = "postgres-tls") {
            return Ok(());
        }
        let cure = "; build with the feature `postgres-tls`";
        if let Some(mode) =
            self.parts.get("sslmode").filter(|mode| matches!(*mode, "require" | "verify-ca" | "verify-full"))
        {
            return Err(format!("sslmode={mode} needs TLS, which this program was built without{cure}"));
        }
        if self.parts.hosts.iter().any(|host| !is_local(host)) {
            return Err(format!(
                "the database is on another host, but this program was built without TLS, and passwords and \
                 digests would cross the network in the clear{cure}"
            ));
        }
        Ok(())
    }

    /// The URL with our time-outs, wherever the user set none: a silent network is noticed
    /// within seconds. `options` are settings for the server's side, `name=value`.
    pub(super) fn with_time_outs(&self, options: Option<&[String]>) -> String {
        let mut url = self.text.clone();
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
            // What the user wrote comes last and wins.
            let ours: Vec<String> = settings.iter().map(|s| format!("-c%20{}", s.replace('=', "%3D"))).collect();
            let theirs = self.parts.get("options").map(str::to_owned);
            let all: Vec<String> = ours.into_iter().chain(theirs).collect();
            add("options", &all.join("%20"));
        }
        url
    }

    /// An error text of libpq, unless it repeats what is secret.
    pub(super) fn without_secrets(&self, message: &str) -> String {
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

/// Empty means libpq's default, a socket in the file system; so does a path.
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
    fn schemes_choose_the_database() {
        #[cfg(feature = "sqlite")]
        for (url, path) in [
            ("sqlite:///a/b.db", "/a/b.db"),
            ("sqlite://b.db", "b.db"),
            ("sqlite:b.db", "b.db"),
            ("sqlite:file:x", "./file:x"),
        ] {
            assert_eq!(DatabaseUrl::parse(url), Ok(DatabaseUrl::Sqlite(PathBuf::from(path))), "{url}");
        }
        #[cfg(feature = "postgres")]
        for url in ["postgres://u:p@localhost/db", "postgresql://[::1]:5432/db", "postgres:///db?host=/run/postgresql"]
        {
            assert_eq!(check_url(url), Ok(DatabaseKind::Postgres), "{url}");
        }
        for url in ["", "x.db", "mysql://h/db", "sqlite:", "sqlite::memory:", "sqlite://a?mode=ro", "host=h dbname=d"] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }

    #[cfg(all(feature = "postgres", not(feature = "postgres-tls")))]
    #[test]
    fn what_needs_tls_is_refused_without_it() {
        for url in [
            "postgres://u:hush@db.example/x",
            "postgres://u:hush@localhost,10.0.0.7/x",
            "postgres://u:hush@localhost/x?sslmode=verify-full",
            "postgres:///x?hostaddr=192.0.2.1",
            "postgres:///x?host=db%2Eexample",
        ] {
            let refusal = check_url(url).expect_err(url);
            assert!(refusal.contains("postgres-tls") && !refusal.contains("hush"), "{refusal}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn secrets_stay_inside() {
        let Ok(DatabaseUrl::Postgres(url)) = DatabaseUrl::parse("postgres://u:hu%73h@localhost:1/x") else {
            panic!("a good URL");
        };
        assert!(!url.without_secrets("bad port in \"postgres://u:hu%73h@localhost\"").contains("hu"));
        assert!(!url.without_secrets("password hush is wrong").contains("hush"));
        assert_eq!(url.without_secrets("no\n route "), "no route");
        assert!(!format!("{:?}", DatabaseUrl::Postgres(url)).contains("localhost"));
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn time_outs_are_added_where_none_are_set() {
        let Ok(DatabaseUrl::Postgres(url)) =
            DatabaseUrl::parse("postgres://localhost/x?connect_timeout=9&options=-c%20a%3Db")
        else {
            panic!("a good URL");
        };
        let text = url.with_time_outs(Some(&["lock_timeout=1".to_owned()]));
        assert!(text.contains("connect_timeout=9&") && !text.contains("connect_timeout=3"), "{text}");
        assert!(text.contains("&tcp_user_timeout=3000&"), "{text}");
        assert!(text.ends_with("&options=-c%20lock_timeout%3D1%20-c%20a%3Db"), "{text}");
    }
}
