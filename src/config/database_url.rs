//! The database's address, which may hold a password.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::store::diesel::check_url;

/// A database URL. Its password, and whatever could be one, is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
    /// Takes a URL that a store can be opened with.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead; nothing secret is repeated.
    pub fn parse(text: &str) -> Result<Self, String> {
        check_url(text)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The URL itself, for connecting.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The file of a SQLite database.
    pub fn sqlite_file(&self) -> Option<&Path> {
        let path = self.0.strip_prefix("sqlite:")?;
        Some(Path::new(path.strip_prefix("//").unwrap_or(path)))
    }

    /// The URL without its user, password and parameters. Where it is not certain which part
    /// is the password, nothing but the scheme is shown.
    pub fn redacted(&self) -> String {
        let (scheme, rest) = self.0.split_once(':').unwrap_or_default();
        if scheme == "sqlite" {
            return self.0.split(['?', '#']).next().unwrap_or_default().to_owned();
        }
        let place = match rest.trim_start_matches('/').split_once('@') {
            Some((user, place)) if !user.contains(['/', '?', '#']) && !place.contains('@') => place,
            Some(_) => "…",
            None => rest.trim_start_matches('/'),
        };
        format!("{scheme}://{}", place.split(['?', '#']).next().unwrap_or_default())
    }
}

/// A SQLite file in the working directory.
impl Default for DatabaseUrl {
    fn default() -> Self {
        Self(Zeroizing::new("sqlite://knoxide.db".to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_place_and_never_the_password() {
        for (url, shown) in [
            ("sqlite://knoxide.db", "sqlite://knoxide.db"),
            ("sqlite:///var/lib/k.db", "sqlite:///var/lib/k.db"),
            ("postgres://u:hunter2@db:5432/knox?sslmode=require", "postgres://db:5432/knox"),
            ("postgresql://db/knox?password=hunter2", "postgresql://db/knox"),
            ("postgres://u:hunter2/x@db/knox", "postgres://…"),
            ("postgres://u:hunter2?x@db/knox", "postgres://…"),
            ("postgres://u:x@hunter2@db/knox", "postgres://…"),
            ("postgres://db/knox?password=x@hunter2", "postgres://…"),
            ("postgres:///knox", "postgres://knox"),
        ] {
            let url = DatabaseUrl(Zeroizing::new(url.to_owned()));
            assert_eq!(url.redacted(), shown);
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({shown})"));
        }
    }

    #[test]
    fn refuses_unknown_schemes_without_repeating_them() {
        for url in ["mysql://u:hunter2@db/k", "knoxide.db", "", "postgre://hunter2"] {
            let problem = DatabaseUrl::parse(url).expect_err("unknown");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn knows_the_file_of_sqlite() {
        let file = |url| DatabaseUrl::parse(url).expect("a URL").sqlite_file().map(Path::to_owned);
        assert_eq!(file("sqlite://knoxide.db"), Some("knoxide.db".into()));
        assert_eq!(file("sqlite:///var/lib/k.db"), Some("/var/lib/k.db".into()));
        assert_eq!(file("sqlite:k.db"), Some("k.db".into()));
        assert_eq!(file("postgres://localhost/k"), None);
    }
}
