//! SIA DC-09, the carrier, with its payloads DC-03 (SIA) and DC-05 (Contact ID). Sans-io.
#![no_std]

extern crate alloc;
