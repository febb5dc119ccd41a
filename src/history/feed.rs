//! Everything up to now, then what comes: the history's rows, and behind them the journal's tail.
//!
//! What was acknowledged a moment ago is in the journal and perhaps not yet in the history; a feed
//! shows it all the same, each event once.
use std::collections::VecDeque;
use std::path::Path;

use larm_event::Event;

use super::{Filter, HistoryError, Order, Query, Source, SourceError, event_of};

/// A view over history and journal that begins with the oldest event and can be followed.
pub struct Feed<S> {
    query: Option<Query>,
    /// Without `up_to`.
    wanted: Filter,
    /// The last position that is taken from the history; the journal is read behind it.
    last: u64,
    source: S,
}

impl<S: Source> Feed<S> {
    /// Looks at the history in `directory`, which may be missing, and takes from `open` a source
    /// that begins at the position behind it.
    ///
    /// The filter's `up_to` is overwritten.
    pub fn open(
        directory: &Path,
        filter: Filter,
        open: impl FnOnce(u64) -> Result<S, SourceError>,
    ) -> Result<Self, HistoryError> {
        let query = match Query::open(directory) {
            Ok(query) => Some(query),
            Err(HistoryError::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        // The cursor is read before any row: rows up to it are there, and those that come later
        // are left to the journal.
        let last = match &query {
            Some(query) => query.last()?,
            None => 0,
        };
        let source = open(last + 1)?;
        let wanted = Filter {
            up_to: None,
            ..filter
        };
        Ok(Self {
            query,
            wanted,
            last,
            source,
        })
    }

    /// The matching events of the history, by time. What follows comes from [`Feed::arrived`].
    pub fn stored(&self) -> impl Iterator<Item = Result<Event, HistoryError>> + use<S> {
        self.select(Order::Rising)
    }

    /// The last `limit` matching events of history and journal, oldest first. What follows comes
    /// from [`Feed::arrived`].
    pub fn newest(&mut self, limit: usize) -> Result<VecDeque<Event>, HistoryError> {
        let mut newest = VecDeque::new();
        while let Some(event) = self.arrived()? {
            newest.push_back(event);
            if newest.len() > limit {
                newest.pop_front();
            }
        }
        let missing = limit - newest.len();
        for event in self.select(Order::Falling).take(missing) {
            newest.push_front(event?);
        }
        Ok(newest)
    }

    /// The next matching event of the journal; `None` at its end, for now.
    pub fn arrived(&mut self) -> Result<Option<Event>, HistoryError> {
        while let Some(entry) = self.source.next()? {
            if entry.position <= self.last {
                continue;
            }
            let event = event_of(&entry);
            if self.wanted.matches(&event) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn select(&self, order: Order) -> impl Iterator<Item = Result<Event, HistoryError>> + use<S> {
        let filter = Filter {
            up_to: Some(self.last),
            ..self.wanted.clone()
        };
        self.query
            .as_ref()
            .map(|query| query.select(&filter, order, None))
            .into_iter()
            .flatten()
    }
}
