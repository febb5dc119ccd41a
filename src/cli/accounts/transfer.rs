//! `larm accounts import` and `export`.
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::{Place, existing, open, say, warn, warn_of_shared};
use crate::accounts::FileForm;

/// Arguments of `larm accounts import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "CSV has a header line that names the columns, at least `account`; `larm accounts export` on an empty register prints them all. A column that the file lacks stays as it is; an empty cell unsets its field, but never a key.\nEvery bad row is told with its line. Unless --skip-bad is given, one bad row keeps all out.\n\nExample:\n  account,key,site\n  0042,00112233445566778899aabbccddeeff,Corner shop"
)]
pub(super) struct Import {
    /// The file; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// csv or toml. Without: by the file's name, else csv.
    #[arg(long, value_name = "FORM", value_parser = form)]
    format: Option<FileForm>,
    /// Import the good rows and leave the bad ones out.
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    place: Place,
}

/// Arguments of `larm accounts export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Cells that a spreadsheet would run (= + - @) get a ' before them; import takes it off again.\n\nExamples:\n  larm accounts export > accounts.csv\n  larm accounts export --with-keys --output backup.csv     mode 0600, never to standard output"
)]
pub(super) struct Export {
    /// Write into this new file (mode 0600) instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// csv or toml. Without: by the file's name, else csv.
    #[arg(long, value_name = "FORM", value_parser = form)]
    format: Option<FileForm>,
    /// With the keys, as hex. Needs --output: keys never go to standard output.
    #[arg(long, requires = "output")]
    with_keys: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn import(args: &Import) -> anyhow::Result<ExitCode> {
    let name = args.file.display().to_string();
    let text = if args.file == Path::new("-") {
        read_wiped(std::io::stdin().lock(), 0).context("cannot read standard input")?
    } else {
        let failed = || format!("cannot read {name}");
        let file = File::open(&args.file).with_context(failed)?;
        let len = file.metadata().with_context(failed)?.len();
        read_wiped(file, usize::try_from(len).unwrap_or(0)).with_context(failed)?
    };
    let form = args.format.unwrap_or_else(|| FileForm::of(&args.file));
    let mut register = open(&args.place)?;
    let done = match form {
        FileForm::Csv => register.import_csv(&name, &text, args.skip_bad)?,
        FileForm::Toml => {
            let text = std::str::from_utf8(&text)
                .ok()
                .with_context(|| format!("{name} is no UTF-8 text; save it as UTF-8"))?;
            register.import_toml(&name, text, args.skip_bad)?
        }
    };
    for bad in &done.skipped {
        warn(&format!("{name}:{}: left out: {}", bad.line, bad.reason));
    }
    for (number, weakness) in &done.weak {
        warn(&format!("the key of account {number} is weak: {weakness}"));
    }
    warn_of_shared(&register, None)?;
    let left_out = match done.skipped.len() {
        0 => String::new(),
        count => format!(", {count} left out"),
    };
    say(&format!(
        "{} added, {} changed{left_out}",
        done.added, done.changed
    ))
}

pub(super) fn export(args: &Export) -> anyhow::Result<ExitCode> {
    let register = existing(&args.place)?;
    let named = args.output.as_deref().map(FileForm::of);
    let form = args.format.or(named).unwrap_or(FileForm::Csv);
    match (&args.output, args.with_keys) {
        (Some(path), true) => register.export_with_keys(path, form)?,
        (Some(path), false) => register.export(path, form)?,
        (None, _) => {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            match form {
                FileForm::Csv => register.export_csv(&mut out)??,
                FileForm::Toml => register.export_toml(&mut out)??,
            }
            out.flush()?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn form(text: &str) -> Result<FileForm, String> {
    match text {
        "csv" => Ok(FileForm::Csv),
        "toml" => Ok(FileForm::Toml),
        _ => Err("write csv or toml".to_owned()),
    }
}

/// Reads all of it; a buffer that is outgrown is wiped, since keys may stand in it.
fn read_wiped(mut from: impl Read, expected: usize) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(vec![0; expected.saturating_add(1).max(4096)]);
    let mut len = 0;
    loop {
        if len == text.len() {
            let mut larger = Zeroizing::new(vec![0; text.len() * 2]);
            larger
                .iter_mut()
                .zip(text.iter())
                .for_each(|(new, old)| *new = *old);
            text = larger;
        }
        match from.read(text.get_mut(len..).unwrap_or_default()) {
            Ok(0) => {
                text.truncate(len);
                return Ok(text);
            }
            Ok(read) => len += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
