//! Where a key comes from: a file, standard input, the command line, or the system's random bytes.
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ArgGroup;
use larm_carrier::Key;
use zeroize::Zeroizing;

use crate::accounts::generate_key;

/// Longest key file in bytes: 64 digits, and whatever stands around them.
const KEY_TEXT_MAX: u64 = 1024;

/// A key, or none.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
#[command(next_help_heading = "Key")]
pub(super) struct OptionalKeyArgs {
    /// The key as 32, 48 or 64 hex digits. Others on this machine can see it in the list of
    /// processes; --key-file and --key-stdin keep it to yourself.
    #[arg(long, value_name = "HEX", value_parser = hidden)]
    key: Option<Hidden>,
    /// Read the key, as hex digits, from this file.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Read the key, as hex digits, from standard input.
    #[arg(long)]
    key_stdin: bool,
    /// Make a random AES-128 key and write it, as hex digits, into this new file (mode 0600).
    #[arg(long, value_name = "FILE")]
    generate_key: Option<PathBuf>,
}

/// A key, or the end of a rotation.
#[derive(Debug, clap::Args)]
#[command(
    next_help_heading = "Key",
    group(ArgGroup::new("step").required(true).args(["key", "key_file", "key_stdin", "generate_key", "finish", "cancel"]))
)]
pub(super) struct KeyArgs {
    #[command(flatten)]
    pub(super) source: OptionalKeyArgs,
    /// The transmitter uses the next key: it becomes the only one.
    #[arg(long)]
    pub(super) finish: bool,
    /// Give the rotation up: the next key is forgotten.
    #[arg(long)]
    pub(super) cancel: bool,
}

impl OptionalKeyArgs {
    /// The key, where one is given.
    pub(super) fn read(&self) -> anyhow::Result<Option<Key>> {
        if let Some(Hidden(text)) = &self.key {
            return Ok(Some(Key::from_hex(text.trim())?));
        }
        if let Some(path) = &self.key_file {
            let file = std::fs::File::open(path)
                .with_context(|| format!("cannot read the key file {}", path.display()))?;
            return read_hex(file)
                .with_context(|| path.display().to_string())
                .map(Some);
        }
        if self.key_stdin {
            return read_hex(std::io::stdin().lock())
                .context("standard input")
                .map(Some);
        }
        self.generate_key.as_deref().map(generate).transpose()
    }
}

fn generate(path: &Path) -> anyhow::Result<Key> {
    Ok(generate_key(path)?)
}

fn read_hex(from: impl Read) -> anyhow::Result<Key> {
    // Room for all of it from the start: growing would leave copies behind.
    let room = usize::try_from(KEY_TEXT_MAX + 1).unwrap_or(usize::MAX);
    let mut text = Zeroizing::new(String::with_capacity(room));
    from.take(KEY_TEXT_MAX + 1)
        .read_to_string(&mut text)
        .context("the key cannot be read")?;
    anyhow::ensure!(
        text.len() < room,
        "this is no key: it has more than {KEY_TEXT_MAX} bytes"
    );
    Ok(Key::from_hex(text.trim())?)
}

/// A text that is never printed, and wiped.
#[derive(Clone)]
struct Hidden(Zeroizing<String>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Takes every text: a complaint by the command line's parser would print it.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape that the command line's parser asks for"
)]
fn hidden(text: &str) -> Result<Hidden, std::convert::Infallible> {
    Ok(Hidden(Zeroizing::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_may_have_a_line_end_and_no_more() {
        let digits = "c0ffee00badc0de5deadbeefca11ab1e";
        assert!(read_hex(format!("{digits}\n").as_bytes()).is_ok());
        for text in [
            format!("{digits}\n{digits}\n"),
            format!("{digits} x"),
            "0".repeat(2000),
        ] {
            let told = format!("{:#}", read_hex(text.as_bytes()).unwrap_err());
            assert!(!told.contains("c0ffee"), "{told}");
        }
    }

    #[test]
    fn a_key_on_the_command_line_does_not_print() {
        let args = hidden("c0ffee00").unwrap();
        assert_eq!(format!("{args:?}"), "(hidden)");
    }
}
