//! The main figures as bars, in an SVG built by hand.

use std::fmt::Write as _;

use crate::report::{Metric, Range, Section, figure};

const WIDTH: f64 = 900.0;
/// Where bars begin; names are to the left of it.
const LEFT: f64 = 370.0;
/// The length of the longest bar; figures are to the right of it.
const LONGEST: f64 = 380.0;
const LINE: f64 = 24.0;

/// One panel for each scenario and metric.
const PANELS: [(&str, Metric, &str); 5] = [
    ("check", Metric::Rate, "checks a second on one core (more is better)"),
    ("check", Metric::Cpu, "processor time of a check, µs (less is better)"),
    ("flood", Metric::P99, "p99 during a flood of logins, ms (less is better)"),
    ("logoutall", Metric::Time, "time to end all sessions, ms (less is better)"),
    ("writes", Metric::Rate, "logins and logouts a second (more is better)"),
];

/// Draws all panels that have figures.
pub(crate) fn draw(sections: &[Section]) -> String {
    let mut body = String::new();
    let mut y = 10.0;
    for (scenario, metric, title) in PANELS {
        let Some(section) = sections.iter().find(|section| section.scenario == scenario) else { continue };
        // A login at the default cost takes half a minute in a flood: no scale fits both that and a check.
        let rows = section.rows.iter().filter(|row| scenario != "flood" || row.name.contains("checks "));
        let rows = rows.filter(|row| scenario != "flood" || !row.name.contains("logins"));
        let bars: Vec<_> = rows.filter_map(|row| Some((row.name.as_str(), row.figures.get(&metric)?))).collect();
        panel(&mut body, &mut y, title, &bars);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

fn panel(out: &mut String, y: &mut f64, title: &str, bars: &[(&str, &Range)]) {
    let most = bars.iter().map(|(_, range)| range.most).fold(f64::MIN_POSITIVE, f64::max);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<text x=\"10\" y=\"{:.0}\" font-weight=\"bold\">{}</text>", *y + 16.0, escape(title));
    *y += LINE + 4.0;
    for (name, range) in bars {
        let length = |figure: f64| figure / most * LONGEST;
        let (middle, ours) = (*y + LINE / 2.0, name.starts_with("Knoxide"));
        let colour = if ours { "#b3541e" } else { "#7a94b8" };
        let _ = writeln!(
            out,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
             <path d=\"M{:.1} {middle:.1}H{:.1}\" stroke=\"#222\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            middle + 4.5,
            escape(name),
            *y + 4.0,
            length(range.median),
            LINE - 8.0,
            LEFT + length(range.least),
            LEFT + length(range.most),
            LEFT + length(range.most) + 8.0,
            middle + 4.5,
            figure(range.median),
        );
        *y += LINE;
    }
    *y += 14.0;
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
