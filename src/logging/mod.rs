//! The log: human on a terminal, JSON otherwise, on standard error; repeats are limited.
//!
//! At the default level no key, no personal data and no content of a frame is logged. Outside text
//! passes through the formatter's escaping (JSON) or [`clean`] (human form).
mod limit;

use std::io::IsTerminal as _;
use std::sync::OnceLock;

pub use limit::{Allowance, Limiter};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One readable line each.
    Human,
    /// One JSON object each.
    Json,
}

/// Stamps lines with UTC milliseconds.
#[derive(Debug)]
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, out: &mut Writer<'_>) -> std::fmt::Result {
        write!(out, "{}", crate::clock::utc_now())
    }
}

/// Changes the level of the log that was started.
static SET_LEVEL: OnceLock<SetLevel> = OnceLock::new();

type SetLevel = Box<dyn Fn(&str) + Send + Sync>;

/// Starts logging to standard error. `level` is a level word or a filter such as
/// `info,larm::conn=debug`; a filter that cannot be read falls back to `info`.
///
/// Does nothing when logging is already on (a test, or the demo inside one process).
pub fn start(form: Form, level: &str) {
    let terminal = std::io::stderr().is_terminal();
    let json = match form {
        Form::Auto => !terminal,
        Form::Human => false,
        Form::Json => true,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(std::io::stderr)
        .with_timer(Utc)
        .with_target(false);
    // A second start is no fault: the first one's settings stay.
    if json {
        let lines = lines.json().flatten_event(true).with_current_span(false);
        let lines = lines.with_filter_reloading();
        let handle = lines.reload_handle();
        if lines.try_init().is_ok() {
            drop(SET_LEVEL.set(Box::new(move |level| drop(handle.reload(filter(level))))));
        }
    } else {
        let lines = lines.with_ansi(terminal).with_filter_reloading();
        let handle = lines.reload_handle();
        if lines.try_init().is_ok() {
            drop(SET_LEVEL.set(Box::new(move |level| drop(handle.reload(filter(level))))));
        }
    }
}

/// Changes the level from now on.
pub fn set_level(level: &str) {
    if let Some(set) = SET_LEVEL.get() {
        set(level);
    }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Outside text made harmless for one line: control characters, escapes of terminals and
/// characters that change the reading direction are written as escapes, and it is cut at 200
/// characters.
#[must_use]
pub fn clean(text: &str) -> String {
    const LEN_MAX: usize = 200;
    let mut out = String::with_capacity(text.len().min(LEN_MAX));
    for (index, character) in text.chars().enumerate() {
        if index == LEN_MAX {
            out.push('…');
            break;
        }
        let turns = matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || turns || character == '\u{2028}' || character == '\u{2029}' {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_stays_on_its_line() {
        assert_eq!(
            clean("a\r\nb\u{1b}[2J\u{202e}"),
            "a\\u{d}\\u{a}b\\u{1b}[2J\\u{202e}"
        );
    }

    #[test]
    fn outside_text_is_cut() {
        assert_eq!(clean(&"x".repeat(500)).chars().count(), 201);
    }
}
