//! Delivery: every journaled event goes on to the alarm centre's own systems, at least once, in
//! order per account, each connector from its own durable cursor.
//!
//! The engine reads the journal and knows no connector by name; a connector takes batches and
//! answers for each event, and knows neither journal nor cursor. Between them stands the contract
//! in [`connector`].
pub mod cloudevent;
pub mod connector;
pub mod connectors;
pub mod engine;
pub mod lines;

pub use connector::{
    BuildError, Connector, Context, Delivery, Limits, Link, LinkState, Pending, Verdict,
};
