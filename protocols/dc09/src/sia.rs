//! The SIA payload: data codes of SIA DC-03 in the form that DC-09 carries.
//!
//! ```text
//! payload  = block *("|" block)
//! block    = ["N" | "O" | "E"] item *(["/"] item) | "A" text
//! item     = modifier | event | "A" text           ("A" text reaches to the end of the block)
//! modifier = 2 small letters, value, ["^" text "^"]
//! event    = 2 capitals, [address], ["*" number unit], [text]
//! address  = *(digit | "A"-"F" | "-" | ":")
//! text     = words up to the end of the item | "^" … "^" | "*'" … "'" ["NM"] | '*"' … '"' ["NM"] | "*" … "*"
//! ```
//! A modifier holds until the next `N`, `O` or `E`, or until it is sent again. Bars part blocks and
//! stand for `/` in one vendor's form, so modifiers reach over them. Blocks that nobody can read
//! are skipped. Everything borrows; nothing allocates.
use alloc::vec::Vec;

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

    /// A set of modifiers; of those with the same name the last one holds, and what does not fit
    /// is left out.
    #[must_use]
    pub fn of(modifiers: &[Modifier<'b>]) -> Self {
        let mut all = Self::default();
        for modifier in modifiers {
            all.set(*modifier);
        }
        all
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

impl SiaEvent<'_> {
    /// Appends the event as one block: `Nri1/BA01^text^`. Several are parted by `|`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        if self.code != "A" {
            out.extend_from_slice(self.qualifier.as_str().as_bytes());
        }
        for modifier in self.modifiers.iter() {
            out.extend_from_slice(modifier.name.as_bytes());
            out.extend_from_slice(modifier.value.as_bytes());
            if let Some(text) = modifier.text {
                out.extend_from_slice(&[b"^", text, b"^"].concat());
            }
            out.push(b'/');
        }
        debug_assert!(self.code != "A" || start == 0 || out.get(start - 1) == Some(&b'|'));
        out.extend_from_slice(self.code.as_bytes());
        if self.code == "A" {
            out.extend_from_slice(self.text.unwrap_or_default());
            return;
        }
        out.extend_from_slice(self.address.unwrap_or_default().as_bytes());
        if let Some(value) = self.value {
            let sign = if value.unit.len() == 1 { "_" } else { "" };
            for part in ["*", value.number, value.unit, sign] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        if let Some(text) = self.text {
            out.extend_from_slice(&[b"^", text, b"^"].concat());
        }
        if let Some(text) = self.more_text {
            out.extend_from_slice(&[b"|A", text].concat());
        }
    }
}

/// The events of a payload without its account, in order.
#[must_use]
pub fn events(payload: &[u8]) -> Events<'_> {
    Events {
        rest: payload,
        at_block_start: true,
        qualified: false,
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
    /// A qualifier leads what is being read; there is no second one before the event.
    qualified: bool,
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
                    self.qualified = false;
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

#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for one step; no allocation"
)]
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
        if let Some(event) = self.read_event() {
            return Item::Event(event);
        }
        self.skip_block();
        Item::Nothing
    }

    fn separator(&mut self) -> bool {
        let Some((first, rest)) = self.rest.split_first() else {
            return false;
        };
        match first {
            b'|' => {
                self.at_block_start = true;
                self.qualified = false;
            }
            b'/' | b' ' | b'^' => {}
            _ => return false,
        }
        self.rest = rest;
        true
    }

    /// A leading N or O is a qualifier only where a modifier or a code follows; `NL2` is a code, and
    /// so is the `OP` of `Nri1/OPA1`, which has its qualifier.
    fn take_qualifier(&mut self) {
        let [first, following @ ..] = self.rest else {
            return;
        };
        if self.qualified {
            return;
        }
        let leads = match following {
            [a, b, ..] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => true,
            [a, b, ..] if a.is_ascii_lowercase() && b.is_ascii_lowercase() => true,
            [b'/', ..] => true,
            _ => false,
        };
        let reading = matches!(following, [b'D', b'A' | b'B' | b'I' | b'M', ..]);
        let lower = following.first().is_some_and(u8::is_ascii_lowercase);
        let qualifier = match first {
            b'N' if leads => Qualifier::New,
            b'O' if leads => Qualifier::Old,
            // Elsewhere `E` starts a code: `ER`, `EX`.
            b'E' if leads && self.at_block_start && (reading || lower) => Qualifier::Environment,
            _ => return,
        };
        self.qualifier = qualifier;
        self.qualified = true;
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
        let (bare, rest) = bare_text(rest);
        let text = text.or(bare);
        self.rest = rest;
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
        let here = (self.rest, self.at_block_start, self.qualified);
        while self.separator() {}
        if let Some(text) = self.ascii_text() {
            event.more_text = event.text.and(Some(text));
            event.text = event.text.or(Some(text));
        } else {
            (self.rest, self.at_block_start, self.qualified) = here;
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
    matches!(input, [a, b, ..] if a.is_ascii_uppercase() && b.is_ascii_uppercase()) && {
        let (_, rest) = read_address(input.get(2..).unwrap_or_default());
        ends_item(rest) || rest.first() == Some(&b'^') || rest.first() == Some(&b'*')
    }
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
    if !matches!(input, [a, b, ..] if a.is_ascii_lowercase() && b.is_ascii_lowercase()) {
        return None;
    }
    let (name, rest) = take_str(input, 2)?;
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
    let next_is_code = || {
        take_str(behind, 2)
            .is_some_and(|(code, _)| is_code(code) && !classify_sia(code).name.is_empty())
    };
    let ends = ends_item(after) || matches!(after.first(), Some(b'^' | b'*'));
    if all.len() > digits.len() && ends && !next_is_code() {
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

/// What stands behind an event without a sign in front: another event with a number, or words up to
/// the end of the item. `NM` is what one format puts behind its texts.
fn bare_text(input: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let next_event = take_str(input, 2).is_some_and(|(code, rest)| {
        let known = is_code(code) && !classify_sia(code).name.is_empty();
        known && rest.first().is_some_and(u8::is_ascii_digit)
    });
    let modifier = input
        .iter()
        .take(2)
        .filter(|byte| byte.is_ascii_lowercase())
        .count()
        == 2
        && input.get(2).is_some_and(u8::is_ascii_digit);
    if next_event || modifier || ends_item(input) {
        return (None, input);
    }
    let end = input
        .iter()
        .position(|byte| matches!(byte, b'/' | b'|'))
        .unwrap_or(input.len());
    let (words, rest) = input.split_at(end);
    let words = words.trim_ascii();
    let words = words
        .strip_prefix(b"NM")
        .filter(|rest| rest.is_empty())
        .unwrap_or(words);
    (Some(words).filter(|words| !words.is_empty()), rest)
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    /// Code, address and text of each event.
    fn read(payload: &str) -> Vec<(String, String, String)> {
        events(payload.as_bytes())
            .map(|event| {
                let text = event
                    .text
                    .map(|text| String::from_utf8_lossy(text).into_owned());
                (
                    event.code.into(),
                    event.address.unwrap_or_default().into(),
                    text.unwrap_or_default(),
                )
            })
            .collect()
    }

    fn one(payload: &str) -> (String, String, String) {
        let all = read(payload);
        assert_eq!(all.len(), 1, "{payload}: {all:?}");
        all[0].clone()
    }

    fn shown(code: &str, address: &str, text: &str) -> (String, String, String) {
        (code.into(), address.into(), text.into())
    }

    #[test]
    fn qualifier_or_code() {
        assert_eq!(one("NNL2"), shown("NL", "2", ""));
        assert_eq!(one("NL2"), shown("NL", "2", ""));
        assert_eq!(one("NLR"), shown("LR", "", ""));
        assert_eq!(one("OP1"), shown("OP", "1", ""));
        assert_eq!(one("NRP"), shown("RP", "", ""));
        let old = events(b"Ori1/BA1").next().unwrap();
        assert_eq!(old.qualifier, Qualifier::Old);
        assert_eq!(one("ER1"), shown("ER", "1", ""));
    }

    #[test]
    fn texts_in_all_documented_forms() {
        assert_eq!(one("NBA01|AGlass break"), shown("BA", "01", "Glass break"));
        assert_eq!(
            one("Nti10:15/ri4/FA2/AFire Zone 2"),
            shown("FA", "2", "Fire Zone 2")
        );
        assert_eq!(one("FA2/ATrouble room"), shown("FA", "2", "Trouble room"));
        assert_eq!(
            one("Nti10:15|ri4|FA2|AFire Zone 2"),
            shown("FA", "2", "Fire Zone 2")
        );
        assert_eq!(
            one("Nri1/BA01^Front door^"),
            shown("BA", "01", "Front door")
        );
        assert_eq!(
            one("Nri01/UR069*'HA Hall'NM"),
            shown("UR", "069", "HA Hall")
        );
        assert_eq!(
            one("Nri01/UR069*\"HA Hall\"NM"),
            shown("UR", "069", "HA Hall")
        );
        assert_eq!(one("Nri1OP0001*Familie*"), shown("OP", "0001", "Familie"));
        assert_eq!(
            one("AService engineer on site"),
            shown("A", "", "Service engineer on site")
        );
        assert_eq!(one("Npi0/AT"), shown("AT", "", ""));
        assert_eq!(one("NBA1^Hall^|AMore"), shown("BA", "1", "Hall"));
        assert_eq!(
            events(b"NBA1^Hall^|AMore").next().unwrap().more_text,
            Some(&b"More"[..])
        );
    }

    #[test]
    fn modifiers_hold_until_the_next_qualifier() {
        let all: Vec<_> = events(b"Nri1/BA01/BA02|BR03|Nid5/OP5|zz77qq/CL1").collect();
        let area = |at: usize| all[at].modifiers.find("ri").map(|found| found.value);
        assert_eq!(
            (area(0), area(1), area(2), area(3)),
            (Some("1"), Some("1"), Some("1"), None)
        );
        assert_eq!(
            all[4].modifiers.find("zz").map(|found| found.value),
            Some("77")
        );
        let named = events(b"Nri2^Boven^id14^Jantje^OP14").next().unwrap();
        assert_eq!(
            named.modifiers.find("id").unwrap().text,
            Some(&b"Jantje"[..])
        );
        assert_eq!((named.code, named.address), ("OP", Some("14")));
        let slashless = events(b"Nti20:50:26RP99").next().unwrap();
        assert_eq!(slashless.modifiers.find("ti").unwrap().value, "20:50:26");
        let tight = events(b"Nri1BA503^Hall^").next().unwrap();
        assert_eq!(
            (tight.code, tight.modifiers.find("ri").unwrap().value),
            ("BA", "1")
        );
    }

    #[test]
    fn several_events_without_separators() {
        assert_eq!(read("NBA01BA02").len(), 2);
        assert_eq!(one("NBA0A1"), shown("BA", "0A1", ""));
        assert_eq!(one("NBA01 FIRE DOOR"), shown("BA", "01", "FIRE DOOR"));
        assert_eq!(read("NBA01 Hall/BR02^x^ junk|CL1").len(), 3);
        assert_eq!(one("Nri04/OP001NM"), shown("OP", "001", ""));
    }

    #[test]
    fn measured_values() {
        let event = events(b"Eri1/DA3*-23.5C_^Cold room^").next().unwrap();
        assert_eq!(event.qualifier, Qualifier::Environment);
        assert_eq!((event.code, event.address), ("DA", Some("3")));
        assert_eq!(
            event.value,
            Some(Value {
                number: "-23.5",
                unit: "C"
            })
        );
        assert_eq!(event.text, Some(&b"Cold room"[..]));
        let event = events(b"EDI1*45P").next().unwrap();
        assert_eq!(
            event.value,
            Some(Value {
                number: "45",
                unit: "P"
            })
        );
    }

    #[test]
    fn what_holds_no_event() {
        for payload in ["", "0", "OP001*'NM", "nri", "1 1", "?1234", "&x"] {
            assert_eq!(read(payload), [], "{payload}");
        }
        assert_eq!(one("0|NRP"), shown("RP", "", ""));
    }
}
