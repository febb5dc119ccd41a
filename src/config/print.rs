//! A configuration back as text: every key with its value, its range and its meaning.
use std::fmt::Write as _;

use super::connector::KINDS;
use super::schema::{Key, SECTIONS};
use super::{Acknowledge, Config, Connector, Shadow};

impl Config {
    /// The value of a key of a section that stands once, as it would stand in the file.
    pub(super) fn show(&self, section: &str, key: &str) -> Option<String> {
        match section {
            "gateway" => self.gateway.show(key),
            "accounts" => self.accounts.show(key),
            "dc09" => self.dc09.show(key),
            "repeats" => self.repeats.show(key),
            "queue" => self.queue.show(key),
            "journal" => self.journal.show(key),
            "history" => self.history.show(key),
            "flood" => self.flood.show(key),
            "log" => self.log.show(key),
            _ => None,
        }
    }

    /// The whole configuration as TOML that [`Config::parse`] reads as the same, with a comment at
    /// each key.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        for section in SECTIONS {
            let _ = writeln!(out, "# {}", section.about);
            match section.name {
                "listener" => {
                    for listener in &self.listeners {
                        let _ = writeln!(out, "[[{}]]", section.name);
                        keys(&mut out, section.keys, |key| listener.show(key));
                    }
                }
                "connector" => connectors(&mut out, &self.connectors),
                "acknowledge" => acknowledge(&mut out, &self.acknowledge),
                "shadow" => shadows(&mut out, &self.shadows),
                name => {
                    let _ = writeln!(out, "[{name}]");
                    keys(&mut out, section.keys, |key| self.show(name, key));
                }
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }
}

/// Those that there are; where there are none, one of each kind that is commented out.
fn connectors(out: &mut String, connectors: &[Connector]) {
    for connector in connectors {
        out.push_str("[[connector]]\n");
        keys(out, connector.keys(), |key| connector.show(key));
    }
    if !connectors.is_empty() {
        return;
    }
    for kind in KINDS {
        let Some(connector) = Connector::default_of(kind.name) else {
            continue;
        };
        let _ = writeln!(out, "# {}\n# [[connector]]", kind.about);
        for key in connector.keys() {
            let value = connector.show(key.name).unwrap_or_default();
            let _ = writeln!(out, "# {}", format!("{} = {value}", key.name).trim_end());
        }
        out.push('\n');
    }
}

/// Those that there are; where there is none, one that is commented out.
fn acknowledge(out: &mut String, rules: &[Acknowledge]) {
    let keys_of = super::acknowledge::SECTION.keys;
    for rule in rules {
        out.push_str("[[acknowledge]]\n");
        keys(out, keys_of, |key| rule.show(key));
    }
    if rules.is_empty() {
        out.push_str("# [[acknowledge]]\n");
        for key in keys_of {
            let value = Acknowledge::default().show(key.name).unwrap_or_default();
            let _ = writeln!(out, "# {}", format!("{} = {value}", key.name).trim_end());
        }
        out.push('\n');
    }
}

/// Those that there are; where there are none, one that is commented out.
fn shadows(out: &mut String, shadows: &[Shadow]) {
    for shadow in shadows {
        out.push_str("[[shadow]]\n");
        keys(out, super::shadow::SECTION.keys, |key| shadow.show(key));
    }
    if !shadows.is_empty() {
        return;
    }
    out.push_str("# [[shadow]]\n");
    let usual = Shadow::default();
    for key in super::shadow::SECTION.keys {
        let value = usual.show(key.name).unwrap_or_default();
        let _ = writeln!(out, "# {}", format!("{} = {value}", key.name).trim_end());
    }
    out.push('\n');
}

fn keys<'k>(
    out: &mut String,
    keys: impl IntoIterator<Item = &'k Key>,
    show: impl Fn(&str) -> Option<String>,
) {
    for key in keys {
        comment(out, key);
        match show(key.name) {
            Some(value) => {
                let _ = writeln!(out, "{} = {value}", key.name);
            }
            None => {
                let _ = writeln!(out, "# {} =", key.name);
            }
        }
    }
    out.push('\n');
}

/// The key's meaning and range, in lines of at most 100 characters.
fn comment(out: &mut String, key: &Key) {
    let text = format!("{} Takes {}.", key.what, key.takes.describe());
    let mut width = 0;
    for word in text.split_whitespace() {
        if width == 0 || width + 1 + word.len() > 100 {
            let start = if width == 0 { "#" } else { "\n#" };
            let _ = write!(out, "{start} {word}");
            width = 2 + word.len();
        } else {
            let _ = write!(out, " {word}");
            width += 1 + word.len();
        }
    }
    out.push('\n');
}

/// The tables of the reference in `docs/src/config.md`, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        let name = if section.repeated {
            format!("[[{}]]", section.name)
        } else {
            format!("[{}]", section.name)
        };
        let _ = writeln!(out, "## `{name}`\n\n{}\n", section.about);
        table(&mut out, section.keys);
        if section.name == "connector" {
            for kind in KINDS {
                let _ = writeln!(out, "### `kind = \"{}\"`\n\n{}\n", kind.name, kind.about);
                table(&mut out, kind.keys);
            }
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn table(out: &mut String, keys: &[Key]) {
    out.push_str(
        "| key | takes | default | on SIGHUP | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in keys {
        let default = if key.default.is_empty() {
            "–".to_owned()
        } else {
            format!("`{}`", key.default)
        };
        let reload = if key.reload { "applied" } else { "restart" };
        let _ = writeln!(
            out,
            "| `{}` | {} | {default} | {reload} | {} |",
            key.name,
            key.takes.describe(),
            key.what
        );
    }
    out.push('\n');
}
