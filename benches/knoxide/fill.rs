//! Filling tables by the hundred thousand: rows go over as one JSON document a statement, past
//! the store, whose logins would each be a transaction.

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::{RunQueryDsl as _, sql_query};
use knoxide::password::Hasher;
use knoxide::random::SystemRandom;
use knoxide::time::{Clock as _, SystemClock};
use knoxide::user::{Password, lookalike_key};
use serde_json::{Value, json};

use crate::Fallible;
use crate::databases::{AnyConnection, connect};
use crate::population::{Block, PASSWORD, session_of, token_digest, user_name};

/// Rows a statement.
const CHUNK: usize = 5000;

/// A statement on either database; `$1` and `?1` are an array of arrays.
struct Insert {
    sqlite: &'static str,
    postgres: &'static str,
}

const USERS: Insert = Insert {
    sqlite: "INSERT INTO users (id, username, lookalike_key, email, password_hash, is_active, is_staff, created) \
             SELECT value->>0, value->>1, value->>2, value->>3, value->>4, 1, 0, value->>5 FROM json_each(?1)",
    postgres: "INSERT INTO users (id, username, lookalike_key, email, password_hash, is_active, is_staff, created) \
               SELECT (v->>0)::bigint, v->>1, v->>2, v->>3, v->>4, true, false, (v->>5)::bigint \
               FROM json_array_elements($1::json) v",
};

const SESSIONS: Insert = Insert {
    sqlite: "INSERT INTO sessions (id, user_id, dialect, created, last_seen, auth_epoch, opened_reason, opened_by) \
             SELECT unhex(value->>0), value->>1, 'knox', value->>2, value->>2, 0, 'login', 'user:' || (value->>1) \
             FROM json_each(?1)",
    postgres: "INSERT INTO sessions (id, user_id, dialect, created, last_seen, auth_epoch, opened_reason, opened_by) \
               SELECT decode(v->>0, 'hex'), (v->>1)::bigint, 'knox', (v->>2)::bigint, (v->>2)::bigint, 0, 'login', \
               'user:' || (v->>1) FROM json_array_elements($1::json) v",
};

const TOKENS: Insert = Insert {
    sqlite: "INSERT INTO tokens (digest, session_id, kind, created) \
             SELECT unhex(value->>0), unhex(value->>1), 'access', value->>2 FROM json_each(?1)",
    postgres: "INSERT INTO tokens (digest, session_id, kind, created) \
               SELECT decode(v->>0, 'hex'), decode(v->>1, 'hex'), 'access', (v->>2)::bigint \
               FROM json_array_elements($1::json) v",
};

/// Fills an empty database with users, one session a token, and tokens without end.
pub(crate) fn fill(url: &str, blocks: &[Block], cost: u32) -> Fallible<()> {
    let mut connection = connect(url)?;
    let now = SystemClock.now().as_micros();
    let hash = Hasher::with_unsafe_cost(cost)?.hash(&Password::new(PASSWORD.to_owned()), &SystemRandom)?;
    if let AnyConnection::Sqlite(c) = &mut connection {
        c.batch_execute("PRAGMA synchronous = OFF")?;
    }
    let owners = blocks
        .iter()
        .flat_map(|block| std::iter::repeat_n(block.tokens_each, usize::try_from(block.users).unwrap_or(0)));
    let owners: Vec<(u64, u64)> = (1..).zip(owners).collect();
    insert(
        &mut connection,
        &USERS,
        owners.iter().map(|(user, _)| {
            let name = user_name(*user);
            Ok(json!([user, name, lookalike_key(&name), format!("{name}@example.com"), hash.expose(), now]))
        }),
    )?;
    let tokens = || (0_u64..).zip(owners.iter().flat_map(|(user, count)| (0..*count).map(move |_| *user)));
    insert(&mut connection, &SESSIONS, tokens().map(|(token, user)| Ok(json!([session_hex(token), user, now]))))?;
    insert(
        &mut connection,
        &TOKENS,
        tokens().map(|(token, _)| {
            let digest = token_digest(token).ok_or("no token")?;
            Ok(json!([hex::encode(digest.as_bytes()), session_hex(token), now]))
        }),
    )?;
    match &mut connection {
        AnyConnection::Sqlite(c) => c.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?,
        AnyConnection::Postgres(c) => {
            c.batch_execute("SELECT setval('users_id_seq', (SELECT max(id) FROM users))")?;
            c.batch_execute("VACUUM ANALYZE users, sessions, tokens")?;
            c.batch_execute("CHECKPOINT")?;
        }
    }
    Ok(())
}

fn session_hex(token: u64) -> String {
    hex::encode(session_of(token).as_bytes())
}

fn insert(
    connection: &mut AnyConnection,
    into: &Insert,
    mut rows: impl Iterator<Item = Fallible<Value>>,
) -> Fallible<()> {
    loop {
        let chunk: Vec<Value> = rows.by_ref().take(CHUNK).collect::<Fallible<_>>()?;
        if chunk.is_empty() {
            return Ok(());
        }
        let document = Value::Array(chunk).to_string();
        match connection {
            AnyConnection::Sqlite(c) => sql_query(into.sqlite).bind::<Text, _>(document).execute(c)?,
            AnyConnection::Postgres(c) => sql_query(into.postgres).bind::<Text, _>(document).execute(c)?,
        };
    }
}
