//! The gateway as a whole: the real binary, real sockets, real disks, and peers that nobody here
//! wrote. One module for each question.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what broke by panicking, and prints its seed"
)]

mod bad;
mod bench;
mod crash;
mod disk;
mod frame;
mod harness;
mod listen;
mod peer;
mod peers;
mod restart;
mod sync;
mod unknown;
mod vectors;
