//! Checks as a proxy sends them.

use super::contest::{Asks, Contestant};
use crate::databases::Database;
use crate::goals::Line;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Fallible, Scenario};

/// The path that nginx requests.
const PATH: &str = "/forward-auth/nginx/";

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let block = Block::tens(stage.tokens.min(100_000));
    let mut pairs = Vec::new();
    for backend in stage.backends.clone() {
        let database = Database::kept(stage, backend, &[block])?;
        let user = Contestant::knoxide(stage, database, block.tokens())?;
        user.touch(stage)?;
        let (name, asks) = (format!("{}, forward-auth", user.name), Asks::Tokens { count: block.tokens(), path: PATH });
        pairs.push((Contestant { name, asks, ..user.clone() }, user));
    }
    let mut table = Table::default();
    for round in 0..stage.rounds {
        crate::say(&format!("forward: round {} of {}", round + 1, stage.rounds));
        for contestant in pairs.iter().flat_map(|(forward, user)| [user, forward]) {
            contestant.measure(stage, &contestant.name, stage.connections, &mut table)?;
        }
    }
    for (forward, user) in &pairs {
        table.compare(&forward.name, &user.name, Metric::Cpu, Metric::CpuRatio);
        let ratio = table.median(&forward.name, Metric::CpuRatio);
        table.at_most(Line::ForwardAuth, &forward.name, (ratio, " times"), 1.1);
    }
    let title = "A check by a proxy: GET /forward-auth/nginx/";
    let note = "The same server is asked at both paths in turns, for tokens that were asked for before. The ratio is to \
                GET /auth/user/ in the same round.";
    Ok(table.section(Scenario::Forward, title, note, stage))
}
