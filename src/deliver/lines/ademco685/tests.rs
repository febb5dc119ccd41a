//! Records byte by byte, in both forms of the end, and what is none.
use proptest::prelude::*;

use super::super::surgard::Qualifier;
use super::{Address, Body, Record, parse};

fn record(numbers: [char; 2], body: Body, space: bool) -> Record {
    let [receiver, line] = numbers;
    Record {
        receiver,
        line,
        body,
        space,
    }
}

fn contact_id(qualifier: Qualifier, code: &str, group: &str, address: (Address, &str)) -> Body {
    Body::ContactId {
        account: "1234".to_owned(),
        qualifier,
        event: code.to_owned(),
        group: group.to_owned(),
        address: address.0,
        number: address.1.to_owned(),
    }
}

fn low(event: char, zone: Option<char>) -> Body {
    Body::LowSpeed {
        account: "1234".to_owned(),
        event,
        zone,
    }
}

fn table() -> Vec<(&'static str, Record)> {
    let burglary = contact_id(Qualifier::Event, "130", "01", (Address::Zone, "005"));
    let closing = contact_id(Qualifier::Restore, "401", "02", (Address::User, "015"));
    let high_speed = Body::HighSpeed {
        account: "1234".to_owned(),
        channels: ['1', '5', '5', '5', '5', '5', '5', '5', '7'],
    };
    vec![
        (
            "11 1234 18 E130 01 C005 ",
            record(['1', '1'], burglary.clone(), true),
        ),
        (
            "11 1234 18 E130 01 C005",
            record(['1', '1'], burglary, false),
        ),
        (
            "1F 1234 18 R401 02 U015 ",
            record(['1', 'F'], closing, true),
        ),
        ("11 1234 3", record(['1', '1'], low('3', None), false)),
        (
            "11 1234 3 1",
            record(['1', '1'], low('3', Some('1')), false),
        ),
        ("11 1234 1555 5555 7", record(['1', '1'], high_speed, false)),
        ("00 OKAY @", record(['0', '0'], Body::Heartbeat, false)),
        ("12 OKAY @ ", record(['1', '2'], Body::Heartbeat, true)),
    ]
}

#[test]
fn written_and_read_byte_by_byte() {
    for (text, record) in table() {
        assert_eq!(record.to_string(), text);
        assert_eq!(parse(text.as_bytes()), Ok(record), "{text}");
    }
}

#[test]
fn the_table_of_examples_is_read_and_written() {
    const TABLE: &str = include_str!("../../../../tests/vectors/automation.tsv");
    let rows = TABLE
        .lines()
        .filter_map(|row| row.strip_prefix("ademco-685\trx>auto\t"));
    let mut read = 0;
    for row in rows {
        let hex = row.split('\t').next().unwrap();
        let bytes = bytes_of(hex);
        let line = bytes
            .strip_prefix(b"\n")
            .unwrap()
            .strip_suffix(b"\r")
            .unwrap();
        let record = parse(line).unwrap_or_else(|error| panic!("{row}: {error}"));
        assert_eq!(record.to_string().as_bytes(), line, "{row}");
        read += 1;
    }
    assert_eq!(read, 4);
}

#[test]
fn what_is_no_record_says_why() {
    for (text, said) in [
        ("", "not with \"\""),
        ("1 1234", "not with \"1 1\""),
        ("G1 1234 3", "not with \"G1 \""),
        ("11 12#4 3", "the account is \"12#4\""),
        ("11 1234", "\"\" behind the account"),
        (
            "11 1234 18 X130 01 C005",
            "\"18 X130 01 C005\" behind the account",
        ),
        ("11 1234 18 E130 01 Z005", "behind the account"),
        ("11 1234 18 E130 01 C005  ", "behind the account"),
        ("11 1234 18 E13 01 C005", "behind the account"),
        ("11 OKAY", "\"\" behind the account"),
        ("11 1234 3\r", "byte 0x0d at 9"),
    ] {
        let error = parse(text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains(said), "{text:?}: {error}");
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

proptest! {
    #[test]
    fn what_is_read_is_what_is_written(text in "[0-9A-F]{2} ([0-9]{4}|OKAY) (18 |@)?[ERP0-9CU ]{0,16}") {
        if let Ok(record) = parse(text.as_bytes()) {
            prop_assert_eq!(record.to_string(), text);
        }
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&bytes);
    }
}
