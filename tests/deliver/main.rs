//! Delivery as its users meet it: the real gateway, real servers, real faults. One module for each
//! question.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what broke by panicking, and prints its seed"
)]

mod ademco_685;
mod broker;
mod case_system;
mod certificates;
mod driver;
#[path = "../gateway/frame.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with the gateway's own tests, which use all of it"
)]
mod frame;
#[cfg(feature = "kafka")]
mod front;
#[path = "../gateway/harness.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "shared with the gateway's own tests, which use all of it"
)]
mod gateway;
mod harness;
mod jsonl;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_broker;
mod late;
mod line_driver;
mod lines;
mod load;
mod looked_after;
mod mqtt;
mod nats;
mod pace;
#[path = "../gateway/peer.rs"]
mod peer;
mod postgresql;
mod receiver;
mod relay;
mod relay_formats;
mod scripted;
mod servers;
mod shadow;
mod shadow_capture;
mod surgard;
mod tls;
mod waiting_for_delivery;
mod webhook;
mod whole;
