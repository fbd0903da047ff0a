//! The database's address, which may hold a password.

use std::fmt;

use zeroize::Zeroizing;

/// A database URL. Its password, and whatever could be one, is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
    /// Takes a URL whose scheme is known.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead; the URL is not repeated.
    pub fn parse(text: &str) -> Result<Self, String> {
        check(text)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The URL itself, for connecting.
    pub fn expose(&self) -> &str {
        &self.0
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

/// Judges a database URL without connecting to it.
fn check(text: &str) -> Result<(), String> {
    let known = [
        ("sqlite:", cfg!(feature = "sqlite")),
        ("postgres://", cfg!(feature = "postgres")),
        ("postgresql://", cfg!(feature = "postgres")),
    ];
    match known.iter().find(|(scheme, _)| text.starts_with(scheme)) {
        Some((_, true)) => Ok(()),
        Some((scheme, false)) => Err(format!("begins with {scheme}, which this program was built without")),
        None => Err("names no database that is known here: write sqlite://path or \
                     postgres://user:password@host/database"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_place_and_never_the_password() {
        for (url, shown) in [
            ("sqlite://knoxide.db", "sqlite://knoxide.db"),
            ("sqlite:///var/lib/k.db?mode=rw", "sqlite:///var/lib/k.db"),
            ("postgres://u:hunter2@db:5432/knox?sslmode=require", "postgres://db:5432/knox"),
            ("postgresql://db/knox?password=hunter2", "postgresql://db/knox"),
            ("postgres://u:hunter2/x@db/knox", "postgres://…"),
            ("postgres://u:hunter2?x@db/knox", "postgres://…"),
            ("postgres://u:x@hunter2@db/knox", "postgres://…"),
            ("postgres://db/knox?password=x@hunter2", "postgres://…"),
            ("postgres:///knox", "postgres://knox"),
        ] {
            let url = DatabaseUrl::parse(url).expect("a known scheme");
            assert_eq!(url.redacted(), shown);
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({shown})"));
        }
    }

    #[test]
    fn refuses_unknown_schemes_without_repeating_them() {
        for url in ["mysql://u:hunter2@db/k", "knoxide.db", "", "POSTGRES://u:hunter2@db", "postgre://hunter2"] {
            let problem = DatabaseUrl::parse(url).expect_err("unknown");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
