//! One broken rule, and the assertion that there is none.
use std::fmt;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Path from the root of the repository.
    pub(crate) file: String,
    /// Line from 1; 0 where the whole file is meant.
    pub(crate) line: usize,
    /// What stands there.
    pub(crate) found: String,
    /// What may stand there instead.
    pub(crate) allowed: String,
}

impl Finding {
    pub(crate) fn new(
        file: &str,
        line: usize,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            line,
            found: found.into(),
            allowed: allowed.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            found,
            allowed,
        } = self;
        write!(f, "{file}:{line}: {found}; allowed: {allowed}")
    }
}

/// Fails with every finding, one on a line.
#[track_caller]
pub(crate) fn none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} findings\n{}",
        lines.len(),
        lines.join("\n")
    );
}
