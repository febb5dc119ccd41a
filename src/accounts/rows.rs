//! Import: rows of cells, whatever file they came from, into the register; all or nothing.
use std::collections::HashMap;

use zeroize::Zeroizing;

use super::error::{BadRow, RegisterError};
use super::fields::{self, Column, Draft};
use super::record::Number;
use super::register::{Register, random_id};
use super::strength::{Weakness, weakness};

/// One account of a file, as text.
pub(super) struct Row {
    /// Its first line, from 1.
    pub(super) line: usize,
    /// Its cells; a key may be among them.
    pub(super) cells: Vec<(Column, Zeroizing<String>)>,
}

/// A file's rows, each read or bad.
pub(super) type Rows<'r> = &'r mut dyn Iterator<Item = Result<Row, BadRow>>;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Accounts that are new.
    pub added: usize,
    /// Accounts that were there; the columns of the file replaced theirs.
    pub changed: usize,
    /// Rows that were left out.
    pub skipped: Vec<BadRow>,
    /// Accounts of the file with a key that is easily guessed.
    pub weak: Vec<(Number, Weakness)>,
}

impl Register {
    /// Puts rows in. A column that the file lacks stays as it is; an empty cell unsets its field,
    /// but never a key: a file without keys, or with some, takes none away.
    pub(super) fn import_rows(
        &mut self,
        name: &str,
        rows: Rows<'_>,
        skip_bad: bool,
    ) -> Result<Imported, RegisterError> {
        let rules = *self.rules();
        self.within(|batch, keys| {
            let mut done = Imported::default();
            let mut seen: HashMap<Number, usize> = HashMap::new();
            for row in rows {
                let checked = row.and_then(|row| {
                    let number = identity(&row)?;
                    match seen.insert(number.clone(), row.line) {
                        Some(first) => Err(BadRow {
                            line: row.line,
                            reason: format!("account {number} stands in line {first} already"),
                        }),
                        None => Ok((row, number)),
                    }
                });
                let (row, number) = match checked {
                    Ok(row) => row,
                    Err(bad) => {
                        done.skipped.push(bad);
                        continue;
                    }
                };
                let known = batch.id(&number)?;
                let mut draft = match known {
                    Some(id) => Draft {
                        account: batch.read(id)?,
                        keys: keys.read(id)?,
                    },
                    None => Draft::default(),
                };
                if let Err(bad) = fill(&mut draft, &row, &rules) {
                    done.skipped.push(bad);
                    continue;
                }
                let weak = draft.keys.iter().flatten().find_map(weakness);
                done.weak.extend(weak.map(|weakness| (number, weakness)));
                let id = match known {
                    Some(id) => id,
                    None => random_id()?,
                };
                keys.write(id, &draft.keys)?;
                batch.write(id, &draft.account)?;
                if known.is_some() {
                    done.changed += 1;
                } else {
                    done.added += 1;
                }
            }
            if done.skipped.is_empty() || skip_bad {
                return Ok(done);
            }
            let good = done.added + done.changed;
            Err(RegisterError::Rows {
                name: name.to_owned(),
                rows: done.skipped,
                good,
            })
        })
    }
}

fn identity(row: &Row) -> Result<Number, BadRow> {
    let mut draft = Draft::default();
    let mut named = false;
    for (column, cell) in &row.cells {
        if matches!(column, Column::Account | Column::Receiver | Column::Line) {
            named |= *column == Column::Account;
            fields::set(&mut draft, *column, cell, None).map_err(|why| BadRow {
                line: row.line,
                reason: why.to_string(),
            })?;
        }
    }
    if named {
        Ok(draft.account.number)
    } else {
        Err(BadRow {
            line: row.line,
            reason: "there is no account number".to_owned(),
        })
    }
}

fn fill(draft: &mut Draft, row: &Row, rules: &fields::Rules) -> Result<(), BadRow> {
    for (column, cell) in &row.cells {
        if column.is_secret() && cell.trim().is_empty() {
            continue;
        }
        fields::set(draft, *column, cell, Some(rules)).map_err(|why| BadRow {
            line: row.line,
            reason: why.to_string(),
        })?;
    }
    Ok(())
}
