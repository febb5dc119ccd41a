//! From decoded content to records. Here, and only here, things are owned.
use alloc::borrow::Cow;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use larm_carrier::{Charset, Quirks};
use larm_event::{
    AddressKind, Authenticity, Category, Code, Event, Extended, Grade, Kind, Location, Meaning,
    Media, MediaKind, Modifier, Part, Priority, Raw, Scheme, Timestamp, Value, classify_cid,
    classify_sia,
};
use larm_wire::{stamp, text};
use memchr::memchr_iter;

use crate::cid::{CidEvent, CidQualifier, CidRules};
use crate::deviation::Deviations;
use crate::header::Header;
use crate::message::Content;
use crate::quirks;
use crate::sia::{Modifiers, Qualifier, SiaEvent};
use crate::xdata::{self, Blocks};

/// What all events of one frame share.
pub(crate) struct Common<'f> {
    /// The header, where it could be read.
    pub(crate) header: Option<Header<'f>>,
    /// The frame's bytes.
    pub(crate) raw: &'f [u8],
    /// The account is in the register.
    pub(crate) known: bool,
    /// Code page of texts.
    pub(crate) charset: Charset,
    /// Switches of the account.
    pub(crate) quirks: Quirks,
    /// Deviations of frame, header, block and envelope.
    pub(crate) deviations: Deviations,
    /// How far it can be trusted.
    pub(crate) authenticity: Authenticity,
    /// When it was received.
    pub(crate) now: Option<Timestamp>,
}

/// What a readable frame adds.
pub(crate) struct Details<'d> {
    /// Account and payload.
    pub(crate) content: Content<'d>,
    /// Extended blocks.
    pub(crate) extended: Blocks<'d>,
    /// The time stamp as sent.
    pub(crate) timestamp: Option<&'d str>,
}

/// The records of one frame: its events, or one of kind unknown where none can be read.
pub(crate) fn records(common: &Common<'_>, details: &Details<'_>) -> Vec<Event> {
    // Nearly every frame has one event, and an event is large.
    let mut events = Vec::with_capacity(1);
    for event in details.content.sia() {
        events.push(from_sia(common, details, &event));
    }
    let header_account = common.header.and_then(|header| header.account);
    let rules = cid_rules(common.quirks);
    if let Some(event) = details.content.cid(header_account, rules) {
        events.push(from_cid(common, details, event));
    }
    if events.is_empty() {
        events.push(base(common, Some(details)));
    }
    number(&mut events);
    events
}

/// One record of kind unknown for a frame of which no more than the header can be read.
pub(crate) fn unreadable(common: &Common<'_>) -> Event {
    base(common, None)
}

/// How Contact ID is read for an account.
pub(crate) fn cid_rules(quirks: Quirks) -> CidRules {
    CidRules {
        restore_2: quirks.has(quirks::CID_RESTORE_2),
    }
}

fn number(events: &mut [Event]) {
    let Ok(of) = u16::try_from(events.len()) else {
        return;
    };
    if of > 1 {
        for (index, event) in (1..=of).zip(events) {
            event.part = Some(Part { index, of });
        }
    }
}

/// Everything but the code.
fn base(common: &Common<'_>, details: Option<&Details<'_>>) -> Event {
    let id = common.header.map_or("unknown", |header| header.id);
    let mut event = Event::draft(["dc09/", id].concat());
    event.priority = Meaning::UNKNOWN.priority;
    if let Some(header) = common.header {
        event.receiver = header.receiver.map(String::from);
        event.line = header.line.map(String::from);
        event.account = header.account.map(String::from);
        event.sequence = Some(header.sequence.into());
    }
    event.account_known = common.known;
    event.authenticity = common.authenticity.clone();
    event.raw = Raw(without_keys(common.raw));
    let mut deviations = common.deviations;
    if let Some(details) = details {
        deviations = deviations.with(details.content.deviations);
        place_accounts(&mut event, details.content.account, common.quirks);
        add_extended(&mut event, details.extended, common.charset);
        event.occurred_at = frame_time(common, details);
    }
    event.deviations = words(deviations);
    event
}

/// The words of a set.
pub(crate) fn words(deviations: Deviations) -> Vec<String> {
    deviations
        .iter()
        .map(|deviation| deviation.as_str().into())
        .collect()
}

/// The header's account identifies the link; the data may name another one, or the only one.
fn place_accounts(event: &mut Event, inner: Option<&str>, quirks: Quirks) {
    let Some(inner) = inner else {
        return;
    };
    match &event.account {
        None => event.account = Some(inner.into()),
        Some(account) if account.eq_ignore_ascii_case(inner) => {}
        Some(_) => {
            event.data_account = Some(inner.into());
            if quirks.has(quirks::ACCOUNT_FROM_DATA) {
                core::mem::swap(&mut event.account, &mut event.data_account);
            }
        }
    }
}

/// Text as shown: decoded, control characters escaped.
pub(crate) fn shown(bytes: &[u8], charset: Charset) -> String {
    let charset = match charset {
        Charset::Windows1252 => text::Charset::Windows1252,
        Charset::Windows1251 => text::Charset::Windows1251,
    };
    match text::decode(bytes, charset) {
        Cow::Borrowed(clean) => text::printable(clean).into_owned(),
        Cow::Owned(decoded) => text::printable(&decoded).into_owned(),
    }
}

fn add_extended(event: &mut Event, blocks: Blocks<'_>, charset: Charset) {
    for block in blocks.into_iter().filter(|block| !block.is_key()) {
        let value = shown(block.value, charset);
        match block.letter {
            'I' if event.text.is_none() && !value.is_empty() => event.text = Some(value.clone()),
            'V' => event.media.extend(media(&value)),
            _ => {}
        }
        event.extended.push(Extended {
            id: block.letter.to_string(),
            value,
        });
    }
    event.location = location(blocks);
}

/// Links of one `V` block; one hub parts several with commas.
fn media(value: &str) -> impl Iterator<Item = Media> + '_ {
    value
        .split(',')
        .map(str::trim)
        .filter(|link| !link.is_empty())
        .map(|link| {
            let path = link
                .split(['?', '#'])
                .next()
                .unwrap_or(link)
                .to_ascii_lowercase();
            let ends = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
            let kind = if ends(&[".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"]) {
                MediaKind::Image
            } else if ends(&[".mp4", ".avi", ".mkv", ".mov", ".webm", ".m3u8"])
                || path.starts_with("rtsp:")
            {
                MediaKind::Video
            } else if ends(&[".mp3", ".wav", ".ogg", ".aac", ".amr", ".flac"]) {
                MediaKind::Sound
            } else {
                MediaKind::Unknown
            };
            Media {
                kind,
                reference: link.into(),
            }
        })
}

fn location(blocks: Blocks<'_>) -> Option<Location> {
    Some(Location {
        latitude: xdata::degrees(blocks.find('Y')?)?,
        longitude: xdata::degrees(blocks.find('X')?)?,
        altitude_m: blocks.find('Z').and_then(xdata::metres),
        accuracy_m: None,
        source: "dc09/XY".into(),
    })
}

/// `H`, or the time of sending. `H` may be a time of day alone.
fn frame_time(common: &Common<'_>, details: &Details<'_>) -> Option<Timestamp> {
    let sent = details
        .timestamp
        .and_then(|text| stamp::parse(text.as_bytes()).ok());
    if common.quirks.has(quirks::LOCAL_TIME) && common.authenticity.grade != Grade::Encrypted {
        return None;
    }
    let reference = sent.or(common.now.map(Timestamp::as_millis));
    let happened = details.extended.find('H').and_then(|text| {
        let text = text.trim_ascii();
        // A time of day alone is near something, or it is no time.
        match reference {
            Some(reference) => stamp::parse_near(text, reference).ok(),
            None => stamp::parse(text).ok(),
        }
    });
    happened.or(sent).map(Timestamp::from_millis)
}

fn from_sia(common: &Common<'_>, details: &Details<'_>, sent: &SiaEvent<'_>) -> Event {
    let mut event = base(common, Some(details));
    let meaning = sia_meaning(sent);
    classify(&mut event, &meaning);
    event.code = Some(Code {
        scheme: Scheme::Sia,
        code: sent.code.into(),
        qualifier: Some(sent.qualifier.as_str().into()),
        address: sent.address.map(String::from),
        name: meaning.name.into(),
        name_sv: meaning.name_sv.into(),
    });
    if let Some(address) = sent.address {
        place(&mut event, address, meaning.address, common.quirks);
    }
    add_modifiers(&mut event, &sent.modifiers, common.charset, common.quirks);
    let texts = [sent.text, sent.more_text]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty());
    let texts: Vec<String> = texts.map(|text| shown(text, common.charset)).collect();
    if !texts.is_empty() {
        event.text = Some(texts.join(" "));
    }
    event.value = sent.value.map(|value| Value {
        number: value.number.into(),
        unit: unit(sent.code, value.unit).into(),
    });
    if details.extended.find('H').is_none()
        && let Some(at) = modifier_time(common, details, &sent.modifiers)
    {
        event.occurred_at = Some(at);
    }
    event
}

/// Environmental reports and bare texts are no data codes; everything else stands in the table.
fn sia_meaning(sent: &SiaEvent<'_>) -> Meaning {
    let report = |category, name, name_sv| Meaning {
        kind: Kind::Status,
        category,
        priority: Priority::LOG,
        name,
        name_sv,
        address: AddressKind::Zone,
    };
    match (sent.qualifier, sent.code) {
        (Qualifier::Environment, "DA") => report(
            Category::Temperature,
            "Temperature report",
            "Temperaturrapport",
        ),
        (Qualifier::Environment, "DB") => {
            report(Category::Technical, "Air flow report", "Luftflödesrapport")
        }
        (Qualifier::Environment, "DI") => {
            report(Category::Technical, "Humidity report", "Fuktrapport")
        }
        (Qualifier::Environment, "DM") => {
            report(Category::Water, "Fluid level report", "Vätskenivårapport")
        }
        (_, "A") => Meaning {
            name: "Text message",
            name_sv: "Textmeddelande",
            priority: Priority::FAULT,
            ..Meaning::UNKNOWN
        },
        (_, code) => classify_sia(code),
    }
}

/// Units of DC-03 in their usual signs; what is not known stays as sent.
fn unit<'v>(code: &str, sent: &'v str) -> &'v str {
    match (code, sent) {
        (_, "C") => "°C",
        (_, "F") => "°F",
        ("DI", "P" | "H") => "%RH",
        (_, "P") => "%",
        (_, "H") => "h",
        (_, "M") => "min",
        (_, "MA") => "mA",
        (_, "MV") => "mV",
        (_, "Cm") => "cm",
        (_, "cM") => "cm/min",
        (_, "mM") => "m/min",
        (_, "FM") => "ft/min",
        (_, "I") => "in",
        (_, "IM") => "in/min",
        (_, "Kg") => "kg",
        (_, as_sent) => as_sent,
    }
}

/// `da` with `ti`, or `ti` alone as the moment nearest to the time of sending.
fn modifier_time(
    common: &Common<'_>,
    details: &Details<'_>,
    modifiers: &Modifiers<'_>,
) -> Option<Timestamp> {
    if common.quirks.has(quirks::LOCAL_TIME) {
        return None;
    }
    let of_day = stamp::time(modifiers.find("ti")?.value.as_bytes()).ok()?;
    let date = modifiers
        .find("da")
        .and_then(|date| stamp::date(date.value.as_bytes()).ok());
    let sent = details
        .timestamp
        .and_then(|text| stamp::parse(text.as_bytes()).ok());
    let at = match date {
        Some(midnight) => midnight + of_day,
        None => stamp::nearest(of_day, sent.or(common.now.map(Timestamp::as_millis))?),
    };
    Some(Timestamp::from_millis(at))
}

fn from_cid(common: &Common<'_>, details: &Details<'_>, sent: CidEvent<'_>) -> Event {
    let mut event = base(common, Some(details));
    let armed_is_1 =
        common.quirks.has(quirks::CID_ARM_SWAPPED) && matches!(sent.code, "441" | "456");
    let read_as = match sent.qualifier {
        CidQualifier::New if armed_is_1 => CidQualifier::Restored,
        CidQualifier::Restored if armed_is_1 => CidQualifier::New,
        as_sent => as_sent,
    };
    let meaning = classify_cid(sent.code, read_as.digit());
    classify(&mut event, &meaning);
    event.code = Some(Code {
        scheme: Scheme::Cid,
        code: sent.code.into(),
        qualifier: Some(sent.qualifier.as_str().into()),
        address: Some(sent.zone.into()),
        name: meaning.name.into(),
        name_sv: meaning.name_sv.into(),
    });
    event.partition = some_number(sent.partition);
    if let Some(zone) = some_number(sent.zone) {
        place(&mut event, &zone, meaning.address, common.quirks);
    }
    event.deviations.extend(words(sent.deviations));
    event
}

/// `00` and `000` stand for none.
fn some_number(digits: &str) -> Option<String> {
    digits
        .bytes()
        .any(|digit| digit != b'0')
        .then(|| digits.into())
}

fn classify(event: &mut Event, meaning: &Meaning) {
    event.kind = meaning.kind;
    event.category = meaning.category;
    event.priority = meaning.priority;
}

/// Puts the number behind a code into the field that its meaning asks for.
fn place(event: &mut Event, address: &str, kind: AddressKind, quirks: Quirks) {
    let slot = match kind {
        AddressKind::User => {
            event.user = Some(user(address, quirks));
            return;
        }
        AddressKind::Area => &mut event.partition,
        AddressKind::Device | AddressKind::Line | AddressKind::Output => &mut event.peripheral,
        AddressKind::Zone | AddressKind::Door | AddressKind::Other => &mut event.zone,
        AddressKind::None => return,
    };
    if slot.is_none() {
        *slot = Some(address.into());
    }
}

/// One hub adds 500 to its users.
fn user(number: &str, quirks: Quirks) -> String {
    match number.parse::<u32>() {
        Ok(value) if value > 500 && quirks.has(quirks::USERS_PLUS_500) => (value - 500).to_string(),
        _ => number.into(),
    }
}

/// `ri`, `id` and `pi` have fields of their own; a name given to them, and all others, are kept.
fn add_modifiers(event: &mut Event, sent: &Modifiers<'_>, charset: Charset, quirks: Quirks) {
    for modifier in sent.iter() {
        let kept = match modifier.name {
            "ri" => keep(&mut event.partition, modifier.value.into()),
            "id" => keep(&mut event.user, user(modifier.value, quirks)),
            "pi" => keep(&mut event.peripheral, modifier.value.into()),
            _ => false,
        };
        if !kept || modifier.text.is_some() {
            event.modifiers.push(Modifier {
                name: modifier.name.into(),
                value: modifier.value.into(),
                text: modifier.text.map(|text| shown(text, charset)),
            });
        }
    }
}

fn keep(slot: &mut Option<String>, value: String) -> bool {
    if slot.is_none() && !value.is_empty() {
        *slot = Some(value);
        return true;
    }
    slot.as_deref() == Some(value.as_str())
}

/// The frame's bytes with the values of `K` blocks struck out, in frames of any condition.
pub(crate) fn without_keys(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    if !memchr_iter(b'[', bytes).any(|at| bytes.get(at + 1) == Some(&b'K')) {
        return out;
    }
    let mut inside = false;
    for at in 0..out.len() {
        let Some(byte) = out.get_mut(at) else { break };
        match *byte {
            b']' | b'\r' => inside = false,
            _ if inside => *byte = b'*',
            _ => {}
        }
        if bytes.get(at.saturating_sub(1)..=at) == Some(b"[K") {
            inside = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_struck_out() {
        assert_eq!(without_keys(b"x][K00FF][Vy]\r"), b"x][K****][Vy]\r");
        assert_eq!(without_keys(b"x][K00FF"), b"x][K****");
    }

    #[test]
    fn media_kinds() {
        let all: Vec<_> = media("https://a/b.jpg?x=1, rtsp://c ,d").collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].kind, MediaKind::Image);
        assert_eq!(all[1].kind, MediaKind::Video);
        assert_eq!(all[2].kind, MediaKind::Unknown);
    }
}
