//! Every state of a connection has a deadline, and no state costs processor time while no bytes arrive.

mod bounds;
mod places;
mod raw;
mod soak;
mod states;

use std::time::Duration;

use knoxide::config::{HttpSettings, ListenAddress};

use crate::harness::app::{App, Backend, Database, Setup};

/// Longer than any deadline below, even on a busy machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(15);

/// Short deadlines, each of a different length.
const READ: Duration = Duration::from_millis(600);
const IDLE: Duration = Duration::from_millis(1500);
const WRITE: Duration = Duration::from_millis(1000);
const DRAIN: Duration = Duration::from_millis(300);

/// A server with these deadlines, and with these further addresses.
fn server(more: Vec<ListenAddress>) -> App {
    let mut setup = Setup::default();
    let listen = [setup.http.listen.clone(), more].concat();
    setup.http.options.read_timeout = READ;
    setup.http = HttpSettings { listen, keep_alive: IDLE, write_timeout: WRITE, drain_timeout: DRAIN, ..setup.http };
    App::on(Database::migrated(Backend::Sqlite), setup)
}

/// A server that accepts heads of this size.
fn limited(head_limit: usize) -> App {
    let setup = Setup::default();
    let http = HttpSettings { head_limit, ..setup.http };
    App::on(Database::migrated(Backend::Sqlite), Setup { http, ..setup })
}
