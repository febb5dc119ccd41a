//! larm: an alarm receiving gateway that acknowledges an alarm only when it is on disk.

pub mod accounts;
pub mod background;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod conn;
pub mod deliver;
pub mod entropy;
pub mod explain;
pub mod history;
pub mod intake;
pub mod journal;
pub mod listen;
pub mod logging;
pub mod metrics;
pub mod record;
pub mod registry;
pub mod serve;
pub mod shadow;
pub mod sink;
pub mod tls;
pub mod transmit;
