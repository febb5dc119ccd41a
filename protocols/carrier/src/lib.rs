//! The contract between a protocol and the gateway.
//!
//! A protocol is sans-io: bytes and a clock reading in; steps, events and reply bytes out. It never
//! sees a socket, a task, a file, a configuration or a metric. The gateway knows of a protocol
//! nothing but [`Session`] (live traffic) and [`Inspection`] (explanations of frames).
#![no_std]

extern crate alloc;

mod accounts;
mod inspect;
mod key;
mod session;

pub use accounts::{
    Accounts, Charset, Encryption, Mode, NoAccounts, Policy, QuirkInfo, Quirks, Window,
};
pub use inspect::{Field, Inspection};
pub use key::{Key, KeyError};
pub use session::{
    Answer, CloseReason, Delivery, FrameVerdict, Identity, Intent, Moment, Noise, Proof, Request,
    Session, Step, Verdict,
};
