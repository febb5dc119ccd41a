//! From fields back to an event.
use larm_event::{
    Authenticity, Category, Code, Event, Extended, Grade, Kind, Location, Media, MediaKind,
    Modifier, Part, Path, PathRole, Priority, Raw, Repeat, Scheme, SuspectReason, Timestamp,
    Transport, Value,
};
use uuid::Uuid;

use super::fields::{Tag, take_field, take_piece};

/// What does not fit in a payload's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A field's end lies behind the payload's.
    #[error("its fields are cut")]
    Cut,
    /// A field's bytes are none of its kind: no text, no known word, no number of its size.
    #[error("its field {tag} has a value that this program cannot read")]
    Value {
        /// The field's number.
        tag: u8,
    },
    /// A field that must be there is missing.
    #[error("its field {tag} is missing")]
    Missing {
        /// The field's number.
        tag: u8,
    },
}

/// How many numbers are given out; higher ones are of a later larm and passed over.
const TAGS: usize = Tag::Shadow as usize + 1;

/// Every known field's bytes by number.
struct Found<'p>([Option<&'p [u8]>; TAGS]);

/// The event in `fields`; its position is not set.
pub(super) fn event(fields: &[u8]) -> Result<Event, FieldError> {
    let found = Found::read(fields)?;
    Ok(Event {
        id: found.needed(Tag::Id, uuid)?,
        position: None,
        node: found.needed(Tag::Node, text)?,
        received_at: found.needed(Tag::ReceivedAt, time)?,
        occurred_at: found.value(Tag::OccurredAt, time)?,
        clock_offset_ms: found.value(Tag::ClockOffset, whole)?,
        protocol: found.needed(Tag::Protocol, text)?,
        path: found.path()?,
        receiver: found.value(Tag::Receiver, text)?,
        line: found.value(Tag::Line, text)?,
        account: found.value(Tag::Account, text)?,
        account_known: found.flag(Tag::AccountKnown),
        data_account: found.value(Tag::DataAccount, text)?,
        sequence: found.value(Tag::Sequence, text)?,
        part: found.value(Tag::Part, part)?,
        code: found.code()?,
        kind: found.needed(Tag::Kind, |bytes| Kind::from_word(str(bytes)?))?,
        category: found.needed(Tag::Category, |bytes| Category::from_word(str(bytes)?))?,
        priority: found.needed(Tag::Priority, priority)?,
        partition: found.value(Tag::Partition, text)?,
        zone: found.value(Tag::Zone, text)?,
        user: found.value(Tag::User, text)?,
        peripheral: found.value(Tag::Peripheral, text)?,
        text: found.value(Tag::Text, text)?,
        value: found.measured()?,
        location: found.location()?,
        media: found.list(Tag::Media, media)?,
        modifiers: found.list(Tag::Modifiers, modifier)?,
        extended: found.list(Tag::Extended, extended)?,
        authenticity: Authenticity {
            grade: found.needed(Tag::Grade, |bytes| Grade::from_word(str(bytes)?))?,
            reasons: found.list(Tag::Reasons, |[word, ..]| {
                SuspectReason::from_word(str(word?)?)
            })?,
        },
        deviations: found.list(Tag::Deviations, |[word, ..]| text(word?))?,
        repeat: found.repeat()?,
        test: found.flag(Tag::Test),
        shadow: found.flag(Tag::Shadow),
        raw: Raw(found.get(Tag::Raw).unwrap_or_default().to_vec()),
    })
}

impl<'p> Found<'p> {
    fn read(mut fields: &'p [u8]) -> Result<Self, FieldError> {
        let mut found = [None; TAGS];
        while !fields.is_empty() {
            let (tag, bytes) = take_field(&mut fields).ok_or(FieldError::Cut)?;
            if let Some(place) = found.get_mut(usize::from(tag)) {
                *place = Some(bytes);
            }
        }
        Ok(Self(found))
    }

    fn get(&self, tag: Tag) -> Option<&'p [u8]> {
        self.0.get(tag as usize).copied().flatten()
    }

    fn flag(&self, tag: Tag) -> bool {
        self.get(tag).is_some()
    }

    fn value<T>(
        &self,
        tag: Tag,
        read: impl FnOnce(&'p [u8]) -> Option<T>,
    ) -> Result<Option<T>, FieldError> {
        self.get(tag)
            .map(|bytes| read(bytes).ok_or(FieldError::Value { tag: tag as u8 }))
            .transpose()
    }

    fn needed<T>(
        &self,
        tag: Tag,
        read: impl FnOnce(&'p [u8]) -> Option<T>,
    ) -> Result<T, FieldError> {
        self.value(tag, read)?
            .ok_or(FieldError::Missing { tag: tag as u8 })
    }

    /// Items of up to three texts.
    fn list<T>(
        &self,
        tag: Tag,
        mut read: impl FnMut([Option<&'p [u8]>; 3]) -> Option<T>,
    ) -> Result<Vec<T>, FieldError> {
        let wrong = FieldError::Value { tag: tag as u8 };
        let mut rest = self.get(tag).unwrap_or_default();
        let mut items = Vec::new();
        while !rest.is_empty() {
            let mut item = take_piece(&mut rest).ok_or(wrong)?;
            let mut texts = [None; 3];
            for place in &mut texts {
                if !item.is_empty() {
                    *place = Some(take_piece(&mut item).ok_or(wrong)?);
                }
            }
            items.push(read(texts).ok_or(wrong)?);
        }
        Ok(items)
    }

    fn path(&self) -> Result<Option<Path>, FieldError> {
        let Some(listener) = self.value(Tag::PathListener, text)? else {
            return Ok(None);
        };
        Ok(Some(Path {
            listener,
            transport: self.needed(Tag::PathTransport, |bytes| {
                Transport::from_word(str(bytes)?)
            })?,
            peer: self.needed(Tag::PathPeer, text)?,
            role: self.value(Tag::PathRole, |bytes| PathRole::from_word(str(bytes)?))?,
            number: self.value(Tag::PathNumber, text)?,
        }))
    }

    fn code(&self) -> Result<Option<Code>, FieldError> {
        let Some(code) = self.value(Tag::CodeCode, text)? else {
            return Ok(None);
        };
        Ok(Some(Code {
            scheme: self.needed(Tag::CodeScheme, |bytes| Scheme::from_word(str(bytes)?))?,
            code,
            qualifier: self.value(Tag::CodeQualifier, text)?,
            address: self.value(Tag::CodeAddress, text)?,
            name: self.value(Tag::CodeName, text)?.unwrap_or_default(),
            name_sv: self.value(Tag::CodeNameSv, text)?.unwrap_or_default(),
        }))
    }

    fn measured(&self) -> Result<Option<Value>, FieldError> {
        let Some(number) = self.value(Tag::ValueNumber, text)? else {
            return Ok(None);
        };
        let unit = self.needed(Tag::ValueUnit, text)?;
        Ok(Some(Value { number, unit }))
    }

    fn location(&self) -> Result<Option<Location>, FieldError> {
        let Some(source) = self.value(Tag::LocationSource, text)? else {
            return Ok(None);
        };
        Ok(Some(Location {
            latitude: self.needed(Tag::Latitude, real)?,
            longitude: self.needed(Tag::Longitude, real)?,
            altitude_m: self.value(Tag::Altitude, real)?,
            accuracy_m: self.value(Tag::Accuracy, real)?,
            source,
        }))
    }

    fn repeat(&self) -> Result<Option<Repeat>, FieldError> {
        let Some(seen) = self.value(Tag::RepeatSeen, |bytes| u32::try_from(whole(bytes)?).ok())?
        else {
            return Ok(None);
        };
        Ok(Some(Repeat {
            seen: (seen > 0).then_some(seen),
            paths: self.list(Tag::RepeatPaths, |[path, ..]| text(path?))?,
            possible_repeat_of: self.value(Tag::RepeatPossible, uuid)?,
        }))
    }
}

fn str(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn text(bytes: &[u8]) -> Option<String> {
    str(bytes).map(str::to_owned)
}

fn uuid(bytes: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(bytes).ok()
}

fn whole(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_le_bytes)
}

fn time(bytes: &[u8]) -> Option<Timestamp> {
    whole(bytes).map(Timestamp::from_millis)
}

/// JSON has no other numbers than finite ones.
fn real(bytes: &[u8]) -> Option<f64> {
    let number = f64::from_le_bytes(bytes.try_into().ok()?);
    number.is_finite().then_some(number)
}

fn priority(bytes: &[u8]) -> Option<Priority> {
    match bytes {
        [value] => Priority::try_from(*value).ok(),
        _ => None,
    }
}

fn part(bytes: &[u8]) -> Option<Part> {
    let [a, b, c, d] = *bytes else {
        return None;
    };
    Some(Part {
        index: u16::from_le_bytes([a, b]),
        of: u16::from_le_bytes([c, d]),
    })
}

fn media([kind, reference, _]: [Option<&[u8]>; 3]) -> Option<Media> {
    Some(Media {
        kind: MediaKind::from_word(str(kind?)?)?,
        reference: text(reference?)?,
    })
}

fn modifier([name, value, named]: [Option<&[u8]>; 3]) -> Option<Modifier> {
    Some(Modifier {
        name: text(name?)?,
        value: text(value?)?,
        text: match named {
            Some(named) => Some(text(named)?),
            None => None,
        },
    })
}

fn extended([id, value, _]: [Option<&[u8]>; 3]) -> Option<Extended> {
    Some(Extended {
        id: text(id?)?,
        value: text(value?)?,
    })
}
