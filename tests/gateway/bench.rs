//! The yardstick itself: does it count what is there, and does it find what is not?
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Gateway, PATIENCE, import_accounts, larm, larm_command, larm_ok};

/// The accounts of the first load; each further one starts 100 above.
const FIRST_ACCOUNT: usize = 10_000_000;

/// The load at a fixed rate.
const OPEN_LOOP: usize = 4;

/// The load that encrypts.
const ENCRYPTED: usize = 1;

const KEY: &str = "3B9E27D1C4805F6A12E7A3984D0C56BF";

/// Every way that messages travel, and shares of every kind.
const LOADS: [&str; 5] = [
    "--way tcp --connections 4 --depth 8",
    "--way tcp --connections 3 --threads 2 --encrypted 0.5",
    "--way udp --connections 4 --stamp",
    "--way reconnect --connections 4",
    "--way tcp --connections 10 --rate 400",
];

/// One short load with a bit of everything, from accounts of its own; returns its JSON.
fn load(to: SocketAddr, place: usize, acknowledged: Option<&Path>) -> Value {
    let mut arguments: Vec<String> = ["bench", "load", "--json", "--to"]
        .map(str::to_owned)
        .to_vec();
    arguments.push(to.to_string());
    arguments.extend(LOADS[place].split(' ').map(str::to_owned));
    let first = FIRST_ACCOUNT + 100 * place;
    arguments.extend(["--first-account".to_owned(), first.to_string()]);
    let all = "--seconds 0.3 --warm-up 0.1 --link-tests 0.2 --rest 0.2 --repeats 0.3 --accounts 16 --timeout 20";
    arguments.extend(all.split(' ').map(str::to_owned));
    arguments.extend(["--key", KEY].map(str::to_owned));
    if let Some(file) = acknowledged {
        arguments.extend(["--acknowledged".to_owned(), file.display().to_string()]);
    }
    serde_json::from_str(&larm_ok(&arguments)).expect("one JSON object")
}

/// A whole number; rates are whole ones too, but written with a fraction.
fn count(result: &Value, pointer: &str) -> u64 {
    let found = result.pointer(pointer).and_then(Value::as_f64);
    let found = found.unwrap_or_else(|| panic!("no {pointer} in {result}"));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are positive and small"
    )]
    let whole = found as u64;
    whole
}

fn register(data: &Path) {
    // The same half of the accounts that the generator lets encrypt.
    let rows: Vec<String> = (0..16)
        .filter(|number| number * 61 % 100 < 50)
        .map(|number| format!("{},{KEY}", FIRST_ACCOUNT + 100 * ENCRYPTED + number))
        .collect();
    import_accounts(data, &format!("account,key\n{}\n", rows.join("\n")));
}

#[test]
fn every_load_on_larm_is_acknowledged_and_stands_in_the_journal_once() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    register(&data);
    let gateway = Gateway::start(&data);
    let file = directory.path().join("acknowledged");
    for (place, shape) in LOADS.iter().enumerate() {
        let udp = shape.contains("udp");
        let to = if udp { gateway.udp } else { gateway.tcp };
        let result = load(to, place, Some(&file));
        assert!(count(&result, "/latency/alarms/count") > 0, "{result}");
        assert!(count(&result, "/latency/link_tests/count") > 0, "{result}");
        assert_eq!(
            count(&result, "/sent"),
            count(&result, "/acknowledged"),
            "{result}"
        );
    }
    let verify = |file: &Path| {
        larm(&[
            "bench".as_ref(),
            "verify".as_ref(),
            "--json".as_ref(),
            "--acknowledged".as_ref(),
            file.as_os_str(),
            "--data".as_ref(),
            data.as_os_str(),
        ])
    };
    let whole = verify(&file);
    let found: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert!(whole.status.success(), "{found}");
    assert!(count(&found, "/repeated") > 0, "{found}");
    assert_eq!(
        count(&found, "/records"),
        count(&found, "/acknowledged"),
        "{found}"
    );

    let mut more = std::fs::File::options().append(true).open(&file).unwrap();
    more.write_all(b"10000000 00000000 FFFFFFFFFFFF\n").unwrap();
    let short = verify(&file);
    assert_eq!(short.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&short.stdout).unwrap();
    assert_eq!(count(&found, "/missing"), 1, "{found}");
}

#[test]
fn both_shapes_of_the_echo_answer_every_load() {
    for shape in ["tasks", "threads"] {
        let mut child = larm_command()
            .args(["bench", "echo", "--listen", "127.0.0.1:0", "--key", KEY])
            .args(["--shape", shape])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(
            child.stdout.take().expect("a pipe"),
        ));
        let first = lines.next().expect("a line").unwrap();
        let to = first.strip_prefix("listening on ").expect("an address");
        let to: SocketAddr = to.parse().unwrap();
        for place in 0..LOADS.len() {
            let result = load(to, place, None);
            assert!(count(&result, "/counted") > 0, "{shape}: {result}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_receiver_that_says_nothing_is_told_from_one_that_answers() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = silent.local_addr().unwrap().to_string();
    let output = larm(&[
        "bench",
        "load",
        "--json",
        "--way",
        "udp",
        "--to",
        &to,
        "--connections",
        "2",
        "--messages",
        "2",
        "--warm-up",
        "0",
        "--timeout",
        "0.2",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(count(&result, "/missing"), 2, "{result}");
    assert_eq!(count(&result, "/acknowledged"), 0, "{result}");
}

#[test]
fn floor_idle_connections_and_a_slow_disk_are_measured() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().expect("UTF-8");
    let parse = |text: String| serde_json::from_str::<Value>(&text).expect("one JSON object");
    let disk = parse(larm_ok(&[
        "bench",
        "disk",
        "--json",
        "--dir",
        path,
        "--seconds",
        "0.05",
        "--waiters",
        "1,8",
    ]));
    assert!(count(&disk, "/fdatasync/200/p50") > 0, "{disk}");
    assert!(count(&disk, "/group_commit/8/latency/count") >= 8, "{disk}");

    let slow = parse(larm_ok(&[
        "bench",
        "slow-disk",
        "--json",
        "--dir",
        path,
        "--delay",
        "20",
        "--connections",
        "3",
        "--seconds",
        "0.3",
    ]));
    // A histogram of three digits may round down.
    assert!(count(&slow, "/lines/0/p50") >= 19_900_000, "{slow}");

    let gateway = Gateway::start(&directory.path().join("data"));
    let idle = parse(larm_ok(&[
        "bench",
        "idle",
        "--json",
        "--to",
        &gateway.tcp.to_string(),
        "--connections",
        "40",
        "--settle",
        "0.05",
    ]));
    assert_eq!(count(&idle, "/pid"), u64::from(gateway.pid()), "{idle}");
    assert_eq!(count(&idle, "/link_tests/count"), 40, "{idle}");
    let results = directory.path().join("results.jsonl");
    let results_text: Vec<String> = (0..2)
        .map(|_| load(gateway.tcp, OPEN_LOOP, None).to_string())
        .collect();
    std::fs::write(&results, results_text.join("\n")).unwrap();
    let series = format!("larm={}", results.display());
    let drawing = larm_ok(&["bench", "plot", "--series", &series]);
    assert!(drawing.starts_with("<svg") && drawing.contains(">larm</text>"));
    drop(gateway);

    let accounts = parse(larm_ok(&[
        "bench",
        "accounts",
        "--json",
        "--dir",
        path,
        "--count",
        "50",
        "--rounds",
        "1",
        "--seconds",
        "0.2",
    ]));
    assert!(count(&accounts, "/with/per_second") > 0, "{accounts}");
    let left = std::fs::read_dir(path).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().contains("bench")),
        "left behind: {left:?}"
    );
}

fn compare(directory: &Path, seconds: &str) -> Command {
    let mut command = larm_command();
    command
        .args(["bench", "compare", "--json", "--case", "tcp-1"])
        .args(["--rounds", "1", "--seconds", seconds, "--warm-up", "0.05"])
        .arg("--dir")
        .arg(directory);
    command
}

/// Processes that were started with this path among their arguments.
fn users_of(path: &Path) -> Vec<String> {
    let path = path.to_str().expect("UTF-8");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let served = line.contains(" serve ") && line.contains(path);
            served.then_some(line)
        })
        .collect()
}

#[test]
fn a_comparison_has_figures_of_everybody_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let output = compare(directory.path(), "0.2").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let result: Value = serde_json::from_slice(&output.stdout).expect(&said);
    for who in ["larm", "echo"] {
        let median = format!("/cases/tcp-1/receivers/{who}/per_second/median");
        let median = result.pointer(&median).and_then(Value::as_f64);
        assert!(median.is_some_and(|rate| rate > 0.0), "{result}\n{said}");
    }
    let found = result.pointer("/cases/tcp-1/targets/0/found/median");
    assert!(found.is_some_and(Value::is_number), "{result}\n{said}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(users_of(directory.path()), Vec::<String>::new());
}

#[test]
fn a_comparison_that_is_interrupted_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = compare(directory.path(), "600")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while users_of(directory.path()).is_empty() {
        assert!(begin.elapsed() < PATIENCE, "larm was not started");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    while !users_of(directory.path()).is_empty() {
        assert!(
            begin.elapsed() < PATIENCE,
            "a receiver outlives the comparison"
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
