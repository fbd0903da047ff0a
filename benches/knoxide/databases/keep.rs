//! Filled databases that outlive a run, because creating millions of rows takes minutes. Scenarios that only check
//! tokens use them without filling them again.
//!
//! A SQLite database is a file. A Postgres database is the data directory of a server that was shut down; each run
//! copies it and starts a server on the copy.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};

use super::{Database, migrate_and_fill};
use crate::cluster::Cluster;
use crate::population::Block;
use crate::stage::Stage;
use crate::{Backend, Fallible, fill};

/// The name of the database on a kept server.
const NAME: &str = "kept";

impl Database {
    /// A database with these users, reused from an earlier run if possible. Scenarios must not end or add anything in
    /// it.
    pub(crate) fn kept(stage: &mut Stage, backend: Backend, blocks: &[Block]) -> Fallible<Self> {
        let place = place(&stage.cache, backend, blocks)?;
        if let Some(open) = stage.kept.get(&place) {
            return Ok(open.clone());
        }
        if !place.exists() {
            let tokens: u64 = blocks.iter().map(|block| block.tokens()).sum();
            crate::say(&format!("filling {tokens} tokens into {backend:?}, to be kept for the next time"));
        }
        fs::create_dir_all(&stage.cache)?;
        let database = match backend {
            Backend::Sqlite => sqlite(&place, blocks)?,
            Backend::Postgres => postgres(&place, blocks, stage.base()?)?,
        };
        stage.kept.insert(place, database.clone());
        Ok(database)
    }
}

/// The path of such a database, which differs whenever anything about the database does.
fn place(cache: &Path, backend: Backend, blocks: &[Block]) -> Fallible<PathBuf> {
    let (name, folder) = match backend {
        Backend::Sqlite => ("sqlite", concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")),
        Backend::Postgres => ("postgres", concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres")),
    };
    let mut fingerprint = DefaultHasher::new();
    (fill::EDITION, format!("{blocks:?}")).hash(&mut fingerprint);
    let mut migrations = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    migrations.sort_by_key(std::fs::DirEntry::file_name);
    for migration in migrations {
        fs::read_to_string(migration.path().join("up.sql"))?.hash(&mut fingerprint);
    }
    let tokens: u64 = blocks.iter().map(|block| block.tokens()).sum();
    Ok(cache.join(format!("{name}-{tokens}-{:016x}", fingerprint.finish())))
}

fn sqlite(place: &Path, blocks: &[Block]) -> Fallible<Database> {
    if !place.exists() {
        let unfinished = place.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_file(&unfinished)?;
        }
        migrate_and_fill(&format!("sqlite://{}", unfinished.display()), blocks, 4)?;
        fs::rename(&unfinished, place)?;
        rustix::fs::sync();
    }
    Ok(Database { backend: Backend::Sqlite, url: format!("sqlite://{}", place.display()), cluster: None })
}

fn postgres(place: &Path, blocks: &[Block], base: &Path) -> Fallible<Database> {
    let mut cluster = Cluster::start_in(base)?;
    let data = cluster.directory().join("data");
    if place.exists() {
        cluster.stop();
        fs::remove_dir_all(&data)?;
        copy(place, &data)?;
        cluster.resume()?;
    } else {
        PgConnection::establish(&cluster.url())?.batch_execute(&format!("CREATE DATABASE {NAME}"))?;
        migrate_and_fill(&url(&cluster)?, blocks, 4)?;
        cluster.stop();
        let unfinished = place.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        copy(&data, &unfinished)?;
        fs::rename(&unfinished, place)?;
        cluster.resume()?;
    }
    // The copy is flushed to the disk now, not during a measurement.
    rustix::fs::sync();
    let url = url(&cluster)?;
    Ok(Database { backend: Backend::Postgres, url, cluster: Some(Rc::new(cluster)) })
}

fn url(cluster: &Cluster) -> Fallible<String> {
    let url = cluster.url();
    let server = url.strip_suffix("/postgres").ok_or("an unexpected URL")?;
    Ok(format!("{server}/{NAME}"))
}

/// Copies a directory with its owners and permissions, which Postgres insists on.
fn copy(from: &Path, to: &Path) -> Fallible<()> {
    let done = Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(to).status()?;
    if done.success() { Ok(()) } else { Err(format!("{} cannot be copied", from.display()).into()) }
}
