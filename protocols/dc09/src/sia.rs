//! The SIA payload: data codes of SIA DC-03 in the form that DC-09 carries.
//!
//! ```text
//! payload  = block *("|" block)
//! block    = ["N" | "O" | "E"] item *(["/"] item) | "A" text
//! item     = modifier | event | "A" text           ("A" text reaches to the end of the block)
//! modifier = 2 small letters, value, ["^" text "^"]
//! event    = 2 capitals, [address], ["*" number unit], [text]
//! address  = *(digit | "A"-"F" | "-" | ":")
//! text     = "^" … "^" | "*'" … "'" ["NM"] | '*"' … '"' ["NM"] | "*" … "*"
//! ```
//! A modifier holds until the next `N`, `O` or `E`, or until it is sent again. Bars part blocks and
//! stand for `/` in one vendor's form, so modifiers reach over them. Blocks that nobody can read
//! are skipped. Everything borrows; nothing allocates.
use larm_event::classify_sia;

/// What stood before an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// `N`, or nothing.
    New,
    /// `O`: stored before, sent now.
    Old,
    /// `E`: environmental.
    Environment,
}

impl Qualifier {
    /// The letter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "N",
            Self::Old => "O",
            Self::Environment => "E",
        }
    }
}

/// One modifier as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modifier<'b> {
    /// Two small letters.
    pub name: &'b str,
    /// The value; may be empty.
    pub value: &'b str,
    /// The name given to the value, raw.
    pub text: Option<&'b [u8]>,
}

/// How many different modifiers one event can have; more are left out.
pub const MODIFIERS_MAX: usize = 16;

/// The modifiers that hold for an event, in the order in which they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers<'b> {
    slots: [Option<Modifier<'b>>; MODIFIERS_MAX],
}

impl<'b> Modifiers<'b> {
    /// The modifier with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Modifier<'b>> {
        self.iter().find(|found| found.name == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Modifier<'b>> + '_ {
        self.slots.iter().flatten().copied()
    }

    fn set(&mut self, modifier: Modifier<'b>) {
        let same_or_free =
            |slot: &&mut Option<Modifier<'b>>| slot.is_none_or(|found| found.name == modifier.name);
        if let Some(slot) = self.slots.iter_mut().find(same_or_free) {
            *slot = Some(modifier);
        }
    }
}

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'b> {
    /// The number as sent.
    pub number: &'b str,
    /// Up to two letters as sent.
    pub unit: &'b str,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiaEvent<'b> {
    /// New, old or environmental.
    pub qualifier: Qualifier,
    /// Two capitals; `A` for a message that is nothing but text.
    pub code: &'b str,
    /// The number behind the code.
    pub address: Option<&'b str>,
    /// A measured value.
    pub value: Option<Value<'b>>,
    /// Text that belongs to the event, raw.
    pub text: Option<&'b [u8]>,
    /// A second text: an ASCII block behind an event that has a text already.
    pub more_text: Option<&'b [u8]>,
    /// What holds for it.
    pub modifiers: Modifiers<'b>,
}

/// The events of a payload without its account, in order.
#[must_use]
pub fn events(payload: &[u8]) -> Events<'_> {
    Events {
        rest: payload,
        at_block_start: true,
        qualifier: Qualifier::New,
        modifiers: Modifiers::default(),
        pending_text: None,
        any: false,
    }
}

/// Iterator over the events of a payload.
#[derive(Clone, Debug)]
pub struct Events<'b> {
    rest: &'b [u8],
    at_block_start: bool,
    qualifier: Qualifier,
    modifiers: Modifiers<'b>,
    /// A text that came before any event.
    pending_text: Option<&'b [u8]>,
    any: bool,
}

impl<'b> Iterator for Events<'b> {
    type Item = SiaEvent<'b>;

    fn next(&mut self) -> Option<SiaEvent<'b>> {
        while !self.rest.is_empty() {
            match self.item() {
                Item::Event(event) => {
                    self.any = true;
                    return Some(self.with_text_behind(event));
                }
                Item::Text(text) => self.pending_text = Some(text),
                Item::Modifier(modifier) => self.modifiers.set(modifier),
                Item::Nothing => {}
            }
        }
        let text = self
            .pending_text
            .take()
            .filter(|text| !self.any && !text.is_empty())?;
        self.any = true;
        Some(SiaEvent {
            qualifier: self.qualifier,
            code: "A",
            address: None,
            value: None,
            text: Some(text),
            more_text: None,
            modifiers: self.modifiers,
        })
    }
}

enum Item<'b> {
    Event(SiaEvent<'b>),
    Text(&'b [u8]),
    Modifier(Modifier<'b>),
    Nothing,
}

impl<'b> Events<'b> {
    /// Takes one item, or one separator, or one unreadable block off the front.
    fn item(&mut self) -> Item<'b> {
        if self.separator() {
            return Item::Nothing;
        }
        self.take_qualifier();
        if let Some(text) = self.ascii_text() {
            return Item::Text(text);
        }
        if let Some((modifier, rest)) = read_modifier(self.rest) {
            self.rest = rest;
            self.at_block_start = false;
            return Item::Modifier(modifier);
        }
        match self.read_event() {
            Some(event) => Item::Event(event),
            None => {
                self.skip_block();
                Item::Nothing
            }
        }
    }

    fn separator(&mut self) -> bool {
        let Some((first, rest)) = self.rest.split_first() else {
            return false;
        };
        match first {
            b'|' => self.at_block_start = true,
            b'/' | b' ' | b'^' => {}
            _ => return false,
        }
        self.rest = rest;
        true
    }

    /// A leading N or O is a qualifier only where a modifier or a code follows; `NL2` is a code.
    fn take_qualifier(&mut self) {
        let [first, following @ ..] = self.rest else {
            return;
        };
        let leads = match following {
            [a, b, ..] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => true,
            [a, b, ..] if a.is_ascii_lowercase() && b.is_ascii_lowercase() => true,
            [b'/', ..] => true,
            _ => false,
        };
        let qualifier = match first {
            b'N' if leads => Qualifier::New,
            b'O' if leads => Qualifier::Old,
            b'E' if leads && self.at_block_start && !starts_event(self.rest) => {
                Qualifier::Environment
            }
            _ => return,
        };
        self.qualifier = qualifier;
        self.modifiers = Modifiers::default();
        self.rest = following;
        self.at_block_start = false;
    }

    /// `A` and text to the end of the block, unless it reads as an event (`/AT`).
    fn ascii_text(&mut self) -> Option<&'b [u8]> {
        let text = self.rest.strip_prefix(b"A")?;
        if starts_event(self.rest) {
            return None;
        }
        let end = text
            .iter()
            .position(|byte| *byte == b'|')
            .unwrap_or(text.len());
        let (text, rest) = text.split_at(end);
        self.rest = rest;
        Some(text)
    }

    fn read_event(&mut self) -> Option<SiaEvent<'b>> {
        let (code, rest) = take_str(self.rest, 2).filter(|(code, _)| is_code(code))?;
        let (address, rest) = read_address(rest);
        let (value, rest) = read_value(rest);
        let (text, rest) = read_text(rest)?;
        self.rest = rest
            .strip_prefix(b"NM")
            .filter(|rest| ends_item(rest))
            .unwrap_or(rest);
        self.at_block_start = false;
        Some(SiaEvent {
            qualifier: self.qualifier,
            code,
            address: Some(address).filter(|address| !address.is_empty()),
            value,
            text,
            more_text: None,
            modifiers: self.modifiers,
        })
    }

    /// An ASCII text directly behind an event is about that event.
    fn with_text_behind(&mut self, mut event: SiaEvent<'b>) -> SiaEvent<'b> {
        let mut ahead = self.clone();
        while ahead.separator() {}
        if let Some(text) = ahead.ascii_text() {
            *self = ahead;
            event.more_text = event.text.and(Some(text));
            event.text = event.text.or(Some(text));
        }
        if event.text.is_none() {
            event.text = self.pending_text.take();
        }
        event
    }

    fn skip_block(&mut self) {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == b'|')
            .unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..).unwrap_or_default();
    }
}

fn is_code(code: &str) -> bool {
    code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Two capitals, an address, and then the end of the item or one of its signs.
pub(crate) fn starts_event(input: &[u8]) -> bool {
    take_str(input, 2).is_some_and(|(code, rest)| {
        is_code(code) && {
            let (_, rest) = read_address(rest);
            ends_item(rest) || rest.first() == Some(&b'^') || rest.first() == Some(&b'*')
        }
    })
}

fn ends_item(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b'/' | b'|'))
}

/// `len` ASCII characters and what follows.
fn take_str(input: &[u8], len: usize) -> Option<(&str, &[u8])> {
    let (text, rest) = input.split_at_checked(len)?;
    core::str::from_utf8(text).ok().map(|text| (text, rest))
}

fn take_while_str(input: &[u8], accept: impl Fn(u8) -> bool) -> (&str, &[u8]) {
    let len = input
        .iter()
        .take_while(|byte| byte.is_ascii() && accept(**byte))
        .count();
    take_str(input, len).unwrap_or(("", input))
}

/// Two small letters and their value. Unknown pairs read the same way: their digits are not a code.
fn read_modifier(input: &[u8]) -> Option<(Modifier<'_>, &[u8])> {
    let (name, rest) = take_str(input, 2)?;
    if !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let sign = |byte: u8| byte.is_ascii_digit() || matches!(byte, b':' | b'-' | b'.' | b',' | b'+');
    let (value, behind) = take_while_str(rest, sign);
    let (hex, after) = take_while_str(rest, |byte| sign(byte) || byte.is_ascii_hexdigit());
    let is_hex = hex.len() > value.len()
        && (ends_item(after) || after.first() == Some(&b'^'))
        && !starts_event(behind);
    let (value, rest) = if is_hex {
        (hex, after)
    } else {
        (value, behind)
    };
    let (text, rest) = match rest.strip_prefix(b"^") {
        Some(inside) => {
            let (text, rest) = until(inside, b'^');
            (Some(text), rest)
        }
        None => (None, rest),
    };
    Some((Modifier { name, value, text }, rest))
}

/// Digits, or hex digits where no code starts among them.
fn read_address(input: &[u8]) -> (&str, &[u8]) {
    let (digits, behind) = take_while_str(input, |byte| {
        byte.is_ascii_digit() || matches!(byte, b'-' | b':')
    });
    let (all, after) = take_while_str(
        input,
        |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F' | b'-' | b':'),
    );
    let next_is_code = take_str(behind, 2)
        .is_some_and(|(code, _)| is_code(code) && !classify_sia(code).name.is_empty());
    let ends = ends_item(after) || matches!(after.first(), Some(b'^' | b'*'));
    if all.len() > digits.len() && ends && !next_is_code {
        (all, after)
    } else {
        (digits, behind)
    }
}

/// `*` number unit, as environmental events carry it: `DA1*23.5C`.
fn read_value(input: &[u8]) -> (Option<Value<'_>>, &[u8]) {
    let number = |input| {
        take_while_str(input, |byte| {
            byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.')
        })
    };
    let Some((number, rest)) = input
        .strip_prefix(b"*")
        .map(number)
        .filter(|(number, _)| number.bytes().any(|byte| byte.is_ascii_digit()))
    else {
        return (None, input);
    };
    let (unit, rest) = take_while_str(rest, |byte| {
        byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'%')
    });
    if unit.len() <= 2 && (ends_item(rest) || rest.first() == Some(&b'^')) {
        (
            Some(Value {
                number,
                unit: unit.trim_end_matches('_'),
            }),
            rest,
        )
    } else {
        (None, input)
    }
}

/// The text of an event. `None`: a quoted text that does not end, so the event is not to be trusted.
fn read_text(input: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if let Some(inside) = input.strip_prefix(b"^") {
        let (text, rest) = until(inside, b'^');
        return Some((Some(text), rest));
    }
    let Some(inside) = input.strip_prefix(b"*") else {
        return Some((None, input));
    };
    let (quote, inside) = match inside.split_first() {
        Some((quote @ (b'\'' | b'"'), rest)) => (*quote, rest),
        _ => (b'*', inside),
    };
    let end = inside.iter().position(|byte| *byte == quote)?;
    let (text, rest) = inside.split_at(end);
    Some((Some(text), rest.get(1..).unwrap_or_default()))
}

/// The bytes before `end` and those behind it; everything where it is missing.
fn until(input: &[u8], end: u8) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == end) {
        Some(at) => {
            let (text, rest) = input.split_at(at);
            (text, rest.get(1..).unwrap_or_default())
        }
        None => (input, &[]),
    }
}
