//! The book and the pages at the root: every chapter exists and is listed, every link inside the
//! repository leads somewhere, and every test that a page names exists.
//!
//! mdBook itself makes missing chapters without a word, and leaves out those that are not listed.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::finding::Finding;

/// Pages outside of the book whose links are checked as well.
const PAGES: [&str; 4] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
];

/// A page: its path from the root, and its text.
struct Page {
    file: String,
    text: String,
}

pub(crate) fn check(root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut pages: Vec<Page> = chapters(&root.join("docs/src"))
        .into_iter()
        .map(|name| format!("docs/src/{name}"))
        .chain(PAGES.map(str::to_owned))
        .filter_map(|file| match std::fs::read_to_string(root.join(&file)) {
            Ok(text) => Some(Page { file, text }),
            Err(error) => {
                findings.push(Finding::new(&file, 0, error.to_string(), "a page"));
                None
            }
        })
        .collect();
    pages.sort_by(|a, b| a.file.cmp(&b.file));
    findings.extend(summary(&pages));
    findings.extend(links(root, &pages));
    findings.extend(pages.iter().flat_map(|page| named_tests(root, page)));
    findings.extend(quirks(root, &pages));
    findings
}

fn chapters(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| Path::new(name).extension().is_some_and(|ext| ext == "md"))
        .collect()
}

/// `SUMMARY.md` lists every chapter, and nothing else.
fn summary(pages: &[Page]) -> Vec<Finding> {
    const FILE: &str = "docs/src/SUMMARY.md";
    let Some(listing) = pages.iter().find(|page| page.file == FILE) else {
        return vec![Finding::new(
            FILE,
            0,
            "no summary",
            "a list of the chapters",
        )];
    };
    let listed: BTreeSet<String> = targets(&listing.text)
        .into_iter()
        .map(|(_, to)| format!("docs/src/{to}"))
        .collect();
    pages
        .iter()
        .filter(|page| page.file.starts_with("docs/src/") && page.file != FILE)
        .filter(|page| !listed.contains(&page.file))
        .map(|page| {
            Finding::new(
                FILE,
                0,
                format!("{} is not listed", page.file),
                "every chapter",
            )
        })
        .collect()
}

/// Links inside the repository: the file exists, and so does the heading behind `#`.
fn links(root: &Path, pages: &[Page]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in pages {
        let folder = Path::new(&page.file).parent().unwrap_or(Path::new(""));
        for (line, to) in targets(&page.text) {
            if to.contains("://") || to.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = to.split_once('#').unwrap_or((&to, ""));
            let path = if file.is_empty() {
                PathBuf::from(&page.file)
            } else {
                folder.join(file)
            };
            let text = std::fs::read_to_string(root.join(&path));
            let exists = text.is_ok() || root.join(&path).exists();
            let found = match text {
                _ if !exists => format!("link to {to}"),
                Ok(text) if !heading.is_empty() && !headings(&text).contains(heading) => {
                    format!("link to the heading {to}")
                }
                _ => continue,
            };
            findings.push(Finding::new(&page.file, line, found, "what is there"));
        }
    }
    findings
}

/// The targets of all `[text](target)` outside of code, with their lines.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, text) in prose(text) {
        for (at, _) in text.match_indices("](") {
            if let Some(end) = text[at..].find(')') {
                found.push((line, text[at + 2..at + end].trim().to_owned()));
            }
        }
    }
    found
}

/// The lines outside of fenced code, with inline code blanked.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let plain: Vec<&str> = line.split('`').step_by(2).collect();
            lines.push((index + 1, plain.join(" ")));
        }
    }
    lines
}

/// The anchors that mdBook and code hosts give to headings.
fn headings(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            words
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

/// Tests that a page names as `path/to/file.rs::function` exist.
fn named_tests(root: &Path, page: &Page) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        for code in line.split('`').skip(1).step_by(2) {
            let Some((file, function)) = code.split_once(".rs::") else {
                continue;
            };
            let source =
                std::fs::read_to_string(root.join(format!("{file}.rs"))).unwrap_or_default();
            if !source.contains(&format!("fn {function}(")) {
                findings.push(Finding::new(
                    &page.file,
                    index + 1,
                    code,
                    "tests that exist",
                ));
            }
        }
    }
    findings
}

/// Switches that a page names as a quirk exist in the protocol's list.
fn quirks(root: &Path, pages: &[Page]) -> Vec<Finding> {
    const LIST: &str = "protocols/dc09/src/quirks.rs";
    let list = std::fs::read_to_string(root.join(LIST)).unwrap_or_default();
    let mut findings = Vec::new();
    for page in pages {
        for (index, line) in page.text.lines().enumerate() {
            for (at, mark) in line.match_indices("quirk `") {
                let name = line[at + mark.len()..]
                    .split('`')
                    .next()
                    .unwrap_or_default();
                if !list.contains(&format!("\"{name}\"")) {
                    let found = format!("quirk `{name}`");
                    findings.push(Finding::new(&page.file, index + 1, found, LIST));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::check;

    #[test]
    fn what_is_missing_in_a_book_is_found() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let root = folder.path();
        fs::create_dir_all(root.join("docs/src")).expect("made");
        let write = |file: &str, text: &str| fs::write(root.join(file), text).expect("written");
        for page in super::PAGES {
            write(page, "fine\n");
        }
        write(
            "docs/src/SUMMARY.md",
            "# S\n\n- [A](a.md)\n- [Gone](gone.md)\n",
        );
        write(
            "docs/src/a.md",
            "# A b\n[x](#a-b) [y](#c) `[no](link)`\n```\n[no](link)\n```\n`t.rs::one` `t.rs::two`\n",
        );
        write(
            "docs/src/forgotten.md",
            "[out](https://example.org) [up](../../README.md)\nquirk `odd`\n",
        );
        write("t.rs", "fn one() {}\n");
        let found: Vec<String> = check(root).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/src/SUMMARY.md:0: docs/src/forgotten.md is not listed; allowed: every chapter",
                "docs/src/SUMMARY.md:4: link to gone.md; allowed: what is there",
                "docs/src/a.md:2: link to the heading #c; allowed: what is there",
                "docs/src/a.md:6: t.rs::two; allowed: tests that exist",
                "docs/src/forgotten.md:2: quirk `odd`; allowed: protocols/dc09/src/quirks.rs",
            ]
        );
    }
}
