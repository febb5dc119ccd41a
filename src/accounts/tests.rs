//! The register by its promises: what goes in comes out, keys never do, and two may use it at once.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use larm_carrier::{Accounts as _, Encryption, Key, Mode, QuirkInfo, Quirks};
use tempfile::TempDir;

use super::fields::{cell, set};
use super::*;

/// A key that is searched for wherever it must not be.
const CANARY: &str = "c0ffee00badc0de5deadbeefca11ab1e";
const OTHER: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";

const RULES: Rules = Rules {
    quirks: &[QuirkInfo {
        name: "renumbers-retries",
        quirk: Quirks(4),
        brand: "one",
        source: "a manual",
        effect: "another number each time",
    }],
    protocols: &["dc09"],
};

const CSV: &str = "\
account,receiver,line,key,encryption,supervision_primary,quirks,mode,window_past,window_enforce,charset,test_until,tags,zones,priorities,site,address,apartment,customer,contacts
1234,,,c0ffee00badc0de5deadbeefca11ab1e,require,90s,renumbers-retries,strict,5m,false,windows-1251,2026-12-01T08:00:00.000Z,shop;north,\"1=Front door;2=Till \\; safe=2026-12-02T00:00:00.000Z\",BA=1;FA=2,\"Åhus, torget\",Storgatan 1,1103,=cmd,+46 8 123;Anna \\= owner
1234,R1,5,,,,,,,,,,,,,,,,,
";

fn register(directory: &TempDir) -> Register {
    Register::open(directory.path(), RULES).unwrap()
}

fn number(account: &str) -> Number {
    Number {
        account: account.to_owned(),
        ..Number::default()
    }
}

fn filled(directory: &TempDir) -> Register {
    let mut register = register(directory);
    let text = CSV.replace("1234,R1,5", "1234,1,5");
    let done = register
        .import_csv("panels.csv", text.as_bytes(), false)
        .unwrap();
    assert_eq!((done.added, done.changed), (2, 0));
    register
}

fn exported(register: &Register) -> String {
    let mut out = Vec::new();
    register.export_csv(&mut out).unwrap().unwrap();
    String::from_utf8(out).unwrap()
}

fn rows_error(text: &str) -> String {
    let directory = TempDir::new().unwrap();
    let mut register = register(&directory);
    let error = register
        .import_csv("p.csv", text.as_bytes(), false)
        .unwrap_err();
    assert_eq!(register.count().unwrap(), 0, "something was imported");
    error.to_string()
}

#[test]
fn what_is_imported_is_there_with_every_field() {
    let directory = TempDir::new().unwrap();
    let listed = filled(&directory).show(&number("1234")).unwrap();
    let account = listed.account;
    assert_eq!(
        listed.keys,
        KeyState {
            now: Some("AES-128"),
            next: None
        }
    );
    assert_eq!(account.encryption, Some(Encryption::Require));
    assert_eq!(account.mode, Some(Mode::Strict));
    assert_eq!(account.tags, ["shop", "north"]);
    assert_eq!(account.zones[1].name.as_deref(), Some("Till ; safe"));
    assert!(account.zones[1].test_until.is_some());
    assert_eq!(account.person.site.as_deref(), Some("Åhus, torget"));
    assert_eq!(account.person.customer.as_deref(), Some("=cmd"));
    assert_eq!(account.person.contacts, ["+46 8 123", "Anna = owner"]);
}

#[test]
fn csv_and_toml_come_back_as_they_went() {
    let directory = TempDir::new().unwrap();
    let first = filled(&directory);
    let csv = exported(&first);
    let mut toml = Vec::new();
    first.export_toml(&mut toml).unwrap().unwrap();
    let toml = String::from_utf8(toml).unwrap();
    assert!(csv.contains(",'=cmd,"), "{csv}");

    for read_toml in [false, true] {
        let directory = TempDir::new().unwrap();
        let mut second = register(&directory);
        let done = if read_toml {
            second.import_toml("a.toml", &toml, false).unwrap()
        } else {
            second.import_csv("a.csv", csv.as_bytes(), false).unwrap()
        };
        assert_eq!(done.added, 2);
        assert_eq!(exported(&second), csv);
    }
}

#[test]
fn every_column_is_written_and_read() {
    let directory = TempDir::new().unwrap();
    let account = filled(&directory).show(&number("1234")).unwrap().account;
    for column in Column::all().filter(|column| !column.is_secret()) {
        let mut draft = Draft::default();
        let text = cell(&account, column);
        set(&mut draft, column, &text, Some(&RULES)).unwrap();
        assert_eq!(cell(&draft.account, column), text, "{}", column.as_str());
    }
}

#[test]
fn a_second_import_changes_only_its_columns_and_takes_no_key_away() {
    let directory = TempDir::new().unwrap();
    let mut register = filled(&directory);
    let text = "account,key,site\n1234,,New name\n";
    let done = register
        .import_csv("p.csv", text.as_bytes(), false)
        .unwrap();
    assert_eq!((done.added, done.changed), (0, 1));
    let listed = register.show(&number("1234")).unwrap();
    assert_eq!(listed.keys.now, Some("AES-128"));
    assert_eq!(listed.account.person.site.as_deref(), Some("New name"));
    assert_eq!(listed.account.tags, ["shop", "north"]);
}

#[test]
fn every_bad_row_is_told_and_nothing_is_imported() {
    let told = rows_error(
        "account,key,mode,zones\n1111,,tolerant,1=A\n2222,0011,,\n3333,,strickt,\n\n4444,,,1=A;1=B\n55 55,,,\n1111,,,\n6666,,\n",
    );
    assert_eq!(
        told,
        "\
p.csv:3: key: the key has 2 bytes; AES takes 16, 24 or 32 (32, 48 or 64 hex digits)
p.csv:4: mode: \"strickt\" is not known, did you mean strict?; write one of: tolerant, strict
p.csv:6: zones: \"1\" stands there twice
p.csv:7: account: \"55 55\" is no account number; it has 1 to 16 letters, digits or marks, no space and none of [ ] # | \"
p.csv:8: account 1111 stands in line 2 already
p.csv:9: there are 3 cells, and the first line has 4 columns
6 bad rows, 1 good; nothing was imported (--skip-bad imports the good ones)"
    );
}

#[test]
fn bad_rows_can_be_left_out() {
    let directory = TempDir::new().unwrap();
    let mut register = register(&directory);
    let text = "account,key\n1111,\n2222,xyz\n3333,\n";
    let done = register.import_csv("p.csv", text.as_bytes(), true).unwrap();
    assert_eq!(done.added, 2);
    assert_eq!(done.skipped.len(), 1);
    assert_eq!(done.skipped[0].line, 3);
}

#[test]
fn the_header_is_checked() {
    assert!(rows_error("acount,key\n").contains("did you mean account?"));
    assert!(rows_error("key\n").contains("the column \"account\" is missing"));
    assert!(rows_error("").contains("the file is empty"));
    assert!(rows_error("account,account\n").contains("twice"));
    assert!(rows_error("account\n\u{fffd}\n1\n").contains("p.csv:2"));
}

#[test]
fn spreadsheets_of_other_countries_are_read() {
    let directory = TempDir::new().unwrap();
    let mut register = register(&directory);
    let text = format!("\u{feff}account;key\r\n0042;{CANARY}\r\n");
    register
        .import_csv("p.csv", text.as_bytes(), false)
        .unwrap();
    assert_eq!(
        register.show(&number("0042")).unwrap().keys.now,
        Some("AES-128")
    );
}

#[test]
fn toml_errors_have_a_line() {
    let directory = TempDir::new().unwrap();
    let mut register = register(&directory);
    for (text, says) in [
        (
            "[[account]]\naccount = 42\n",
            "a.toml:2: account: write it in quotes",
        ),
        (
            "[[account]]\naccount = \"42\"\nmoode = \"x\"\n",
            "a.toml:3: there is no column \"moode\", did you mean mode?",
        ),
        ("[account]\n", "double brackets"),
        ("[[acount]]\n", "write [[account]]"),
        (
            "[[account]]\nsite = \"x\"\n",
            "a.toml:1: there is no account number",
        ),
        ("[[account]]\nsite = \"x\n", "a.toml:2: this is no TOML"),
    ] {
        let told = register
            .import_toml("a.toml", text, false)
            .unwrap_err()
            .to_string();
        assert!(told.contains(says), "{told}");
    }
    let text = "[[account]]\naccount = \"42\"\nzones = { 1 = \"Front = door\" }\npriorities = { BA = 1 }\n";
    register.import_toml("a.toml", text, false).unwrap();
    let account = register.show(&number("42")).unwrap().account;
    assert_eq!(account.zones[0].name.as_deref(), Some("Front = door"));
    assert_eq!(account.priorities.len(), 1);
}

/// Every text that the register gives out, and the bytes of its own store.
#[test]
fn a_key_shows_nowhere() {
    let directory = TempDir::new().unwrap();
    let mut register = filled(&directory);
    let next = Key::from_hex(OTHER).unwrap();
    register.rotate(&number("1234"), next).unwrap();
    let mut toml = Vec::new();
    register.export_toml(&mut toml).unwrap().unwrap();
    let mut told = vec![
        exported(&register),
        String::from_utf8(toml).unwrap(),
        format!("{:?}", register.show(&number("1234")).unwrap()),
        format!("{:?}", register.snapshot(&Defaults::default()).unwrap()),
    ];
    // Files whose columns do not fit what stands below them.
    for text in [
        format!("account,mode\n1,{CANARY}\n2,{CANARY}00\n"),
        format!("account,key\n{CANARY},1\n"),
        format!("account,key\n1,{CANARY}0\n"),
        format!("account,key\n1,{CANARY}zz\n"),
        format!("1234,{CANARY}\n"),
        format!("account,zones\n1,{CANARY}=a=b=c\n"),
        format!("account,test_until\n1,{CANARY}\n"),
        format!("account,window_past\n1,{CANARY}\n"),
        format!("account,window_enforce\n1,{CANARY}\n"),
        format!("account,line\n1,{CANARY}\n"),
        format!("account,priorities\n1,{CANARY}=9\n"),
        format!("account,quirks\n1,\"{CANARY};{CANARY}\"\n"),
    ] {
        let error = register
            .import_csv("p.csv", text.as_bytes(), false)
            .unwrap_err();
        told.push(error.to_string());
        told.push(format!("{error:?}"));
    }
    for text in [
        format!("[[account]]\n{CANARY} = 1\n"),
        format!("[[account]]\naccount = \"1\"\nkey = \"{CANARY}0\"\n"),
        format!("{CANARY} = 1\n"),
        format!("[[account]]\nkey = \"{CANARY}\n"),
    ] {
        let error = register.import_toml("a.toml", &text, false).unwrap_err();
        told.push(error.to_string());
        told.push(format!("{error:?}"));
    }
    for text in told {
        for key in [CANARY, OTHER] {
            assert!(!text.to_lowercase().contains(key), "{text}");
        }
    }
    drop(register);
    let raw = Key::from_hex(CANARY).unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(CANARY.as_bytes()), "{}", path.display());
        let is_key_store = path.file_name().unwrap() == "keys.sqlite";
        assert_eq!(holds(raw.expose()), is_key_store, "{}", path.display());
    }
}

#[test]
fn a_removed_key_is_overwritten() {
    let directory = TempDir::new().unwrap();
    let mut register = filled(&directory);
    register.remove(&number("1234")).unwrap();
    drop(register);
    let raw = Key::from_hex(CANARY).unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let left = bytes.windows(16).any(|window| window == raw.expose());
        assert!(!left, "the key is still in {}", path.display());
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_files_are_the_owners_alone() {
    let directory = TempDir::new().unwrap();
    let register = filled(&directory);
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let out = directory.path().join("with-keys.csv");
    register.export_with_keys(&out, FileForm::Csv).unwrap();
    assert_eq!(mode(&out), 0o600);
    assert!(fs::read_to_string(&out).unwrap().contains(CANARY));
    let again = register
        .export_with_keys(&out, FileForm::Csv)
        .unwrap_err()
        .to_string();
    assert!(again.contains("with-keys.csv"), "{again}");
}

#[test]
fn keys_survive_an_export_with_keys() {
    let directory = TempDir::new().unwrap();
    let mut first = filled(&directory);
    first
        .rotate(&number("1234"), Key::from_hex(OTHER).unwrap())
        .unwrap();
    for (name, form) in [("k.csv", FileForm::Csv), ("k.toml", FileForm::Toml)] {
        let out = directory.path().join(name);
        first.export_with_keys(&out, form).unwrap();
        let other = TempDir::new().unwrap();
        let mut second = register(&other);
        let text = fs::read_to_string(&out).unwrap();
        match form {
            FileForm::Csv => second.import_csv(name, text.as_bytes(), false).unwrap(),
            FileForm::Toml => second.import_toml(name, &text, false).unwrap(),
        };
        let policy = second
            .snapshot(&Defaults::default())
            .unwrap()
            .find(None, None, "1234")
            .unwrap();
        let keys: Vec<&Key> = policy.live_keys().collect();
        assert_eq!(
            keys,
            [
                &Key::from_hex(CANARY).unwrap(),
                &Key::from_hex(OTHER).unwrap()
            ]
        );
    }
}

#[test]
fn a_key_store_that_others_can_read_is_refused() {
    let directory = TempDir::new().unwrap();
    drop(filled(&directory));
    let path = directory.path().join("keys.sqlite");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let told = Register::open(directory.path(), RULES)
        .err()
        .unwrap()
        .to_string();
    assert!(
        told.contains("mode 0640") && told.contains("chmod 600"),
        "{told}"
    );
    assert_eq!(mode(&path), 0o640, "it was changed on the quiet");
}

#[test]
fn a_key_store_that_is_a_link_is_refused() {
    let directory = TempDir::new().unwrap();
    let elsewhere = directory.path().join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, directory.path().join("keys.sqlite")).unwrap();
    let told = Register::open(directory.path(), RULES)
        .err()
        .unwrap()
        .to_string();
    assert!(told.contains("no plain file"), "{told}");
}

#[test]
fn a_rotation_keeps_both_keys_until_it_ends() {
    let directory = TempDir::new().unwrap();
    let mut register = filled(&directory);
    let who = number("1234");
    register
        .rotate(&who, Key::from_hex(OTHER).unwrap())
        .unwrap();
    let state = register.show(&who).unwrap().keys;
    assert_eq!(
        state,
        KeyState {
            now: Some("AES-128"),
            next: Some("AES-256")
        }
    );
    let live = |register: &Register| -> Vec<usize> {
        let snapshot = register.snapshot(&Defaults::default()).unwrap();
        let policy = snapshot.find(None, None, "1234").unwrap();
        policy.live_keys().map(|key| key.expose().len()).collect()
    };
    assert_eq!(live(&register), [16, 32]);
    let again = register
        .rotate(&who, Key::from_hex(CANARY).unwrap())
        .unwrap_err();
    assert!(matches!(again, RegisterError::NextKeySet { .. }), "{again}");
    register.finish_rotation(&who).unwrap();
    assert_eq!(live(&register), [32]);
    let again = register.finish_rotation(&who).unwrap_err();
    assert!(matches!(again, RegisterError::NoNextKey { .. }), "{again}");
    register
        .rotate(&who, Key::from_hex(CANARY).unwrap())
        .unwrap();
    register.cancel_rotation(&who).unwrap();
    assert_eq!(live(&register), [32]);
}

#[test]
fn a_change_by_another_is_noticed() {
    let directory = TempDir::new().unwrap();
    let serving = register(&directory);
    let start = serving.generation().unwrap();
    assert_eq!(serving.generation().unwrap(), start);
    assert!(serving.snapshot(&Defaults::default()).unwrap().is_empty());

    let mut other = filled(&directory);
    let added = serving.generation().unwrap();
    assert_ne!(added, start);
    let snapshot = serving.snapshot(&Defaults::default()).unwrap();
    assert_eq!(snapshot.len(), 2);
    assert!(
        snapshot
            .find(Some("1"), Some("5"), "1234")
            .unwrap()
            .live_keys()
            .next()
            .is_none()
    );

    other
        .rotate(&number("1234"), Key::from_hex(OTHER).unwrap())
        .unwrap();
    assert_ne!(
        serving.generation().unwrap(),
        added,
        "a change of keys alone"
    );
}

#[test]
fn writers_wait_for_each_other() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            scope.spawn(move || {
                let mut register = Register::open(path, RULES).unwrap();
                for nth in 0..10 {
                    let mut draft = Draft::default();
                    draft.account.number = number(&format!("{writer}{nth:03}"));
                    draft.keys[0] = Some(Key::from_hex(CANARY).unwrap());
                    register.add(&draft).unwrap();
                }
            });
        }
    });
    let register = register(&directory);
    assert_eq!(register.count().unwrap(), 40);
    let shared = register.shared_keys().unwrap();
    assert_eq!(shared.iter().map(Vec::len).collect::<Vec<_>>(), [40]);
}

#[test]
fn who_is_not_there_is_said_with_those_who_are() {
    let directory = TempDir::new().unwrap();
    let mut register = filled(&directory);
    let asked = Number {
        line: Some("9".to_owned()),
        ..number("1234")
    };
    let told = register.show(&asked).unwrap_err().to_string();
    assert_eq!(
        told,
        "account 1234 (line 9) is not registered; did you mean 1234 or 1234 (receiver 1, line 5)?"
    );
    let told = register.show(&number("01234")).unwrap_err().to_string();
    assert!(told.contains("did you mean 1234 or"), "{told}");
    let told = register.remove(&number("9999")).unwrap_err().to_string();
    assert_eq!(
        told,
        "account 9999 is not registered; `larm accounts list` shows all"
    );
}

#[test]
fn personal_data_goes_with_the_account_and_alone() {
    let directory = TempDir::new().unwrap();
    let mut register = filled(&directory);
    let who = number("1234");
    register
        .change(&who, |draft| {
            draft.account.person = Person::default();
            Ok(())
        })
        .unwrap();
    let account = register.show(&who).unwrap().account;
    assert!(account.person.is_empty());
    assert_eq!(account.tags, ["shop", "north"]);
    assert!(
        !format!("{:?}", filled(&TempDir::new().unwrap()).show(&who).unwrap())
            .contains("Storgatan")
    );
}

#[test]
fn a_store_of_a_newer_larm_is_left_alone() {
    let directory = TempDir::new().unwrap();
    drop(filled(&directory));
    let path = directory.path().join("accounts.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA user_version = 9").unwrap();
    let told = Register::open(directory.path(), RULES)
        .err()
        .unwrap()
        .to_string();
    assert!(
        told.contains("layout 9") && told.contains("up to 1"),
        "{told}"
    );
}

#[test]
fn letters_before_prefixes_are_refused() {
    assert!(rows_error("account,line\n1,L5\n").contains("without the letter L"));
    assert!(rows_error("account,receiver\n1,r5\n").contains("without the letter R"));
}
