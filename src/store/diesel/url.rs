//! Database URLs: which database, where, and whether this build can use it.

use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};

#[cfg(feature = "postgres")]
mod postgres;

#[cfg(feature = "postgres")]
pub(super) use self::postgres::PostgresUrl;

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
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
    /// The URL as given.
    #[cfg(feature = "postgres")]
    Postgres(PostgresUrl),
}

impl DatabaseUrl {
    /// Reads a URL; see [`check_url`].
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return Self::sqlite(rest.strip_prefix("//").unwrap_or(rest));
        }
        match url.split_once("://") {
            Some(("postgres" | "postgresql", rest)) => Self::postgres(url, rest),
            Some(_) | None => {
                Err("a database URL begins with `sqlite://`, `postgres://` or `postgresql://`".to_owned())
            }
        }
    }

    #[cfg(feature = "sqlite")]
    fn sqlite(path: &str) -> Result<Self, String> {
        sqlite_path(path).map(Self::Sqlite)
    }

    #[cfg(not(feature = "sqlite"))]
    fn sqlite(_: &str) -> Result<Self, String> {
        Err("this program was built without SQLite (feature `sqlite`)".to_owned())
    }

    #[cfg(feature = "postgres")]
    fn postgres(url: &str, rest: &str) -> Result<Self, String> {
        PostgresUrl::parse(url, rest).map(Self::Postgres)
    }

    #[cfg(not(feature = "postgres"))]
    fn postgres(_: &str, _: &str) -> Result<Self, String> {
        Err("this program was built without PostgreSQL (feature `postgres`)".to_owned())
    }

    /// Which database it names.
    pub(super) const fn kind(&self) -> DatabaseKind {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => DatabaseKind::Sqlite,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => DatabaseKind::Postgres,
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({:?})", self.kind())
    }
}

#[cfg(feature = "sqlite")]
fn sqlite_path(path: &str) -> Result<PathBuf, String> {
    if path.is_empty() {
        return Err("the database URL names no file: write `sqlite:///var/lib/knoxide/knoxide.db`".to_owned());
    }
    if path.contains(":memory:") || path.contains("mode=memory") {
        return Err("with a database in memory, each connection gets a different one: use a file".to_owned());
    }
    if path.contains('\0') || path.contains('?') {
        return Err("the path of the database file has a character that SQLite does not accept".to_owned());
    }
    // SQLite reads `file:…` as a URI of its own, whose parameters could undo our settings.
    let path = Path::new(path);
    if path.starts_with("file:") || path.to_string_lossy().starts_with("file:") {
        return Ok(Path::new(".").join(path));
    }
    Ok(path.to_owned())
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
