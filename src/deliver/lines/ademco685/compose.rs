//! From an event to the Ademco 685 record that says it: always Contact ID.
use larm_event::Event;

use super::super::account::{Accounts, Fitted};
use super::super::loss::{Loss, Losses};
use super::super::numbers::{Numbers, Pair};
use super::super::place::AsCid;
use super::record::{ACCOUNT_LEN_MAX, Address, Body, Record};

/// How events become records.
#[derive(Clone, Debug)]
pub struct Composer {
    /// Receiver and line digits.
    pub numbers: Numbers,
    /// How accounts are written. One that fits nowhere is written whole: the field ends at a space.
    pub accounts: Accounts,
    /// A space stands before CR in events.
    pub space: bool,
    /// The heartbeat has the receiver and line digits in place of `00`.
    pub numbered_heartbeat: bool,
}

impl Composer {
    /// The record of an event, and what it leaves out.
    #[must_use]
    pub fn record(&self, event: &Event) -> (Record, Losses) {
        let mut losses = Losses::default();
        let pair = self.numbers.of(event);
        let fitted = self.account(event, pair, &mut losses);
        let cid = AsCid::of(event, &mut losses);
        losses.note_if(event.text.is_some(), Loss::Text);
        losses.note_if(event.value.is_some(), Loss::Value);
        losses.note_if(event.location.is_some(), Loss::Location);
        losses.note_if(!event.media.is_empty(), Loss::Media);
        let said = [&event.zone, &event.user, &event.peripheral];
        let more = said.into_iter().flatten().count() > 1 || !event.modifiers.is_empty();
        losses.note_if(more, Loss::Modifiers);
        let line = fitted.line.as_deref().unwrap_or(&pair.line);
        let record = Record {
            receiver: digit(&pair.receiver),
            line: digit(line),
            body: Body::ContactId {
                account: fitted.account,
                qualifier: cid.qualifier,
                event: cid.code,
                group: cid.group,
                address: if cid.user {
                    Address::User
                } else {
                    Address::Zone
                },
                number: cid.number,
            },
            space: self.space,
        };
        (record, losses)
    }

    /// The record that shows the link alive.
    #[must_use]
    pub fn heartbeat(&self) -> Record {
        let pair = &self.numbers.default;
        let (receiver, line) = if self.numbered_heartbeat {
            (digit(&pair.receiver), digit(&pair.line))
        } else {
            ('0', '0')
        };
        Record {
            receiver,
            line,
            body: Body::Heartbeat,
            space: false,
        }
    }

    fn account(&self, event: &Event, pair: &Pair, losses: &mut Losses) -> Fitted {
        let account = event.account.as_deref().unwrap_or("0000");
        let fitted = self.accounts.fit(account, pair.line.len());
        let fitted = fitted.unwrap_or_else(|| {
            let kept = account.chars().filter(char::is_ascii_alphanumeric);
            let kept: String = kept.take(ACCOUNT_LEN_MAX).collect();
            Fitted {
                account: format!("{kept:0>4}"),
                line: None,
            }
        });
        losses.note_if(fitted.account != account, Loss::Account);
        fitted
    }
}

/// The one digit that there is; the configuration admits no other.
fn digit(number: &str) -> char {
    number.chars().next().unwrap_or('0')
}
