//! Small pieces of wire format that several carriers share: CRC, hex, digits, text, timestamps.
//!
//! Bytes in, values out; no sockets, clocks, files or configuration.
#![no_std]

extern crate alloc;

pub mod crc;
