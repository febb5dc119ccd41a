//! The hand-over from lane to sink to waiter, in every interleaving that the checker finds.
//!
//! The files are those of the gateway; only `sync` and `atomics` are the checker's. The sink's
//! loop is written out again in the tests, without disk and clock.
#![cfg(test)]
#![expect(
    dead_code,
    unreachable_pub,
    reason = "the gateway's files bring more than the model needs"
)]

#[path = "../../../src/journal/bell.rs"]
mod bell;
#[path = "../../../src/sink/lanes.rs"]
mod lanes;
#[path = "../../../src/journal/published.rs"]
mod published;
#[path = "../../../src/sink/slot.rs"]
mod slot;

mod atomics;
mod handover;
mod sync;
