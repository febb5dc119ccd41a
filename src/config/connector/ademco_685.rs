//! `kind = "ademco-685"`: records of Ademco 685 receivers, for automation software.
use super::super::reader::Table;
use super::super::schema::{Key, quote};
use super::super::words::words;
use super::automation::{Automation, LateReceipts, ReceiptWords, SecondClient, keys};

words! {
    /// What becomes of an account that is no four digits.
    WideAccounts {
        /// The field becomes wider.
        Widen = "widen",
        /// The left digit goes into the line number.
        IntoLine = "into_line",
    }
}

/// Settings of a connector that prints Ademco 685 records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ademco685 {
    /// The link and the numbers.
    pub automation: Automation,
    /// Accounts that are no four digits.
    pub long_accounts: WideAccounts,
    /// A space before the carriage return of an event.
    pub trailing_space: bool,
    /// Receiver and line digits in heartbeats.
    pub numbered_heartbeat: bool,
}

impl Default for Ademco685 {
    fn default() -> Self {
        Self {
            automation: Automation::usual("1", "1", 1),
            long_accounts: WideAccounts::Widen,
            trailing_space: true,
            numbered_heartbeat: false,
        }
    }
}

pub(super) const ABOUT: &str = "Lines of Ademco 685 receivers for automation software, over TCP or TLS, as client or as server.";

pub(super) const KEYS: &[Key] = keys! {
    receiver = "\"1\"", repeats = "1";
    keys!(@ "long_accounts", Word(WideAccounts::WORDS), "\"widen\"",
        "What becomes of an account that is no four digits: it is written whole, or its left digit \
         goes into the line number."),
    keys!(@ "trailing_space", Flag, "true",
        "A space stands before the carriage return of an event, as some receivers print it."),
    keys!(@ "numbered_heartbeat", Flag, "false",
        "Heartbeats have the receiver and line digits in place of `00`."),
};

impl Ademco685 {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        found.automation = Automation::read(table, found.automation);
        table.word(
            "long_accounts",
            WideAccounts::from_word,
            &mut found.long_accounts,
        );
        table.flag("trailing_space", &mut found.trailing_space);
        table.flag("numbered_heartbeat", &mut found.numbered_heartbeat);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "long_accounts" => Some(quote(self.long_accounts.as_str())),
            "trailing_space" => Some(self.trailing_space.to_string()),
            "numbered_heartbeat" => Some(self.numbered_heartbeat.to_string()),
            _ => self.automation.show(key),
        }
    }
}
