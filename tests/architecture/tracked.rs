//! The files of the repository, as git sees them: tracked ones and new ones that are not ignored.
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scan::{self, Source};

/// A file that is text.
pub(crate) struct Text {
    /// Path from the root of the repository.
    pub(crate) file: String,
    /// Its content.
    pub(crate) text: String,
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All text files. A source archive without git is walked instead.
pub(crate) fn texts() -> Vec<Text> {
    let root = root();
    let mut files = from_git(&root).unwrap_or_else(|| walk(&root));
    files.sort();
    assert!(
        files.iter().any(|file| file == "Cargo.toml"),
        "no files found in {}",
        root.display()
    );
    files
        .into_iter()
        // A vector file is bytes of transmitters, not words of ours.
        .filter_map(|file| {
            let text = std::fs::read_to_string(root.join(&file)).ok()?;
            Some(Text { file, text })
        })
        .collect()
}

/// All Rust sources.
pub(crate) fn sources() -> Vec<Source> {
    let texts = texts();
    let rust: Vec<(&str, &str)> = texts
        .iter()
        .filter(|text| {
            Path::new(&text.file)
                .extension()
                .is_some_and(|ext| ext == "rs")
        })
        .map(|text| (text.file.as_str(), text.text.as_str()))
        .collect();
    scan::sources(&rust)
}

fn from_git(root: &Path) -> Option<Vec<String>> {
    let listing = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .ok()?;
    if !listing.status.success() {
        return None;
    }
    let listing = String::from_utf8(listing.stdout).ok()?;
    Some(
        listing
            .split('\0')
            .filter(|file| !file.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

fn walk(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if name != "target" && name != ".git" && name != "node_modules" {
                    waiting.push(path);
                }
            } else if let Ok(file) = path.strip_prefix(root) {
                files.push(file.to_string_lossy().into_owned());
            }
        }
    }
    files
}
