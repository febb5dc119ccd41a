//! Events as records, byte by byte: each form, both schemes, and what is left out.
use std::collections::BTreeMap;

use larm_event::{
    Category, Code, Event, Kind, Media, MediaKind, Modifier, Scheme, Timestamp, classify_cid,
    classify_sia,
};

use super::super::account::{Accounts, Unfit};
use super::super::numbers::{Numbers, Pair};
use super::{Composer, Form, parse};

fn composer(form: Form, line: &str) -> Composer {
    Composer {
        form,
        numbers: Numbers {
            default: Pair {
                receiver: "01".to_owned(),
                line: line.to_owned(),
            },
            accounts: BTreeMap::new(),
            listeners: BTreeMap::new(),
        },
        accounts: Accounts::default(),
        text: false,
        clock: None,
    }
}

/// As the Contact ID reader of DC-09 fills it: `qualifier`, `code`, area, number.
fn cid(account: &str, qualifier: u8, code: &str, area: &str, number: &str) -> Event {
    let mut event = Event::draft("dc09/ADM-CID".to_owned());
    let meaning = classify_cid(code, qualifier);
    event.account = Some(account.to_owned());
    event.kind = meaning.kind;
    event.category = meaning.category;
    event.partition = (area != "00").then(|| area.to_owned());
    event.code = Some(Code {
        scheme: Scheme::Cid,
        code: code.to_owned(),
        qualifier: Some(qualifier.to_string()),
        address: Some(number.to_owned()),
        name: String::new(),
        name_sv: String::new(),
    });
    event
}

/// As the SIA reader of DC-09 fills it.
fn sia(account: &str, qualifier: &str, code: &str, area: Option<&str>, number: &str) -> Event {
    let mut event = Event::draft("dc09/SIA-DCS".to_owned());
    let meaning = classify_sia(code);
    event.account = Some(account.to_owned());
    event.kind = meaning.kind;
    event.category = meaning.category;
    event.partition = area.map(str::to_owned);
    event.code = Some(Code {
        scheme: Scheme::Sia,
        code: code.to_owned(),
        qualifier: Some(qualifier.to_owned()),
        address: Some(number.to_owned()),
        name: String::new(),
        name_sv: String::new(),
    });
    event
}

fn written(composer: &Composer, event: &Event) -> (String, String) {
    let (record, losses) = composer.record(event);
    let line = record.to_string();
    let read = parse(line.as_bytes(), record.line.len());
    assert_eq!(read, Ok(record), "{line}");
    (line, losses.to_string())
}

#[test]
fn each_form_of_both_schemes() {
    use Form::{AsReceived, Basic, ContactId, Sia1, Sia2};
    let duress = cid("1234", 1, "121", "01", "001");
    let closing = cid("1234", 3, "401", "02", "015");
    let still = cid("1234", 6, "130", "01", "003");
    let burglary = sia("1234", "N", "BA", Some("1"), "01");
    let opening = sia("1234", "N", "OP", Some("2"), "015");
    for (form, event, line, left_out) in [
        (AsReceived, &duress, "5011 181234E12101001", "none"),
        (AsReceived, &closing, "5011 181234R40102015", "none"),
        (AsReceived, &still, "5011 181234P13001003", "none"),
        (AsReceived, &burglary, "S011[#1234|Nri1/BA01]", "none"),
        (ContactId, &burglary, "5011 181234E13001001", "code"),
        (ContactId, &opening, "5011 181234E40102015", "code"),
        (Sia2, &duress, "S011[#1234|Nri1/HA001]", "code"),
        (Sia2, &closing, "S011[#1234|Nri2/CL015]", "code"),
        (Sia2, &still, "S011[#1234|Ori1/BA003]", "code"),
        (Sia1, &burglary, "3011      1234BA0001", "partition"),
        (Sia1, &closing, "3011      1234CL0015", "code, partition"),
        (Basic, &closing, "1011      1234 C2015", "code"),
        (Basic, &burglary, "1011      1234 A1001", "code"),
    ] {
        let expected = (line.to_owned(), left_out.to_owned());
        assert_eq!(written(&composer(form, "1"), event), expected, "{form:?}");
    }
    let wide = written(
        &composer(AsReceived, "001"),
        &cid("1234", 1, "130", "01", "005"),
    );
    assert_eq!(wide.0, "501001 181234E13001005");
}

#[test]
fn accounts_that_do_not_fit() {
    let long = cid("123456", 1, "130", "00", "005");
    let letters = cid("12AB", 1, "130", "00", "005");
    let short = cid("12", 1, "130", "00", "005");
    let odd = cid("12-34", 1, "130", "00", "005");
    let mut composer = composer(Form::AsReceived, "001");
    for (unfit, event, line, left_out) in [
        (Unfit::OtherForm, &long, "S01001[#123456|NBA005]", "code"),
        (Unfit::OtherForm, &letters, "S01001[#12AB|NBA005]", "code"),
        (
            Unfit::OtherForm,
            &odd,
            "S01001[#1234|NBA005]",
            "code, account",
        ),
        (
            Unfit::OtherForm,
            &short,
            "501001 180012E13000005",
            "account",
        ),
        (Unfit::Widen, &long, "501001 18123456E13000005", "none"),
        (Unfit::Widen, &letters, "501001 1812ABE13000005", "none"),
        (Unfit::IntoLine, &long, "501012 183456E13000005", "account"),
        (Unfit::IntoLine, &letters, "S01001[#12AB|NBA005]", "code"),
    ] {
        composer.accounts.unfit = unfit;
        let expected = (line.to_owned(), left_out.to_owned());
        assert_eq!(written(&composer, event), expected, "{unfit:?}");
    }
}

#[test]
fn what_has_no_place_is_left_out_and_noted() {
    let mut event = cid("1234", 1, "130", "123", "4711");
    event.text = Some("Kök".to_owned());
    event.media.push(Media {
        kind: MediaKind::Image,
        reference: "https://example.net/1.jpg".to_owned(),
    });
    event.modifiers.push(Modifier {
        name: "ti".to_owned(),
        value: "10:32".to_owned(),
        text: None,
    });
    let line = written(&composer(Form::AsReceived, "1"), &event);
    let left_out = "partition, address, modifiers, text, media";
    assert_eq!(
        line,
        ("5011 181234E13000000".to_owned(), left_out.to_owned())
    );
    let mut wordy = composer(Form::Sia2, "1");
    wordy.text = true;
    let line = written(&wordy, &event);
    assert_eq!(line.0, "S011[#1234|Nri123/ti10:32/BA4711|AKok]");
    assert_eq!(line.1, "code, characters, media");
    event.text = Some("x".repeat(200));
    let (line, left_out) = written(&wordy, &event);
    assert_eq!(line.len(), "S011[#1234|".len() + 63 + 1);
    assert!(left_out.contains("text"), "{left_out}");
}

#[test]
fn what_cannot_be_decoded_goes_out_all_the_same() {
    let mut event = Event::draft("dc09/unknown".to_owned());
    event.text = Some("]|[\u{14}".to_owned());
    let form = composer(Form::AsReceived, "1");
    assert_eq!(written(&form, &event).0, "0011[#0000|NUX]");
    event.account = Some("4711".to_owned());
    assert_eq!(written(&form, &event).0, "S011[#4711|NUX]");
    assert_eq!(
        written(&composer(Form::ContactId, "1"), &event).0,
        "5011 184711E14000000"
    );
    assert_eq!(
        written(&composer(Form::Basic, "1"), &event).0,
        "1011      4711 A0000"
    );
    // Its own events say what happened by kind and category.
    event.kind = Kind::Trouble;
    event.category = Category::Communication;
    event.account = None;
    assert_eq!(written(&form, &event).0, "0011[#0000|NYS]");
    event.account = Some("]|[".to_owned());
    assert_eq!(written(&form, &event).0, "S011[#0000|NYS]");
}

#[test]
fn the_clock_stands_behind_events_only() {
    let mut composer = composer(Form::AsReceived, "1");
    composer.clock = Some(jiff::tz::TimeZone::fixed(jiff::tz::offset(2)));
    let mut event = cid("1234", 1, "121", "01", "001");
    event.received_at = Timestamp::parse("2026-09-18T08:32:54Z").unwrap();
    assert_eq!(
        written(&composer, &event).0,
        "5011 181234E1210100110:32:54-18/09"
    );
    assert_eq!(composer.heartbeat().to_string(), "1011           @    ");
}

#[test]
fn bypasses_and_cancels_have_letters_of_their_own() {
    let form = composer(Form::Basic, "1");
    for (qualifier, code, letter) in [
        (1, "570", 'B'),
        (3, "570", 'H'),
        (1, "406", 'F'),
        (1, "401", 'O'),
        (3, "130", 'R'),
        (1, "301", 'T'),
        (3, "301", 'R'),
        (1, "602", 'T'),
    ] {
        let line = written(&form, &cid("1234", qualifier, code, "00", "001")).0;
        assert_eq!(line, format!("1011      1234 {letter}0001"));
    }
}
