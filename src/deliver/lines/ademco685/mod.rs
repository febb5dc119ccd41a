//! Ademco 685 records: what receivers of that family print for automation software. No input or
//! output here.
//!
//! ```text
//! record     = LF RG " " account " " (contact-id | low-speed | high-speed) CR
//!            | LF RG " OKAY @" [" "] CR                              the heartbeat
//! contact-id = "18 " Q XYZ " " GG " " F CCC [" "]     Q = "E" | "R" | "P"   F = "C" zone | "U" user
//! low-speed  = E [" " Z]                              one digit each
//! high-speed = 4(digit) " " 4(digit) " " digit        eight channels and the status digit
//! RG         = receiver digit, line or group digit    hexadecimal
//! account    = 1*16 letters or digits                 four, unless both sides agree
//! ```
//! One maker prints a space before CR, another does not: the reader takes both and says which it
//! was, so that what was read is written the same again.
//!
//! Sources: public guides of the receivers MX8000, 7810iR and `VisorALARM` Plus 2U.
mod compose;
mod parse;
mod record;

#[cfg(test)]
mod tests;

pub use compose::Composer;
pub use parse::{ParseError, parse};
pub use record::{ACCOUNT_LEN_MAX, Address, Body, Record};
