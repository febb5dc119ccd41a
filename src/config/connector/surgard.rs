//! `kind = "surgard"`: records of Sur-Gard receivers, for automation software.
use super::super::reader::Table;
use super::super::schema::{Key, quote};
use super::super::words::words;
use super::automation::{Automation, LateReceipts, ReceiptWords, SecondClient, keys};

words! {
    /// How many characters the line number has.
    Variant {
        /// One.
        Mlr2 = "mlr2",
        /// Three.
        Mlr2000 = "mlr2000",
    }
}

words! {
    /// Which form events go out in.
    Format {
        /// Contact ID as Contact ID, everything else as SIA protocol 2.
        AsReceived = "as_received",
        /// Contact ID.
        ContactId = "contact_id",
        /// SIA protocol 2.
        Sia2 = "sia_2",
        /// SIA protocol 1.
        Sia1 = "sia_1",
        /// One letter for what happened.
        Basic = "basic",
    }
}

words! {
    /// What becomes of an account that is no four digits, in Contact ID.
    LongAccounts {
        /// The event goes out in SIA protocol 2.
        Sia2 = "sia_2",
        /// The field becomes wider.
        Widen = "widen",
        /// The left digits go into the line number.
        IntoLine = "into_line",
    }
}

words! {
    /// What stands behind each record.
    EndMark {
        /// 0x14.
        Dc4 = "dc4",
        /// Carriage return.
        Cr = "cr",
        /// Carriage return and line feed.
        CrLf = "cr_lf",
        /// Nothing.
        None = "none",
    }
}

words! {
    /// The receiver's clock in each record.
    ClockZone {
        /// None.
        Off = "off",
        /// UTC.
        Utc = "utc",
        /// This machine's time zone.
        Local = "local",
    }
}

/// Settings of a connector that prints Sur-Gard records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surgard {
    /// The link and the numbers.
    pub automation: Automation,
    /// Characters of the line number.
    pub variant: Variant,
    /// Which form events go out in.
    pub format: Format,
    /// Accounts that are no four digits.
    pub long_accounts: LongAccounts,
    /// The transmitter's words in SIA protocol 2.
    pub text: bool,
    /// The receiver's clock.
    pub clock: ClockZone,
    /// What stands behind each record.
    pub end: EndMark,
}

impl Default for Surgard {
    fn default() -> Self {
        Self {
            automation: Automation::usual("01", "1", 3),
            variant: Variant::Mlr2,
            format: Format::AsReceived,
            long_accounts: LongAccounts::Sia2,
            text: false,
            clock: ClockZone::Off,
            end: EndMark::Dc4,
        }
    }
}

pub(super) const ABOUT: &str =
    "Lines of Sur-Gard receivers for automation software, over TCP or TLS, as client or as server.";

pub(super) const KEYS: &[Key] = keys! {
    receiver = "\"01\"", repeats = "3";
    keys!(@ "variant", Word(Variant::WORDS), "\"mlr2\"",
        "Line numbers of one character, or of three as MLR2000, System I to III and 5 have them."),
    keys!(@ "format", Word(Format::WORDS), "\"as_received\"",
        "Which form events go out in: Contact ID as it came and everything else in SIA protocol 2, \
         or all in one form, with the nearest code of the other scheme."),
    keys!(@ "long_accounts", Word(LongAccounts::WORDS), "\"sia_2\"",
        "What becomes of an account that is no four digits where the form is Contact ID: the event \
         goes out in SIA protocol 2, the field becomes wider, or the left digits go into the line \
         number."),
    keys!(@ "text", Flag, "false",
        "Whether the transmitter's words stand behind an event in SIA protocol 2."),
    keys!(@ "clock", Word(ClockZone::WORDS), "\"off\"",
        "Whether the time of reception stands behind each record, and in which zone."),
    keys!(@ "end", Word(EndMark::WORDS), "\"dc4\"", "What stands behind each record."),
};

impl Surgard {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut found = Self::default();
        found.automation = Automation::read(table, found.automation);
        table.word("variant", Variant::from_word, &mut found.variant);
        table.word("format", Format::from_word, &mut found.format);
        table.word(
            "long_accounts",
            LongAccounts::from_word,
            &mut found.long_accounts,
        );
        table.flag("text", &mut found.text);
        table.word("clock", ClockZone::from_word, &mut found.clock);
        table.word("end", EndMark::from_word, &mut found.end);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        match key {
            "variant" => Some(quote(self.variant.as_str())),
            "format" => Some(quote(self.format.as_str())),
            "long_accounts" => Some(quote(self.long_accounts.as_str())),
            "text" => Some(self.text.to_string()),
            "clock" => Some(quote(self.clock.as_str())),
            "end" => Some(quote(self.end.as_str())),
            _ => self.automation.show(key),
        }
    }
}
