//! Events with any mixture of fields, for property tests.
use larm_event::{
    Authenticity, Category, Code, Event, Extended, Grade, Kind, Location, Media, MediaKind,
    Modifier, Part, Path, PathRole, Priority, Raw, Repeat, Scheme, SuspectReason, Timestamp,
    Transport, Value,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z0-9]{0,6}", any::<String>()]
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn degrees(most: f64) -> impl Strategy<Value = f64> {
    -most..=most
}

prop_compose! {
    fn path()(
        listener in text(), transport in select(Transport::ALL), peer in text(),
        role in of(select(PathRole::ALL)), number in of(text()),
    ) -> Path {
        Path { listener, transport, peer, role, number }
    }
}

prop_compose! {
    fn code()(
        scheme in select(Scheme::ALL), code in text(), qualifier in of(text()),
        address in of(text()), name in text(), name_sv in text(),
    ) -> Code {
        Code { scheme, code, qualifier, address, name, name_sv }
    }
}

prop_compose! {
    fn location()(
        latitude in degrees(90.0), longitude in degrees(180.0), altitude_m in of(degrees(9000.0)),
        accuracy_m in of(0.0..=1e5), source in text(),
    ) -> Location {
        Location { latitude, longitude, altitude_m, accuracy_m, source }
    }
}

prop_compose! {
    fn repeat()(seen in of(any::<u32>()), paths in vec(text(), 0..3), possible_repeat_of in of(uuid())) -> Repeat {
        Repeat { seen, paths, possible_repeat_of }
    }
}

prop_compose! {
    fn authenticity()(
        grade in select(Grade::ALL), reasons in vec(select(SuspectReason::ALL), 0..3),
    ) -> Authenticity {
        Authenticity { grade, reasons }
    }
}

type Words = (
    Kind,
    Category,
    u8,
    Authenticity,
    Option<Code>,
    Vec<String>,
    bool,
    bool,
);

fn words() -> impl Strategy<Value = Words> {
    (
        select(Kind::ALL),
        select(Category::ALL),
        1..=5u8,
        authenticity(),
        of(code()),
        vec(text(), 0..3),
        any::<bool>(),
        any::<bool>(),
    )
}

/// Receiver, line, account, account in the data, sequence, partition, zone, user, peripheral, text.
fn texts() -> impl Strategy<Value = [Option<String>; 10]> {
    proptest::array::uniform10(of(text()))
}

type Lists = (Vec<Media>, Vec<Modifier>, Vec<Extended>, Vec<u8>);

fn lists() -> impl Strategy<Value = Lists> {
    let media = (select(MediaKind::ALL), text());
    let media = media.prop_map(|(kind, reference)| Media { kind, reference });
    let modifier = (text(), text(), of(text()));
    let modifier = modifier.prop_map(|(name, value, text)| Modifier { name, value, text });
    let extended = (text(), text()).prop_map(|(id, value)| Extended { id, value });
    (
        vec(media, 0..3),
        vec(modifier, 0..3),
        vec(extended, 0..3),
        vec(any::<u8>(), 0..80),
    )
}

type Rest = (
    Option<Value>,
    Option<Location>,
    Option<Repeat>,
    Option<Path>,
    Option<Part>,
);

fn rest() -> impl Strategy<Value = Rest> {
    let value = (text(), text()).prop_map(|(number, unit)| Value { number, unit });
    let part = (any::<u16>(), any::<u16>()).prop_map(|(index, of)| Part { index, of });
    (
        of(value),
        of(location()),
        of(repeat()),
        of(path()),
        of(part),
    )
}

prop_compose! {
    /// Any event that the types allow.
    pub(crate) fn event()(
        id in uuid(),
        position in of(any::<u64>()),
        (node, protocol) in (text(), text()),
        received_at in time(),
        occurred_at in of(time()),
        clock_offset_ms in of(any::<i64>()),
        [receiver, line, account, data_account, sequence, partition, zone, user, peripheral, text] in texts(),
        (kind, category, priority, authenticity, code, deviations, account_known, test) in words(),
        (media, modifiers, extended, raw) in lists(),
        (value, location, repeat, path, part) in rest(),
        shadow in any::<bool>(),
    ) -> Event {
        Event {
            id, position, node, received_at, occurred_at, clock_offset_ms, protocol, path,
            receiver, line, account, account_known, data_account, sequence, part, code,
            kind, category, priority: Priority::try_from(priority).expect("drawn from 1 to 5"),
            partition, zone, user, peripheral, text, value, location, media, modifiers, extended,
            authenticity, deviations, repeat, test, shadow, raw: Raw(raw),
        }
    }
}
