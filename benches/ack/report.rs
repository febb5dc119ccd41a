//! Medians over the rounds, as a table and as one line of JSON.
#![expect(
    clippy::print_stdout,
    reason = "the figures are what this program is for"
)]
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::load::Seen;
use crate::silent::Silent;

/// One line of one round: nanoseconds, and how many in a second.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    p50: u64,
    p99: u64,
    max: u64,
    rate: f64,
}

impl Line {
    pub(crate) fn of(times: &Histogram<u64>, rate: f64) -> Self {
        Self {
            p50: times.value_at_quantile(0.5),
            p99: times.value_at_quantile(0.99),
            max: times.max(),
            rate,
        }
    }

    /// Of work that is done one after the other.
    pub(crate) fn in_turn(times: &Histogram<u64>) -> Self {
        Self::of(times, 1e9 / times.mean().max(1.0))
    }

    pub(crate) fn seen(seen: &Seen) -> Self {
        Self::of(&seen.latency, seen.rate)
    }
}

/// Named lines, the same ones in each round.
pub(crate) type Round = Vec<(String, Line)>;

/// Prints everything.
pub(crate) fn print(rounds: &[Round], silent: Option<&Silent>, binary: Binary) {
    let mut table = String::new();
    let mut lines = serde_json::Map::new();
    let head = ["", "p50", "p99", "max", "per second"];
    row(&mut table, head.map(str::to_owned));
    for (index, (name, _)) in rounds.first().into_iter().flatten().enumerate() {
        let of: Vec<Line> = rounds
            .iter()
            .filter_map(|round| round.get(index))
            .map(|(_, line)| *line)
            .collect();
        let line = median_line(&of);
        row(
            &mut table,
            [
                name.clone(),
                micros(line.p50),
                micros(line.p99),
                micros(line.max),
                format!("{:.0}", line.rate),
            ],
        );
        lines.insert(name.clone(), line_json(line, &of));
    }
    println!("\nmedians of {} rounds\n{table}", rounds.len());
    println!(
        "binary                {} ({} without debug information)",
        mebibytes(binary.len),
        binary.stripped.map_or("unknown".to_owned(), mebibytes)
    );
    if let Some(silent) = silent {
        println!("resident, idle        {}", mebibytes(silent.idle));
        println!(
            "resident, {:<6} conn. {} ({} bytes each)",
            silent.connections,
            mebibytes(silent.held),
            silent.each()
        );
        let tests = Line::seen(&silent.link_tests);
        println!(
            "link tests meanwhile  {} answered, p50 {}, p99 {}, max {}",
            silent.link_tests.latency.len(),
            micros(tests.p50),
            micros(tests.p99),
            micros(tests.max)
        );
    }
    let all = json!({
        "rounds": rounds.len(),
        "nanoseconds": lines,
        "binary_bytes": binary.len,
        "binary_stripped_bytes": binary.stripped,
        "silent": silent.map(silent_json),
    });
    println!("\n{all}");
}

/// Bytes of the program's file.
#[derive(Clone, Copy)]
pub(crate) struct Binary {
    pub(crate) len: u64,
    /// Where the system's `strip` could tell.
    pub(crate) stripped: Option<u64>,
}

fn line_json(median: Line, rounds: &[Line]) -> Value {
    json!({
        "p50": median.p50,
        "p99": median.p99,
        "max": median.max,
        "per_second": median.rate.round(),
        "p50_of_rounds": rounds.iter().map(|line| line.p50).collect::<Vec<_>>(),
        "p99_of_rounds": rounds.iter().map(|line| line.p99).collect::<Vec<_>>(),
    })
}

fn silent_json(silent: &Silent) -> Value {
    let tests = &silent.link_tests.latency;
    json!({
        "connections": silent.connections,
        "idle_bytes": silent.idle,
        "held_bytes": silent.held,
        "bytes_each": silent.each(),
        "link_tests": tests.len(),
        "link_test_p50": tests.value_at_quantile(0.5),
        "link_test_p99": tests.value_at_quantile(0.99),
    })
}

fn row(table: &mut String, cells: [String; 5]) {
    let [name, p50, p99, max, rate] = cells;
    writeln!(table, "{name:<28}{p50:>12}{p99:>12}{max:>12}{rate:>12}")
        .expect("a string takes everything");
}

/// Each figure's median on its own.
fn median_line(lines: &[Line]) -> Line {
    let of = |pick: fn(&Line) -> u64| {
        let mut values: Vec<u64> = lines.iter().map(pick).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    };
    let mut rates: Vec<f64> = lines.iter().map(|line| line.rate).collect();
    rates.sort_unstable_by(f64::total_cmp);
    Line {
        p50: of(|line| line.p50),
        p99: of(|line| line.p99),
        max: of(|line| line.max),
        rate: rates.get(rates.len() / 2).copied().unwrap_or(0.0),
    }
}

fn micros(nanoseconds: u64) -> String {
    format!("{}.{} µs", nanoseconds / 1000, nanoseconds / 100 % 10)
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
