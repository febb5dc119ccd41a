//! Records byte by byte: the manuals' examples, every kind in both line widths, and what is none.
use proptest::prelude::*;

use super::{Body, Clock, ParseError, Qualifier, Record, parse};

fn record(line: &str, body: Body) -> Record {
    Record {
        receiver: "01".to_owned(),
        line: line.to_owned(),
        body,
        clock: None,
    }
}

fn contact_id(account: &str, qualifier: Qualifier, code: &str, group: &str, zone: &str) -> Body {
    Body::ContactId {
        account: account.to_owned(),
        qualifier,
        event: code.to_owned(),
        group: group.to_owned(),
        zone: zone.to_owned(),
    }
}

fn sia_2(account: &str, data: &str) -> Body {
    Body::Sia2 {
        account: account.to_owned(),
        data: data.to_owned(),
    }
}

fn basic(account: &str, letter: char, group: char, user: &str) -> Body {
    Body::Basic {
        account: account.to_owned(),
        letter,
        group,
        user: user.to_owned(),
    }
}

fn table() -> Vec<(&'static str, Record)> {
    use Qualifier::{Event, Previous, Restore};
    let high_speed = Body::HighSpeed {
        account: "1234".to_owned(),
        channels: ['1', '5', '5', '5', '5', '5', '5', '5', '7'],
    };
    let sia_1 = |account: &str| Body::Sia1 {
        account: account.to_owned(),
        code: "BA".to_owned(),
        address: "0001".to_owned(),
    };
    let own = |data: &str| Body::Own {
        data: data.to_owned(),
    };
    let clock = Some(Clock {
        hour: 10,
        minute: 32,
        second: 54,
        day: 18,
        month: 9,
    });
    vec![
        (
            "5011 181234E12101001",
            record("1", contact_id("1234", Event, "121", "01", "001")),
        ),
        (
            "5011 181234R40102015",
            record("1", contact_id("1234", Restore, "401", "02", "015")),
        ),
        (
            "5011 181234P13001003",
            record("1", contact_id("1234", Previous, "130", "01", "003")),
        ),
        (
            "501001 181234E13001005",
            record("001", contact_id("1234", Event, "130", "01", "005")),
        ),
        // Wide accounts, one of them with letters that could be a qualifier.
        (
            "5011 18123456E13001005",
            record("1", contact_id("123456", Event, "130", "01", "005")),
        ),
        (
            "5011 1812E4R5R13001005",
            record("1", contact_id("12E4R5", Restore, "130", "01", "005")),
        ),
        (
            "5011 181234E1210100110:32:54-18/09",
            Record {
                clock,
                ..record("1", contact_id("1234", Event, "121", "01", "001"))
            },
        ),
        (
            "S011[#1234|Nri1BA01]10:32:54-18/09",
            Record {
                clock,
                ..record("1", sia_2("1234", "Nri1BA01"))
            },
        ),
        (
            "1011      0012 C1128",
            record("1", basic("0012", 'C', '1', "128")),
        ),
        (
            "101001      0012 C1128",
            record("001", basic("0012", 'C', '1', "128")),
        ),
        ("3011      1234BA0001", record("1", sia_1("1234"))),
        ("301001    123456BA0001", record("001", sia_1("123456"))),
        (
            "S011[#1234|Nri1BA01]",
            record("1", sia_2("1234", "Nri1BA01")),
        ),
        (
            "S01001[#123456|Nri1/BA005]",
            record("001", sia_2("123456", "Nri1/BA005")),
        ),
        ("80111234 1555 5555 7", record("1", high_speed.clone())),
        ("801AB21234 1555 5555 7", record("AB2", high_speed)),
        ("1011           @    ", record("1", Body::Heartbeat)),
        ("101000           @    ", record("000", Body::Heartbeat)),
        ("0011[#0000|NYR01]", record("1", own("NYR01"))),
        (
            "001001[#0000|NNT*192.0.2.7*]",
            record("001", own("NNT*192.0.2.7*")),
        ),
    ]
}

#[test]
fn written_and_read_byte_by_byte() {
    for (text, record) in table() {
        assert_eq!(record.to_string(), text);
        assert_eq!(
            parse(text.as_bytes(), record.line.len()),
            Ok(record),
            "{text}"
        );
    }
}

/// Captured and printed examples, the same that the shape of other protocols rests on.
#[test]
fn the_table_of_examples_is_read_and_written() {
    const TABLE: &str = include_str!("../../../../tests/vectors/automation.tsv");
    let mut read = 0;
    for row in TABLE.lines().filter(|row| row.contains("\trx>auto\t")) {
        let mut columns = row.split('\t');
        let (family, hex) = (columns.next().unwrap(), columns.nth(1).unwrap());
        let line_len = match family {
            "surgard-mlr2" => 1,
            "surgard-mlr2000" => 3,
            _ => continue,
        };
        let bytes = bytes_of(hex);
        let line = bytes.strip_suffix(b"\x14").unwrap();
        let record = parse(line, line_len).unwrap_or_else(|error| panic!("{row}: {error}"));
        assert_eq!(record.to_string().as_bytes(), line, "{row}");
        read += 1;
    }
    assert!(read >= 8, "{read}");
}

#[test]
fn fixed_forms_have_their_length() {
    for (text, record) in table() {
        let fixed = matches!(
            record.body,
            Body::Basic { .. } | Body::Sia1 { .. } | Body::HighSpeed { .. } | Body::Heartbeat
        );
        if fixed {
            assert_eq!(text.len(), 19 + record.line.len(), "{text}");
        }
    }
}

#[test]
fn what_is_no_record_says_where() {
    for (text, said) in [
        ("", "a record starts with 0, 1, 3, 5, 8 or S, not with None"),
        (
            "7011 18",
            "a record starts with 0, 1, 3, 5, 8 or S, not with Some('7')",
        ),
        (
            "5012 182345E1",
            "the event code is missing at 12: the record has 13 characters",
        ),
        (
            "5011 181234X12101001",
            "the qualifier at 11 is \"X\"; it is E, R or P",
        ),
        (
            "50\u{14}1",
            "byte 0x14 at 2: a record has printable 7-bit characters only",
        ),
        (
            "S011[#1234|Nri1",
            "the closing bracket is missing at 15: the record has 15 characters",
        ),
        (
            "S011[#1234|]",
            "the data at 11 is \"\"; it is 1 to 63 characters without brackets",
        ),
        ("S011[#|NBA]", "the account at 6 is \"\""),
        (
            "S011[#1234|NBA]9",
            "the clock at 15 is \"9\"; it is HH:MM:SS-dd/mm or nothing",
        ),
        ("1011           @    10:32:54-18/09", "the account at 4"),
        ("1011      0012 C1128 ", "the clock at 20"),
        (
            "0011[#1234|NYR01]",
            "the start of the receiver's own block at 4",
        ),
    ] {
        let error = parse(text.as_bytes(), 1).expect_err(text).to_string();
        assert!(error.contains(said), "{text:?}: {error}");
    }
    assert!(matches!(
        parse(b"S011[#1234|Nri1BA01]", 3),
        Err(ParseError::Field { .. })
    ));
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

proptest! {
    #[test]
    fn what_is_read_is_what_is_written(text in "[0158S3][0-9A-F]{2}[0-9]( 18|\\[#| {4,10})[0-9A-FER#|/\\] @:-]{0,40}", wide: bool) {
        let line_len = if wide { 3 } else { 1 };
        if let Ok(record) = parse(text.as_bytes(), line_len) {
            prop_assert_eq!(record.to_string(), text);
        }
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse(&bytes, 1);
        let _ = parse(&bytes, 3);
    }
}
