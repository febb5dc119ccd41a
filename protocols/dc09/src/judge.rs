//! What a frame is worth and what it asks: integrity, key, time, policy, content.
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use larm_carrier::{
    Accounts, Encryption, FrameVerdict, Identity, Intent, Mode, Policy, Quirks, Window,
};
use larm_event::{Authenticity, Event, Path, SuspectReason, Timestamp, Transport};
use larm_wire::{digest, stamp};

use crate::block::Block;
use crate::deviation::{Deviation, Deviations};
use crate::error::{DecodeError, ErrorAnswer};
use crate::frame::{CrcFit, Frame, LengthFit};
use crate::header::Header;
use crate::ids::Token;
use crate::message::{Body, Content, Message};
use crate::normalize::{self, Common, Details};
use crate::xdata::Blocks;
use crate::{crypto, quirks};

/// What holds for every frame of a session.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'r> {
    /// Mode of the listener.
    pub(crate) mode: Mode,
    /// Switches that hold for every account.
    pub(crate) quirks: Quirks,
    /// Time of receipt; `None` where there was no receipt: every time of sending fits then.
    pub(crate) now: Option<Timestamp>,
    /// The register.
    pub(crate) accounts: &'r dyn Accounts,
    /// An explanation is wanted: content is kept to be shown.
    pub(crate) explain: bool,
}

/// What came of it.
pub(crate) struct Judgement<'f> {
    /// The header, where it could be read.
    pub(crate) header: Option<Header<'f>>,
    /// The account is in the register.
    pub(crate) known: bool,
    /// How well formed it is.
    pub(crate) verdict: FrameVerdict,
    /// A sign of life.
    pub(crate) link_test: bool,
    /// What is to be answered.
    pub(crate) intent: Intent,
    /// The records.
    pub(crate) events: Vec<Event>,
    /// What a repeat is recognised by.
    pub(crate) identity: Identity,
    /// The account's policy.
    pub(crate) policy: Option<Arc<Policy>>,
    /// Which of the account's keys opened it.
    pub(crate) key_index: Option<usize>,
    /// What an explanation shows of the content.
    pub(crate) shown: Shown,
    /// Deviations of frame, header and content.
    pub(crate) deviations: Deviations,
    /// Switches of account and listener.
    pub(crate) quirks: Quirks,
    /// What is wrong, where something is.
    pub(crate) error: Option<DecodeError>,
}

/// Content in the form that an explanation needs. Empty in live traffic's refusals.
#[derive(Default)]
pub(crate) struct Shown {
    /// Data block.
    pub(crate) data: Option<Vec<u8>>,
    /// Extended blocks with brackets.
    pub(crate) extended: Vec<u8>,
    /// Time stamp as sent.
    pub(crate) timestamp: Option<String>,
}

/// Content in clear, from wherever.
#[derive(Clone, Copy)]
struct Clear<'d> {
    data: &'d [u8],
    extended: Blocks<'d>,
    timestamp: Option<&'d str>,
}

/// Judges one frame.
pub(crate) fn judge<'f>(frame: Frame<'f>, rules: Rules<'_>) -> Judgement<'f> {
    let message = Message::read(frame);
    let header = message.as_ref().ok().map(|message| message.header);
    let policy = header.and_then(|header| find(rules.accounts, &header, message.as_ref().ok()));
    let mut case = Case::new(frame, header, policy, rules);
    if let Err(error) = case.integrity() {
        return case.refuse(error, SuspectReason::Damaged, message.ok());
    }
    match message {
        Err(error) => case.refuse(error, SuspectReason::Malformed, None),
        Ok(message) if message.header.token == Token::Reply => case.reply_token(message),
        Ok(message) => match message.body {
            Body::Clear(block) => case.clear(message, block),
            Body::Cipher(text, deviations) => {
                case.deviations = case.deviations.with(deviations);
                case.encrypted(text)
            }
        },
    }
}

/// Judges a frame whose end is missing. `None` where not even its header is all there.
pub(crate) fn judge_cut<'f>(frame: Frame<'f>, rules: Rules<'_>) -> Option<Judgement<'f>> {
    let message = Message::read(frame).ok()?;
    let policy = find(rules.accounts, &message.header, None);
    let error = DecodeError::Truncated {
        have: frame.bytes.len(),
        need: None,
    };
    let case = Case::new(frame, Some(message.header), policy, rules);
    Some(case.refuse(error, SuspectReason::Damaged, None))
}

/// The policy of the header's account; where it has none, of the one in the data.
pub(crate) fn find(
    accounts: &dyn Accounts,
    header: &Header<'_>,
    message: Option<&Message<'_>>,
) -> Option<Arc<Policy>> {
    let inner = || {
        message
            .and_then(Message::content)
            .and_then(|content| content.account)
    };
    // Without any account the register is asked for the empty one.
    let account = header.account.or_else(inner).unwrap_or_default();
    accounts.find(header.receiver, header.line, account)
}

struct Case<'f, 'r> {
    frame: Frame<'f>,
    header: Option<Header<'f>>,
    policy: Option<Arc<Policy>>,
    rules: Rules<'r>,
    strict: bool,
    quirks: Quirks,
    encryption: Encryption,
    window: Window,
    deviations: Deviations,
    authenticity: Authenticity,
    sent_at: Option<Timestamp>,
    key_index: Option<usize>,
}

impl<'f, 'r> Case<'f, 'r> {
    fn new(
        frame: Frame<'f>,
        header: Option<Header<'f>>,
        policy: Option<Arc<Policy>>,
        rules: Rules<'r>,
    ) -> Self {
        let own = policy.as_deref();
        let mode = own.and_then(|policy| policy.mode).unwrap_or(rules.mode);
        Self {
            strict: mode == Mode::Strict,
            quirks: own.map_or(rules.quirks, |policy| policy.quirks.with(rules.quirks)),
            encryption: own.map_or(Encryption::Prefer, |policy| policy.encryption),
            window: own.map_or_else(Window::default, |policy| policy.window),
            deviations: frame
                .deviations()
                .with(header.map_or(Deviations::NONE, |header| header.deviations)),
            authenticity: Authenticity::PLAIN,
            sent_at: None,
            key_index: None,
            frame,
            header,
            policy,
            rules,
        }
    }

    /// Checksum and length: by the standard, by a vendor's rule that mode or quirk allows, or not
    /// at all where the owner says so.
    fn integrity(&mut self) -> Result<(), DecodeError> {
        let allowed = |quirk| !self.strict || self.quirks.has(quirk);
        let crc = match self.frame.crc {
            CrcFit::Right => true,
            CrcFit::WithCr => allowed(quirks::CRC_INCLUDES_CR),
            CrcFit::Wrong => false,
        };
        let length = match self.frame.length {
            LengthFit::Right => true,
            LengthFit::WithCr => allowed(quirks::LENGTH_INCLUDES_CR),
            LengthFit::Decimal => allowed(quirks::LENGTH_DECIMAL),
            LengthFit::Wrong => false,
        };
        if crc && length {
            return Ok(());
        }
        if self.quirks.has(quirks::CRC_UNCHECKED) {
            self.authenticity.suspect(SuspectReason::Unchecked);
            return Ok(());
        }
        self.frame.check()
    }

    /// A frame that cannot be read or trusted: one record, and the answer that its error asks for.
    fn refuse(
        mut self,
        error: DecodeError,
        reason: SuspectReason,
        message: Option<Message<'f>>,
    ) -> Judgement<'f> {
        self.authenticity.suspect(reason);
        let (verdict, intent) = match (error, error.answer()) {
            (DecodeError::Crc { .. }, _) => (FrameVerdict::BadCrc, Intent::Withhold),
            (DecodeError::Length { .. }, _) => (FrameVerdict::BadLength, Intent::Withhold),
            (DecodeError::CrcLength { .. }, _) => (FrameVerdict::BadCrcLength, Intent::Withhold),
            (DecodeError::Truncated { .. } | DecodeError::NoHeader { .. }, _) => {
                (FrameVerdict::Truncated, Intent::Withhold)
            }
            (_, ErrorAnswer::Silence) => (FrameVerdict::BadSyntax, Intent::Withhold),
            (_, ErrorAnswer::Duh) => (FrameVerdict::BadSyntax, Intent::Decline),
        };
        let encrypted = self.header.is_some_and(|header| header.encrypted);
        let intent = if self.encryption == Encryption::Require && !encrypted {
            Intent::Withhold
        } else {
            intent
        };
        let mut judgement = self.judgement(verdict, intent);
        judgement.events.push(normalize::unreadable(&self.common()));
        if let Some(Message {
            body: Body::Clear(block),
            header,
            ..
        }) = message
        {
            if self.rules.explain {
                judgement.show(Clear::of(block));
            }
            let content = Content::read(header.token, block.data, header.account);
            judgement.deviations = judgement
                .deviations
                .with(block.deviations)
                .with(content.deviations);
            judgement.deviations = judgement
                .deviations
                .with(charset(block.data, block.extended));
            for event in &mut judgement.events {
                event.account = event.account.take().or(content.account.map(String::from));
                event.deviations = normalize::words(judgement.deviations);
            }
        }
        judgement.error = Some(error);
        judgement
    }

    /// A receiver's word to a receiver: no answer, no record.
    fn reply_token(self, message: Message<'f>) -> Judgement<'f> {
        let mut judgement = self.judgement(FrameVerdict::Ok, Intent::Withhold);
        if let Body::Clear(block) = message.body {
            if self.rules.explain {
                judgement.show(Clear::of(block));
            }
            judgement.deviations = judgement.deviations.with(block.deviations);
        }
        // In a reply the header's absent elements mean nothing.
        judgement
    }

    fn clear(mut self, message: Message<'f>, block: Block<'f>) -> Judgement<'f> {
        if !block.closed {
            let at = self.frame.form.body_start() + message.header.len;
            return self.refuse(
                DecodeError::DataNotClosed { at },
                SuspectReason::Malformed,
                Some(message),
            );
        }
        self.deviations = self.deviations.with(block.deviations);
        let has_key = self
            .policy
            .as_ref()
            .is_some_and(|policy| policy.live_keys().next().is_some());
        let mut intent = Intent::Accept;
        match self.encryption {
            Encryption::Require => {
                self.authenticity.suspect(SuspectReason::Downgrade);
                intent = Intent::Withhold;
            }
            Encryption::Prefer if has_key => self.authenticity.suspect(SuspectReason::Downgrade),
            Encryption::Prefer | Encryption::Off => {}
        }
        self.sent_at = sent_at(block.timestamp);
        let content = Clear::of(block);
        self.content(content, intent, FrameVerdict::Ok)
    }

    fn encrypted(mut self, text: &'f [u8]) -> Judgement<'f> {
        let policy = self.policy.clone();
        let Some(policy) = policy.filter(|policy| policy.live_keys().next().is_some()) else {
            return self.closed(SuspectReason::NoKey);
        };
        let Some(cipher) = crypto::cipher_bytes(text) else {
            return self.closed(SuspectReason::Malformed);
        };
        let account = self.header.and_then(|header| header.account);
        for (index, key) in policy.live_keys().enumerate() {
            let mut plain = cipher.clone();
            crypto::decrypt(key, &mut plain);
            if let Some(inner) = crypto::open(&plain, account) {
                self.key_index = Some(index);
                return self.opened(inner);
            }
        }
        self.closed(SuspectReason::WrongKey)
    }

    /// No key opens it: silence and one record.
    fn closed(mut self, reason: SuspectReason) -> Judgement<'f> {
        self.authenticity.suspect(reason);
        let mut judgement = self.judgement(FrameVerdict::Undecryptable, Intent::Withhold);
        judgement.events.push(normalize::unreadable(&self.common()));
        judgement
    }

    fn opened(mut self, inner: crypto::Inner<'_>) -> Judgement<'f> {
        self.deviations = self.deviations.with(inner.deviations);
        self.authenticity = Authenticity {
            ..Authenticity::ENCRYPTED
        };
        if self.quirks.has(quirks::CRC_UNCHECKED) && !self.frame.holds() {
            self.authenticity.suspect(SuspectReason::Unchecked);
        }
        self.sent_at = sent_at(inner.timestamp);
        let mut intent = Intent::Accept;
        if !self.in_window() {
            self.authenticity.suspect(SuspectReason::StaleTime);
            if self.window.enforce {
                intent = Intent::Correct;
            }
        }
        let clear = Clear {
            data: inner.data,
            extended: inner.extended,
            timestamp: inner.timestamp,
        };
        // Flipped cipher text decrypts to noise: content that no transmitter writes.
        if charset(clear.data, clear.extended).has(Deviation::ControlChar) {
            self.authenticity.suspect(SuspectReason::Malformed);
        }
        self.content(clear, intent, FrameVerdict::Ok)
    }

    /// Whole seconds, since the sender's stamp has no finer ones. Both ends belong to the window.
    fn in_window(&self) -> bool {
        let Some(sent) = self.sent_at else {
            return false;
        };
        let Some(now) = self.rules.now else {
            return true;
        };
        let seconds = |at: Timestamp| at.as_millis().div_euclid(1000);
        let ahead = seconds(sent).saturating_sub(seconds(now));
        let within = |limit: core::time::Duration, distance: i64| {
            u64::try_from(distance).is_ok_and(|distance| distance <= limit.as_secs())
        };
        if ahead >= 0 {
            within(self.window.future, ahead)
        } else {
            within(self.window.past, ahead.saturating_neg())
        }
    }

    /// The content is at hand: link test, events, or a format that larm does not read.
    fn content(mut self, clear: Clear<'_>, intent: Intent, verdict: FrameVerdict) -> Judgement<'f> {
        let Some(header) = self.header else {
            return self.judgement(verdict, Intent::Withhold);
        };
        let content = Content::read(header.token, clear.data, header.account);
        self.deviations = self.deviations.with(charset(clear.data, clear.extended));
        if header.encrypted && header.token.is_link_test() && !is_idle(clear.data, header.account) {
            return self.disguised(clear);
        }
        let mismatch = content.deviations.has(Deviation::DataAcctDiffers)
            && !self.quirks.has(quirks::ACCOUNT_FROM_DATA);
        if header.encrypted && mismatch {
            self.authenticity.suspect(SuspectReason::AccountMismatch);
        }
        let details = Details {
            content,
            extended: clear.extended,
            timestamp: clear.timestamp,
        };
        let mut events = Vec::new();
        let mut found = self.deviations.with(content.deviations);
        if !header.token.is_link_test() {
            let common = self.common();
            events = normalize::records(&common, &details);
            if let Some(event) = content.cid(header.account, normalize::cid_rules(self.quirks)) {
                found = found.with(event.deviations);
            }
        }
        let decoded = events.first().is_some_and(|event| event.code.is_some());
        let declines = self.declines(header, decoded, found);
        for event in &mut events {
            event.path = path(clear.extended);
        }
        let intent = match intent {
            Intent::Accept if declines => Intent::Decline,
            intent => intent,
        };
        // Nothing is looked up for a frame without a record.
        let identity = if events.is_empty() {
            self.identity([0; 16], [0; 16])
        } else {
            self.identity(self.digest(&clear), self.account_digest())
        };
        let mut judgement = self.judgement_of(verdict, intent, identity);
        judgement.link_test = header.token.is_link_test();
        judgement.events = events;
        judgement.deviations = found;
        if self.rules.explain {
            judgement.show(clear);
        }
        judgement
    }

    /// DUH instead of ACK: a format that larm does not read, data without an event where the owner
    /// asks for it, or in strict mode a header that the standard does not know.
    fn declines(&self, header: Header<'_>, decoded: bool, found: Deviations) -> bool {
        let readable = header.token.is_event() || header.token.is_link_test();
        let empty = header.token.is_event() && !decoded;
        (!readable && !self.quirks.has(quirks::DUH_AS_ACK))
            || (empty && self.quirks.has(quirks::UNDECODABLE_DUH))
            || (self.strict && found.declined())
    }

    /// An encrypted link test that carries data: somebody may have changed the id of an alarm.
    fn disguised(mut self, clear: Clear<'_>) -> Judgement<'f> {
        self.authenticity.suspect(SuspectReason::Malformed);
        let identity = self.identity(self.digest(&clear), self.account_digest());
        let mut judgement = self.judgement_of(FrameVerdict::Ok, Intent::Withhold, identity);
        judgement.events.push(normalize::unreadable(&self.common()));
        if self.rules.explain {
            judgement.show(clear);
        }
        judgement
    }

    fn common(&self) -> Common<'f> {
        Common {
            header: self.header,
            raw: self.frame.bytes,
            known: self.policy.is_some(),
            charset: self
                .policy
                .as_ref()
                .map(|policy| policy.charset)
                .unwrap_or_default(),
            quirks: self.quirks,
            deviations: self.deviations,
            authenticity: self.authenticity.clone(),
            now: self.rules.now,
        }
    }

    /// Content, and how it was protected and graded: a clear copy of an encrypted alarm is not its
    /// repeat, nor is a frame in time the repeat of a stale one.
    fn digest(&self, clear: &Clear<'_>) -> [u8; 16] {
        let header = self.header;
        let part = |text: Option<&'f str>| text.unwrap_or_default().as_bytes();
        let grade = [
            u8::from(header.is_some_and(|header| header.encrypted)),
            u8::try_from(self.authenticity.reasons.len()).unwrap_or(u8::MAX),
        ];
        digest::content(&[
            part(header.and_then(|header| header.account)),
            part(header.and_then(|header| header.receiver)),
            part(header.and_then(|header| header.line)),
            part(header.map(|header| header.id)),
            &grade,
            clear.data,
            clear.extended.as_bytes(),
        ])
    }

    fn account_parts(&self) -> [&'f [u8]; 3] {
        let header = self.header;
        let part = |text: Option<&'f str>| text.unwrap_or_default().as_bytes();
        [
            part(header.and_then(|header| header.account)),
            part(header.and_then(|header| header.receiver)),
            part(header.and_then(|header| header.line)),
        ]
    }

    fn account_digest(&self) -> [u8; 16] {
        digest::name(self.account_parts())
    }

    fn identity(&self, content: [u8; 16], account: [u8; 16]) -> Identity {
        Identity {
            content,
            account,
            sequence: self.header.and_then(|header| header.sequence_number()),
            sent_at: self.sent_at,
            renumbers: self.quirks.has(quirks::RENUMBERS_RETRIES),
            constant_sequence: self.quirks.has(quirks::CONSTANT_SEQUENCE),
        }
    }

    /// A frame whose content is not known: it is recognised by all of its body.
    fn judgement(&self, verdict: FrameVerdict, intent: Intent) -> Judgement<'f> {
        let [account, receiver, line] = self.account_parts();
        let content = digest::content(&[account, receiver, line, self.frame.body]);
        self.judgement_of(
            verdict,
            intent,
            self.identity(content, self.account_digest()),
        )
    }

    fn judgement_of(
        &self,
        verdict: FrameVerdict,
        intent: Intent,
        identity: Identity,
    ) -> Judgement<'f> {
        Judgement {
            header: self.header,
            known: self.policy.is_some(),
            verdict,
            link_test: false,
            intent,
            events: Vec::new(),
            identity,
            policy: self.policy.clone(),
            key_index: self.key_index,
            shown: Shown::default(),
            deviations: self.deviations,
            quirks: self.quirks,
            error: None,
        }
    }
}

impl Judgement<'_> {
    fn show(&mut self, clear: Clear<'_>) {
        self.shown = Shown {
            data: Some(clear.data.to_vec()),
            extended: clear.extended.as_bytes().to_vec(),
            timestamp: clear.timestamp.map(String::from),
        };
    }
}

impl<'d> Clear<'d> {
    fn of(block: Block<'d>) -> Self {
        Self {
            data: block.data,
            extended: block.extended,
            timestamp: block.timestamp,
        }
    }
}

/// The number of the network path, for the gateway to complete.
fn path(extended: Blocks<'_>) -> Option<Path> {
    let number = crate::xdata::path_number(extended)?;
    Some(Path {
        listener: String::new(),
        transport: Transport::Tcp,
        peer: String::new(),
        role: None,
        number: Some(number.to_string()),
    })
}

fn sent_at(timestamp: Option<&str>) -> Option<Timestamp> {
    stamp::parse(timestamp?.as_bytes())
        .ok()
        .map(Timestamp::from_millis)
}

/// Control characters and bytes above 0x7F in content.
fn charset(data: &[u8], extended: Blocks<'_>) -> Deviations {
    let mut found = Deviations::NONE;
    for bytes in [data, extended.as_bytes()] {
        // Without a way out of the loop, which is then taken many bytes at a time.
        let control = (bytes.iter()).fold(false, |any, byte| any | byte.is_ascii_control());
        found.add_if(control, Deviation::ControlChar);
        found.add_if(!bytes.is_ascii(), Deviation::NonAscii);
    }
    found
}

/// What a link test may carry: nothing, its account, or the dummy block of zeros of one brand.
fn is_idle(data: &[u8], account: Option<&str>) -> bool {
    let content = Content::read(Token::SiaDcs, data, account);
    let dummy = content
        .payload
        .iter()
        .all(|byte| matches!(byte, b'0' | b' '));
    let alone = data
        .strip_prefix(b"#")
        .is_some_and(|inner| Some(inner) == account.map(str::as_bytes));
    // Random padding that breaks the rule and holds a bar looks like data behind that bar.
    let padding = content.account.is_none()
        && !data.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && !Content::holds_event(data, account);
    dummy || alone || padding
}
