//! The fields of an account as options of `larm accounts add`.
use crate::accounts::{Column, Draft, RegisterError, escape};
use crate::registry::ACCOUNT_RULES;

/// Every field that can be set; an empty text unsets one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fields (an empty text unsets one)")]
pub(super) struct FieldArgs {
    /// What clear frames are worth: prefer, require or off.
    #[arg(long, value_name = "POLICY")]
    encryption: Option<String>,
    /// How departures from the standard are answered: tolerant or strict.
    #[arg(long)]
    mode: Option<String>,
    /// A departure of its brand, by name; may be given several times.
    #[arg(long = "quirk", value_name = "NAME")]
    quirks: Vec<String>,
    /// A protocol it may speak, such as dc09; may be given several times. Without: any.
    #[arg(long = "protocol", value_name = "NAME")]
    protocols: Vec<String>,
    /// How often it must be heard on the primary path, such as 90s or 25h.
    #[arg(long, value_name = "TIME")]
    supervision_primary: Option<String>,
    /// How often it must be heard on the backup path.
    #[arg(long, value_name = "TIME")]
    supervision_backup: Option<String>,
    /// How old the time of an encrypted frame may be.
    #[arg(long, value_name = "TIME")]
    window_past: Option<String>,
    /// How far the time of an encrypted frame may be ahead.
    #[arg(long, value_name = "TIME")]
    window_future: Option<String>,
    /// Whether a frame outside the window is refused: true or false.
    #[arg(long, value_name = "FLAG")]
    window_enforce: Option<String>,
    /// How its text is read: windows-1252 or windows-1251 (UTF-8 is always tried first).
    #[arg(long)]
    charset: Option<String>,
    /// In test mode until this time, such as 2026-12-01T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    test_until: Option<String>,
    /// A word to find it by; may be given several times.
    #[arg(long = "tag", value_name = "WORD")]
    tags: Vec<String>,
    /// A zone with its name, such as "1=Front door"; may be given several times.
    #[arg(long = "zone", value_name = "ZONE=NAME")]
    zones: Vec<String>,
    /// Another priority for a code, such as BA=1; may be given several times.
    #[arg(long = "priority", value_name = "CODE=1-5")]
    priorities: Vec<String>,
    /// Name of the site.
    #[arg(long)]
    site: Option<String>,
    /// Street address.
    #[arg(long)]
    address: Option<String>,
    /// Apartment number.
    #[arg(long)]
    apartment: Option<String>,
    /// The customer.
    #[arg(long)]
    customer: Option<String>,
    /// Who is to be called, in order; may be given several times.
    #[arg(long = "contact", value_name = "TEXT")]
    contacts: Vec<String>,
}

impl FieldArgs {
    /// Sets what was given.
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), RegisterError> {
        let single = [
            (Column::Encryption, &self.encryption),
            (Column::Mode, &self.mode),
            (Column::SupervisionPrimary, &self.supervision_primary),
            (Column::SupervisionBackup, &self.supervision_backup),
            (Column::WindowPast, &self.window_past),
            (Column::WindowFuture, &self.window_future),
            (Column::WindowEnforce, &self.window_enforce),
            (Column::Charset, &self.charset),
            (Column::TestUntil, &self.test_until),
            (Column::Site, &self.site),
            (Column::Address, &self.address),
            (Column::Apartment, &self.apartment),
            (Column::Customer, &self.customer),
        ];
        for (column, text) in single {
            if let Some(text) = text {
                draft.set(column, text, &ACCOUNT_RULES)?;
            }
        }
        let lists = [
            (Column::Quirks, &self.quirks),
            (Column::Protocols, &self.protocols),
            (Column::Tags, &self.tags),
            (Column::Contacts, &self.contacts),
            (Column::Zones, &self.zones),
            (Column::Priorities, &self.priorities),
        ];
        for (column, texts) in lists {
            if !texts.is_empty() {
                let items: Vec<String> = texts.iter().map(|text| item(column, text)).collect();
                draft.set(column, &items.join(";"), &ACCOUNT_RULES)?;
            }
        }
        Ok(())
    }
}

/// An option's text as one item of a list: on the command line only the first `=` of a pair means
/// anything.
fn item(column: Column, text: &str) -> String {
    let pair = matches!(column, Column::Zones | Column::Priorities);
    match text.split_once('=') {
        Some((left, right)) if pair => format!("{}={}", escape(left), escape(right)),
        _ => escape(text),
    }
}
