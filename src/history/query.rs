//! Reading the history: in time order, by pages, over the month files that can hold a match.
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use larm_event::{Event, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::{Filter, HistoryError, Month, repeats, row, store};

/// Rows of the first page; each further one is twice as long, up to [`PAGE_ROWS_MAX`].
const PAGE_ROWS_MIN: usize = 64;
/// Rows read at a time. Between two pages no lock is held, so that a slow reader never keeps the
/// writer from folding its log into the file.
const PAGE_ROWS_MAX: usize = 512;

/// A place in time order: receipt time, then position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// When the event was received.
    pub received_at: Timestamp,
    /// Its place in the journal.
    pub position: u64,
}

/// The direction of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Rising,
    /// Newest first.
    Falling,
}

/// The read side of a history. Works beside a running gateway and without one.
pub struct Query {
    directory: PathBuf,
    months: Vec<Month>,
}

impl Query {
    /// Looks for the history in `directory`.
    ///
    /// # Errors
    /// [`HistoryError::Missing`] where there is no such directory.
    pub fn open(directory: &Path) -> Result<Self, HistoryError> {
        Ok(Self {
            directory: directory.to_owned(),
            months: Month::list(directory)?,
        })
    }

    /// The last position in the history, 0 for none. Whoever reads on behind it in the journal
    /// misses nothing.
    pub fn last(&self) -> Result<u64, HistoryError> {
        Ok(super::writer::newest(&self.directory)?.map_or(0, |(_, last)| last))
    }

    /// The events that fulfil the filter, in time order, from `after` (exclusive) on.
    pub fn select(&self, filter: &Filter, order: Order, after: Option<Key>) -> Select {
        let mut months: VecDeque<Month> = self
            .months
            .iter()
            .copied()
            .filter(|&month| can_match(month, filter, order, after))
            .collect();
        if order == Order::Falling {
            months.make_contiguous().reverse();
        }
        Select {
            directory: self.directory.clone(),
            filter: filter.clone(),
            order,
            after,
            months,
            open: None,
            page: VecDeque::new(),
            page_rows: PAGE_ROWS_MIN,
        }
    }
}

/// Whether the month's time overlaps what is asked for.
fn can_match(month: Month, filter: &Filter, order: Order, after: Option<Key>) -> bool {
    let at = |time: Timestamp| Month::of(time);
    filter.since.is_none_or(|since| month >= at(since))
        && filter.until.is_none_or(|until| month <= at(until))
        && after.is_none_or(|after| match order {
            Order::Rising => month >= at(after.received_at),
            Order::Falling => month <= at(after.received_at),
        })
}

/// The events of a [`Query`], one by one. After an error it ends.
pub struct Select {
    directory: PathBuf,
    filter: Filter,
    order: Order,
    after: Option<Key>,
    /// Months still to be read, the open one first.
    months: VecDeque<Month>,
    open: Option<(PathBuf, Connection)>,
    page: VecDeque<Event>,
    /// Length of the next page.
    page_rows: usize,
}

impl Iterator for Select {
    type Item = Result<Event, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Some(Ok(event));
            }
            let &month = self.months.front()?;
            match self.read_page(month) {
                Ok(full) => {
                    if !full {
                        self.months.pop_front();
                        self.open = None;
                    }
                }
                Err(error) => {
                    self.months.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Select {
    /// Reads the next page of `month`; true where another may follow.
    fn read_page(&mut self, month: Month) -> Result<bool, HistoryError> {
        let (path, connection) = if let Some(open) = self.open.take() {
            open
        } else {
            let path = month.file(&self.directory);
            match store::open_to_read(&path) {
                Ok(connection) => (path, connection),
                // Removed since the months were listed.
                Err(_) if !path.exists() => return Ok(false),
                Err(error) => return Err(error),
            }
        };
        if store::layout(&connection, &path)? == 0 {
            return Ok(false);
        }
        let (text, values) = statement(&self.filter, self.order, self.after, self.page_rows);
        let rows = connection
            .prepare_cached(&text)
            .and_then(|mut statement| {
                statement
                    .query_map(params_from_iter(values), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?
                    .collect::<rusqlite::Result<Vec<(i64, i64, String, String)>>>()
            })
            .map_err(HistoryError::sqlite(&path))?;
        let full = rows.len() == self.page_rows;
        self.page_rows = (self.page_rows * 2).min(PAGE_ROWS_MAX);
        for (position, received_at, id, json) in rows {
            let key = Key {
                received_at: Timestamp::from_millis(received_at),
                position: u64::try_from(position).unwrap_or(0),
            };
            self.after = Some(key);
            self.page.push_back(row::event_of_row(key, &id, json));
        }
        repeats::merge(&connection, self.page.iter_mut()).map_err(HistoryError::sqlite(&path))?;
        self.open = Some((path, connection));
        Ok(full)
    }
}

/// The page's statement: the same conditions as [`Filter::matches`], and the keyset.
fn statement(
    filter: &Filter,
    order: Order,
    after: Option<Key>,
    rows: usize,
) -> (String, Vec<Value>) {
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    let clamp = |position: u64| Value::from(i64::try_from(position).unwrap_or(i64::MAX));
    if let Some(account) = &filter.account {
        add("account = ?", account.clone().into());
    }
    if let Some(since) = filter.since {
        add("received_at >= ?", since.as_millis().into());
    }
    if let Some(until) = filter.until {
        add("received_at < ?", until.as_millis().into());
    }
    if let Some(code) = &filter.code {
        add("code = ?", code.clone().into());
    }
    if let Some(known) = filter.known {
        // No column of its own; what is no JSON counts as unknown, as where rows are read.
        let field = "iif(json_valid(event), json_extract(event, '$.account_known'), 0)";
        add(&format!("coalesce({field}, 0) = ?"), known.into());
    }
    if let Some(last) = filter.up_to {
        add("position <= ?", clamp(last));
    }
    // The words are a closed set without quotes, so they stand in the text.
    let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
    let categories: Vec<&str> = filter.categories.iter().map(|word| word.as_str()).collect();
    let mut past = |sign: &str| {
        if let Some(after) = after {
            values.push(after.received_at.as_millis().into());
            values.push(clamp(after.position));
            let (time, position) = (values.len() - 1, values.len());
            conditions.push(format!(
                "(received_at, position) {sign} (?{time}, ?{position})"
            ));
        }
    };
    let direction = match order {
        Order::Rising => {
            past(">");
            "ASC"
        }
        Order::Falling => {
            past("<");
            "DESC"
        }
    };
    for (column, words) in [("kind", kinds), ("category", categories)] {
        if !words.is_empty() {
            conditions.push(format!("{column} IN ('{}')", words.join("', '")));
        }
    }
    let text = format!(
        "SELECT position, received_at, id, event FROM event WHERE {} \
         ORDER BY received_at {direction}, position {direction} LIMIT {rows}",
        conditions.join(" AND ")
    );
    (text, values)
}
