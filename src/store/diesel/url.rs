//! Database URLs: which database, where, and whether this build can use it.

use std::fmt;
use std::path::Path;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::str::FromStr;

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

/// The address of a database: `sqlite://path`, `sqlite:path`, `postgres://…` or `postgresql://…`. Its
/// password, and every part that could be one, is never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The file's path.
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
    /// The URL as given.
    #[cfg(feature = "postgres")]
    Postgres(PostgresUrl),
}

/// An error says what is wrong and what to do about it, without any part of the URL that may be secret.
impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
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
}

impl DatabaseUrl {
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

    /// The file of a SQLite database.
    pub fn sqlite_file(&self) -> Option<&Path> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Some(path),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => None,
        }
    }

    /// Whether what is sent crosses a network unencrypted, because the URL itself demands it.
    pub fn is_in_the_clear(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.is_in_the_clear(),
        }
    }

    /// The URL without its user, password and parameters.
    pub fn redacted(&self) -> String {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.redacted(),
        }
    }

    /// Which database it names.
    pub const fn kind(&self) -> DatabaseKind {
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
        write!(f, "DatabaseUrl({})", self.redacted())
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
    // SQLite reads `file:…` as a URI, whose parameters could override our settings.
    Ok(if path.starts_with("file:") { Path::new(".").join(path) } else { PathBuf::from(path) })
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
            assert_eq!(url.parse(), Ok(DatabaseUrl::Sqlite(PathBuf::from(path))), "{url}");
        }
        #[cfg(feature = "postgres")]
        for url in ["postgres://u:p@localhost/db", "postgresql://[::1]:5432/db", "postgres:///db?host=/run/postgresql"]
        {
            let parsed: DatabaseUrl = url.parse().expect(url);
            assert_eq!((parsed.kind(), parsed.sqlite_file()), (DatabaseKind::Postgres, None), "{url}");
        }
        for url in ["", "x.db", "mysql://h/db", "sqlite:", "sqlite::memory:", "sqlite://a?mode=ro", "host=h dbname=d"] {
            assert!(DatabaseUrl::from_str(url).is_err(), "{url}");
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
            "postgres://localhost/x?hostaddr=192.0.2.1",
            "postgres:///x?service=production",
            "postgres://db.example/x?sslmode=prefer",
            "postgres://db.example/x?sslmode=disable&sslmode=allow",
            "postgres://db.example/x?options=sslmode%3Ddisable",
        ] {
            let refusal = DatabaseUrl::from_str(url).expect_err(url);
            assert!(refusal.contains("postgres-tls") && !refusal.contains("hush"), "{refusal}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_url_may_consent_to_no_tls() {
        for (url, clear) in [
            ("postgres://u:hush@db.example/x?sslmode=disable", true),
            ("postgres://u:hush@localhost,10.0.0.7/x?sslmode=dis%61ble", true),
            ("postgres:///x?service=production&host=db&sslmode=require&sslmode=disable", true),
            ("postgres://localhost/x?sslmode=disable", false),
            ("postgres://localhost/x", false),
        ] {
            let parsed = DatabaseUrl::from_str(url).expect(url);
            assert_eq!(parsed.is_in_the_clear(), clear, "{url}");
        }
    }

    #[test]
    fn shows_the_place_and_never_the_password() {
        #[cfg(feature = "sqlite")]
        for (url, shown) in
            [("sqlite://knoxide.db", "sqlite://knoxide.db"), ("sqlite:///var/lib/k.db", "sqlite:///var/lib/k.db")]
        {
            let url: DatabaseUrl = url.parse().expect(url);
            assert_eq!((url.redacted(), format!("{url:?}")), (shown.to_owned(), format!("DatabaseUrl({shown})")));
        }
        for url in ["mysql://u:hunter2@db/k", "postgre://hunter2"] {
            let problem = DatabaseUrl::from_str(url).expect_err("unknown");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn secrets_stay_inside() {
        let Ok(DatabaseUrl::Postgres(url)) = "postgres://u:hu%73h@localhost:1/x".parse() else {
            panic!("a good URL");
        };
        assert!(!url.without_secrets("bad port in \"postgres://u:hu%73h@localhost\"").contains("hu"));
        assert!(!url.without_secrets("password hush is wrong").contains("hush"));
        assert_eq!(url.without_secrets("no\n route "), "no route");
        assert!(!format!("{:?}", DatabaseUrl::Postgres(url)).contains("hu%73h"));
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn time_outs_are_added_where_none_are_set() {
        let Ok(DatabaseUrl::Postgres(url)) = "postgres://localhost/x?connect_timeout=9&options=-c%20a%3Db".parse()
        else {
            panic!("a good URL");
        };
        let text = url.with_time_outs(Some(&["lock_timeout=1".to_owned()]));
        assert!(text.contains("connect_timeout=9&") && !text.contains("connect_timeout=3"), "{text}");
        assert!(text.contains("&tcp_user_timeout=3000&"), "{text}");
        assert!(text.ends_with("&options=-c%20lock_timeout%3D1%20-c%20a%3Db"), "{text}");
    }
}
