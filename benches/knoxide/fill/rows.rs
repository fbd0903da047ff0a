//! Inserting rows into a table: as JSON documents on SQLite, with COPY on Postgres.

use std::io::{BufWriter, Write};

use diesel::prelude::ExecuteCopyFromDsl as _;
use diesel::sql_types::Text;
use diesel::{PgConnection, QueryResult, RunQueryDsl as _, SqliteConnection, sql_query};
use serde_json::Value;

use crate::Fallible;
use crate::databases::AnyConnection;

/// Rows in one statement, on SQLite.
const CHUNK: usize = 5000;

/// One value. Texts contain nothing that would need escaping.
pub(super) enum Cell {
    Null,
    Number(i64),
    Text(String),
    /// Bytes, as hex digits.
    Hex(String),
}

impl Cell {
    pub(super) fn number(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub(super) fn hex(bytes: &[u8]) -> Self {
        Self::Hex(hex::encode(bytes))
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Number(number) => (*number).into(),
            Self::Text(text) | Self::Hex(text) => text.as_str().into(),
        }
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Self::Null => out.write_all(b"\\N"),
            Self::Number(number) => write!(out, "{number}"),
            Self::Text(text) => out.write_all(text.as_bytes()),
            Self::Hex(digits) => {
                out.write_all(b"\\\\x")?;
                out.write_all(digits.as_bytes())
            }
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The rows of a table; each call starts again from the first.
pub(super) type Rows<'a> = dyn Fn() -> Box<dyn Iterator<Item = Vec<Cell>> + 'a> + 'a;

/// A table, and the columns that the cells of a row fill.
#[derive(Debug, Clone, Copy)]
pub(super) enum Into {
    /// Id, name, look-alike key, e-mail, hash, created.
    Users,
    /// Id, user, dialect, created, created by.
    Sessions,
    /// Digest, session, created, expires.
    Tokens,
}

/// Inserts all rows into a table.
pub(super) fn insert<'a>(connection: &mut AnyConnection, into: Into, rows: &'a Rows<'a>) -> Fallible<()> {
    match connection {
        AnyConnection::Sqlite(c) => by_documents(c, into, rows),
        AnyConnection::Postgres(c) => by_copy(c, into, rows),
    }
}

fn by_documents<'a>(connection: &mut SqliteConnection, into: Into, rows: &'a Rows<'a>) -> Fallible<()> {
    let statement = match into {
        Into::Users => {
            "INSERT INTO users (id, username, lookalike_key, email, password_hash, is_active, is_staff, created) \
             SELECT value->>0, value->>1, value->>2, value->>3, value->>4, 1, 0, value->>5 FROM json_each(?1)"
        }
        Into::Sessions => {
            "INSERT INTO sessions (id, user_id, kind, created, last_seen, auth_epoch, opened_reason, opened_by) \
             SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>3, 0, 'login', value->>4 \
             FROM json_each(?1)"
        }
        Into::Tokens => {
            "INSERT INTO tokens (digest, session_id, kind, created, expires) \
             SELECT unhex(value->>0), unhex(value->>1), 'access', value->>2, value->>3 FROM json_each(?1)"
        }
    };
    let mut rows = rows();
    loop {
        let chunk: Vec<Value> = rows.by_ref().take(CHUNK).map(|row| row.iter().map(Cell::to_json).collect()).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        sql_query(statement).bind::<Text, _>(Value::Array(chunk).to_string()).execute(connection)?;
    }
}

diesel::table! {
    users (id) {
        id -> BigInt,
        username -> Text,
        lookalike_key -> Text,
        email -> Text,
        password_hash -> Text,
        created -> BigInt,
        is_active -> Bool,
        is_staff -> Bool,
    }
}

diesel::table! {
    sessions (id) {
        id -> Binary,
        user_id -> BigInt,
        kind -> Text,
        created -> BigInt,
        opened_by -> Text,
        last_seen -> BigInt,
        auth_epoch -> BigInt,
        opened_reason -> Text,
    }
}

diesel::table! {
    tokens (digest) {
        digest -> Binary,
        session_id -> Binary,
        created -> BigInt,
        expires -> Nullable<BigInt>,
        kind -> Text,
    }
}

/// The columns are in the order of the cells, followed by those that are the same in every row.
fn by_copy<'a>(connection: &mut PgConnection, into: Into, rows: &'a Rows<'a>) -> Fallible<()> {
    let write = |out: &mut dyn Write| -> QueryResult<()> { write_lines(out, into, rows()).map_err(broken) };
    match into {
        Into::Users => diesel::copy_from(users::table).from_raw_data(users::table, write).execute(connection)?,
        Into::Sessions => {
            diesel::copy_from(sessions::table).from_raw_data(sessions::table, write).execute(connection)?
        }
        Into::Tokens => diesel::copy_from(tokens::table).from_raw_data(tokens::table, write).execute(connection)?,
    };
    Ok(())
}

fn broken(error: std::io::Error) -> diesel::result::Error {
    diesel::result::Error::QueryBuilderError(Box::new(error))
}

fn write_lines(out: &mut dyn Write, into: Into, rows: impl Iterator<Item = Vec<Cell>>) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    for row in rows {
        for (number, cell) in row.iter().enumerate() {
            if number > 0 {
                out.write_all(b"\t")?;
            }
            cell.write(&mut out)?;
        }
        match into {
            Into::Users => out.write_all(b"\tt\tf\n")?,
            Into::Sessions => {
                // Last seen is the time of creation.
                out.write_all(b"\t")?;
                row.get(3).unwrap_or(&Cell::Null).write(&mut out)?;
                out.write_all(b"\t0\tlogin\n")?;
            }
            Into::Tokens => out.write_all(b"\taccess\n")?,
        }
    }
    out.flush()
}
