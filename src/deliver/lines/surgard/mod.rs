//! Sur-Gard records: what receivers of that family print for automation software. No input or
//! output here.
//!
//! `record` holds the grammar and writes, [`parse`](fn@parse) reads. Both sides of a link can be
//! built from them: the connector writes, a simulated case system reads.
mod compose;
mod parse;
mod record;

#[cfg(test)]
mod compose_tests;
#[cfg(test)]
mod tests;

pub use compose::{Composer, Form};
pub use parse::{ParseError, parse};
pub use record::{ACCOUNT_LEN_MAX, Body, Clock, DATA_LEN_MAX, Qualifier, Record};
