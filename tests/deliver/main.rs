//! Delivery as its users meet it: the real gateway, real servers, real faults. One module for each
//! question.
#![expect(clippy::panic, reason = "helpers fail the test that calls them")]

mod certificates;
mod driver;
mod lines;
mod mqtt;
mod tls;
mod webhook;
