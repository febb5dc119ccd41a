//! The register in memory: what an account costs, how long a start reads, how long a look-up takes.
//!
//! `LARM_ACCOUNTS=1000000 cargo bench --bench accounts` is the size that the targets name; without
//! it the register is small. Every account has a key and is supervised on both paths. Resident
//! bytes are `VmRSS` before and after loading, in a process that did nothing else before.
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use criterion::{Criterion, criterion_group};
use larm::accounts::{Defaults, Register, Snapshot};
use larm::registry::ACCOUNT_RULES;
use larm_carrier::Accounts as _;

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FILL: &str = "LARM_BENCH_FILL";

fn accounts() -> u64 {
    let asked = std::env::var("LARM_ACCOUNTS").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(20_000)
}

/// Eight hex digits, in no order.
fn number(index: u64) -> String {
    let scattered = index.wrapping_mul(0x9E37_79B1) & 0xFFFF_FFFF;
    format!("{scattered:08X}")
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("accounts-{}", accounts()))
}

/// Most keys are AES-128; one in ten is AES-256, and one account in ten has none.
fn fill(directory: &Path) {
    let mut text = String::from("account,key,supervision_primary,supervision_backup,quirks\n");
    for index in 0..accounts() {
        let key = match index % 10 {
            0 => String::new(),
            1 => format!("{index:064x}"),
            _ => format!("{index:032x}"),
        };
        writeln!(text, "{},{key},90s,25h,", number(index)).expect("a string takes every byte");
    }
    let mut register = Register::open(directory, ACCOUNT_RULES).expect("a new register");
    register
        .import_csv("bench.csv", text.as_bytes(), false)
        .expect("every row is good");
}

/// The register of this size, made by another process where it is not there yet.
fn prepared() -> PathBuf {
    let directory = directory();
    let whole = Register::open(&directory, ACCOUNT_RULES)
        .and_then(|register| register.count())
        .is_ok_and(|count| count == accounts());
    if !whole {
        let own = std::env::current_exe().expect("the bench has a path");
        let filled = std::process::Command::new(own)
            .env(FILL, &directory)
            .status();
        assert!(filled.is_ok_and(|status| status.success()), "not filled");
    }
    directory
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[expect(clippy::print_stderr, reason = "figures of the bench")]
fn load(register: &Register) -> Snapshot {
    let before = resident();
    let begun = Instant::now();
    let snapshot = register
        .snapshot(&Defaults::default())
        .expect("it was read before");
    let took = begun.elapsed();
    let bytes = resident().saturating_sub(before);
    eprintln!(
        "{} accounts loaded in {took:?}, {} resident bytes each",
        snapshot.len(),
        bytes / accounts().max(1)
    );
    snapshot
}

fn look_up(c: &mut Criterion) {
    let register = Register::open(&prepared(), ACCOUNT_RULES).expect("it was just made");
    let snapshot = load(&register);
    let mut group = c.benchmark_group(format!("look-up among {}", accounts()));
    let mut at = 0u64;
    // One after the other in no order, so that a cache holds none of them for the next round.
    let mut sent = || {
        at = (at + 7_919) % accounts();
        number(at)
    };
    group.bench_function("making the number alone", |b| b.iter(|| black_box(sent())));
    group.bench_function("known", |b| {
        b.iter(|| snapshot.find(None, None, &sent()).expect("registered"));
    });
    let same = number(2);
    group.bench_function("known, the same again", |b| {
        b.iter(|| {
            snapshot
                .find(None, None, black_box(&same))
                .expect("registered")
        });
    });
    group.bench_function("unknown", |b| {
        b.iter(|| black_box(snapshot.find(None, None, black_box("nobody")).is_none()));
    });
    group.finish();
}

criterion_group!(benches, look_up);

fn main() {
    if let Some(directory) = std::env::var_os(FILL) {
        fill(Path::new(&directory));
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
