//! The figures in the README are those of the latest measurement.

use std::collections::BTreeMap;

use serde_json::Value;

use super::read;

/// The scenario, the row and the metric of a figure in `docs/benchmarks/results.json`.
type Figure = (&'static str, &'static str, &'static str);

/// Each row of the README's table: how it begins, and its figures in order.
const ROWS: [(&str, &[Figure]); 5] = [
    (
        "checks a second on one core",
        &[
            ("check", "bare route", "rate"),
            ("check", "Knoxide on SQLite", "rate"),
            ("check", "Knoxide on PostgreSQL", "rate"),
        ],
    ),
    (
        "revoked tokens that were accepted",
        &[("strict", "SQLite, accepted afterwards", "count"), ("strict", "PostgreSQL, accepted afterwards", "count")],
    ),
    ("a check on an idle server", &[("lone", "Knoxide on SQLite", "p50"), ("lone", "Knoxide on PostgreSQL", "p50")]),
    (
        "memory when idle",
        &[
            ("memory", "SQLite, idle", "memory"),
            ("memory", "SQLite, each token asked for once", "bytes"),
            ("memory", "PostgreSQL, idle", "memory"),
            ("memory", "PostgreSQL, each token asked for once", "bytes"),
        ],
    ),
    (
        "from start to ready",
        &[("start", "SQLite, 10000000 tokens", "time"), ("start", "PostgreSQL, 10000000 tokens", "time")],
    ),
];

/// Sizes of the tests, as opposed to measured figures.
const SIZES: [&str; 3] = ["1,000,000", "10,000,000", "100,000"];

/// The measured medians, by scenario, row and metric.
fn measured() -> BTreeMap<(String, String, String), f64> {
    let results: Value = serde_json::from_str(&read("docs/benchmarks/results.json")).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut medians = BTreeMap::new();
    for scenario in results.as_array().expect("scenarios") {
        for row in scenario["rows"].as_array().expect("rows") {
            for (metric, figure) in row["figures"].as_object().expect("figures") {
                let key = (text(&scenario["scenario"]), text(&row["name"]), metric.clone());
                medians.insert(key, figure["median"].as_f64().expect("a number"));
            }
        }
    }
    medians
}

/// The numbers in a row of a table, each with the largest error that rounding can have caused.
fn numbers(row: &str) -> Vec<(f64, f64)> {
    let words = row.split(|c: char| !(c.is_ascii_digit() || matches!(c, ',' | '.')));
    let words =
        words.map(|word| word.trim_matches([',', '.'])).filter(|word| !word.is_empty() && !SIZES.contains(word));
    let number = |word: &str| {
        let digits = word.replace(',', "");
        let unit = match digits.split_once('.') {
            Some((_, decimals)) => 0.1_f64.powi(decimals.len().try_into().expect("a short number")),
            None if word.ends_with(",000") => 1000.0,
            None => 1.0,
        };
        (digits.parse().expect("a number"), unit * 0.501)
    };
    words.map(number).collect()
}

#[test]
fn the_readme_has_the_figures_that_were_measured_last() {
    let (readme, measured) = (read("README.md"), measured());
    for (begins, figures) in ROWS {
        let row =
            readme.lines().find(|line| line.starts_with(&format!("| {begins}"))).unwrap_or_else(|| panic!("{begins}"));
        let told = numbers(row);
        assert_eq!(told.len(), figures.len(), "{row}: {told:?}");
        for ((shown, rounding), (scenario, name, metric)) in told.into_iter().zip(figures) {
            let key = ((*scenario).to_owned(), (*name).to_owned(), (*metric).to_owned());
            let median = measured.get(&key).unwrap_or_else(|| panic!("{key:?} was not measured"));
            assert!((shown - median).abs() <= rounding, "{row}: {shown}, and {median} was measured: {key:?}");
        }
    }
}
