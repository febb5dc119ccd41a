//! The reader and the writer of Ademco 685 records: they need nothing else of the gateway.
#[path = "../../src/deliver/lines/ademco685/parse.rs"]
pub mod parse;
#[path = "../../src/deliver/lines/ademco685/record.rs"]
pub mod record;
