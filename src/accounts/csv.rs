//! The register as CSV (RFC 4180): a header line with names of fields, one account per line after it.
//!
//! Spreadsheets run a cell that starts with `=`, `+`, `-` or `@`. Such a cell is written with a `'`
//! before it and read without it. To keep that exact, a cell that has `'` before such a mark already
//! gets one more.
use std::io::{self, Write};

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use zeroize::Zeroizing;

use super::error::{BadRow, RegisterError};
use super::fields::{self, Column, shown};
use super::record::Account;
use super::register::Register;
use super::rows::{Imported, Row};

/// Longest cell in bytes.
const CELL_MAX: usize = 64 * 1024;

impl Register {
    /// Reads CSV; `name` stands in errors as the file's name. A cell that is bad makes its row bad,
    /// and one bad row keeps all out unless `skip_bad`.
    pub fn import_csv(
        &mut self,
        name: &str,
        text: &[u8],
        skip_bad: bool,
    ) -> Result<Imported, RegisterError> {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let mut cells = Cells::new(text);
        let columns = header(name, &mut cells)?;
        let mut rows = std::iter::from_fn(|| cells.row(&columns));
        self.import_rows(name, &mut rows, skip_bad)
    }

    /// Writes every account without keys.
    pub fn export_csv(&self, out: &mut dyn Write) -> io::Result<Result<(), RegisterError>> {
        let columns: Vec<Column> = Column::all().filter(|column| !column.is_secret()).collect();
        write_header(out, &columns)?;
        let mut written = Ok(());
        let read = self.each(|listed| {
            if written.is_ok() {
                written = write_row(out, &columns, &listed.account, [None, None]);
            }
        });
        written.map(|()| read)
    }

    /// Writes every account with its keys; for a file of mode 0600 alone.
    pub(super) fn export_csv_with_keys(
        &self,
        out: &mut dyn Write,
    ) -> io::Result<Result<(), RegisterError>> {
        let columns: Vec<Column> = Column::all().collect();
        write_header(out, &columns)?;
        let mut written = Ok(());
        let read = self.each_with_keys(|account, keys| {
            if written.is_ok() {
                let keys = keys
                    .each_ref()
                    .map(|key| key.as_ref().map(super::export::hex));
                written = write_row(out, &columns, &account, keys);
            }
        });
        written.map(|()| read)
    }
}

fn write_header(out: &mut dyn Write, columns: &[Column]) -> io::Result<()> {
    let names: Vec<&str> = columns.iter().map(|column| column.as_str()).collect();
    out.write_all(names.join(",").as_bytes())?;
    out.write_all(b"\r\n")
}

fn write_row(
    out: &mut dyn Write,
    columns: &[Column],
    account: &Account,
    keys: [Option<Zeroizing<String>>; 2],
) -> io::Result<()> {
    let [now, next] = keys;
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        let secret = match column {
            Column::Key => now.as_ref(),
            Column::KeyNext => next.as_ref(),
            _ => None,
        };
        match secret {
            Some(hex) => out.write_all(hex.as_bytes())?,
            None => write_cell(out, &guard(fields::cell(account, *column)))?,
        }
    }
    out.write_all(b"\r\n")
}

fn write_cell(out: &mut dyn Write, cell: &str) -> io::Result<()> {
    if cell.contains([',', ';', '"', '\r', '\n', '\t']) || cell.trim() != cell {
        write!(out, "\"{}\"", cell.replace('"', "\"\""))
    } else {
        out.write_all(cell.as_bytes())
    }
}

/// Whether a spreadsheet would run this, once the marks in front are off.
fn runs(cell: &str) -> bool {
    cell.trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@'])
}

fn guard(cell: String) -> String {
    if runs(&cell) {
        format!("'{cell}")
    } else {
        cell
    }
}

fn unguard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if runs(cell) => rest,
        _ => cell,
    }
}

/// The columns of the first line.
fn header(name: &str, cells: &mut Cells<'_>) -> Result<Vec<Column>, RegisterError> {
    let table = |line, reason: String| RegisterError::Table {
        name: name.to_owned(),
        line,
        reason,
    };
    let wanted = "the first line names the columns, at least: account,key";
    let Some((line, names)) = cells.record() else {
        return Err(table(1, format!("the file is empty; {wanted}")));
    };
    let names = names.map_err(|reason| table(line, reason))?;
    let mut columns = Vec::with_capacity(names.len());
    for found in &names {
        let found = found.trim();
        let column =
            fields::column(found).map_err(|why| table(line, format!("{why} ({wanted})")))?;
        if columns.contains(&column) {
            return Err(table(
                line,
                format!("the column \"{}\" stands there twice", shown(found)),
            ));
        }
        columns.push(column);
    }
    if columns.contains(&Column::Account) {
        Ok(columns)
    } else {
        Err(table(
            line,
            format!("the column \"account\" is missing; {wanted}"),
        ))
    }
}

/// Cuts a text into records of cells. Every buffer that may hold a key is wiped.
struct Cells<'t> {
    rest: &'t [u8],
    line: usize,
    reader: Reader,
    buffer: Zeroizing<Vec<u8>>,
}

type Record = Result<Vec<Zeroizing<String>>, String>;

impl<'t> Cells<'t> {
    fn new(text: &'t [u8]) -> Self {
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // Spreadsheets of many countries write semicolons.
        let semicolons = first.contains(&b';') && !first.contains(&b',');
        let reader = ReaderBuilder::new()
            .delimiter(if semicolons { b';' } else { b',' })
            .build();
        Self {
            rest: text,
            line: 1,
            reader,
            buffer: Zeroizing::new(vec![0; CELL_MAX]),
        }
    }

    /// The next row under these columns.
    fn row(&mut self, columns: &[Column]) -> Option<Result<Row, BadRow>> {
        let (line, record) = self.record()?;
        let row = record.and_then(|cells| {
            if cells.len() != columns.len() {
                return Err(format!(
                    "there are {} cells, and the first line has {} columns",
                    cells.len(),
                    columns.len()
                ));
            }
            let plain = cells
                .iter()
                .map(|cell| Zeroizing::new(unguard(cell).to_owned()));
            Ok(Row {
                line,
                cells: columns.iter().copied().zip(plain).collect(),
            })
        });
        Some(row.map_err(|reason| BadRow { line, reason }))
    }

    /// The next record that is not blank, with its first line.
    fn record(&mut self) -> Option<(usize, Record)> {
        while let Some((first, rest)) = self.rest.split_first()
            && matches!(first, b'\n' | b'\r')
        {
            self.line += usize::from(*first == b'\n');
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let start = self.line;
        let mut cells = Vec::new();
        let mut bad = None;
        loop {
            let (cell, last) = self.cell();
            match cell {
                Ok(cell) => cells.push(cell),
                Err(reason) => bad = bad.or(Some(format!("cell {}: {reason}", cells.len() + 1))),
            }
            if last {
                break;
            }
        }
        Some((start, bad.map_or(Ok(cells), Err)))
    }

    /// The next cell, and whether it is the last of its record.
    fn cell(&mut self) -> (Result<Zeroizing<String>, String>, bool) {
        let mut len = 0;
        let mut long = false;
        loop {
            let free = self.buffer.get_mut(len..).unwrap_or_default();
            let (result, taken, put) = self.reader.read_field(self.rest, free);
            let (done, rest) = self.rest.split_at(taken.min(self.rest.len()));
            self.line += done.split(|byte| *byte == b'\n').count() - 1;
            self.rest = rest;
            len += put;
            let last = match result {
                ReadFieldResult::Field { record_end } => record_end,
                ReadFieldResult::End => true,
                ReadFieldResult::InputEmpty => continue,
                ReadFieldResult::OutputFull => {
                    long = true;
                    len = 0;
                    continue;
                }
            };
            let bytes = self.buffer.get(..len).unwrap_or_default();
            let cell = match std::str::from_utf8(bytes) {
                _ if long => Err(format!("it is longer than {CELL_MAX} bytes")),
                Ok(text) => Ok(Zeroizing::new(text.to_owned())),
                Err(_) => Err("it is no UTF-8 text; save the file as CSV UTF-8".to_owned()),
            };
            return (cell, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_disarmed() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+46 8 123", "'+46 8 123"),
            ("-", "'-"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("'=1", "''=1"),
            ("'quoted'", "'quoted'"),
            ("plain", "plain"),
        ] {
            assert_eq!(guard(cell.to_owned()), written);
            assert_eq!(unguard(written), cell);
        }
    }

    proptest! {
        #[test]
        fn any_cell_survives(cell: String) {
            let guarded = guard(cell.clone());
            prop_assert_eq!(unguard(&guarded), &cell);
            prop_assert!(!guarded.starts_with(['=', '+', '-', '@']));
        }

        #[test]
        fn any_bytes_are_cut(text: Vec<u8>) {
            let mut cells = Cells::new(&text);
            let mut records = 0;
            while cells.record().is_some() {
                records += 1;
                prop_assert!(records <= text.len());
            }
        }
    }
}
