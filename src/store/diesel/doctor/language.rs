//! In which language Postgres words its errors. Some of them are recognised by their words.

use diesel::sql_types::Text;
use diesel::{PgConnection, QueryResult, RunQueryDsl};

use super::super::hot::statement;

statement! {
    /// The language, and the role's name, quoted for a statement.
    Language {} -> (Text, Text),
    ["SELECT current_setting('lc_messages'), quote_ident(current_user)"]
}

/// The language, and the SQL that changes it to English; `None` if it is English.
pub(in super::super) fn other_than_english(connection: &mut PgConnection) -> QueryResult<Option<(String, String)>> {
    let (language, role): (String, String) = Language {}.get_result(connection)?;
    Ok((!is_english(&language)).then(|| (language, format!("ALTER ROLE {role} SET lc_messages = 'C'"))))
}

/// Whether a locale's messages are English. An empty one is that of the server's environment, which is English in
/// the usual images.
fn is_english(language: &str) -> bool {
    let name = language.split(['.', '@', '_', '-']).next().unwrap_or_default().to_ascii_lowercase();
    matches!(name.as_str(), "" | "c" | "posix" | "en" | "english")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_has_many_names() {
        for name in ["", "C", "C.UTF-8", "POSIX", "en_US.UTF-8", "en_GB", "en", "English_United States.1252", "en-US"] {
            assert!(is_english(name), "{name}");
        }
        for name in ["de_DE.UTF-8", "de_DE@euro", "fr_FR", "es", "German_Germany.1252", "ca_ES", "eo", "cs_CZ.UTF-8"] {
            assert!(!is_english(name), "{name}");
        }
    }
}
