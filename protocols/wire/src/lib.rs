//! Small pieces of wire format that several carriers share: CRC, hex, digits, text, timestamps.
//!
//! Bytes in, values out; no sockets, clocks, files or configuration. What reads bytes allocates
//! nothing, but for [`text`], which allocates only where a text has to change.
#![no_std]

extern crate alloc;

pub mod crc;
pub mod digest;
pub mod digits;
pub mod hex;
pub mod stamp;
pub mod text;
