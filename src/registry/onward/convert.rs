//! From SIA to Contact ID and back, for a receiver that is to get one of the two.
//!
//! Code, area and number go by the tables that the receiver emulations use. What Contact ID has no
//! place for goes beside it in extended blocks, as far as there is one: the words (`I`) and the
//! time of the event (`H`). Modifiers and measured values stay behind.
use larm_dc09::sia;
use larm_event::{Code, Event, Scheme, classify_cid, classify_sia};

use super::content::{happened, unmarked};
use crate::config::connector::RelayFormat;
use crate::deliver::lines::loss::{Loss, Losses};
use crate::deliver::lines::place::{AsCid, AsSia};

/// Most bytes of words that are put beside a Contact ID event.
const WORDS_LEN_MAX: usize = 255;

/// What becomes of an event.
pub(super) enum Wanted {
    /// It goes on as it came: that is wanted.
    AsReceived,
    /// It goes on as it came: the other scheme has nothing for it.
    NoCounterpart,
    /// It is to be written in the other scheme.
    Converted(Box<Converted>),
}

/// An event in the other scheme.
pub(super) struct Converted {
    /// The record with code and place of that scheme.
    pub(super) event: Event,
    /// Extended blocks for what that scheme has no place for.
    beside: Vec<(char, Vec<u8>)>,
}

/// What becomes of `event` where the other receiver is to get `format`.
pub(super) fn convert(event: &Event, format: RelayFormat) -> Wanted {
    let scheme = event.code.as_ref().map(|code| code.scheme);
    let mut losses = Losses::default();
    let converted = match (format, scheme) {
        (RelayFormat::AsReceived, _)
        | (RelayFormat::Sia, Some(Scheme::Sia))
        | (RelayFormat::ContactId, Some(Scheme::Cid)) => return Wanted::AsReceived,
        (RelayFormat::Sia, _) => to_sia(event, &mut losses),
        (RelayFormat::ContactId, _) => to_cid(event, &mut losses),
    };
    let Some(converted) = converted else {
        return Wanted::NoCounterpart;
    };
    tracing::debug!(id = %event.id, left_out = %losses, "an event goes on in the other scheme");
    Wanted::Converted(Box::new(converted))
}

fn to_cid(event: &Event, losses: &mut Losses) -> Option<Converted> {
    let cid = AsCid::by_table(event, losses)?;
    losses.note_if(!event.modifiers.is_empty(), Loss::Modifiers);
    losses.note_if(event.value.is_some(), Loss::Value);
    let meaning = classify_cid(&cid.code, cid.qualifier.digit());
    let mut converted = Event {
        code: Some(Code {
            scheme: Scheme::Cid,
            code: cid.code,
            qualifier: Some(cid.qualifier.digit().to_string()),
            address: Some(cid.number),
            name: meaning.name.to_owned(),
            name_sv: meaning.name_sv.to_owned(),
        }),
        partition: Some(cid.group),
        ..event.clone()
    };
    converted.modifiers.clear();
    let mut beside = Vec::new();
    if let Some(text) = &event.text {
        let words = unmarked(text);
        let end = words.floor_char_boundary(WORDS_LEN_MAX);
        losses.note_if(end < words.len(), Loss::Text);
        beside.push(('I', words.into_bytes().into_iter().take(end).collect()));
    }
    let timed = event.modifiers.iter().any(|said| said.name == "ti");
    if let Some(at) = event.occurred_at.filter(|_| timed) {
        beside.push(('H', happened(at)));
    }
    Some(Converted {
        event: converted,
        beside,
    })
}

fn to_sia(event: &Event, losses: &mut Losses) -> Option<Converted> {
    let sia = AsSia::by_table(event, losses)?;
    let meaning = classify_sia(&sia.code);
    // Zeros stand for none, and SIA knows no other digits.
    let known = |digit: u8| matches!(digit, b'0'..=b'9' | b'A'..=b'F');
    let some = |number: Option<String>| {
        number
            .filter(|number| number.bytes().all(known) && number.bytes().any(|digit| digit != b'0'))
    };
    let area = some(sia.area).map(|area| area.trim_start_matches('0').to_owned());
    let modifier = |value: Option<String>| value.filter(|value| reads_as_one(value));
    let (area, user, peripheral) = (
        modifier(area),
        modifier(some(sia.user)),
        modifier(some(sia.peripheral)),
    );
    let converted = Event {
        code: Some(Code {
            scheme: Scheme::Sia,
            code: sia.code,
            qualifier: Some(if sia.old { "O" } else { "N" }.to_owned()),
            address: some(sia.address),
            name: meaning.name.to_owned(),
            name_sv: meaning.name_sv.to_owned(),
        }),
        partition: area,
        user,
        peripheral,
        // Words came in an extended block, and go on in it.
        text: None,
        ..event.clone()
    };
    Some(Converted {
        event: converted,
        beside: Vec::new(),
    })
}

/// Whether a modifier with this value is read as it. Letters may be a code of their own: `riBF9` holds
/// the event `BF` of zone 9, and nothing that nobody reported may be sent on.
fn reads_as_one(value: &str) -> bool {
    let payload = format!("Nri{value}/BA");
    let mut events = sia::events(payload.as_bytes());
    let read = events.next();
    let same = read.and_then(|event| event.modifiers.find("ri"));
    same.is_some_and(|found| found.value == value) && events.next().is_none()
}

impl Converted {
    /// Puts the blocks beside those that came, where no such block came.
    pub(super) fn beside(&self, extended: &mut Vec<(char, Vec<u8>)>) {
        for (letter, value) in &self.beside {
            if !extended.iter().any(|(there, _)| there == letter) {
                extended.push((*letter, value.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use larm_dc09::cid::{self, CidRules};
    use larm_event::tables::{cid_codes, sia_codes};
    use larm_event::{Kind, Meaning, Timestamp};
    use proptest::prelude::*;

    use super::super::content::{Content, again};
    use super::*;
    use crate::deliver::connectors::relay::Envelope;

    fn event(scheme: Scheme, code: &str, qualifier: &str, number: &str, area: &str) -> Event {
        let meaning = match scheme {
            Scheme::Cid => classify_cid(code, qualifier.parse().unwrap()),
            _ => classify_sia(code),
        };
        let mut event = Event::draft("dc09/test".to_owned());
        event.kind = meaning.kind;
        event.category = meaning.category;
        event.account = Some("1234".to_owned());
        event.partition = Some(area.to_owned()).filter(|area| !area.is_empty());
        event.code = Some(Code {
            scheme,
            code: code.to_owned(),
            qualifier: Some(qualifier.to_owned()),
            address: Some(number.to_owned()).filter(|number| !number.is_empty()),
            name: meaning.name.to_owned(),
            name_sv: meaning.name_sv.to_owned(),
        });
        event
    }

    fn converted(event: &Event, format: RelayFormat) -> Option<Converted> {
        match convert(event, format) {
            Wanted::Converted(converted) => Some(*converted),
            Wanted::AsReceived | Wanted::NoCounterpart => None,
        }
    }

    /// What stands behind the account.
    fn written(event: &Event) -> (String, Vec<u8>) {
        let envelope = Envelope {
            account: "1234",
            data_account: None,
            sequence: 1,
            sent_at: Timestamp::from_millis(0),
            occurred_at: None,
            extended: true,
        };
        let Content { id, data, .. } = again(event, &envelope).expect("it can be written");
        (id, data.strip_prefix(b"#1234|").unwrap().to_vec())
    }

    /// Code, area and number as somebody reads them at the other end.
    fn read(event: &Event) -> (String, String, String, Meaning) {
        let (id, payload) = written(event);
        let bare = |text: &str| text.trim_start_matches('0').to_owned();
        if id == "ADM-CID" {
            let read = cid::read(&payload, None, CidRules::default()).expect("Contact ID");
            let digit = read.qualifier.digit();
            let code = format!("{digit}{}", read.code);
            let meaning = classify_cid(read.code, digit);
            return (code, bare(read.partition), bare(read.zone), meaning);
        }
        let mut events = sia::events(&payload);
        let read = events.next().expect("SIA");
        assert_eq!(events.next(), None, "{}", payload.escape_ascii());
        let area = read.modifiers.find("ri").map_or("", |area| area.value);
        let number = read.address.unwrap_or_default();
        let meaning = classify_sia(read.code);
        (read.code.to_owned(), bare(area), bare(number), meaning)
    }

    /// These have codes in both schemes that larm ranks differently.
    const RANKED_LOWER: [&str; 2] = ["DL", "EE"];

    #[test]
    fn every_sia_code_reads_in_contact_id_as_what_it_was() {
        for row in sia_codes() {
            let sent = event(Scheme::Sia, row.code, "N", "17", "3");
            let Some(there) = converted(&sent, RelayFormat::ContactId) else {
                panic!("{} has no counterpart", row.code)
            };
            let (_, area, number, meaning) = read(&there.event);
            assert_eq!(
                (area.as_str(), number.as_str()),
                ("3", "17"),
                "{}",
                row.code
            );
            let alarm = sent.kind == Kind::Alarm && !RANKED_LOWER.contains(&row.code);
            assert!(!alarm || meaning.kind == Kind::Alarm, "{}", row.code);
            let arming = |kind| matches!(kind, Kind::Open | Kind::Close);
            if arming(sent.kind) || arming(meaning.kind) {
                assert_eq!(meaning.kind, sent.kind, "{}", row.code);
            }
        }
    }

    #[test]
    fn every_contact_id_code_reads_in_sia_as_what_it_was_or_stays() {
        let mut stay = Vec::new();
        for row in cid_codes() {
            for qualifier in ["1", "3", "6"] {
                let sent = event(Scheme::Cid, row.code, qualifier, "017", "03");
                let Some(there) = converted(&sent, RelayFormat::Sia) else {
                    stay.push(format!("{qualifier}{}", row.code));
                    continue;
                };
                let (code, area, number, meaning) = read(&there.event);
                let what = format!("{qualifier}{} as {code}", row.code);
                assert_eq!(number, "17", "{what}");
                // Where the number counts areas, it is not said a second time.
                assert!(area == "3" || there.event.partition.is_none(), "{what}");
                assert!(
                    sent.kind != Kind::Alarm || meaning.kind == Kind::Alarm,
                    "{what}"
                );
                let arming = |kind| matches!(kind, Kind::Open | Kind::Close);
                if arming(sent.kind) && qualifier != "3" {
                    assert_eq!(meaning.kind, sent.kind, "{what}");
                }
            }
        }
        // Vendors' codes, and reports of the state of arming.
        assert!(stay.contains(&"1750".to_owned()), "{stay:?}");
        assert!(stay.contains(&"6401".to_owned()), "{stay:?}");
        assert!(!stay.contains(&"6130".to_owned()), "{stay:?}");
    }

    #[test]
    fn what_has_no_counterpart_stays_as_it_came() {
        let stays = |event: &Event, format| matches!(convert(event, format), Wanted::NoCounterpart);
        let (cid, sia) = (RelayFormat::ContactId, RelayFormat::Sia);
        assert!(stays(&event(Scheme::Sia, "QZ", "N", "1", ""), cid));
        // A temperature, not an access card.
        assert!(stays(&event(Scheme::Sia, "DA", "E", "1", ""), cid));
        assert!(stays(&event(Scheme::Sia, "A", "N", "", ""), cid));
        assert!(!stays(&event(Scheme::Cid, "999", "1", "001", "00"), sia));
        assert!(stays(&event(Scheme::Cid, "777", "1", "001", "00"), sia));
        assert!(stays(&event(Scheme::Cid, "1AB", "1", "001", "00"), sia));
        assert!(stays(&Event::draft("dc09/SES-SS".to_owned()), sia));
        let own = event(Scheme::Cid, "777", "1", "001", "00");
        assert!(matches!(convert(&own, cid), Wanted::AsReceived));
        assert!(matches!(
            convert(&own, RelayFormat::AsReceived),
            Wanted::AsReceived
        ));
    }

    #[test]
    fn arming_that_a_panel_reports_the_other_way_round_goes_by_what_it_means() {
        let mut sent = event(Scheme::Cid, "441", "1", "005", "01");
        let usual = converted(&sent, RelayFormat::Sia).unwrap();
        assert_eq!(read(&usual.event).3.kind, Kind::Open);
        sent.kind = Kind::Close;
        let swapped = converted(&sent, RelayFormat::Sia).unwrap();
        assert_eq!(read(&swapped.event).3.kind, Kind::Close);
    }

    #[test]
    fn words_and_time_go_beside_contact_id() {
        let mut sent = event(Scheme::Sia, "BA", "N", "5", "1");
        sent.text = Some(format!("Hall [1]{}", "ö".repeat(200)));
        sent.occurred_at = Some(Timestamp::from_millis(1_764_072_000_000));
        let there = converted(&sent, RelayFormat::ContactId).unwrap();
        let mut extended = vec![('V', b"https://a/b".to_vec())];
        there.beside(&mut extended);
        let (letter, words) = &extended[1];
        assert_eq!((extended.len(), *letter), (2, 'I'));
        let words = std::str::from_utf8(words).expect("cut between characters");
        assert!(words.starts_with("Hall  1 ö") && words.len() <= WORDS_LEN_MAX);
        sent.modifiers.push(larm_event::Modifier {
            name: "ti".to_owned(),
            value: "12:00".to_owned(),
            text: None,
        });
        let there = converted(&sent, RelayFormat::ContactId).unwrap();
        let mut extended = vec![('I', b"there".to_vec())];
        there.beside(&mut extended);
        assert_eq!(extended.len(), 2);
        assert_eq!(extended[0].1, b"there");
        assert_eq!(extended[1], ('H', b"12:00:00,11-25-2025".to_vec()));
    }

    proptest! {
        /// There and back: area and number are the same, an alarm is still one.
        #[test]
        fn there_and_back_keeps_place_and_urgency(
            row in 0..sia_codes().len(),
            number in "[1-9][0-9]{0,2}",
            area in "[1-9][0-9]?",
            old in any::<bool>(),
        ) {
            let row = &sia_codes()[row];
            prop_assume!(!RANKED_LOWER.contains(&row.code));
            let qualifier = if old { "O" } else { "N" };
            let sent = event(Scheme::Sia, row.code, qualifier, &number, &area);
            let there = converted(&sent, RelayFormat::ContactId).expect("it has a counterpart");
            let mut arrived = there.event.clone();
            let (_, _, _, meaning) = read(&arrived);
            arrived.kind = meaning.kind;
            arrived.category = meaning.category;
            if let Some(back) = converted(&arrived, RelayFormat::Sia) {
                let (_, area_back, number_back, meaning_back) = read(&back.event);
                prop_assert_eq!(&number_back, &number);
                prop_assert!(area_back == area || back.event.partition.is_none());
                prop_assert!(sent.kind != Kind::Alarm || meaning_back.kind == Kind::Alarm);
            } else {
                prop_assert!(sent.kind != Kind::Alarm);
            }
        }

        /// Whatever stands in a record, what is written is one event that can be read.
        #[test]
        fn any_number_and_area_can_be_written(
            row in 0..sia_codes().len(),
            number in "[ -~]{0,12}",
            area in "[ -~]{0,6}",
        ) {
            let row = &sia_codes()[row];
            let sent = event(Scheme::Sia, row.code, "N", &number, &area);
            let there = converted(&sent, RelayFormat::ContactId).expect("it has a counterpart");
            read(&there.event);
            let cid = &cid_codes()[0];
            let sent = event(Scheme::Cid, cid.code, "1", &number, &area);
            let there = converted(&sent, RelayFormat::Sia).expect("it has a counterpart");
            read(&there.event);
        }
    }
}
