//! The yardstick: load for any DC-09 receiver, what this machine can do at best, and comparisons.
//!
//! Generator and receiver share the processors, so everything here costs as little as it can:
//! own threads around `epoll`, frames patched from a stencil, answers compared with the bytes that
//! are expected and read with care only where they differ.
pub mod accounts;
pub mod compare;
pub mod disk;
pub mod echo;
pub mod idle;
pub mod load;
pub mod plot;
pub mod process;
pub mod slow_disk;
mod socket;
pub mod tag;
pub mod verify;
