//! `larm bench plot`: latency against load as a drawing.
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use crate::bench::plot::{Point, Series, svg};

/// Arguments of `larm bench plot`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "A file holds one result of `larm bench load --json` in each line: the same load at several rates.\n\n\
Example:\n  for rate in 1000 10000 50000; do\n    larm bench load --to 127.0.0.1:3061 --connections 1000 --rate $rate --json >> larm.jsonl\n  done\n  \
larm bench plot --series larm=larm.jsonl --series echo=echo.jsonl --output load.svg"
)]
pub(super) struct Args {
    /// A receiver's name, and the file with its results.
    #[arg(long = "series", value_name = "NAME=FILE", required = true, value_parser = named)]
    series: Vec<(String, PathBuf)>,
    /// Above the drawing.
    #[arg(long, default_value = "Latency against load", value_name = "TEXT")]
    title: String,
    /// Where the drawing goes; without it to standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    text.split_once('=')
        .filter(|(name, file)| !name.is_empty() && !file.is_empty())
        .map(|(name, file)| (name.to_owned(), file.into()))
        .ok_or_else(|| "write a name, = and a file, such as larm=larm.jsonl".to_owned())
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let series = args
        .series
        .iter()
        .map(|(name, file)| read(name, file))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let drawing = svg(&args.title, &series);
    match &args.output {
        Some(path) => std::fs::write(path, drawing)
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => std::io::stdout()
            .lock()
            .write_all(drawing.as_bytes())
            .context("standard output")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(name: &str, file: &Path) -> anyhow::Result<Series> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut points = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let place = || {
            format!(
                "{}, line {}: no result of larm bench load --json",
                file.display(),
                index + 1
            )
        };
        let value = serde_json::from_str(line).with_context(place)?;
        points.push(Point::from_json(&value).with_context(place)?);
    }
    ensure!(!points.is_empty(), "{} holds no results", file.display());
    Ok(Series {
        name: name.to_owned(),
        points,
    })
}
