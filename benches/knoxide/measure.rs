//! Yardsticks without HTTP, as children: the cost of the database and of the hash alone.

use std::io::BufRead as _;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::{OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};
use hdrhistogram::Histogram;
use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::password::{Hasher, Verification};
use knoxide::domain::random::{Random as _, SystemRandom};
use knoxide::domain::session::SessionId;
use knoxide::domain::time::{Clock as _, SystemClock};
use knoxide::domain::token::{Token, TokenKind};
use knoxide::domain::user::{Epoch, Password, UserId};
use knoxide::store::diesel::{DieselStore, StoreOptions};
use knoxide::store::{Connection, NewSession, NewToken, Opening, Store as _};

use crate::Fallible;
use crate::child::{Tally, answer};
use crate::databases::{self, AnyConnection};
use crate::population::{self, Dice, PASSWORD};

/// Reports that everything is ready, then works for as long as the parent says, each time it asks.
fn obey(mut work: impl FnMut(Duration, &mut Tally) -> Fallible<()>) -> Fallible<()> {
    answer("ready")?;
    for line in std::io::stdin().lock().lines() {
        let limit = Duration::from_secs_f64(line?.parse()?);
        let begun = Instant::now();
        let mut tally = Tally::default();
        work(limit, &mut tally)?;
        tally.seconds = begun.elapsed().as_secs_f64();
        answer(&serde_json::to_string(&tally)?)?;
    }
    Ok(())
}

diesel::table! {
    /// Only the column that the look-up needs.
    tokens (digest) {
        digest -> Binary,
        session_id -> Binary,
        expires -> Nullable<BigInt>,
    }
}

/// The simplest look-up there is: one row by its primary key, in a statement that diesel prepares once.
pub(crate) fn lookups(url: &str, tokens: u64) -> Fallible<()> {
    let mut connection = databases::connect(url)?;
    let mut dice = Dice::new(99);
    obey(|limit, tally| {
        let mut times = Histogram::<u64>::new(3)?;
        let begun = Instant::now();
        let mut last = begun;
        while last - begun < limit {
            let digest = population::token_digest(dice.below(tokens))?;
            let asked = Instant::now();
            let query = tokens::table.find(digest.as_bytes().as_slice()).select((tokens::session_id, tokens::expires));
            let row: Option<(Vec<u8>, Option<i64>)> = match &mut connection {
                AnyConnection::Sqlite(c) => query.get_result(c).optional()?,
                AnyConnection::Postgres(c) => query.get_result(c).optional()?,
            };
            row.ok_or("a token is missing")?;
            last = Instant::now();
            times.record(u64::try_from((last - asked).as_nanos())?)?;
        }
        tally.done = times.len();
        tally.median_us = Some(times.value_at_quantile(0.5) as f64 / 1e3);
        Ok(())
    })
}

/// Passwords verified, and nothing else.
pub(crate) fn bcrypt(cost: u32, threads: usize) -> Fallible<()> {
    let hasher = Hasher::with_unsafe_cost(cost)?;
    let password = Password::new(PASSWORD.to_owned());
    let stored = hasher.hash(&password, &SystemRandom)?;
    obey(|limit, tally| {
        tally.done = on_threads(threads, |_| {
            let begun = Instant::now();
            let mut done = 0;
            while begun.elapsed() < limit {
                if hasher.verify(&password, Some(&stored)) != Verification::Right {
                    return Err("a right password was refused".into());
                }
                done += 1;
            }
            Ok(done)
        })?;
        Ok(())
    })
}

/// Sessions opened by the store, one transaction each.
pub(crate) fn opens(url: &str, users: u64, threads: usize) -> Fallible<()> {
    transactions(url, threads, |connection, number| {
        let user = UserId(i64::try_from(Dice::new(number).below(users) + 1)?);
        let at = SystemClock.now();
        let token = Token::generate(&SystemRandom, "")?;
        let mut random = [0; 10];
        SystemRandom.fill(&mut random)?;
        let new = NewSession {
            id: SessionId::new(at, &random),
            user,
            epoch: Epoch(0),
            kind: Dialect::Knox.into(),
            name: None,
            tokens: vec![NewToken { digest: token.digest(), kind: TokenKind::Access, expires: None, key: None }],
            limit: None,
            network: None,
            with_event: true,
            audit: AuditContext {
                event: Event::Login,
                actor: Actor::User(user),
                origin: Origin::default(),
                at,
                detail: None,
            },
        };
        match connection.open_session(&new)? {
            Opening::Opened => Ok(true),
            Opening::Denied | Opening::LimitReached => Err("a login was denied".into()),
        }
    })
}

/// Sessions ended by the store, one transaction each; does nothing once all have ended.
pub(crate) fn ends(url: &str, sessions: Range<u64>, threads: usize) -> Fallible<()> {
    transactions(url, threads, |connection, number| {
        let token = sessions.start + number;
        if token >= sessions.end {
            return Ok(false);
        }
        let audit = AuditContext {
            event: Event::Logout,
            actor: Actor::System,
            origin: Origin::default(),
            at: SystemClock.now(),
            detail: None,
        };
        Ok(connection.end_session(population::session_of(token), &audit)?)
    })
}

/// Runs `step` with numbers that never repeat, until the time is over or `step` reports that nothing is left to do.
fn transactions(
    url: &str,
    threads: usize,
    step: impl Fn(&mut dyn Connection, u64) -> Fallible<bool> + Sync,
) -> Fallible<()> {
    let store = Arc::new(DieselStore::open(url, StoreOptions::default())?);
    let connections = (0..threads).map(|_| store.connect().map(std::sync::Mutex::new));
    let connections: Vec<_> = connections.collect::<Result<_, _>>()?;
    let next = AtomicU64::new(0);
    obey(|limit, tally| {
        tally.done = on_threads(threads, |thread| {
            let connection = connections.get(thread).ok_or("no connection")?;
            let mut connection = connection.lock().map_err(|_| "a thread panicked")?;
            let begun = Instant::now();
            let mut done = 0;
            while begun.elapsed() < limit && step(&mut **connection, next.fetch_add(1, Ordering::Relaxed))? {
                done += 1;
            }
            Ok(done)
        })?;
        Ok(())
    })
}

/// Sums what the threads have done.
fn on_threads(threads: usize, work: impl Fn(usize) -> Fallible<u64> + Sync) -> Fallible<u64> {
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        let joined = running.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?);
        joined.sum()
    })
}
