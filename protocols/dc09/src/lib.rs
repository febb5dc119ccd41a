//! SIA DC-09, the carrier, with its payloads DC-03 (SIA) and DC-05 (Contact ID). Sans-io.
//!
//! The way of one frame: [`frame`] finds it by length and checks it, `header` and `block` take it
//! apart, `crypto` opens the envelope, [`message`] borrows it all, [`sia`] and [`cid`] read the
//! payload, `normalize` owns it as records, `judge` decides, `reply` answers; [`Dc09`] is the
//! session that the gateway knows.
#![no_std]

extern crate alloc;

mod answer;
mod block;
pub mod cid;
mod crypto;
mod deviation;
mod encode;
mod error;
mod fields;
pub mod frame;
mod header;
mod ids;
mod inspect;
mod judge;
pub mod message;
mod noise;
mod normalize;
pub mod onward;
pub mod quirks;
mod reply;
mod session;
pub mod sia;
pub mod stencil;
mod xdata;

pub use answer::{AnswerError, Answered, Reply, read_answer};
pub use block::Block;
pub use deviation::{Deviation, Deviations, Strict};
pub use encode::{EncodeError, Outgoing};
pub use error::{DecodeError, ErrorAnswer, Expected};
pub use header::Header;
pub use ids::Token;
pub use inspect::inspect;
pub use message::{Body, Content, Message, decode};
pub use quirks::QUIRKS;
pub use session::{Dc09, Limits, Ticket};
pub use xdata::{Blocks, Extended};
