//! Checks of tokens that are JWTs.

use std::rc::Rc;

use super::contest::{Asks, Contestant, reply_of};
use crate::child::Role;
use crate::databases::Database;
use crate::goals::Line;
use crate::population::{Block, Form, jwt_text};
use crate::report::{Metric, Section, Table};
use crate::serve::PATH;
use crate::stage::Stage;
use crate::wire::Request;
use crate::{Fallible, Scenario};

/// At most so many JWTs are asked for: their texts are made beforehand.
const MOST: u64 = 100_000;

const VERIFYING: &str = "verifying the signature of a JWT, HS256 (not revocable)";

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let opaque = Block::tens(stage.tokens.min(MOST));
    let jwts = Block { form: Form::Jwt, ..opaque };
    let requests = requests(opaque, jwts)?;
    let mut contestants = Vec::new();
    for backend in stage.backends.clone() {
        let database = Database::kept(stage, backend, &[opaque, jwts])?;
        let ours = Contestant::knoxide(stage, database, opaque.tokens())?;
        let signed = Contestant { asks: Asks::AnyOf(Rc::clone(&requests)), name: jwt_row(&ours.name), ..ours.clone() };
        contestants.extend([ours, signed]);
    }
    let (body, headers) = reply_of(&contestants.first().ok_or("no database to measure on")?.server)?;
    let server = Rc::new(stage.start(&Role::Hs256 { body, headers })?);
    contestants.push(Contestant { name: VERIFYING.to_owned(), server, database: None, asks: Asks::AnyOf(requests) });
    contestants.iter().try_for_each(|contestant| contestant.touch(stage).map(drop))?;
    let mut table = Table::default();
    for round in 0..stage.rounds {
        crate::say(&format!("jwt: round {} of {}", round + 1, stage.rounds));
        for contestant in &contestants {
            contestant.measure(stage, &contestant.name, stage.connections, &mut table)?;
        }
    }
    for ours in contestants.iter().filter(|one| one.database.is_some() && !one.name.ends_with(JWT)) {
        let jwt = jwt_row(&ours.name);
        for row in [jwt.as_str(), VERIFYING] {
            let base = contestants.first().map_or("", |first| first.name.as_str());
            let base = if row == VERIFYING { base } else { &ours.name };
            if table.ratio(row, base, Metric::CpuRatio).is_nan() {
                table.compare(row, base, Metric::Rate, Metric::RateRatio);
                table.compare(row, base, Metric::Cpu, Metric::CpuRatio);
            }
        }
        let what = ours.name.as_str();
        let (cpu, rate) = (table.ratio(&jwt, what, Metric::Cpu), table.ratio(&jwt, what, Metric::Rate));
        table.goal(
            Line::JwtForm,
            what,
            &format!("CPU {cpu:.2} times, at most 1.1; throughput {rate:.2} times"),
            cpu <= 1.1,
        );
        let (cpu, rate) = (table.ratio(VERIFYING, what, Metric::Cpu), table.ratio(what, VERIFYING, Metric::Rate));
        table.goal(
            Line::VerifyingJwts,
            what,
            &format!(
                "verifying takes {cpu:.2} times the CPU, at least 1.6; a check has {rate:.2} times the throughput"
            ),
            cpu >= 1.6,
        );
    }
    let title = "JWTs: checks of tokens of both forms, and verifying signatures instead";
    let note = "As many JWTs of the dialect djoser as opaque tokens of the dialect knox, in one database, asked for at \
                random. The route that verifies sends the same reply to whoever's signature and time fit, in the same \
                program with the same library. Ratios of JWTs are to opaque tokens on the same database, those of \
                verifying to opaque tokens on the first one.";
    Ok(table.section(Scenario::Jwt, title, note, stage))
}

const JWT: &str = ", JWT";

fn jwt_row(name: &str) -> String {
    format!("{name}{JWT}")
}

/// A request for each JWT. Users and tokens of the opaque ones come before theirs.
fn requests(opaque: Block, jwts: Block) -> Fallible<Rc<Vec<Vec<u8>>>> {
    let of = |number: u64| {
        let text = jwt_text(opaque.tokens() + number, opaque.users + 1 + number / jwts.tokens_each)?;
        Ok(Request::new("GET", PATH).header("Authorization", format!("Bearer {text}")).to_bytes())
    };
    Ok(Rc::new((0..jwts.tokens()).map(of).collect::<Fallible<_>>()?))
}
