//! The measurements as JSON, as tables and as a picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::ValueEnum as _;
use knoxide::domain::time::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};

use crate::goals::{self, Goal, Line, Lines};
use crate::machine::Machine;
use crate::stage::Stage;
use crate::{Fallible, Scenario, picture};

/// What a figure measures, in the order of the tables' columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    Rate,
    RateRatio,
    Cpu,
    CpuRatio,
    CookieRatio,
    ServingCpu,
    DatabaseCpu,
    Time,
    P50,
    P99,
    P999,
    Failed,
    Memory,
    Bytes,
    Count,
    Others,
}

impl Metric {
    const fn heading(self) -> &'static str {
        match self {
            Self::Rate => "a second",
            Self::RateRatio => "ratio",
            Self::Cpu => "CPU, µs each",
            Self::CpuRatio => "ratio of CPU",
            Self::CookieRatio => "ratio of CPU to the cookie session",
            Self::ServingCpu => "CPU without hashing and writing, µs each",
            Self::DatabaseCpu => "CPU of the database, µs each",
            Self::Time => "time, ms",
            Self::P50 => "p50, ms",
            Self::P99 => "p99, ms",
            Self::P999 => "p99.9, ms",
            Self::Failed => "refused",
            Self::Memory => "memory, MiB",
            Self::Bytes => "bytes each",
            Self::Count => "number",
            Self::Others => "other work, cores",
        }
    }
}

/// More other work than this, in cores, spoils a measurement.
pub(crate) const NOISY: f64 = 0.3;

/// The result of one measurement, and the other work during it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Figure {
    value: f64,
    others: f64,
}

/// The median of the rounds that count, and their spread.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// Every round had too much other work, so all of them count.
    spoilt: bool,
    /// All rounds, in their order.
    runs: Vec<Figure>,
}

/// The figures of one subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) figures: BTreeMap<Metric, Range>,
}

/// The results of one scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) scenario: String,
    pub(crate) title: String,
    note: String,
    pub(crate) measured: String,
    version: String,
    machine: Machine,
    tokens: u64,
    connections: u16,
    rounds: u32,
    seconds: f64,
    pub(crate) rows: Vec<Row>,
    pub(crate) goals: Vec<Goal>,
}

/// Figures collected round by round.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<(String, BTreeMap<Metric, Vec<Figure>>)>,
    goals: Vec<Goal>,
}

impl Table {
    /// Adds a round's figure to a row; `others` is the other work during it, in cores.
    pub(crate) fn add(&mut self, row: &str, metric: Metric, value: f64, others: f64) {
        let figure = Figure { value, others };
        if let Some((_, figures)) = self.rows.iter_mut().find(|(name, _)| name == row) {
            figures.entry(metric).or_default().push(figure);
        } else {
            self.rows.push((row.to_owned(), BTreeMap::from([(metric, vec![figure])])));
        }
    }

    /// Adds the ratios of `row` to `base`, round by round, as another metric of `row`. A ratio is spoilt if either
    /// figure is.
    pub(crate) fn compare(&mut self, row: &str, base: &str, metric: Metric, ratio: Metric) {
        let ratios = self.pairs(row, base, metric, |own, base| own / base);
        ratios.into_iter().for_each(|figure| self.add(row, ratio, figure.value, figure.others));
    }

    fn pairs(&self, row: &str, base: &str, metric: Metric, of: impl Fn(f64, f64) -> f64) -> Vec<Figure> {
        let pairs = self.figures(row, metric).iter().zip(self.figures(base, metric));
        let of = |(own, base): (&Figure, &Figure)| Figure {
            value: of(own.value, base.value),
            others: own.others.max(base.others),
        };
        pairs.map(of).collect()
    }

    /// The median of a row so far; NaN if it has no figures.
    pub(crate) fn median(&self, row: &str, metric: Metric) -> f64 {
        range(self.figures(row, metric).to_vec()).map_or(f64::NAN, |range| range.median)
    }

    /// The median of the ratios of one row to another, round by round.
    pub(crate) fn ratio(&self, row: &str, base: &str, metric: Metric) -> f64 {
        range(self.pairs(row, base, metric, |own, base| own / base)).map_or(f64::NAN, |range| range.median)
    }

    /// The result for a line of the goals. NaN counts as missed.
    pub(crate) fn goal(&mut self, line: Line, what: &str, figure: &str, met: bool) {
        self.goals.push(Goal { line: Some(line), what: what.to_owned(), figure: figure.to_owned(), met });
    }

    /// A goal with an upper limit.
    pub(crate) fn at_most(&mut self, line: Line, what: &str, (value, unit): (f64, &str), limit: f64) {
        let words = format!("{}{unit}, at most {limit}", figure(value));
        self.goal(line, what, &words, value <= limit);
    }

    /// A goal with a lower limit.
    pub(crate) fn at_least(&mut self, line: Line, what: &str, (value, unit): (f64, &str), limit: f64) {
        let words = format!("{}{unit}, at least {limit}", figure(value));
        self.goal(line, what, &words, value >= limit);
    }

    fn figures(&self, row: &str, metric: Metric) -> &[Figure] {
        let found = self.rows.iter().find(|(name, _)| name == row);
        found.and_then(|(_, figures)| figures.get(&metric)).map_or(&[], Vec::as_slice)
    }

    /// Turns the finished table into a section.
    pub(crate) fn section(self, scenario: Scenario, title: &str, note: &str, stage: &Stage) -> Section {
        let row = |(name, figures): (String, BTreeMap<Metric, Vec<Figure>>)| {
            let ranges = figures.into_iter().filter_map(|(metric, figures)| Some((metric, range(figures)?)));
            Row { name, figures: ranges.collect() }
        };
        let name = scenario.to_possible_value().map(|value| value.get_name().to_owned());
        Section {
            scenario: name.unwrap_or_default(),
            title: title.to_owned(),
            note: note.to_owned(),
            measured: SystemClock.now().to_string().chars().take(16).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: stage.machine.clone(),
            tokens: stage.tokens,
            connections: stage.connections,
            rounds: stage.rounds,
            seconds: stage.seconds,
            rows: self.rows.into_iter().map(row).collect(),
            goals: self.goals,
        }
    }
}

/// `None` if there are no figures.
fn range(runs: Vec<Figure>) -> Option<Range> {
    let spoilt = runs.iter().all(|figure| figure.others > NOISY);
    let count = runs.iter().filter(|figure| spoilt || figure.others <= NOISY);
    let mut sorted: Vec<f64> = count.map(|figure| figure.value).collect();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let half = sorted.len() / 2;
    let above = *sorted.get(half)?;
    let below = if sorted.len().is_multiple_of(2) { *sorted.get(half - 1)? } else { above };
    Some(Range { median: f64::midpoint(below, above), least, most, spoilt, runs })
}

/// A section as a heading, a text and a table.
pub(crate) fn markdown(section: &Section) -> String {
    let Section { title, note, measured, version, machine, .. } = section;
    let Section { tokens, connections, rounds, seconds, .. } = section;
    let mut out = format!(
        "## {title}\n\n{note}\n\nKnoxide {version}, {measured} UTC; {machine}. {tokens} tokens, {connections} \
         connections; median (least to most) of those of {rounds} rounds of {seconds} s that had at most {NOISY} cores of \
         other work; where none had, of all, with a †.\n\n"
    );
    let metrics: std::collections::BTreeSet<Metric> =
        section.rows.iter().flat_map(|row| row.figures.keys().copied()).collect();
    // Writing to a string cannot fail.
    let headings: String = metrics.iter().map(|metric| format!(" {} |", metric.heading())).collect();
    let _ = writeln!(out, "| |{headings}\n|---|{}", "---|".repeat(metrics.len()));
    for row in &section.rows {
        let cells = metrics.iter().map(|metric| row.figures.get(metric).map(cell).unwrap_or_default());
        let _ = writeln!(out, "| {} | {} |", row.name, cells.collect::<Vec<_>>().join(" | "));
    }
    for goal in &section.goals {
        let _ = write!(out, "\n* {}: {}: {}.", goal.what, goal.figure, goal.verdict());
    }
    if !section.goals.is_empty() {
        out.push('\n');
    }
    out
}

fn cell(range: &Range) -> String {
    let Range { median, least, most, spoilt, .. } = range;
    let mark = if *spoilt { "†" } else { "" };
    if least == most {
        format!("{}{mark}", figure(*median))
    } else {
        format!("{}{mark} ({} to {})", figure(*median), figure(*least), figure(*most))
    }
}

/// At least three significant digits.
pub(crate) fn figure(number: f64) -> String {
    match number.abs() {
        size if size == 0.0 || size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// Replaces the previous results of this section, and rewrites tables and picture.
pub(crate) fn save(folder: &Path, section: Section) -> Fallible<()> {
    fs::create_dir_all(folder)?;
    let path = folder.join("results.json");
    let mut sections: Vec<Section> = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    sections.retain(|other| other.scenario != section.scenario);
    sections.push(section);
    let place = |section: &Section| Scenario::from_str(&section.scenario, false).map(|scenario| scenario as u8);
    sections.sort_by_key(place);
    fs::write(&path, serde_json::to_string_pretty(&sections)? + "\n")?;
    let tables: Vec<String> = sections.iter().map(markdown).collect();
    let head = format!(
        "# Results\n\nWritten by `scripts/bench`; `README.md` tells how to read them.\n\n## Goals\n\n{}\n\
         ![The main figures](results.svg)\n\n",
        goals::table(&sections, Lines::All)
    );
    fs::write(folder.join("results.md"), format!("{head}{}", tables.join("\n")))?;
    Ok(fs::write(folder.join("results.svg"), picture::draw(&sections))?)
}
