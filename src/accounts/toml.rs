//! The register as TOML: one `[[account]]` per account, with the names and forms of the CSV columns.
//! Lists are lists of their items.
use std::io::{self, Write};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::error::{BadRow, RegisterError};
use super::fields::{self, Column, escape, shown};
use super::keys::Keys;
use super::record::Account;
use super::register::Register;
use super::rows::{Imported, Row};

impl Register {
    /// Reads TOML; everything else is as with [`Register::import_csv`].
    pub fn import_toml(
        &mut self,
        name: &str,
        text: &str,
        skip_bad: bool,
    ) -> Result<Imported, RegisterError> {
        let lines = Lines::new(text);
        let table = |at: usize, reason: String| RegisterError::Table {
            name: name.to_owned(),
            line: lines.of(at),
            reason,
        };
        let document = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            table(at, format!("this is no TOML: {}", error.message()))
        })?;
        let document = document.get_ref();
        if let Some(other) = document.keys().find(|key| key.get_ref() != "account") {
            let reason = format!(
                "\"{}\" is not known; write [[account]]",
                shown(other.get_ref())
            );
            return Err(table(other.span().start, reason));
        }
        let accounts: &[Spanned<DeValue<'_>>] = match document.get("account") {
            None => &[],
            Some(value) => {
                let DeValue::Array(accounts) = value.get_ref() else {
                    let reason = "write [[account]], in double brackets, once for each".to_owned();
                    return Err(table(value.span().start, reason));
                };
                accounts
            }
        };
        let mut rows = accounts.iter().map(|account| row(&lines, account));
        self.import_rows(name, &mut rows, skip_bad)
    }

    /// Writes every account without keys.
    pub fn export_toml(&self, out: &mut dyn Write) -> io::Result<Result<(), RegisterError>> {
        let mut written = Ok(());
        let read = self.each(|listed| {
            if written.is_ok() {
                written = write_account(out, &listed.account, &[None, None]);
            }
        });
        written.map(|()| read)
    }

    /// Writes every account with its keys; for a file of mode 0600 alone.
    pub(super) fn export_toml_with_keys(
        &self,
        out: &mut dyn Write,
    ) -> io::Result<Result<(), RegisterError>> {
        let mut written = Ok(());
        let read = self.each_with_keys(|account, keys| {
            if written.is_ok() {
                written = write_account(out, &account, &keys);
            }
        });
        written.map(|()| read)
    }
}

fn write_account(out: &mut dyn Write, account: &Account, keys: &Keys) -> io::Result<()> {
    out.write_all(b"[[account]]\n")?;
    let quote = |text: String| toml::Value::String(text).to_string();
    for column in Column::all() {
        if column.is_secret() {
            let [now, next] = keys;
            let key = if column == Column::Key { now } else { next };
            if let Some(key) = key {
                writeln!(
                    out,
                    "{} = \"{}\"",
                    column.as_str(),
                    *super::export::hex(key)
                )?;
            }
            continue;
        }
        let items = fields::items(account, column);
        if items.is_empty() {
            continue;
        }
        if column.is_list() {
            let quoted: Vec<String> = items.into_iter().map(quote).collect();
            writeln!(out, "{} = [{}]", column.as_str(), quoted.join(", "))?;
        } else {
            writeln!(
                out,
                "{} = {}",
                column.as_str(),
                quote(fields::cell(account, column))
            )?;
        }
    }
    out.write_all(b"\n")
}

fn row(lines: &Lines, account: &Spanned<DeValue<'_>>) -> Result<Row, BadRow> {
    let line = lines.of(account.span().start);
    let DeValue::Table(table) = account.get_ref() else {
        return Err(BadRow {
            line,
            reason: "write [[account]] on a line of its own".to_owned(),
        });
    };
    let mut cells = Vec::with_capacity(table.len());
    for (key, value) in table {
        let line = lines.of(key.span().start);
        let bad = |reason: String| BadRow { line, reason };
        let column = fields::column(key.get_ref()).map_err(|why| bad(why.to_string()))?;
        let cell = cell(column, value.get_ref()).map_err(bad)?;
        cells.push((column, cell));
    }
    Ok(Row { line, cells })
}

/// A value as the text of a CSV cell.
fn cell(column: Column, value: &DeValue<'_>) -> Result<Zeroizing<String>, String> {
    let name = column.as_str();
    let text = match value {
        DeValue::String(text) => text.as_ref().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Integer(_) | DeValue::Float(_) => {
            return Err(format!("{name}: write it in quotes; zeros in front count"));
        }
        DeValue::Array(items) if column.is_list() => {
            let texts = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Ok(text.as_ref()),
                _ => Err(format!("{name}: every item of the list is text in quotes")),
            });
            texts.collect::<Result<Vec<&str>, String>>()?.join(";")
        }
        DeValue::Table(pairs) if matches!(column, Column::Zones | Column::Priorities) => {
            let pairs = pairs.iter().map(|(key, value)| {
                let value = match value.get_ref() {
                    DeValue::String(text) => escape(text),
                    DeValue::Integer(number) => number.to_string(),
                    _ => {
                        return Err(format!(
                            "{name}: every value of the table is text in quotes"
                        ));
                    }
                };
                Ok(format!("{}={value}", escape(key.get_ref())))
            });
            pairs.collect::<Result<Vec<String>, String>>()?.join(";")
        }
        DeValue::Array(_) | DeValue::Table(_) => {
            return Err(format!("{name}: write one text in quotes"));
        }
    };
    Ok(Zeroizing::new(text))
}

/// Line numbers of places in a text: the places of all line ends.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(ends.map(|(at, _)| at).collect())
    }

    fn of(&self, at: usize) -> usize {
        1 + self.0.partition_point(|end| *end < at)
    }
}
