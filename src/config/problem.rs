//! What can be wrong with a configuration: where it stands, what it says, what would be right.
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not UTF-8.
    #[error("the configuration {} is no UTF-8 text (byte {at}); save it as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// First byte that does not fit, from 0.
        at: usize,
    },
    /// The text says something that is wrong; all of it.
    #[error("{}", .0.render(false))]
    Invalid(Box<Report>),
}

/// Every problem of one text.
#[derive(Debug)]
pub struct Report {
    /// The file's name as the user gave it.
    pub name: String,
    /// The text.
    pub text: String,
    /// The problems in the order of the text; at least one.
    pub problems: Vec<Problem>,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes of the text that are wrong. `start <= end <= text.len()`.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub kind: ProblemKind,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// No TOML.
    Syntax {
        /// What the TOML reader says.
        message: String,
    },
    /// A section that does not exist.
    UnknownSection {
        /// Its name.
        found: String,
        /// The nearest name that exists.
        suggestion: Option<&'static str>,
    },
    /// A key that the section does not have.
    UnknownKey {
        /// The section.
        section: &'static str,
        /// The key.
        found: String,
        /// The nearest key that exists.
        suggestion: Option<String>,
        /// All that exist.
        known: String,
    },
    /// `[x]` where `[[x]]` belongs, or the other way, or no table at all.
    WrongShape {
        /// The section.
        section: &'static str,
        /// It belongs in double brackets.
        repeated: bool,
    },
    /// The value is of another type, out of range, or none of the words.
    WrongValue {
        /// The key.
        key: &'static str,
        /// The value as written.
        found: String,
        /// What is wrong with it.
        why: String,
        /// What would be right.
        right: String,
    },
    /// A key without which the section says nothing.
    Missing {
        /// The section.
        section: &'static str,
        /// The key.
        key: &'static str,
        /// What would be right.
        right: String,
    },
    /// The same thing twice.
    Twice {
        /// What: a name or an address.
        what: String,
        /// Where it stands first, as bytes of the text.
        first: Range<usize>,
    },
    /// A key that says nothing for a datagram listener.
    NotForUdp {
        /// The key.
        key: &'static str,
    },
    /// A connector that cannot be built from settings that are sound one by one.
    Connector {
        /// Its name.
        name: String,
        /// The key that is wrong.
        key: &'static str,
        /// What is wrong, and what to write instead.
        problem: String,
    },
    /// Two keys that do not go together.
    Conflict {
        /// What does not go together.
        what: String,
        /// What would be right.
        right: String,
    },
}

impl ProblemKind {
    /// What is wrong, in one line.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Syntax { message } => format!("this is no TOML: {message}"),
            Self::UnknownSection { found, .. } => format!("there is no section [{found}]"),
            Self::UnknownKey { section, found, .. } => {
                format!("[{section}] has no key `{found}`")
            }
            Self::WrongShape { section, .. } => format!("`{section}` is written in another way"),
            Self::WrongValue {
                key, found, why, ..
            } => {
                format!("`{key}` cannot be {found}: {why}")
            }
            Self::Missing { section, key, .. } => format!("[[{section}]] lacks the key `{key}`"),
            Self::Twice { what, .. } => format!("{what} stands here twice"),
            Self::NotForUdp { key } => format!("`{key}` has no meaning with transport = \"udp\""),
            Self::Connector { name, key, .. } => {
                format!("`{key}` does not do for connector \"{name}\"")
            }
            Self::Conflict { what, .. } => what.clone(),
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn right(&self) -> String {
        match self {
            Self::Syntax { .. } => "correct the line; the rest is checked then".to_owned(),
            Self::UnknownSection { suggestion, .. } => match suggestion {
                Some(name) => format!("did you mean [{name}]?"),
                None => format!("sections are {}", section_names()),
            },
            Self::UnknownKey {
                suggestion, known, ..
            } => match suggestion {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("its keys are {known}"),
            },
            Self::WrongShape { section, repeated } => {
                if *repeated {
                    format!("write [[{section}]], in double brackets, once for each")
                } else {
                    format!("write [{section}] once, on its own line, and its keys below")
                }
            }
            Self::WrongValue { right, .. }
            | Self::Missing { right, .. }
            | Self::Conflict { right, .. } => format!("write {right}"),
            Self::Connector { problem, .. } => problem.clone(),
            Self::Twice { .. } => "change or remove one of the two".to_owned(),
            Self::NotForUdp { .. } => "remove the line".to_owned(),
        }
    }
}

fn section_names() -> String {
    let names: Vec<&str> = super::schema::SECTIONS
        .iter()
        .map(|section| section.name)
        .collect();
    names.join(", ")
}

impl Report {
    /// All problems, each with file, line, column, the line itself and a caret.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let text = visible(&self.text);
        let mut out = String::new();
        for problem in &self.problems {
            let right = problem.kind.right();
            let mut snippet = Snippet::source(text.as_str())
                .path(self.name.as_str())
                .annotation(
                    AnnotationKind::Primary
                        .span(self.within(&problem.span))
                        .label(right.as_str()),
                );
            if let ProblemKind::Twice { first, .. } = &problem.kind {
                snippet = snippet.annotation(
                    AnnotationKind::Context
                        .span(self.within(first))
                        .label("first here"),
                );
            }
            let title = problem.kind.title();
            let group = Level::ERROR.primary_title(title.as_str()).element(snippet);
            out.push_str(&renderer.render(&[group]));
            out.push_str("\n\n");
        }
        out.push_str(&self.sum());
        out
    }

    /// Line and column of a problem, both from 1; the column counts characters.
    #[must_use]
    pub fn place(&self, problem: &Problem) -> (usize, usize) {
        let before = self
            .text
            .get(..self.within(&problem.span).start)
            .unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    fn sum(&self) -> String {
        match self.problems.len() {
            1 => format!("{}: 1 problem", self.name),
            many => format!("{}: {many} problems", self.name),
        }
    }

    /// The span cut to the text and to whole characters: a place to point at is no reason to fail.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end.max(start));
        start..end
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// The text with every control character replaced by a visible one of as many bytes, so that spans
/// still fit and a terminal obeys nothing that stands in a file.
fn visible(text: &str) -> String {
    let stand_in = |c: char| match c {
        '\n' | '\t' => c,
        '\r' => ' ',
        _ if c.is_ascii_control() => '?',
        _ if c.is_control() => '¤',
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
        _ => c,
    };
    text.chars().map(stand_in).collect()
}
