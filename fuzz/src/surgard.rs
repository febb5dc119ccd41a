//! The reader and the writer of Sur-Gard records: they need nothing else of the gateway.
#[path = "../../src/deliver/lines/surgard/parse.rs"]
pub mod parse;
#[path = "../../src/deliver/lines/surgard/record.rs"]
pub mod record;

pub use record::Qualifier;
