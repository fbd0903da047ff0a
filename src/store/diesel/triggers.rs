//! Whether the triggers that write the revocation log are what the migrations made. Without them a change by hand
//! reaches nobody who remembers tokens.

use diesel::sql_types::{Nullable, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::any::{AnyConnection, on_each};
use super::hot::statement;

#[cfg(feature = "sqlite")]
statement! {
    /// What each trigger has to be, and the statement that made the one of that name, if there is one.
    SqliteTriggers {} -> (Text, Text, Text, Nullable<Text>),
    [
        "SELECT r.name, r.state, r.definition, m.sql FROM revocation_triggers r \
         LEFT JOIN sqlite_master m ON m.type = 'trigger' AND m.name = r.name AND m.tbl_name = r.state ORDER BY r.name",
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// What each trigger has to be, and the state of the one of that name, if there is one.
    PostgresTriggers {} -> (Text, Text, Text, Nullable<Text>),
    [
        "SELECT r.name, r.state, r.definition, s.state FROM revocation_triggers r \
         LEFT JOIN revocation_trigger_states s ON s.name = r.name ORDER BY r.name",
    ]
}

/// A trigger's name, what it has to be, the statements that make it, and what it is.
type Row = (String, String, String, Option<String>);

/// A trigger that is not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// The trigger.
    pub(super) name: String,
    /// SQL that mends it.
    pub(super) cure: String,
}

/// The triggers that are missing, switched off, or others than the migrations made.
///
/// # Errors
/// When the database fails, or does not have the tables of this program's schema.
pub(super) fn differences(any: &mut AnyConnection) -> QueryResult<Vec<Difference>> {
    on_each!(any,
        sqlite(c) => SqliteTriggers {}.load(c).map(|rows| compare(rows, sqlite_difference)),
        postgres(c) => PostgresTriggers {}.load(c).map(|rows| compare(rows, postgres_difference)),
    )
}

fn compare(rows: Vec<Row>, differ: fn(Row) -> Option<Difference>) -> Vec<Difference> {
    if rows.is_empty() {
        let cure = "restore the table revocation_triggers from a backup, or from a new database";
        return vec![Difference { name: "revocation_triggers".to_owned(), cure: cure.to_owned() }];
    }
    rows.into_iter().filter_map(differ).collect()
}

/// What is told to the log.
pub(super) fn complaint(differences: &[Difference]) -> String {
    let names: Vec<&str> = differences.iter().map(|difference| difference.name.as_str()).collect();
    format!(
        "triggers of the revocation log are not as the migrations made them ({}), so changes by hand go unnoticed: \
         run the statements that `knoxide doctor` tells",
        names.join(", ")
    )
}

/// On SQLite there is only the text, in which spaces do not matter.
#[cfg(feature = "sqlite")]
fn sqlite_difference((name, _, definition, found): Row) -> Option<Difference> {
    let wanted = on_one_line(&definition);
    if found.is_some_and(|found| on_one_line(&found) == wanted) {
        return None;
    }
    let cure = format!("DROP TRIGGER IF EXISTS {name}; {wanted};");
    Some(Difference { name, cure })
}

/// On Postgres a state begins with when the trigger fires; `A` is always.
#[cfg(feature = "postgres")]
fn postgres_difference((name, wanted, definition, found): Row) -> Option<Difference> {
    if found.as_ref() == Some(&wanted) {
        return None;
    }
    let but_for_when = |state: &str| state.split_once(' ').map(|(_, rest)| rest.to_owned());
    let is_weakened = found.is_some_and(|found| but_for_when(&found) == but_for_when(&wanted));
    let cure = match name.split_once('.') {
        Some((table, trigger)) if is_weakened => format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger};"),
        Some(_) | None => on_one_line(&definition),
    };
    Some(Difference { name, cure })
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(';').to_owned()
}
