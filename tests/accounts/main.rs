//! `larm accounts` and `larm check` as users run them: outcomes, texts, and no key anywhere.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot make its files or run the program fails"
)]
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A key that is searched for wherever it must not be.
const CANARY: &str = "c0ffee00badc0de5deadbeefca11ab1e";

fn larm(directory: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_larm"))
        .args(args)
        .current_dir(directory)
        .env_remove("LARM_DATA")
        .env_remove("LARM_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a command that must succeed; its standard output.
fn good(directory: &Path, args: &[&str], input: &str) -> String {
    let done = larm(directory, args, input);
    assert!(done.status.success(), "{args:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

/// Runs a command that must fail with this code; its standard error.
fn bad(directory: &Path, args: &[&str], code: i32) -> String {
    let done = larm(directory, args, "");
    assert_eq!(
        done.status.code(),
        Some(code),
        "{args:?}: {}",
        text(&done.stderr)
    );
    text(&done.stderr)
}

#[test]
fn an_account_lives_from_add_to_remove() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let added = good(
        here,
        &[
            "accounts",
            "add",
            "1234",
            "--key-stdin",
            "--zone",
            "1=Front = door",
            "--site",
            "Shop; corner",
        ],
        &format!("{CANARY}\n"),
    );
    assert_eq!(
        added,
        "account 1234 added; key: set (AES-128), next: none\n"
    );
    assert!(bad(here, &["accounts", "add", "1234"], 1).contains("--update"));
    good(
        here,
        &[
            "accounts", "add", "1234", "--update", "--tag", "north", "--site", "",
        ],
        "",
    );
    assert_eq!(
        good(here, &["accounts", "show", "--account", "1234"], ""),
        "account 1234\n  key: set (AES-128), next: none\n  tags: north\n  zones: 1 Front = door\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&good(here, &["accounts", "list", "--json"], "")).unwrap();
    assert_eq!(json["account"], "1234");
    assert_eq!(json["key"], "AES-128");
    assert_eq!(json["zones"][0]["name"], "Front = door");
    assert_eq!(
        good(here, &["accounts", "remove", "1234"], ""),
        "account 1234 removed\n"
    );
    assert!(bad(here, &["accounts", "show", "1234"], 1).contains("not registered"));
}

#[test]
fn a_key_is_rotated_in_two_steps() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    good(
        here,
        &["accounts", "add", "1", "--generate-key", "first.txt"],
        "",
    );
    let mode = fs::metadata(here.join("first.txt"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(bad(here, &["accounts", "rotate-key", "1"], 2).contains("--finish"));
    let told = good(
        here,
        &["accounts", "rotate-key", "1", "--key-stdin"],
        CANARY,
    );
    assert_eq!(told, "account 1: key: set (AES-128), next: set (AES-128)\n");
    let told = good(here, &["accounts", "rotate-key", "1", "--finish"], "");
    assert_eq!(told, "account 1: key: set (AES-128), next: none\n");
    good(
        here,
        &["accounts", "export", "--with-keys", "--output", "all.csv"],
        "",
    );
    let exported = fs::read_to_string(here.join("all.csv")).unwrap();
    assert!(exported.contains(CANARY), "the old key is still there");
}

#[test]
fn no_command_prints_a_key() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    fs::write(here.join("key.txt"), CANARY).unwrap();
    fs::write(here.join("long.txt"), format!("{CANARY}0")).unwrap();
    fs::write(
        here.join("good.csv"),
        format!("account,key\n2,{CANARY}\n3,{CANARY}\n"),
    )
    .unwrap();
    fs::write(here.join("bad.csv"), format!("account,mode\n2,{CANARY}\n")).unwrap();
    fs::write(here.join("bare.csv"), format!("2,{CANARY}\n")).unwrap();
    fs::write(
        here.join("bad.toml"),
        format!("[[account]]\nkey = \"{CANARY}\n"),
    )
    .unwrap();
    for args in [
        &[
            "accounts",
            "add",
            "1",
            "--key",
            CANARY,
            "--encryption",
            "maybe",
        ][..],
        &["accounts", "add", "1", "--key", CANARY],
        &["accounts", "add", "1", "--key", CANARY],
        &["accounts", "add", "4", "--key", &CANARY[1..]],
        &["accounts", "add", "4", "--key-file", "long.txt"],
        &["accounts", "add", "4", "--key-file", "key.txt"],
        &["accounts", "import", "good.csv"],
        &["accounts", "import", "bad.csv"],
        &["accounts", "import", "bad.csv", "--skip-bad"],
        &["accounts", "import", "bare.csv"],
        &["accounts", "import", "bad.toml"],
        &["accounts", "list"],
        &["accounts", "list", "--json"],
        &["accounts", "show", "1"],
        &["accounts", "show", "1", "--json"],
        &["accounts", "export"],
        &["accounts", "export", "--format", "toml"],
        &["accounts", "export", "--with-keys"],
        &["accounts", "rotate-key", "1", "--key", CANARY],
        &["accounts", "rotate-key", "1", "--key", CANARY],
        &["accounts", "remove", "1"],
    ] {
        let done = larm(here, args, "");
        let told = format!("{}{}", text(&done.stdout), text(&done.stderr)).to_lowercase();
        assert!(
            !told.contains(&CANARY[1..]),
            "{args:?} prints the key: {told}"
        );
    }
}

#[test]
fn shared_and_weak_keys_are_told() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    good(here, &["accounts", "add", "1", "--key", CANARY], "");
    let done = larm(here, &["accounts", "add", "2", "--key", CANARY], "");
    assert!(
        text(&done.stderr).contains("1, 2 share one key"),
        "{}",
        text(&done.stderr)
    );
    let zeros = "0".repeat(32);
    let done = larm(here, &["accounts", "add", "3", "--key", &zeros], "");
    assert!(done.status.success());
    assert!(text(&done.stderr).contains("all its bytes are the same"));
}

#[test]
fn a_wrong_directory_is_not_filled_with_an_empty_register() {
    let directory = TempDir::new().unwrap();
    let told = bad(
        directory.path(),
        &["accounts", "list", "--data", "nowhere"],
        1,
    );
    assert!(told.contains("there is no register in nowhere"), "{told}");
    let unknown = ["accounts", "list", "--unknown", "--data", "nowhere"];
    let told = bad(directory.path(), &unknown, 1);
    assert!(told.contains("nothing was received in nowhere"), "{told}");
    assert!(!directory.path().join("nowhere").exists());
}

#[test]
fn a_key_store_that_others_can_read_stops_every_command() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    good(here, &["accounts", "add", "1", "--key", CANARY], "");
    let keys = here.join("larm-data/keys.sqlite");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(bad(here, &["accounts", "list"], 1).contains("chmod 600 larm-data/keys.sqlite"));
}

#[test]
fn a_good_configuration_is_ok_and_a_bad_one_is_78() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let defaults = good(here, &["check", "--print-defaults"], "");
    fs::write(here.join("good.toml"), &defaults).unwrap();
    assert!(good(here, &["check", "--config", "good.toml"], "").starts_with("ok\n"));
    fs::write(here.join("bad.toml"), "[queue]\nalarm = 1\nrest = 1\n").unwrap();
    let told = bad(here, &["check", "--config", "bad.toml"], 78);
    assert_eq!(
        told,
        "\
error: [queue] has no key `alarm`
 --> bad.toml:2:1
  |
2 | alarm = 1
  | ^^^^^ did you mean `alarms`?

error: `rest` cannot be 1: it is out of range
 --> bad.toml:3:8
  |
3 | rest = 1
  |        ^ write a number of frames from 16 to 1048576

bad.toml: 2 problems
"
    );
    let done = larm(here, &["check", "--json", "bad.toml"], "");
    assert_eq!(done.status.code(), Some(78));
    let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(json["problems"][0]["line"], 2);
    assert!(bad(here, &["check", "--config", "nowhere.toml"], 78).contains("nowhere.toml"));
}
