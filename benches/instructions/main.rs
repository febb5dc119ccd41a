//! Instructions of the hot path, counted by callgrind: each function once, warm, on fixed input.
//!
//! Counts do not depend on what else the machine does, so a slow-down of a few per cent shows where
//! times would drown in noise. `tests/run instructions` compares them with `benches/instructions.tsv`.
//!
//! What would make them differ from run to run is kept out: one thread works, the functions ran
//! before (so that memory is there), and what is hashed with a seed is done often enough.
use gungraun::prelude::*;
use larm::journal;

#[path = "../samples/in_memory.rs"]
mod in_memory;
#[path = "../../fuzz/src/memory.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the fuzz targets need more of it"
)]
mod memory;
mod protocol;
#[path = "../samples/mod.rs"]
mod samples;
mod spine;

use protocol::dc09;
use spine::intake;

main!(library_benchmark_groups = [dc09, intake]);
