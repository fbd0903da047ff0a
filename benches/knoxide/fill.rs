//! Fills tables with millions of rows directly, because each login through the store would be a transaction: rows in
//! the order of their keys, then the indexes.

use diesel::connection::SimpleConnection as _;
use knoxide::domain::password::Hasher;
use knoxide::domain::random::SystemRandom;
use knoxide::domain::time::{Clock as _, SystemClock};
use knoxide::domain::user::{Password, lookalike_key};

use crate::Fallible;
use crate::databases::{AnyConnection, connect};
use crate::fill::rows::{Cell, Into, insert};
use crate::population::{Block, PASSWORD, session_of, token_digest, user_name};

mod indexes;
mod rows;

/// Must change whenever the contents change, so that kept databases are rebuilt.
pub(crate) const EDITION: u64 = 1;

/// Fills an empty database with users, tokens, and one session for each token.
pub(crate) fn fill(url: &str, blocks: &[Block], cost: u32) -> Fallible<()> {
    let mut connection = connect(url)?;
    let any = &mut connection;
    match any {
        AnyConnection::Sqlite(c) => {
            c.batch_execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA cache_size = -500000")?;
        }
        // Every token has its session, so the foreign key need not be checked.
        AnyConnection::Postgres(c) => {
            c.batch_execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")?;
        }
    }
    let indexes = indexes::drop_all(any)?;
    let now = SystemClock.now().as_micros();
    let hash = Hasher::with_unsafe_cost(cost)?.hash(&Password::new(PASSWORD.to_owned()), &SystemRandom)?;
    insert(any, Into::Users, &|| {
        Box::new(users(blocks).map(|(user, _)| {
            let name = user_name(user);
            let (key, email) = (lookalike_key(&name), format!("{name}@example.com"));
            vec![Cell::number(user), name.into(), key.into(), email.into(), hash.expose().into(), Cell::Number(now)]
        }))
    })?;
    insert(any, Into::Sessions, &|| {
        Box::new(tokens(blocks).map(|(token, user)| {
            let id = Cell::hex(session_of(token).as_bytes());
            vec![id, Cell::number(user), "knox".into(), Cell::Number(now), format!("user:{user}").into()]
        }))
    })?;
    let digests = tokens(blocks).map(|(token, _)| Ok((token_digest(token)?, token)));
    let mut digests = digests.collect::<Fallible<Vec<_>>>()?;
    digests.sort_unstable_by_key(|(digest, _)| *digest);
    insert(any, Into::Tokens, &|| {
        Box::new(digests.iter().map(|(digest, token)| {
            let session = Cell::hex(session_of(*token).as_bytes());
            vec![Cell::hex(digest.as_bytes()), session, Cell::Number(now), Cell::Null]
        }))
    })?;
    drop(digests);
    indexes::make(any, &indexes)?;
    match any {
        AnyConnection::Sqlite(c) => c.batch_execute("PRAGMA journal_mode = WAL; PRAGMA wal_checkpoint(TRUNCATE)")?,
        AnyConnection::Postgres(c) => {
            c.batch_execute("SELECT setval('users_id_seq', (SELECT max(id) FROM users))")?;
            c.batch_execute("VACUUM ANALYZE users, sessions, tokens")?;
            c.batch_execute("CHECKPOINT")?;
        }
    }
    Ok(())
}

/// All users, each with the number of their tokens.
fn users(blocks: &[Block]) -> impl Iterator<Item = (u64, u64)> {
    let each = blocks.iter().flat_map(|block| (0..block.users).map(|_| block.tokens_each));
    (1..).zip(each)
}

/// All tokens with their user.
fn tokens(blocks: &[Block]) -> impl Iterator<Item = (u64, u64)> {
    let each = users(blocks).flat_map(|(user, tokens)| (0..tokens).map(move |_| user));
    (0..).zip(each)
}
