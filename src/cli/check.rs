//! `larm check`: validates a configuration and tells every problem at once.
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::{Config, ConfigError, reload};
use crate::registry;

/// Arguments of `larm check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the configuration can be used, 78 it cannot. Problems go to standard error, each with file, line and column, what is wrong and what would be right.\n\nExamples:\n  larm check --config larm.toml\n  larm check --print-defaults > larm.toml     a file with every key to start from"
)]
pub(super) struct Args {
    /// The configuration file; without one the defaults are checked.
    #[arg(long, short, value_name = "FILE", env = "LARM_CONFIG")]
    config: Option<PathBuf>,
    /// The same, for short.
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// Print a whole configuration with every default and what each key means.
    #[arg(long, conflicts_with_all = ["file", "json"])]
    print_defaults: bool,
    /// One JSON object on standard output: ok, file, problems.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if args.print_defaults {
        out.write_all(Config::default().to_toml().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = args.file.as_deref().or(args.config.as_deref());
    let found = path.map_or_else(
        || Ok(Config::default()),
        |path| Config::load(path, &registry::judge),
    );
    if args.json {
        writeln!(out, "{}", as_json(path, found.as_ref().err()))?;
        return Ok(code(found.is_ok()));
    }
    match found {
        Ok(config) => {
            out.write_all(summary(path, &config).as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(super::refuse_config(&error)),
    }
}

fn code(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(super::EXIT_BAD_CONFIG)
    }
}

/// `ok`, where it listens, and what differs from the defaults.
fn summary(path: Option<&Path>, config: &Config) -> String {
    let mut lines = vec!["ok".to_owned()];
    lines.push(match path {
        Some(path) => format!("  file      {}", path.display()),
        None => "  file      none; these are the defaults".to_owned(),
    });
    lines.push(format!("  data      {}", config.gateway.data.display()));
    for listener in &config.listeners {
        for url in listener.urls() {
            lines.push(format!(
                "  listener  {url} ({}, {})",
                listener.name, listener.role
            ));
        }
    }
    for connector in &config.connectors {
        let off = if connector.enabled {
            ""
        } else {
            ", not enabled"
        };
        lines.push(format!(
            "  connector {} ({}{off})",
            connector.name,
            connector.kind.name()
        ));
    }
    let set = reload(&Config::default(), config);
    // Sections that may stand several times have a space there, or no point.
    let keys = set.iter().filter(|change| change.what.contains('.'));
    for change in keys {
        let usual = change.old.as_deref().unwrap_or("none");
        let value = change.new.as_deref().unwrap_or("none");
        lines.push(format!(
            "  set       {} = {value} (default {usual})",
            change.what
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn as_json(path: Option<&Path>, error: Option<&ConfigError>) -> serde_json::Value {
    let problems: Vec<serde_json::Value> = match error {
        None => Vec::new(),
        Some(ConfigError::Invalid(report)) => report
            .problems
            .iter()
            .map(|problem| {
                let (line, column) = report.place(problem);
                serde_json::json!({
                    "line": line,
                    "column": column,
                    "what": problem.kind.title(),
                    "right": problem.kind.right(),
                })
            })
            .collect(),
        Some(error @ (ConfigError::Read { .. } | ConfigError::NotText { .. })) => {
            vec![serde_json::json!({ "what": error.to_string() })]
        }
    };
    serde_json::json!({
        "ok": error.is_none(),
        "file": path.map(|path| path.display().to_string()),
        "problems": problems,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_tells_what_differs() {
        let text = "[queue]\nalarms = 99\n[[listener]]\nname = \"a\"\naddress = \"[::1]:7\"\n";
        let config = Config::parse("x", text).unwrap();
        let told = summary(Some(Path::new("x")), &config);
        assert_eq!(
            told,
            "ok\n  file      x\n  data      ./larm-data\n  listener  dc09+tcp://[::1]:7 (a, primary)\n  set       queue.alarms = 99 (default 8192)\n"
        );
    }

    #[test]
    fn problems_have_places_in_json() {
        let error = Config::parse("x", "[queue]\nalarm = 99\n").unwrap_err();
        let told = as_json(Some(Path::new("x")), Some(&error));
        assert_eq!(told["ok"], false);
        assert_eq!(told["problems"][0]["line"], 2);
        assert_eq!(told["problems"][0]["column"], 1);
        assert_eq!(told["problems"][0]["right"], "did you mean `alarms`?");
    }
}
