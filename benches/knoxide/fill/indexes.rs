//! Indexes are dropped while a database is filled, then rebuilt over all rows at once.

use diesel::connection::SimpleConnection as _;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::Text;
use diesel::{RunQueryDsl as _, sql_query};

use crate::Fallible;
use crate::databases::AnyConnection;

/// An index that no constraint needs.
#[derive(Debug, QueryableByName)]
pub(super) struct Index {
    #[diesel(sql_type = Text)]
    name: String,
    /// The statement that creates it.
    #[diesel(sql_type = Text)]
    definition: String,
}

/// Drops the indexes of the tables that are filled, and returns them.
pub(super) fn drop_all(connection: &mut AnyConnection) -> Fallible<Vec<Index>> {
    let indexes: Vec<Index> = match connection {
        AnyConnection::Sqlite(c) => sql_query(
            "SELECT name, sql AS definition FROM sqlite_schema \
             WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('users', 'sessions', 'tokens')",
        )
        .load(c)?,
        AnyConnection::Postgres(c) => sql_query(
            "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index \
             WHERE NOT indisunique AND indrelid IN ('users'::regclass, 'sessions'::regclass, 'tokens'::regclass)",
        )
        .load(c)?,
    };
    for index in &indexes {
        run(connection, &format!("DROP INDEX {}", index.name))?;
    }
    Ok(indexes)
}

/// Creates them again.
pub(super) fn make(connection: &mut AnyConnection, indexes: &[Index]) -> Fallible<()> {
    indexes.iter().try_for_each(|index| run(connection, &index.definition))
}

fn run(connection: &mut AnyConnection, statement: &str) -> Fallible<()> {
    match connection {
        AnyConnection::Sqlite(c) => c.batch_execute(statement)?,
        AnyConnection::Postgres(c) => c.batch_execute(statement)?,
    }
    Ok(())
}
