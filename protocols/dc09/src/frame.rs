//! Finds frames in bytes: LF, checksum, length, body, CR. Nothing of the content is read here.
//!
//! ```text
//! frame = LF crc length body CR
//! crc   = 4 hex digits | 2 raw bytes       (the first quote at offset 8 or 6 behind the LF)
//! length = "0" 3 hex digits                (bytes of the body)
//! body  = '"' …                            (1 to 4095 bytes)
//! ```
//! The end is found by the length. A CR is searched for only where the length does not land on
//! one, and a damaged frame ends before the next LF that starts a believable header, so that it
//! cannot swallow a good one. Every decision depends on the bytes up to where it is made, never on
//! how they were cut: one byte at a time gives the same frames.
use larm_wire::crc::crc16_arc;
use larm_wire::digits;
use memchr::{memchr, memchr_iter};

use crate::deviation::{Deviation, Deviations};
use crate::error::DecodeError;

const LF: u8 = b'\n';
const CR: u8 = b'\r';

/// Bytes of the longest body that the length field can tell.
pub const BODY_LEN_MAX: usize = 0xFFF;

/// Bytes of the longest frame: LF, ASCII checksum, length, body, CR.
pub const FRAME_LEN_MAX: usize = 1 + 8 + BODY_LEN_MAX + 1;

/// How the checksum is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcForm {
    /// Four hex digits.
    Ascii,
    /// Two bytes, the high one first.
    Binary,
}

impl CrcForm {
    /// The word in explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Binary => "binary",
        }
    }

    /// Offset of the first quote from the LF.
    #[must_use]
    pub const fn body_start(self) -> usize {
        match self {
            Self::Ascii => 9,
            Self::Binary => 7,
        }
    }
}

/// Whether the checksum fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcFit {
    /// Over the body, as the standard says.
    Right,
    /// Over the body and the CR (Eldes).
    WithCr,
    /// Neither.
    Wrong,
}

/// Whether the length fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthFit {
    /// The bytes of the body, as the standard says.
    Right,
    /// The bytes of the body and the CR (Eldes, Dahua).
    WithCr,
    /// The bytes of the body, written in decimal.
    Decimal,
    /// Neither.
    Wrong,
}

/// One frame with its CR. `body` is never empty and starts with a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'b> {
    /// From LF to CR.
    pub bytes: &'b [u8],
    /// From the first quote to the byte before CR.
    pub body: &'b [u8],
    /// How the checksum is written.
    pub form: CrcForm,
    /// Checksum as sent, where it is a number.
    pub crc_sent: Option<u16>,
    /// Length as sent, where it is `0` and three hex digits.
    pub length_sent: Option<usize>,
    /// Whether the checksum fits.
    pub crc: CrcFit,
    /// Whether the length fits.
    pub length: LengthFit,
}

impl<'b> Frame<'b> {
    /// The frame whose CR stands at `cr`.
    fn at(input: &'b [u8], form: CrcForm, cr: usize) -> Option<Self> {
        let bytes = input.get(..=cr)?;
        let body = input.get(form.body_start()..cr)?;
        let with_cr = input.get(form.body_start()..=cr)?;
        let crc_sent = read_crc(bytes, form);
        let length_sent = read_length(bytes, form);
        let crc = if crc_sent == Some(crc16_arc(body)) {
            CrcFit::Right
        } else if crc_sent == Some(crc16_arc(with_cr)) {
            CrcFit::WithCr
        } else {
            CrcFit::Wrong
        };
        let length = if length_sent == Some(body.len()) {
            LengthFit::Right
        } else if length_sent == Some(with_cr.len()) {
            LengthFit::WithCr
        } else if read_decimal(bytes, form) == Some(body.len()) {
            LengthFit::Decimal
        } else {
            LengthFit::Wrong
        };
        Some(Self {
            bytes,
            body,
            form,
            crc_sent,
            length_sent,
            crc,
            length,
        })
    }

    /// A frame whose end is missing: everything from its LF on. `None` without a body.
    #[must_use]
    pub(crate) fn cut(piece: &'b [u8], form: CrcForm) -> Option<Self> {
        let body = piece
            .get(form.body_start()..)
            .filter(|body| !body.is_empty())?;
        Some(Self {
            bytes: piece,
            body,
            form,
            crc_sent: read_crc(piece, form),
            length_sent: read_length(piece, form),
            crc: CrcFit::Wrong,
            length: LengthFit::Wrong,
        })
    }

    /// The frame that `bytes` are from their first to their last one, however it fits.
    #[must_use]
    pub(crate) fn whole(bytes: &'b [u8]) -> Option<Self> {
        Self::at(bytes, sure_form(bytes)?, bytes.len().checked_sub(1)?)
    }

    /// What the standard finds wrong with checksum and length.
    pub fn check(&self) -> Result<(), DecodeError> {
        let computed = crc16_arc(self.body);
        let (sent, counted) = (self.crc_sent, self.body.len());
        match (self.crc, self.length) {
            (CrcFit::Right, LengthFit::Right) => Ok(()),
            (_, LengthFit::Right) => Err(DecodeError::Crc { computed, sent }),
            (CrcFit::Right, _) => Err(DecodeError::Length {
                at: self.form.body_start() - 4,
                counted,
                sent: self.length_sent,
            }),
            _ => Err(DecodeError::CrcLength {
                computed,
                sent,
                counted,
                sent_length: self.length_sent,
            }),
        }
    }

    /// Integrity holds: a right checksum over the standard's bytes or over a documented vendor's
    /// span, and a length that some documented rule explains.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.crc != CrcFit::Wrong && self.length != LengthFit::Wrong
    }

    /// What deviates in checksum and length.
    #[must_use]
    pub fn deviations(&self) -> Deviations {
        let mut found = Deviations::NONE;
        found.add_if(self.crc == CrcFit::WithCr, Deviation::CrcInclCr);
        found.add_if(self.length == LengthFit::WithCr, Deviation::LenInclCr);
        found.add_if(self.length == LengthFit::Decimal, Deviation::LenDecimal);
        let digits = match self.form {
            CrcForm::Ascii => 1..9,
            CrcForm::Binary => 3..7,
        };
        let lower = self
            .bytes
            .get(digits)
            .is_some_and(|digits| digits.iter().any(|digit| matches!(digit, b'a'..=b'f')));
        found.add_if(lower && self.length_sent.is_some(), Deviation::LowerHex);
        found
    }
}

/// What stands at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan<'b> {
    /// Too few bytes to tell. Never where the bytes are whole.
    More,
    /// This many bytes are no frame.
    Noise(usize),
    /// This many bytes start a frame whose end is missing; the form, where it can be told.
    Cut(usize, Option<CrcForm>),
    /// A frame, good or damaged.
    Frame(Frame<'b>),
    /// A frame with this many bytes or more in its body, above the limit.
    TooLong(usize),
}

/// Looks at the front of `input`. `whole`: nothing follows. `limit`: bytes of the longest body.
#[must_use]
pub fn scan(input: &[u8], whole: bool, limit: usize) -> Scan<'_> {
    if input.is_empty() {
        return Scan::More;
    }
    if input.first() != Some(&LF) {
        return noise(input, whole);
    }
    match start(input) {
        Start::Sure(form) => framed(input, form, whole, limit),
        Start::Unsure if !whole => Scan::More,
        Start::Unsure | Start::No => noise(input, whole),
    }
}

/// Whether bytes that start with LF start a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Sure(CrcForm),
    Unsure,
    No,
}

fn start(input: &[u8]) -> Start {
    let Some((LF, head)) = input.split_first().map(|(first, rest)| (*first, rest)) else {
        return Start::No;
    };
    let crc = head.get(..4).unwrap_or(head);
    let ascii = crc.iter().all(u8::is_ascii_hexdigit)
        && head.iter().take(8).all(|byte| matches!(byte, b' '..=b'~'));
    let binary = head.iter().skip(2).take(4).all(u8::is_ascii_hexdigit)
        && head.get(2).is_none_or(|digit| *digit == b'0');
    // The nearer quote first: what comes behind it must not change what was decided by then.
    match (head.get(8), head.get(6)) {
        (_, Some(b'"')) if binary => Start::Sure(CrcForm::Binary),
        (Some(b'"'), _) if ascii => Start::Sure(CrcForm::Ascii),
        (None, _) if ascii => Start::Unsure,
        (_, None) if binary => Start::Unsure,
        _ => Start::No,
    }
}

/// Whether bytes that start with LF start a frame, or may with more bytes behind them.
#[must_use]
pub(crate) fn may_start(input: &[u8], whole: bool) -> bool {
    match start(input) {
        Start::Sure(_) => true,
        Start::Unsure => !whole,
        Start::No => false,
    }
}

/// A header that is worth ending another frame for: the length is readable, too.
fn believable(input: &[u8]) -> bool {
    match start(input) {
        Start::Sure(form) => read_length(input, form).is_some(),
        Start::Unsure | Start::No => false,
    }
}

/// Bytes that start no frame, up to the next LF that does or may.
fn noise(input: &[u8], whole: bool) -> Scan<'_> {
    let end = lines_from(input, 1)
        .find(|at| {
            input.get(*at..).is_some_and(|rest| match start(rest) {
                Start::Sure(_) => true,
                Start::Unsure => {
                    !whole || rest.len() == 1 || !rest.iter().all(|byte| is_filler(*byte))
                }
                Start::No => false,
            })
        })
        .unwrap_or(input.len());
    let piece = input.get(..end).unwrap_or(input);
    let only_lf = piece.iter().all(|byte| *byte == LF);
    let only_filler = piece.iter().all(|byte| is_filler(*byte));
    if only_lf || (!only_filler && piece.first() == Some(&LF) && start(piece) == Start::Unsure) {
        Scan::Cut(end, None)
    } else {
        Scan::Noise(end)
    }
}

/// Bytes that may stand between frames: NUL (several brands append it), CR and LF.
#[must_use]
pub const fn is_filler(byte: u8) -> bool {
    matches!(byte, 0 | CR | LF)
}

/// Where LFs stand, from offset `from` on.
fn lines_from(input: &[u8], from: usize) -> impl Iterator<Item = usize> + '_ {
    memchr_iter(LF, input.get(from..).unwrap_or_default()).map(move |at| at + from)
}

/// Behind a sure header: by the length, by a documented vendor's length, or by the next CR.
fn framed(input: &[u8], form: CrcForm, whole: bool, limit: usize) -> Scan<'_> {
    let body = form.body_start();
    let Some(length) = read_length(input, form) else {
        return damaged(input, form, whole, limit);
    };
    if length > limit && !whole {
        return Scan::TooLong(length);
    }
    let end = body + length;
    if let Some(next) = intruder(input, body, end) {
        let region = input.get(..next).unwrap_or(input);
        return damaged(region, form, true, limit);
    }
    if let Some(frame) = vendor_length(input, form, end) {
        return Scan::Frame(frame);
    }
    match input.get(end) {
        Some(&CR) => Frame::at(input, form, end).map_or(Scan::Noise(1), Scan::Frame),
        None if !whole => Scan::More,
        Some(_) | None => damaged(input, form, whole, limit),
    }
}

/// A length that counts the CR, or one in decimal. Known from the bytes up to that CR alone, so
/// that nobody waits for a byte that never comes.
fn vendor_length(input: &[u8], form: CrcForm, end: usize) -> Option<Frame<'_>> {
    // The decimal one first: its CR stands further in front, so it is known earlier.
    let decimal = read_decimal(input, form)
        .map(|length| form.body_start() + length)
        .filter(|cr| *cr < end && input.get(*cr) == Some(&CR))
        .and_then(|cr| Frame::at(input, form, cr))
        .filter(|frame| frame.crc != CrcFit::Wrong);
    if decimal.is_some() {
        return decimal;
    }
    let with_cr = end.checked_sub(1).filter(|at| *at > form.body_start())?;
    if input.get(with_cr) != Some(&CR) {
        return None;
    }
    Frame::at(input, form, with_cr)
}

/// The first believable header inside the bytes that a frame claims, where at least one of the
/// headers in there is more than a chance: the line before it ended with CR, or it leads a whole
/// frame with a right checksum.
fn intruder(input: &[u8], from: usize, end: usize) -> Option<usize> {
    let claimed = input.get(..end.min(input.len()))?;
    let mut first = None;
    for at in lines_from(claimed, from) {
        let Some(rest) = claimed.get(at..).filter(|rest| believable(rest)) else {
            continue;
        };
        let first = *first.get_or_insert(at);
        let before = claimed.get(..at).unwrap_or_default();
        let ended = before
            .iter()
            .rev()
            .take_while(|byte| is_filler(**byte))
            .any(|byte| *byte == CR);
        if ended || whole_and_right(rest) {
            return Some(first);
        }
    }
    None
}

fn whole_and_right(input: &[u8]) -> bool {
    let Start::Sure(form) = start(input) else {
        return false;
    };
    read_length(input, form)
        .map(|length| form.body_start() + length)
        .filter(|cr| input.get(*cr) == Some(&CR))
        .and_then(|cr| Frame::at(input, form, cr))
        .is_some_and(|frame| frame.crc == CrcFit::Right)
}

/// The length is of no use: the frame ends at its first CR, or is cut by the next header.
fn damaged(input: &[u8], form: CrcForm, whole: bool, limit: usize) -> Scan<'_> {
    let body = form.body_start();
    let next = lines_from(input, body).find(|at| input.get(*at..).is_some_and(believable));
    let region = next.and_then(|next| input.get(..next)).unwrap_or(input);
    if let Some(frame) = to_first_cr(region, form) {
        if !whole && ends_in_header(input, frame.bytes.len()) {
            return Scan::More;
        }
        return Scan::Frame(frame);
    }
    if next.is_some() || whole {
        Scan::Cut(region.len(), Some(form))
    } else if region.len() > body + limit {
        Scan::TooLong(region.len() - body)
    } else {
        Scan::More
    }
}

/// Whether the CR at `len - 1` may yet turn out to be a byte of a binary checksum: two bytes or one
/// before it stands an LF that starts a header of which not all has come.
fn ends_in_header(input: &[u8], len: usize) -> bool {
    [2, 3].into_iter().any(|back| {
        len.checked_sub(back)
            .and_then(|at| input.get(at..))
            .is_some_and(|rest| rest.first() == Some(&LF) && start(rest) == Start::Unsure)
    })
}

/// The frame up to its first CR, whatever its length says. `input` starts with LF.
#[must_use]
pub fn to_first_cr(input: &[u8], form: CrcForm) -> Option<Frame<'_>> {
    Frame::at(input, form, first_cr(input, form)?)
}

/// Where the first CR behind the header stands.
#[must_use]
pub fn first_cr(input: &[u8], form: CrcForm) -> Option<usize> {
    let body = form.body_start();
    memchr(CR, input.get(body..)?).map(|at| at + body)
}

/// The form of the checksum, where `input` surely starts a frame.
#[must_use]
pub fn sure_form(input: &[u8]) -> Option<CrcForm> {
    match start(input) {
        Start::Sure(form) => Some(form),
        Start::Unsure | Start::No => None,
    }
}

/// Where the length field says that the CR stands.
#[must_use]
pub fn claimed_cr(input: &[u8], form: CrcForm) -> Option<usize> {
    read_length(input, form).map(|length| form.body_start() + length)
}

fn read_crc(input: &[u8], form: CrcForm) -> Option<u16> {
    match form {
        CrcForm::Ascii => {
            let (value, _) = digits::hexadecimal(input.get(1..5)?, 4).ok()?;
            u16::try_from(value).ok()
        }
        CrcForm::Binary => input.get(1..3)?.try_into().ok().map(u16::from_be_bytes),
    }
}

fn length_digits(input: &[u8], form: CrcForm) -> Option<&[u8]> {
    let body = form.body_start();
    input.get(body - 4..body)
}

/// `0` and three hex digits.
fn read_length(input: &[u8], form: CrcForm) -> Option<usize> {
    let field = length_digits(input, form)?;
    let (value, _) = digits::hexadecimal(field, 4).ok()?;
    (field.first() == Some(&b'0')).then_some(usize::try_from(value).ok()?)
}

fn read_decimal(input: &[u8], form: CrcForm) -> Option<usize> {
    let (value, _) = digits::decimal(length_digits(input, form)?, 4).ok()?;
    usize::try_from(value).ok()
}
