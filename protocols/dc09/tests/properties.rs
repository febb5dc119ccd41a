//! What is written is read back, and how bytes are cut changes nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::sync::Arc;
use std::time::Duration;

use larm_carrier::{
    Accounts, Delivery, Key, Mode, Moment, NoAccounts, Policy, Session, Step, Window,
};
use larm_dc09::cid::{CidEvent, CidQualifier, CidRules};
use larm_dc09::frame::CrcForm;
use larm_dc09::sia::{self, Modifier, Modifiers, Qualifier, SiaEvent, Value};
use larm_dc09::{Body, Dc09, Deviations, Limits, Outgoing, Token, decode, inspect};
use larm_event::Timestamp;
use proptest::prelude::*;

fn moment() -> Moment {
    Moment {
        mono: Duration::ZERO,
        utc: Timestamp::from_millis(1_700_000_000_000),
    }
}

/// Everything that one frame can hold.
fn outgoing() -> impl Strategy<Value = Outgoing> {
    let id = prop_oneof![
        Just("SIA-DCS"),
        Just("ADM-CID"),
        Just("NULL"),
        Just("XNM"),
        Just("ACR-SF")
    ];
    let digits = || proptest::option::of("[0-9A-F]{1,6}");
    let extended = proptest::collection::vec(
        (
            proptest::char::range('A', 'J'),
            proptest::collection::vec(value_byte(), 0..20),
        ),
        0..4,
    );
    (
        (
            id,
            0u16..10_000,
            digits(),
            digits(),
            proptest::option::of("[0-9A-F]{1,16}"),
        ),
        proptest::collection::vec(value_byte(), 0..60),
        extended,
        proptest::option::of(0i64..4_000_000_000),
        any::<bool>(),
    )
        .prop_map(
            |((id, sequence, receiver, line, account), data, extended, time, binary)| Outgoing {
                id: id.into(),
                sequence,
                receiver,
                line,
                account,
                data,
                extended,
                timestamp: time.map(|seconds| Timestamp::from_millis(seconds * 1000)),
                form: if binary {
                    CrcForm::Binary
                } else {
                    CrcForm::Ascii
                },
            },
        )
}

/// Any byte but brackets.
fn value_byte() -> impl Strategy<Value = u8> {
    any::<u8>().prop_filter("brackets end a block", |byte| !matches!(byte, b'[' | b']'))
}

/// Data as transmitters write it: an account, a bar, printable text.
fn told_data(frame: &Outgoing) -> Vec<u8> {
    let account = frame.account.clone().unwrap_or_default();
    format!("#{account}|").into_bytes()
}

fn sia_event() -> impl Strategy<
    Value = (
        Qualifier,
        String,
        String,
        Option<String>,
        Vec<(String, String)>,
    ),
> {
    let qualifier = prop_oneof![Just(Qualifier::New), Just(Qualifier::Old)];
    let code = prop_oneof![
        Just("BA"),
        Just("FA"),
        Just("CL"),
        Just("RP"),
        Just("NL"),
        Just("QQ")
    ];
    let modifiers = proptest::collection::vec(("(ri|id|pi|zz)", "[0-9]{1,4}"), 0..3);
    (
        qualifier,
        code.prop_map(str::to_owned),
        "[0-9]{0,4}",
        proptest::option::of("[a-z A-Z0-9/]{0,12}"),
        modifiers,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn clear_frames_read_back(frame in outgoing()) {
        let bytes = frame.encode(None).unwrap();
        let message = decode(&bytes).unwrap();
        prop_assert_eq!(message.frame.deviations(), Deviations::NONE);
        prop_assert_eq!(message.frame.form, frame.form);
        prop_assert_eq!(message.header.id, frame.id.as_str());
        prop_assert_eq!(message.header.sequence_number(), Some(u32::from(frame.sequence)));
        prop_assert_eq!(message.header.receiver, frame.receiver.as_deref());
        prop_assert_eq!(message.header.line, frame.line.as_deref());
        prop_assert_eq!(message.header.account, frame.account.as_deref());
        let Body::Clear(block) = message.body else { panic!("clear") };
        prop_assert_eq!(block.data, frame.data.as_slice());
        let blocks: Vec<_> = block.extended.into_iter().map(|one| (one.letter, one.value.to_vec())).collect();
        prop_assert_eq!(blocks, frame.extended.clone());
        let time = block.timestamp.and_then(|text| larm_wire::stamp::parse(text.as_bytes()).ok());
        prop_assert_eq!(time.map(Timestamp::from_millis), frame.timestamp);
    }

    #[test]
    fn encrypted_frames_read_back(
        mut frame in outgoing(),
        text in "[ -Z^-~]{0,40}",
        noise in any::<[u8; 32]>(),
        secret in prop_oneof![
            proptest::collection::vec(any::<u8>(), 16),
            proptest::collection::vec(any::<u8>(), 24),
            proptest::collection::vec(any::<u8>(), 32),
        ],
    ) {
        let key = Key::from_bytes(&secret).unwrap();
        frame.timestamp.get_or_insert(moment().utc);
        frame.data = [told_data(&frame), text.into_bytes()].concat();
        let bytes = frame.encode(Some((&key, &noise))).unwrap();
        let pieces = inspect(&bytes, &[key], None);
        prop_assert_eq!(pieces.len(), 1);
        let piece = &pieces[0];
        prop_assert_eq!(&piece.verdict, "ok");
        prop_assert_eq!(piece.encrypted, Some(true));
        let wanted = larm_wire::text::printable(std::str::from_utf8(&frame.data).unwrap()).into_owned();
        prop_assert_eq!(piece.payload.clone(), Some(wanted));
        prop_assert_eq!(piece.extended.len(), frame.extended.len());
        let time = piece.timestamp.as_deref().map(|text| larm_wire::stamp::parse(text.as_bytes()).unwrap());
        prop_assert_eq!(time.map(Timestamp::from_millis), frame.timestamp);
    }

    #[test]
    fn sia_events_read_back(events in proptest::collection::vec(sia_event(), 1..4)) {
        let built: Vec<SiaEvent<'_>> = events
            .iter()
            .map(|(qualifier, code, address, text, modifiers)| {
                let modifiers: Vec<Modifier<'_>> =
                    modifiers.iter().map(|(name, value)| Modifier { name, value, text: None }).collect();
                SiaEvent {
                    qualifier: *qualifier,
                    code,
                    address: Some(address.as_str()).filter(|address| !address.is_empty()),
                    value: None,
                    text: text.as_deref().map(str::as_bytes),
                    more_text: None,
                    modifiers: Modifiers::of(&modifiers),
                }
            })
            .collect();
        let mut payload = Vec::new();
        for (index, event) in built.iter().enumerate() {
            if index > 0 {
                payload.push(b'|');
            }
            event.write(&mut payload);
        }
        let read: Vec<SiaEvent<'_>> = sia::events(&payload).collect();
        prop_assert_eq!(read, built, "{}", String::from_utf8_lossy(&payload));
    }

    #[test]
    fn environmental_values_read_back(number in "-?[0-9]{1,3}(\\.[0-9])?", unit in "(C|F|P|H|MV|Cm)", zone in "[0-9]{0,3}") {
        let built = SiaEvent {
            qualifier: Qualifier::Environment,
            code: "DA",
            address: Some(zone.as_str()).filter(|zone| !zone.is_empty()),
            value: Some(Value { number: &number, unit: &unit }),
            text: None,
            more_text: None,
            modifiers: Modifiers::default(),
        };
        let mut payload = Vec::new();
        built.write(&mut payload);
        prop_assert_eq!(sia::events(&payload).collect::<Vec<_>>(), [built]);
    }

    #[test]
    fn contact_id_reads_back(which in 0usize..3, code in "[1-9][0-9]{2}", partition in "[0-9A-F]{2}", zone in "[0-9A-F]{3}") {
        let qualifier = [CidQualifier::New, CidQualifier::Restored, CidQualifier::Still][which];
        let built = CidEvent { qualifier, code: &code, partition: &partition, zone: &zone, deviations: Deviations::NONE };
        let mut payload = Vec::new();
        built.write(&mut payload);
        prop_assert_eq!(larm_dc09::cid::read(&payload, None, CidRules::default()), Some(built));
    }

    #[test]
    fn any_bytes_are_explained_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let pieces = inspect(&bytes, &[], None);
        let total: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
        prop_assert_eq!(total, bytes.len());
        let _ = decode(&bytes);
        let _ = sia::events(&bytes).count();
        let _ = larm_dc09::Content::read(Token::SiaDcs, &bytes, Some("1234"));
    }

    #[test]
    fn explanations_cover_every_byte(pieces in proptest::collection::vec(stream_piece(), 1..5)) {
        let bytes = pieces.concat();
        let found = inspect(&bytes, &[], None);
        prop_assert_eq!(found.iter().flat_map(|piece| piece.bytes.clone()).collect::<Vec<_>>(), bytes);
        for piece in &found {
            let mut at = 0;
            for field in piece.fields.iter().filter(|field| field.name != "event") {
                prop_assert_eq!(field.start, at, "{:?}", piece);
                at = field.end;
            }
            prop_assert_eq!(at, piece.bytes.len(), "{:?}", piece);
            prop_assert_eq!(piece.verdict == "ok", piece.error.is_none());
        }
    }

    #[test]
    fn any_split_gives_the_same_requests(
        pieces in proptest::collection::vec(stream_piece(), 1..6),
        cuts in proptest::collection::vec(1usize..40, 1..40),
    ) {
        let bytes = pieces.concat();
        let at_once = requests(&bytes, &[bytes.len().max(1)]);
        prop_assert_eq!(requests(&bytes, &[1]), at_once.clone());
        prop_assert_eq!(requests(&bytes, &cuts), at_once);
    }
}

/// Frames good and bad, fillers and noise.
fn stream_piece() -> impl Strategy<Value = Vec<u8>> {
    let good = outgoing().prop_map(|frame| frame.encode(None).unwrap());
    let bent = (outgoing(), 0usize..80, any::<u8>()).prop_map(|(frame, at, byte)| {
        let mut bytes = frame.encode(None).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes
    });
    let length = (outgoing(), "0[0-9A-F]{3}").prop_map(|(mut frame, length)| {
        frame.form = CrcForm::Ascii;
        let mut bytes = frame.encode(None).unwrap();
        bytes[5..9].copy_from_slice(length.as_bytes());
        bytes
    });
    let cut = (outgoing(), 1usize..80).prop_map(|(frame, len)| {
        let mut bytes = frame.encode(None).unwrap();
        bytes.truncate(len);
        bytes
    });
    let eldes = Just(b"\nF19A002B\"ADM-CID\"0056L9999#9999[#9999|1900 00 001]\r".to_vec());
    let filler = proptest::collection::vec(prop_oneof![Just(0u8), Just(b'\r'), Just(b'\n')], 0..4);
    let noise = proptest::collection::vec(any::<u8>(), 0..30);
    prop_oneof![4 => good, 2 => bent, 2 => length, 2 => cut, 1 => eldes, 2 => filler, 1 => noise]
}

/// What a session makes of a stream that comes in pieces of these sizes, in turn.
fn requests(bytes: &[u8], cuts: &[usize]) -> Vec<(Vec<u8>, String)> {
    let limits = Limits {
        noise_len_max: usize::MAX,
        ..Limits::default()
    };
    let mut session = Dc09::new(Mode::Tolerant, limits);
    let mut found = Vec::new();
    let (mut from, mut end) = (0, 0);
    let mut sizes = cuts.iter().cycle();
    loop {
        let last = end >= bytes.len();
        let delivery = if last {
            Delivery::StreamEnd
        } else {
            Delivery::Stream
        };
        match session.receive(&bytes[from..end], delivery, moment(), &NoAccounts) {
            Step::More { .. } if last => return found,
            Step::More { consumed, .. } => {
                from += consumed;
                end = (end + sizes.next().unwrap()).min(bytes.len());
            }
            Step::Skip { consumed, .. } => from += consumed,
            Step::Close { .. } => return found,
            Step::Request { consumed, request } => {
                found.push((
                    request.frame.to_vec(),
                    format!("{:?} {:?}", request.verdict, request.intent),
                ));
                from += consumed;
            }
        }
    }
}

/// The register gives everybody this key, so that the session opens what was sealed.
struct Everybody(Arc<Policy>);
impl Accounts for Everybody {
    fn find(&self, _: Option<&str>, _: Option<&str>, _: &str) -> Option<Arc<Policy>> {
        Some(Arc::clone(&self.0))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_wrong_key_is_never_taken_for_the_right_one(noise in any::<[u8; 32]>(), other in any::<[u8; 16]>()) {
        let key = Key::from_bytes(&[1; 16]).unwrap();
        prop_assume!(other != [1; 16]);
        let mut frame = Outgoing::new("SIA-DCS", 1, "1234").with_payload(b"Nri1/BA01");
        frame.timestamp = Some(moment().utc);
        let bytes = frame.encode(Some((&key, &noise))).unwrap();
        let policy = Policy {
            keys: [Key::from_bytes(&other).ok(), None],
            window: Window::default(),
            ..Policy::default()
        };
        let accounts = Everybody(Arc::new(policy));
        let mut session = Dc09::new(Mode::Tolerant, Limits::default());
        match session.receive(&bytes, Delivery::Stream, moment(), &accounts) {
            Step::Request { request, .. } => {
                prop_assert_eq!(request.verdict, larm_carrier::FrameVerdict::Undecryptable);
            }
            step => prop_assert!(false, "{step:?}"),
        }
    }
}
