//! Policy, keys, time and damage, through the session as the gateway drives it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
use std::sync::Arc;
use std::time::Duration;

use larm_carrier::{
    Accounts, Answer, CloseReason, Delivery, Encryption, FrameVerdict, Intent, Key, Mode, Moment,
    NoAccounts, Noise, Policy, Proof, Quirks, Request, Session, Step, Verdict,
};
use larm_dc09::{Dc09, Limits, Outgoing, Reply, Ticket, quirks, read_answer};
use larm_event::{Event, Grade, Kind, SuspectReason, Timestamp};

const KEY: &str = "00112233445566778899AABBCCDDEEFF";
const OTHER_KEY: &str = "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";
const NOON: &str = "2026-11-25T12:00:00Z";

struct One(Arc<Policy>);
impl Accounts for One {
    fn find(&self, _: Option<&str>, _: Option<&str>, account: &str) -> Option<Arc<Policy>> {
        matches!(account, "1234" | "9999" | "001365").then(|| Arc::clone(&self.0))
    }
}

struct Durable;
impl Proof for Durable {
    fn position(&self) -> u64 {
        0
    }
}

fn at(text: &str) -> Moment {
    Moment {
        mono: Duration::ZERO,
        utc: Timestamp::parse(text).unwrap(),
    }
}

fn key(hex: &str) -> Key {
    Key::from_hex(hex).unwrap()
}

fn with_keys(hex: [Option<&str>; 2]) -> Policy {
    Policy {
        keys: hex.map(|hex| hex.map(key)),
        ..Policy::default()
    }
}

fn with_quirks(quirks: Quirks) -> Policy {
    Policy {
        quirks,
        ..Policy::default()
    }
}

/// What the session made of one frame, owned, and its reply.
struct Outcome {
    verdict: FrameVerdict,
    intent: Intent,
    link_test: bool,
    events: Vec<Event>,
    account: Option<String>,
    answer: Answer,
    out: Vec<u8>,
}

impl Outcome {
    fn reasons(&self) -> &[SuspectReason] {
        &self.events[0].authenticity.reasons
    }
}

fn answer(session: &Dc09, request: Request<'_, Ticket>, now: Moment) -> Outcome {
    let mut out = Vec::new();
    let answer = session.reply(
        request.ticket,
        Verdict::Committed(Durable),
        now,
        || [9; 32],
        &mut out,
    );
    Outcome {
        verdict: request.verdict,
        intent: request.intent,
        link_test: request.link_test,
        events: request.events,
        account: request.account.map(str::to_owned),
        answer,
        out,
    }
}

fn ask_in(mode: Mode, bytes: &[u8], policy: Policy, now: &str) -> Outcome {
    let accounts = One(Arc::new(policy));
    let mut session = Dc09::new(mode, Limits::default());
    match session.receive(bytes, Delivery::Stream, at(now), &accounts) {
        Step::Request { request, .. } => answer(&session, request, at(now)),
        step => panic!("no request: {step:?}"),
    }
}

fn ask(bytes: &[u8], policy: Policy) -> Outcome {
    ask_in(Mode::Tolerant, bytes, policy, NOON)
}

fn alarm() -> Outgoing {
    let mut frame = Outgoing::new("SIA-DCS", 42, "1234").with_payload(b"Nri1/BA01");
    frame.timestamp = Timestamp::parse(NOON).ok();
    frame
}

fn sealed(frame: &Outgoing, hex: &str) -> Vec<u8> {
    frame.encode(Some((&key(hex), &[3; 32]))).unwrap()
}

#[test]
fn clear_frame_of_an_account_without_key_is_plain() {
    let found = ask(&alarm().encode(None).unwrap(), Policy::default());
    assert_eq!(
        (found.intent, found.answer),
        (Intent::Accept, Answer::Positive)
    );
    assert_eq!(found.events[0].authenticity.grade, Grade::Plain);
    assert_eq!(found.events[0].kind, Kind::Alarm);
    assert!(found.events[0].account_known);
    let read = read_answer(&found.out, None).unwrap();
    assert_eq!((read.reply, read.sequence.as_str()), (Reply::Ack, "0042"));
}

#[test]
fn clear_frame_of_an_account_with_key_follows_its_policy() {
    let bytes = alarm().encode(None).unwrap();
    for (encryption, intent, suspect) in [
        (Encryption::Prefer, Intent::Accept, true),
        (Encryption::Require, Intent::Withhold, true),
        (Encryption::Off, Intent::Accept, false),
    ] {
        let policy = Policy {
            encryption,
            ..with_keys([Some(KEY), None])
        };
        let found = ask(&bytes, policy);
        assert_eq!(found.intent, intent, "{encryption:?}");
        assert_eq!(found.reasons().contains(&SuspectReason::Downgrade), suspect);
        assert_eq!(found.events[0].code.as_ref().unwrap().code, "BA");
    }
    let test = Outgoing::link_test(1, "1234").encode(None).unwrap();
    let policy = Policy {
        encryption: Encryption::Require,
        ..with_keys([Some(KEY), None])
    };
    let found = ask(&test, policy);
    assert_eq!((found.link_test, found.answer), (true, Answer::Silence));
    assert!(found.events.is_empty());
}

#[test]
fn both_live_keys_open_and_answer() {
    for hex in [KEY, OTHER_KEY] {
        let found = ask(
            &sealed(&alarm(), hex),
            with_keys([Some(KEY), Some(OTHER_KEY)]),
        );
        assert_eq!(found.events[0].authenticity.grade, Grade::Encrypted);
        let read = read_answer(&found.out, Some(&key(hex))).unwrap();
        assert!(read.encrypted && read.reply == Reply::Ack);
        assert!(read_answer(&found.out, Some(&key("FF".repeat(16).as_str()))).is_err());
    }
}

#[test]
fn what_no_key_opens_is_recorded_and_not_answered() {
    for (policy, reason) in [
        (Policy::default(), SuspectReason::NoKey),
        (with_keys([Some(OTHER_KEY), None]), SuspectReason::WrongKey),
    ] {
        let found = ask(&sealed(&alarm(), KEY), policy);
        assert_eq!(
            (found.verdict, found.answer),
            (FrameVerdict::Undecryptable, Answer::Silence)
        );
        assert_eq!(found.reasons(), [reason]);
        assert_eq!(found.events[0].kind, Kind::Unknown);
        assert!(!found.events[0].raw.is_empty());
    }
}

#[test]
fn the_window_has_both_its_ends() {
    for (now, answer) in [
        ("2026-11-25T12:00:40.999Z", Answer::Positive),
        ("2026-11-25T12:00:41Z", Answer::Correct),
        ("2026-11-25T11:59:40Z", Answer::Positive),
        ("2026-11-25T11:59:39Z", Answer::Correct),
    ] {
        let found = ask_in(
            Mode::Tolerant,
            &sealed(&alarm(), KEY),
            with_keys([Some(KEY), None]),
            now,
        );
        assert_eq!(found.answer, answer, "{now}");
        if answer == Answer::Correct {
            assert_eq!(found.reasons(), [SuspectReason::StaleTime]);
            let read = read_answer(&found.out, None).unwrap();
            assert_eq!((read.reply, read.encrypted), (Reply::Nak, false));
            assert_eq!(read.time, Timestamp::parse(now).ok());
        }
    }
}

#[test]
fn a_window_that_is_not_enforced_grades_only() {
    let mut policy = with_keys([Some(KEY), None]);
    policy.window.enforce = false;
    let found = ask_in(
        Mode::Tolerant,
        &sealed(&alarm(), KEY),
        policy,
        "2026-11-26T12:00:00Z",
    );
    assert_eq!(found.answer, Answer::Positive);
    assert_eq!(found.reasons(), [SuspectReason::StaleTime]);
}

/// X03: an alarm whose id was changed to that of a link test is no sign of life.
#[test]
fn an_alarm_disguised_as_a_link_test_is_suspect() {
    for id in ["NULL", "XNM"] {
        let mut frame = alarm();
        frame.id = id.into();
        let found = ask(&sealed(&frame, KEY), with_keys([Some(KEY), None]));
        assert!(!found.link_test, "{id}");
        assert_eq!(found.answer, Answer::Silence);
        assert_eq!(found.events[0].authenticity.grade, Grade::Suspect);
    }
    let mut frame = alarm().with_payload(b"Nri1/BA01^K\xfcche^");
    frame.id = "NULL".into();
    let found = ask(&sealed(&frame, KEY), with_keys([Some(KEY), None]));
    assert!(!found.link_test && found.answer == Answer::Silence);
    let mut test = Outgoing::link_test(1, "1234");
    test.timestamp = Timestamp::parse(NOON).ok();
    let found = ask(&sealed(&test, KEY), with_keys([Some(KEY), None]));
    assert!(found.link_test && found.answer == Answer::Positive);
}

/// X04: no flipped bit of cipher text is lost, and none passes as a link test.
#[test]
fn flipped_bits_are_recorded() {
    let bytes = sealed(&alarm(), KEY);
    let from = bytes.iter().position(|byte| *byte == b'[').unwrap() + 1;
    let body = 9;
    for at in from..bytes.len() - 1 {
        for bit in 0..4 {
            let digit =
                u8::from_str_radix(std::str::from_utf8(&bytes[at..=at]).unwrap(), 16).unwrap();
            let mut flipped = bytes[body..bytes.len() - 1].to_vec();
            flipped[at - body] = format!("{:X}", digit ^ (1 << bit)).as_bytes()[0];
            let crc = larm_wire::crc::crc16_arc(&flipped);
            let frame = [
                format!("\n{crc:04X}{:04X}", flipped.len()).as_bytes(),
                &flipped,
                b"\r",
            ]
            .concat();
            let found = ask(&frame, with_keys([Some(KEY), None]));
            assert!(!found.link_test);
            assert!(!found.events.is_empty(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn the_account_inside_must_be_the_one_outside() {
    let mut frame = alarm();
    frame.data = b"#9999|NBA1".to_vec();
    let found = ask(&sealed(&frame, KEY), with_keys([Some(KEY), None]));
    assert_eq!(found.reasons(), [SuspectReason::AccountMismatch]);
    assert_eq!(found.events[0].data_account.as_deref(), Some("9999"));
    let policy = Policy {
        quirks: quirks::ACCOUNT_FROM_DATA,
        ..with_keys([Some(KEY), None])
    };
    let found = ask(&sealed(&frame, KEY), policy);
    assert_eq!(found.events[0].authenticity.grade, Grade::Encrypted);
    assert_eq!(found.events[0].account.as_deref(), Some("9999"));
    assert_eq!(found.account.as_deref(), Some("1234"));
}

#[test]
fn damaged_frames_leave_one_record_and_no_answer() {
    let good = alarm().encode(None).unwrap();
    let mut bad = good.clone();
    bad[20] ^= 1;
    let found = ask(&bad, Policy::default());
    assert_eq!(
        (found.verdict, found.answer),
        (FrameVerdict::BadCrc, Answer::Silence)
    );
    assert_eq!(found.reasons(), [SuspectReason::Damaged]);
    assert_eq!(found.events[0].raw.0, bad);
    assert!(found.events[0].code.is_none());
}

#[test]
fn unsupported_ids_are_recorded_and_declined() {
    let mut frame = alarm();
    frame.id = "ACR-SF".into();
    let bytes = frame.encode(None).unwrap();
    let found = ask(&bytes, Policy::default());
    assert_eq!(
        (found.answer, found.events[0].kind),
        (Answer::Declined, Kind::Unknown)
    );
    assert!(found.out.windows(5).any(|window| window == b"\"DUH\""));
    let found = ask(&bytes, with_quirks(quirks::DUH_AS_ACK));
    assert_eq!(found.answer, Answer::Positive);
}

#[test]
fn data_without_event_is_acknowledged_unless_the_owner_says_duh() {
    let bytes = Outgoing::new("ADM-CID", 1, "1234")
        .with_payload(b"xyz")
        .encode(None)
        .unwrap();
    let found = ask(&bytes, Policy::default());
    assert_eq!(
        (found.answer, found.events[0].kind),
        (Answer::Positive, Kind::Unknown)
    );
    let found = ask(&bytes, with_quirks(quirks::UNDECODABLE_DUH));
    assert_eq!(found.answer, Answer::Declined);
}

#[test]
fn a_receivers_word_is_never_answered() {
    for id in ["ACK", "NAK", "DUH", "RSP"] {
        let found = ask(
            &Outgoing::new(id, 1, "1234").encode(None).unwrap(),
            Policy::default(),
        );
        assert_eq!(found.answer, Answer::Silence);
        assert!(found.events.is_empty());
    }
}

#[test]
fn only_a_commit_is_answered() {
    let accounts = One(Arc::new(Policy::default()));
    let bytes = alarm().encode(None).unwrap();
    for verdict in 0..3 {
        let mut session = Dc09::new(Mode::Tolerant, Limits::default());
        let Step::Request { request, .. } =
            session.receive(&bytes, Delivery::Stream, at(NOON), &accounts)
        else {
            panic!("no request");
        };
        let verdict: Verdict<Durable> = match verdict {
            0 => Verdict::Refused,
            1 => Verdict::Overloaded,
            _ => Verdict::Late,
        };
        let mut out = Vec::new();
        let answer = session.reply(request.ticket, verdict, at(NOON), || [0; 32], &mut out);
        assert_eq!(answer, Answer::Silence);
        assert!(out.is_empty());
    }
}

/// Eldes: CRC and length count the CR, so the length asks for a byte that never comes.
const ELDES: &[u8] = b"\nF19A002B\"ADM-CID\"0056L9999#9999[#9999|1900 00 001]\r";

#[test]
fn eldes_is_answered_without_waiting_and_in_strict_mode_by_quirk() {
    let found = ask(ELDES, Policy::default());
    assert_eq!(found.answer, Answer::Positive);
    assert_eq!(found.events[0].deviations, ["crc-incl-cr", "len-incl-cr"]);
    assert_eq!(
        ask_in(Mode::Strict, ELDES, Policy::default(), NOON).answer,
        Answer::Silence
    );
    let policy = with_quirks(quirks::CRC_INCLUDES_CR.with(quirks::LENGTH_INCLUDES_CR));
    assert_eq!(
        ask_in(Mode::Strict, ELDES, policy, NOON).answer,
        Answer::Positive
    );
}

#[test]
fn length_quirks_in_strict_mode() {
    let decimal = b"\n8BE70059\"SIA-DCS\"0180R0L0#1234[#1234|Nri1/BA01]_12:00:00,11-25-2026\r";
    assert_eq!(ask(decimal, Policy::default()).answer, Answer::Positive);
    assert_eq!(
        ask_in(Mode::Strict, decimal, Policy::default(), NOON).answer,
        Answer::Silence
    );
    let policy = with_quirks(quirks::LENGTH_DECIMAL);
    assert_eq!(
        ask_in(Mode::Strict, decimal, policy, NOON).answer,
        Answer::Positive
    );
}

/// Aritech with XSIA: constant 0101, a length that asks for more, the account in the data alone.
#[test]
fn unchecked_frames_end_at_their_cr_and_are_suspect() {
    let bytes = b"\n01010053\"SIA-DCS\"0007R0073L0011[#001365|NUA021*'detector hall'NM]7C9677F21948CC12|#001365\r";
    let found = ask(bytes, with_quirks(quirks::CRC_UNCHECKED));
    assert_eq!(found.answer, Answer::Positive);
    assert_eq!(found.reasons(), [SuspectReason::Unchecked]);
    assert_eq!(found.events[0].account.as_deref(), Some("001365"));
    let accounts = One(Arc::new(Policy::default()));
    let mut session = Dc09::new(Mode::Tolerant, Limits::default());
    let step = session.receive(bytes, Delivery::Stream, at(NOON), &accounts);
    assert!(matches!(step, Step::More { .. } | Step::Request { .. }));
}

#[test]
fn identity_quirks_are_told() {
    let bytes = alarm().encode(None).unwrap();
    let identity = |quirks| {
        let accounts = One(Arc::new(with_quirks(quirks)));
        let mut session = Dc09::new(Mode::Tolerant, Limits::default());
        match session.receive(&bytes, Delivery::Stream, at(NOON), &accounts) {
            Step::Request { request, .. } => request.identity,
            step => panic!("no request: {step:?}"),
        }
    };
    let plain = identity(Quirks::default());
    assert!(!plain.renumbers && !plain.constant_sequence);
    assert!(identity(quirks::RENUMBERS_RETRIES).renumbers);
    assert!(identity(quirks::CONSTANT_SEQUENCE).constant_sequence);
    assert_eq!(
        (plain.sequence, plain.sent_at),
        (Some(42), Timestamp::parse(NOON).ok())
    );
}

#[test]
fn identity_is_content_without_number_and_time() {
    let identity = |frame: &Outgoing| {
        let bytes = frame.encode(None).unwrap();
        let mut session = Dc09::new(Mode::Tolerant, Limits::default());
        match session.receive(&bytes, Delivery::Stream, at(NOON), &NoAccounts) {
            Step::Request { request, .. } => request.identity,
            step => panic!("no request: {step:?}"),
        }
    };
    let first = identity(&alarm());
    let mut retry = alarm();
    retry.sequence = 43;
    retry.timestamp = Timestamp::parse("2026-11-25T12:00:11Z").ok();
    assert_eq!(identity(&retry).content, first.content);
    let other = alarm().with_payload(b"Nri1/BA02");
    assert_ne!(identity(&other).content, first.content);
    assert_eq!(identity(&other).account, first.account);
    let mut line = alarm();
    line.line = Some("1".into());
    assert_ne!(identity(&line).account, first.account);
}

#[test]
fn user_and_arming_quirks() {
    let user = |quirks, payload: &[u8]| {
        let bytes = Outgoing::new("SIA-DCS", 1, "1234")
            .with_payload(payload)
            .encode(None)
            .unwrap();
        ask(&bytes, with_quirks(quirks)).events[0].user.clone()
    };
    assert_eq!(
        user(Quirks::default(), b"Nri1/CL501").as_deref(),
        Some("501")
    );
    assert_eq!(
        user(quirks::USERS_PLUS_500, b"Nri1/CL501").as_deref(),
        Some("1")
    );
    let kind = |quirks, payload: &[u8]| {
        let bytes = Outgoing::new("ADM-CID", 1, "1234")
            .with_payload(payload)
            .encode(None)
            .unwrap();
        ask(&bytes, with_quirks(quirks)).events[0].kind
    };
    assert_eq!(kind(Quirks::default(), b"1441 03 001"), Kind::Open);
    assert_eq!(kind(quirks::CID_ARM_SWAPPED, b"1441 03 001"), Kind::Close);
    assert_eq!(kind(quirks::CID_ARM_SWAPPED, b"1401 03 001"), Kind::Open);
    assert_eq!(kind(Quirks::default(), b"2130 01 001"), Kind::Unknown);
    assert_eq!(kind(quirks::CID_RESTORE_2, b"2130 01 001"), Kind::Restoral);
}

#[test]
fn reply_quirks() {
    let policy = Policy {
        quirks: quirks::NAK_ACCOUNT_ZEROS,
        ..with_keys([Some(KEY), None])
    };
    let found = ask_in(
        Mode::Tolerant,
        &sealed(&alarm(), KEY),
        policy,
        "2026-11-25T13:00:00Z",
    );
    assert!(
        found
            .out
            .windows(14)
            .any(|window| window == b"0000R0L0#000[]")
    );
    let found = ask(
        &alarm().encode(None).unwrap(),
        with_quirks(quirks::ACK_WITH_TIME),
    );
    assert_eq!(
        read_answer(&found.out, None).unwrap().time,
        Timestamp::parse(NOON).ok()
    );
}

#[test]
fn local_times_are_not_taken_for_utc() {
    let mut frame = alarm().with_payload(b"Nti10:15/da11-24-26/BA1");
    frame.extended.push(('H', b"10:15:00,11-24-2026".to_vec()));
    let bytes = frame.encode(None).unwrap();
    let found = ask(&bytes, Policy::default());
    assert_eq!(
        found.events[0].occurred_at,
        Timestamp::parse("2026-11-24T10:15:00Z").ok()
    );
    assert_eq!(
        ask(&bytes, with_quirks(quirks::LOCAL_TIME)).events[0].occurred_at,
        None
    );
}

#[test]
fn extended_data_reaches_the_record_and_keys_do_not() {
    let mut frame = alarm();
    frame.extended = [
        ('I', "Hall"),
        ('X', "018E04.0"),
        ('Y', "59N20.0"),
        ('Z', "12.5M"),
        ('V', "https://example.org/a.jpg,https://example.org/b.mp4"),
        ('K', "00112233"),
    ]
    .map(|(letter, value)| (letter, value.as_bytes().to_vec()))
    .to_vec();
    let found = ask(&frame.encode(None).unwrap(), Policy::default());
    let event = &found.events[0];
    assert_eq!(event.text.as_deref(), Some("Hall"));
    let place = event.location.as_ref().unwrap();
    assert!(
        (place.latitude - 59.333_33).abs() < 1e-4 && (place.longitude - 18.066_67).abs() < 1e-4
    );
    assert_eq!(event.media.len(), 2);
    assert!(event.extended.iter().all(|block| block.id != "K"));
    assert!(!event.raw.0.windows(8).any(|window| window == b"00112233"));
}

#[test]
fn strict_declines_what_tolerant_takes() {
    let mut frame = alarm();
    frame.line = None;
    let bytes = frame.encode(None).unwrap();
    assert_eq!(ask(&bytes, Policy::default()).answer, Answer::Positive);
    let found = ask_in(Mode::Strict, &bytes, Policy::default(), NOON);
    assert_eq!(found.answer, Answer::Declined);
    assert_eq!(found.events[0].code.as_ref().unwrap().code, "BA");
    let policy = Policy {
        mode: Some(Mode::Tolerant),
        ..Policy::default()
    };
    assert_eq!(
        ask_in(Mode::Strict, &bytes, policy, NOON).answer,
        Answer::Positive
    );
}

#[test]
fn unknown_accounts_are_told_apart() {
    let mut session = Dc09::new(Mode::Tolerant, Limits::default());
    let bytes = Outgoing::new("SIA-DCS", 1, "77")
        .with_payload(b"NBA1")
        .encode(None)
        .unwrap();
    let Step::Request { request, .. } =
        session.receive(&bytes, Delivery::Stream, at(NOON), &NoAccounts)
    else {
        panic!("no request");
    };
    assert!(!request.known && !request.events[0].account_known);
    assert_eq!(request.intent, Intent::Accept);
}

fn close(bytes: &[u8], limits: Limits) -> Option<CloseReason> {
    let mut session = Dc09::new(Mode::Tolerant, limits);
    let mut rest = bytes;
    loop {
        match session.receive(rest, Delivery::Stream, at(NOON), &NoAccounts) {
            Step::Close { reason } => return Some(reason),
            Step::More { .. } => return None,
            Step::Skip { consumed, .. } | Step::Request { consumed, .. } => {
                rest = &rest[consumed..];
            }
        }
    }
}

#[test]
fn limits_end_a_connection() {
    let noise = Limits {
        noise_len_max: 100,
        ..Limits::default()
    };
    assert_eq!(close(&[b'x'; 101], noise), Some(CloseReason::TooMuchNoise));
    assert_eq!(close(&[b'x'; 99], noise), None);
    let short = Limits {
        body_len_max: 40,
        ..Limits::default()
    };
    assert_eq!(
        close(b"\n8BE7003B\"SIA-DCS\"", short),
        Some(CloseReason::FrameTooLong)
    );
    let endless = [&b"\n8BE7ZZZZ\"SIA-DCS\""[..], &[b'x'; 5000]].concat();
    assert_eq!(
        close(&endless, Limits::default()),
        Some(CloseReason::FrameTooLong)
    );
    assert_eq!(
        close(b"\x16\x03\x01\x00\xc8\x01", Limits::default()),
        Some(CloseReason::ForeignProtocol)
    );
    assert_eq!(
        close(b"GET / HTTP/1.1\r\n", Limits::default()),
        Some(CloseReason::ForeignProtocol)
    );
    assert_eq!(close(b"G", Limits::default()), None);
}

#[test]
fn a_damaged_frame_does_not_swallow_the_next_one() {
    let good = alarm().encode(None).unwrap();
    let with_length = |length: &[u8; 4]| {
        let mut frame = good.clone();
        frame[5..9].copy_from_slice(length);
        frame
    };
    let cut = good[..30].to_vec();
    for first in [
        with_length(b"0030"),
        with_length(b"0100"),
        with_length(b"0FFF"),
        with_length(b"ZZZZ"),
        cut,
    ] {
        let bytes = [first.as_slice(), &good, b"\r\n", &good].concat();
        let mut session = Dc09::new(Mode::Tolerant, Limits::default());
        let mut rest = bytes.as_slice();
        let mut accepted = 0;
        loop {
            match session.receive(rest, Delivery::Stream, at(NOON), &NoAccounts) {
                Step::Request { consumed, request } => {
                    accepted += usize::from(request.intent == Intent::Accept);
                    rest = &rest[consumed..];
                }
                Step::Skip { consumed, .. } => rest = &rest[consumed..],
                Step::More { .. } => break,
                Step::Close { reason } => panic!("closed: {reason:?}"),
            }
        }
        assert_eq!(accepted, 2, "{}", first.escape_ascii());
    }
}

#[test]
fn a_datagram_may_hold_noise_and_foreign_protocols() {
    let mut session = Dc09::new(Mode::Tolerant, Limits::default());
    let step = session.receive(
        b"GET / HTTP/1.1\r\n\r\n",
        Delivery::Datagram,
        at(NOON),
        &NoAccounts,
    );
    assert!(matches!(
        step,
        Step::Skip {
            consumed: 18,
            noise: Noise::Http
        }
    ));
}

#[test]
fn a_frame_without_its_end_is_recorded_when_the_stream_ends() {
    let bytes = alarm().encode(None).unwrap();
    let cut = &bytes[..bytes.len() - 1];
    let mut session = Dc09::new(Mode::Tolerant, Limits::default());
    let step = session.receive(cut, Delivery::Stream, at(NOON), &NoAccounts);
    assert!(matches!(
        step,
        Step::More {
            consumed: 0,
            begun: true
        }
    ));
    let step = session.receive(cut, Delivery::StreamEnd, at(NOON), &NoAccounts);
    let Step::Request { consumed, request } = step else {
        panic!("no request")
    };
    assert_eq!(
        (consumed, request.verdict),
        (cut.len(), FrameVerdict::Truncated)
    );
    assert_eq!(request.account, Some("1234"));
    let found = answer(&session, request, at(NOON));
    assert_eq!(
        (found.answer, found.reasons()),
        (Answer::Silence, &[SuspectReason::Damaged][..])
    );
    let step = session.receive(&bytes[..14], Delivery::StreamEnd, at(NOON), &NoAccounts);
    assert!(matches!(
        step,
        Step::Skip {
            consumed: 14,
            noise: Noise::Cut
        }
    ));
}

#[test]
fn quirks_of_a_listener_hold_for_unknown_accounts() {
    let mut frame = alarm();
    frame.id = "ACR-SF".into();
    let bytes = frame.encode(None).unwrap();
    let mut session = Dc09::new(Mode::Tolerant, Limits::default()).with_quirks(quirks::DUH_AS_ACK);
    let Step::Request { request, .. } =
        session.receive(&bytes, Delivery::Stream, at(NOON), &NoAccounts)
    else {
        panic!("no request");
    };
    assert_eq!(request.intent, Intent::Accept);
}

#[test]
fn the_path_number_is_told() {
    let mut frame = alarm();
    frame.extended.push(('G', b"2".to_vec()));
    let found = ask(&frame.encode(None).unwrap(), Policy::default());
    let path = found.events[0].path.as_ref().unwrap();
    assert_eq!(path.number.as_deref(), Some("2"));
}

/// The CR behind the LF is the first byte of a binary checksum, not the end of the cut frame.
#[test]
fn a_cut_frame_before_a_checksum_that_starts_with_cr() {
    let mut frame = alarm();
    frame.form = larm_dc09::frame::CrcForm::Binary;
    let with_cr = (0..10_000).find_map(|sequence| {
        frame.sequence = sequence;
        frame.encode(None).ok().filter(|bytes| bytes[1] == b'\r')
    });
    let bytes = [&alarm().encode(None).unwrap()[..50], &with_cr.unwrap()].concat();
    let mut session = Dc09::new(Mode::Tolerant, Limits::default());
    let mut from = 0;
    let mut verdicts = Vec::new();
    for end in 0..=bytes.len() {
        loop {
            match session.receive(&bytes[from..end], Delivery::Stream, at(NOON), &NoAccounts) {
                Step::Request { consumed, request } => {
                    verdicts.push(request.verdict);
                    from += consumed;
                }
                Step::Skip { consumed, .. } => from += consumed,
                Step::More { consumed, .. } => {
                    from += consumed;
                    break;
                }
                Step::Close { reason } => panic!("closed: {reason:?}"),
            }
        }
    }
    assert_eq!(verdicts, [FrameVerdict::Truncated, FrameVerdict::Ok]);
}

#[test]
fn a_line_feed_behind_a_frame_begins_no_frame() {
    let mut bytes = alarm().encode(None).unwrap();
    let len = bytes.len();
    bytes.push(b'\n');
    let mut session = Dc09::new(Mode::Tolerant, Limits::default());
    let step = session.receive(&bytes, Delivery::Stream, at(NOON), &NoAccounts);
    assert!(matches!(step, Step::Request { consumed, .. } if consumed == len));
    let step = session.receive(&bytes[len..], Delivery::Stream, at(NOON), &NoAccounts);
    assert!(matches!(
        step,
        Step::More {
            consumed: 0,
            begun: false
        }
    ));
}

#[test]
fn words_of_other_protocols_in_the_middle_of_a_stream_take_no_frame_with_them() {
    let frame = alarm().encode(None).unwrap();
    for word in [&b"PUT 4"[..], b"\x16\x03\x01", b"GET / HTTP/1.1\r\n"] {
        let mut session = Dc09::new(Mode::Tolerant, Limits::default());
        // A damaged frame ends at its CR, so the word is the first that comes behind it.
        let mut bytes = b"\n1694502B\"?\r".to_vec();
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(&frame);
        let mut found = Vec::new();
        loop {
            let now = at(NOON);
            let (consumed, ended) =
                match session.receive(&bytes, Delivery::StreamEnd, now, &NoAccounts) {
                    Step::More { consumed, .. } => (consumed, true),
                    Step::Skip { consumed, .. } => (consumed, false),
                    Step::Request { consumed, request } => {
                        found.push(request.frame.to_vec());
                        (consumed, false)
                    }
                    Step::Close { reason } => panic!("{reason:?}"),
                };
            bytes.drain(..consumed);
            if ended {
                break;
            }
        }
        assert_eq!(found.last(), Some(&frame), "{}", word.escape_ascii());
    }
}

#[test]
fn a_decimal_length_is_known_before_what_follows() {
    // Read as hex and with the CR counted, the same length ends at the second CR.
    let frame = b"\n8BE70059\"SIA-DCS\"0180R0L0#1234[#1234|Nri1/BA01]_12:00:00,11-25-2026\r";
    let bytes = [&frame[..], b"HEA..SIA-DC\r90:00,11-25-2026\r"].concat();
    let mut session = Dc09::new(Mode::Tolerant, Limits::default());
    match session.receive(&bytes, Delivery::Stream, at(NOON), &NoAccounts) {
        Step::Request { request, .. } => {
            assert_eq!(request.frame, frame);
            assert_eq!(request.intent, Intent::Accept);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_form_of_a_frame_does_not_change_with_more_of_it() {
    use larm_dc09::frame::{CrcForm, sure_form};
    let bytes = b"\n5B0900\"\"\"";
    for len in 8..=bytes.len() {
        assert_eq!(sure_form(&bytes[..len]), Some(CrcForm::Binary), "{len}");
    }
}
