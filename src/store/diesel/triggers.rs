//! Compares the triggers that write the revocation log with those of the migrations. Without the triggers, manual
//! changes do not reach the caches.

use diesel::sql_types::{Nullable, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::any::{AnyConnection, on_each};
use super::hot::statement;

#[cfg(feature = "sqlite")]
statement! {
    /// The expected state of each trigger, and the statement that created the existing one.
    SqliteTriggers {} -> (Text, Text, Text, Nullable<Text>),
    [
        "SELECT r.name, r.state, r.definition, m.sql FROM revocation_triggers r \
         LEFT JOIN sqlite_master m ON m.type = 'trigger' AND m.name = r.name AND m.tbl_name = r.state ORDER BY r.name",
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// The expected state of each trigger, and the state of the existing one.
    PostgresTriggers {} -> (Text, Text, Text, Nullable<Text>),
    [
        "SELECT r.name, r.state, r.definition, s.state FROM revocation_triggers r \
         LEFT JOIN revocation_trigger_states s ON s.name = r.name ORDER BY r.name",
    ]
}

/// A trigger's name, its expected state, the statements that create it, and its actual state.
type Row = (String, String, String, Option<String>);

/// A trigger that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// The trigger.
    pub(super) name: String,
    /// SQL that repairs it.
    pub(super) repair: String,
}

/// The triggers that are missing, disabled, or different from those of the migrations.
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
        let repair = "restore the table revocation_triggers from a backup, or from a new database";
        return vec![Difference { name: "revocation_triggers".to_owned(), repair: repair.to_owned() }];
    }
    rows.into_iter().filter_map(differ).collect()
}

/// The message for the log.
pub(super) fn describe(differences: &[Difference]) -> String {
    let names: Vec<&str> = differences.iter().map(|difference| difference.name.as_str()).collect();
    format!(
        "triggers of the revocation log differ from those of the migrations ({}), so manual changes are not noticed: \
         run the statements that `knoxide doctor` prints",
        names.join(", ")
    )
}

/// On SQLite the state is the text of the statement, in which spaces do not matter.
#[cfg(feature = "sqlite")]
fn sqlite_difference((name, _, definition, found): Row) -> Option<Difference> {
    let wanted = on_one_line(&definition);
    if found.is_some_and(|found| on_one_line(&found) == wanted) {
        return None;
    }
    let repair = format!("DROP TRIGGER IF EXISTS {name}; {wanted};");
    Some(Difference { name, repair })
}

/// On Postgres the first word of a state says when the trigger fires; `A` is always.
#[cfg(feature = "postgres")]
fn postgres_difference((name, wanted, definition, found): Row) -> Option<Difference> {
    if found.as_ref() == Some(&wanted) {
        return None;
    }
    let but_for_when = |state: &str| state.split_once(' ').map(|(_, rest)| rest.to_owned());
    let is_weakened = found.is_some_and(|found| but_for_when(&found) == but_for_when(&wanted));
    let repair = match name.split_once('.') {
        Some((table, trigger)) if is_weakened => format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger};"),
        Some(_) | None => on_one_line(&definition),
    };
    Some(Difference { name, repair })
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(';').to_owned()
}
