//! From an event to the Sur-Gard record that says it best.
//!
//! Operation: the receiver's own events go out as such; the others in the form that is set, or, if
//! their account has no place there, as SIA protocol 2, whose field takes every account. What the
//! form has no place for is noted.
use larm_event::{Event, Kind, Scheme};

use super::super::account::{Accounts, Fitted};
use super::super::loss::{Loss, Losses};
use super::super::numbers::{Numbers, Pair};
use super::super::place::{AsCid, AsSia, field};
use super::super::text::clean;
use super::record::{ACCOUNT_LEN_MAX, Body, Clock, DATA_LEN_MAX, Qualifier, Record};

/// Which form events go out in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Contact ID as Contact ID, everything else as SIA protocol 2.
    #[default]
    AsReceived,
    /// Contact ID.
    ContactId,
    /// SIA protocol 1.
    Sia1,
    /// SIA protocol 2.
    Sia2,
    /// One letter for what happened.
    Basic,
}

/// How events become records.
#[derive(Clone, Debug)]
pub struct Composer {
    /// Which form.
    pub form: Form,
    /// Receiver and line numbers.
    pub numbers: Numbers,
    /// How accounts are written.
    pub accounts: Accounts,
    /// The transmitter's words behind a SIA protocol 2 event.
    pub text: bool,
    /// The receiver's clock behind every record, in this zone.
    pub clock: Option<jiff::tz::TimeZone>,
}

impl Composer {
    /// The record of an event, and what it leaves out.
    #[must_use]
    pub fn record(&self, event: &Event) -> (Record, Losses) {
        let mut losses = Losses::default();
        let pair = self.numbers.of(event);
        let (line, body) = self.body(event, pair, &mut losses);
        let written_text = self.text && matches!(body, Body::Sia2 { .. } | Body::Own { .. });
        losses.note_if(event.text.is_some() && !written_text, Loss::Text);
        losses.note_if(event.value.is_some(), Loss::Value);
        losses.note_if(event.location.is_some(), Loss::Location);
        losses.note_if(!event.media.is_empty(), Loss::Media);
        let record = Record {
            receiver: pair.receiver.clone(),
            line: line.unwrap_or_else(|| pair.line.clone()),
            body,
            clock: self.clock.as_ref().and_then(|zone| clock(event, zone)),
        };
        (record, losses)
    }

    /// The record that shows the link alive.
    #[must_use]
    pub fn heartbeat(&self) -> Record {
        Record {
            receiver: self.numbers.default.receiver.clone(),
            line: self.numbers.default.line.clone(),
            body: Body::Heartbeat,
            clock: None,
        }
    }

    fn body(&self, event: &Event, pair: &Pair, losses: &mut Losses) -> (Option<String>, Body) {
        let account = event.account.as_deref().unwrap_or_default();
        let scheme = event.code.as_ref().map(|code| code.scheme);
        if account.is_empty() {
            let data = self.data(event, losses);
            return (None, Body::Own { data });
        }
        let line_len = pair.line.len();
        let four = |losses: &mut Losses| -> Option<Fitted> {
            let fitted = self.accounts.fit(account, line_len)?;
            losses.note_if(fitted.account != account, Loss::Account);
            Some(fitted)
        };
        let short = account.len() <= 6 && account.bytes().all(|byte| byte.is_ascii_digit());
        let body = match (self.form, scheme) {
            (Form::ContactId, _) | (Form::AsReceived, Some(Scheme::Cid)) => {
                four(losses).map(|fitted| (fitted.line, contact_id(event, fitted.account, losses)))
            }
            (Form::Sia1, _) if short => Some((None, sia_1(event, account, losses))),
            (Form::Basic, _) if short => Some((None, basic(event, account, losses))),
            _ => None,
        };
        body.unwrap_or_else(|| (None, self.sia_2(event, account, losses)))
    }

    fn sia_2(&self, event: &Event, account: &str, losses: &mut Losses) -> Body {
        let kept: String = account
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(ACCOUNT_LEN_MAX)
            .collect();
        losses.note_if(kept != account, Loss::Account);
        let account = if kept.is_empty() {
            "0000".to_owned()
        } else {
            kept
        };
        let data = self.data(event, losses);
        Body::Sia2 { account, data }
    }

    /// `N` or `O`, modifiers and event, and text where there is room.
    fn data(&self, event: &Event, losses: &mut Losses) -> String {
        let sia = AsSia::of(event, losses);
        let mut data = String::from(if sia.old { "O" } else { "N" });
        let named = [
            ("ri", &sia.area),
            ("id", &sia.user),
            ("pi", &sia.peripheral),
        ];
        for (name, value) in named {
            let value = value.as_deref().map(|value| value.trim_start_matches('0'));
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                data.extend([name, value, "/"]);
            }
        }
        for modifier in &event.modifiers {
            let value = &modifier.value;
            let plain = value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b":-.".contains(&byte));
            let name =
                modifier.name.len() == 2 && modifier.name.bytes().all(|b| b.is_ascii_lowercase());
            // The event itself needs two letters and up to eight digits.
            let fits = name && plain && data.len() + value.len() + 3 + 10 <= DATA_LEN_MAX;
            losses.note_if(!fits || modifier.text.is_some(), Loss::Modifiers);
            if fits {
                data.extend([modifier.name.as_str(), value, "/"]);
            }
        }
        data.push_str(&sia.code);
        data.push_str(sia.address.as_deref().unwrap_or_default());
        if let Some(text) = event.text.as_deref().filter(|_| self.text) {
            append_text(&mut data, text, losses);
        }
        data
    }
}

/// `|A` and as many characters as have room.
fn append_text(data: &mut String, text: &str, losses: &mut Losses) {
    let (text, replaced) = clean(text);
    losses.note_if(replaced, Loss::Characters);
    let room = DATA_LEN_MAX.saturating_sub(data.len() + 2);
    losses.note_if(text.len() > room, Loss::Text);
    if room > 0 && !text.is_empty() {
        data.push_str("|A");
        data.extend(text.chars().take(room));
    }
}

fn contact_id(event: &Event, account: String, losses: &mut Losses) -> Body {
    let cid = AsCid::of(event, losses);
    let said = [&event.zone, &event.user, &event.peripheral];
    let more = said.into_iter().flatten().count() > 1 || !event.modifiers.is_empty();
    losses.note_if(more, Loss::Modifiers);
    Body::ContactId {
        account,
        qualifier: cid.qualifier,
        event: cid.code,
        group: cid.group,
        zone: cid.number,
    }
}

fn sia_1(event: &Event, account: &str, losses: &mut Losses) -> Body {
    let sia = AsSia::of(event, losses);
    losses.note_if(sia.old, Loss::Qualifier);
    losses.note_if(sia.area.is_some(), Loss::Partition);
    let more = sia.user.is_some() || sia.peripheral.is_some() || !event.modifiers.is_empty();
    losses.note_if(more, Loss::Modifiers);
    Body::Sia1 {
        account: format!("{account:0>4}"),
        code: sia.code,
        address: field(sia.address.as_deref(), 4, Loss::Address, losses),
    }
}

fn basic(event: &Event, account: &str, losses: &mut Losses) -> Body {
    let cid = AsCid::of(event, losses);
    losses.note(Loss::Code);
    let group = field(Some(&cid.group), 1, Loss::Partition, losses);
    Body::Basic {
        account: format!("{account:0>4}"),
        letter: letter(event.kind, &cid),
        group: group.chars().next().unwrap_or('0'),
        user: cid.number,
    }
}

/// What happened, in one letter.
fn letter(kind: Kind, cid: &AsCid) -> char {
    let over = cid.qualifier == Qualifier::Restore;
    match kind {
        _ if cid.code == "406" => 'F',
        // What is not known may be an alarm.
        Kind::Alarm | Kind::Unknown => 'A',
        Kind::Restoral | Kind::TroubleRestoral => 'R',
        Kind::Open => 'O',
        Kind::Close => 'C',
        Kind::Bypass if over => 'H',
        Kind::Bypass => 'B',
        Kind::Supervision if over => 'R',
        Kind::Trouble | Kind::Supervision | Kind::Test | Kind::Access | Kind::Status => 'T',
    }
}

/// When it was received.
fn clock(event: &Event, zone: &jiff::tz::TimeZone) -> Option<Clock> {
    let at = jiff::Timestamp::from_millisecond(event.received_at.as_millis()).ok()?;
    let at = zone.to_datetime(at);
    let number = |part: i8| u8::try_from(part).ok();
    Some(Clock {
        hour: number(at.hour())?,
        minute: number(at.minute())?,
        second: number(at.second())?,
        day: number(at.day())?,
        month: number(at.month())?,
    })
}
