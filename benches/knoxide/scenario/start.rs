//! The start with ten million tokens.

use super::contest::wait_until_ready;
use crate::databases::Database;
use crate::goals::Line;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Fallible, Scenario};

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    let block = Block::tens(stage.largest);
    for backend in stage.backends.clone() {
        let database = Database::kept(stage, backend, &[block])?;
        let row = format!("{}, {} tokens", database.name(), block.tokens());
        // The first start creates the signing keys.
        for round in 0..=stage.rounds {
            let server = stage.start_shipped(&database)?;
            let time = wait_until_ready(&server)?.as_secs_f64() * 1000.0;
            if round > 0 {
                table.add(&row, Metric::Time, time, 0.0);
            }
        }
        let time = table.median(&row, Metric::Time);
        table.at_most(Line::Start, &row, (time, " ms"), 200.0);
    }
    let title = "Start: from executing the program to its being ready";
    let note = "The program as it is shipped, on one core, until `/readyz` says 200; it is asked every half millisecond. \
                The database is in the system's memory.";
    Ok(table.section(Scenario::Start, title, note, stage))
}
