//! kill -9 at random moments under load, on SQLite: no acknowledged login is lost, no
//! acknowledged logout undone. `scripts/crash` runs many more cycles than the tests do.

use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
use knoxide::time::{Clock as _, SystemClock};

use crate::support::app::{Backend, Database, add_user};
use crate::support::dice::{Dice, seed};
use crate::support::number;

mod child;
mod ledger;

use child::Child;
use ledger::{Counts, Ledger};

/// Cycles of a usual run of the tests.
const CYCLES: u64 = 10;

/// How many clients there are; each has a user of its own.
const CLIENTS: u64 = 6;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let (cycles, seed) = (number("KNOXIDE_CRASH_CYCLES").unwrap_or(CYCLES), seed("KNOXIDE_CRASH_SEED"));
    println!("{cycles} cycles, KNOXIDE_CRASH_SEED={seed}");
    let database = Database::migrated(Backend::Sqlite);
    let mut dice = Dice(seed);
    let mut ledgers: Vec<_> = (0..CLIENTS).map(|client| Ledger::new(client, Dice(seed ^ (client << 32)))).collect();
    {
        let store = database.store();
        for ledger in &ledgers {
            add_user(&*store, &ledger.user, ledger::PASSWORD, SystemClock.now());
        }
    }
    for cycle in 1..=cycles {
        if cycle % 8 == 0 {
            // Death may come while the damage of the one before is being repaired.
            Child::start(&database.url).kill_after(dice.millis(0, 40));
        }
        let mut child = Child::start(&database.url);
        let address = child.address();
        for_each(&mut ledgers, |ledger| ledger.audit(address, false));
        std::thread::scope(|scope| {
            for ledger in &mut ledgers {
                scope.spawn(move || ledger.work(address));
            }
            child.kill_after(dice.millis(50, 400));
        });
        let faults: Vec<_> = ledgers.iter().flat_map(|ledger| &ledger.faults).collect();
        assert!(faults.is_empty(), "in cycle {cycle}, KNOXIDE_CRASH_SEED={seed}: {faults:#?}");
    }
    let mut child = Child::start(&database.url);
    let address = child.address();
    for_each(&mut ledgers, |ledger| ledger.audit(address, true));
    drop(child);
    let faults: Vec<_> = ledgers.iter().flat_map(|ledger| &ledger.faults).collect();
    assert!(faults.is_empty(), "at the end, KNOXIDE_CRASH_SEED={seed}: {faults:#?}");
    let counts = ledgers.iter().fold(Counts::default(), |sum, ledger| sum + ledger.counts);
    println!("{cycles} cycles: {counts}; 0 lost, 0 revived");
    assert!(counts.logins > cycles && counts.logouts > 0 && counts.unknown > 0, "too little was done: {counts}");
    check_integrity(&database);
}

fn for_each(ledgers: &mut [Ledger], act: impl Fn(&mut Ledger) + Sync) {
    let act = &act;
    std::thread::scope(|scope| {
        for ledger in ledgers {
            scope.spawn(move || act(ledger));
        }
    });
}

fn check_integrity(database: &Database) {
    let path = database.url.strip_prefix("sqlite://").expect("a file");
    let mut connection = SqliteConnection::establish(path).expect("the file opens");
    let verdict: Vec<String> = sql::<Text>("PRAGMA integrity_check").load(&mut connection).expect("a verdict");
    assert_eq!(verdict, ["ok"]);
    let orphans: Vec<String> = sql::<Text>("PRAGMA foreign_key_check").load(&mut connection).expect("a verdict");
    assert!(orphans.is_empty(), "{orphans:?}");
}

/// The harness must be able to fail: a server that forgets is found out.
#[test]
fn a_lost_login_and_a_revived_logout_are_noticed() {
    let database = Database::migrated(Backend::Sqlite);
    let mut ledger = Ledger::new(0, Dice(1));
    let store = database.store();
    add_user(&*store, &ledger.user, ledger::PASSWORD, SystemClock.now());
    let mut child = Child::start(&database.url);
    let address = child.address();
    ledger.pretend(address);
    ledger.audit(address, true);
    assert_eq!(ledger.faults.len(), 2, "{:?}", ledger.faults);
}
