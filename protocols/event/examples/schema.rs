//! Prints the JSON Schema of the record.
//!
//! `cargo run -q -p larm-event --example schema --features schema > docs/event.schema.json`
use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    let text = serde_json::to_string_pretty(&larm_event::schema::event())?;
    writeln!(io::stdout(), "{text}")
}
