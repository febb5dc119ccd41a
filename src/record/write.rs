//! From an event to its fields.
use larm_event::{Code, Event, Location, Path, Repeat};

use super::fields::{Fields, Tag};

/// Appends every field of `event` but its position, in the order of their tags.
pub(super) fn event(event: &Event, out: &mut Vec<u8>) {
    let mut fields = Fields(out);
    fields.bytes(Tag::Id, event.id.as_bytes());
    fields.text(Tag::Node, &event.node);
    fields.whole(Tag::ReceivedAt, event.received_at.as_millis());
    if let Some(at) = event.occurred_at {
        fields.whole(Tag::OccurredAt, at.as_millis());
    }
    if let Some(offset) = event.clock_offset_ms {
        fields.whole(Tag::ClockOffset, offset);
    }
    fields.text(Tag::Protocol, &event.protocol);
    if let Some(found) = &event.path {
        path(&mut fields, found);
    }
    fields.maybe(Tag::Receiver, event.receiver.as_ref());
    fields.maybe(Tag::Line, event.line.as_ref());
    fields.maybe(Tag::Account, event.account.as_ref());
    fields.flag(Tag::AccountKnown, event.account_known);
    fields.maybe(Tag::DataAccount, event.data_account.as_ref());
    fields.maybe(Tag::Sequence, event.sequence.as_ref());
    if let Some(part) = event.part {
        let [a, b] = part.index.to_le_bytes();
        let [c, d] = part.of.to_le_bytes();
        fields.bytes(Tag::Part, &[a, b, c, d]);
    }
    if let Some(found) = &event.code {
        code(&mut fields, found);
    }
    fields.text(Tag::Kind, event.kind.as_str());
    fields.text(Tag::Category, event.category.as_str());
    fields.bytes(Tag::Priority, &[event.priority.get()]);
    fields.maybe(Tag::Partition, event.partition.as_ref());
    fields.maybe(Tag::Zone, event.zone.as_ref());
    fields.maybe(Tag::User, event.user.as_ref());
    fields.maybe(Tag::Peripheral, event.peripheral.as_ref());
    fields.maybe(Tag::Text, event.text.as_ref());
    if let Some(value) = &event.value {
        fields.text(Tag::ValueNumber, &value.number);
        fields.text(Tag::ValueUnit, &value.unit);
    }
    if let Some(found) = &event.location {
        location(&mut fields, found);
    }
    lists(&mut fields, event);
    if let Some(found) = &event.repeat {
        repeat(&mut fields, found);
    }
    fields.flag(Tag::Test, event.test);
    fields.flag(Tag::Shadow, event.shadow);
    if !event.raw.is_empty() {
        fields.bytes(Tag::Raw, &event.raw.0);
    }
}

fn path(fields: &mut Fields<'_>, path: &Path) {
    fields.text(Tag::PathListener, &path.listener);
    fields.text(Tag::PathTransport, path.transport.as_str());
    fields.text(Tag::PathPeer, &path.peer);
    if let Some(role) = path.role {
        fields.text(Tag::PathRole, role.as_str());
    }
    fields.maybe(Tag::PathNumber, path.number.as_ref());
}

fn code(fields: &mut Fields<'_>, code: &Code) {
    fields.text(Tag::CodeScheme, code.scheme.as_str());
    fields.text(Tag::CodeCode, &code.code);
    fields.maybe(Tag::CodeQualifier, code.qualifier.as_ref());
    fields.maybe(Tag::CodeAddress, code.address.as_ref());
    fields.filled(Tag::CodeName, &code.name);
    fields.filled(Tag::CodeNameSv, &code.name_sv);
}

fn location(fields: &mut Fields<'_>, location: &Location) {
    fields.real(Tag::Latitude, location.latitude);
    fields.real(Tag::Longitude, location.longitude);
    if let Some(metres) = location.altitude_m {
        fields.real(Tag::Altitude, metres);
    }
    if let Some(metres) = location.accuracy_m {
        fields.real(Tag::Accuracy, metres);
    }
    fields.text(Tag::LocationSource, &location.source);
}

fn lists(fields: &mut Fields<'_>, event: &Event) {
    fields.list(
        Tag::Media,
        (event.media.iter()).map(|media| [Some(media.kind.as_str()), Some(&*media.reference)]),
    );
    fields.list(
        Tag::Modifiers,
        (event.modifiers.iter()).map(|modifier| {
            [
                Some(&*modifier.name),
                Some(&*modifier.value),
                modifier.text.as_deref(),
            ]
        }),
    );
    fields.list(
        Tag::Extended,
        (event.extended.iter()).map(|block| [Some(&*block.id), Some(&*block.value)]),
    );
    fields.text(Tag::Grade, event.authenticity.grade.as_str());
    fields.list(
        Tag::Reasons,
        (event.authenticity.reasons.iter()).map(|reason| [Some(reason.as_str())]),
    );
    fields.list(
        Tag::Deviations,
        event.deviations.iter().map(|word| [Some(word.as_str())]),
    );
}

fn repeat(fields: &mut Fields<'_>, repeat: &Repeat) {
    // Its presence is told by the count, which is 0 where it is not known.
    fields.whole(Tag::RepeatSeen, repeat.seen.map_or(0, i64::from));
    fields.list(
        Tag::RepeatPaths,
        repeat.paths.iter().map(|path| [Some(path.as_str())]),
    );
    if let Some(earlier) = repeat.possible_repeat_of {
        fields.bytes(Tag::RepeatPossible, earlier.as_bytes());
    }
}
