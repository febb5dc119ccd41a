//! A configuration back as text: every key with its value, its range and its meaning.
use std::fmt::Write as _;

use super::Config;
use super::schema::{Key, SECTIONS, Section};

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
            if section.repeated {
                for listener in &self.listeners {
                    let _ = writeln!(out, "[[{}]]", section.name);
                    keys(&mut out, section, |key| listener.show(key));
                }
            } else {
                let _ = writeln!(out, "[{}]", section.name);
                keys(&mut out, section, |key| self.show(section.name, key));
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }
}

fn keys(out: &mut String, section: &Section, show: impl Fn(&str) -> Option<String>) {
    for key in section.keys {
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
        out.push_str(
            "| key | takes | default | on SIGHUP | meaning |\n| --- | --- | --- | --- | --- |\n",
        );
        for key in section.keys {
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
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}
