//! `surgard`: the lines of Sur-Gard receivers, for automation software.
use std::sync::Arc;

use jiff::tz::TimeZone;
use larm_event::Event;

use super::automation::{self, Widths};
use crate::config::connector::{ClockZone, EndMark, Format, LongAccounts, Surgard, Variant};
use crate::deliver::lines::account::{Accounts, Unfit};
use crate::deliver::lines::frame::Marks;
use crate::deliver::lines::link::{LineConnector, Printer};
use crate::deliver::lines::loss::Losses;
use crate::deliver::lines::surgard::{Composer, Form};
use crate::deliver::{BuildError, Context};

/// Where this machine's time zone stands.
const LOCAL_ZONE: &str = "/etc/localtime";

struct Lines {
    composer: Composer,
    marks: Marks,
}

impl Printer for Lines {
    fn event(&self, event: &Event) -> (Vec<u8>, Losses) {
        let (record, losses) = self.composer.record(event);
        (self.marks.wrap(&record.to_string()), losses)
    }

    fn heartbeat(&self) -> Vec<u8> {
        self.marks.wrap(&self.composer.heartbeat().to_string())
    }
}

/// A connector of this kind.
pub(super) fn build(own: &Surgard, context: &Context) -> Result<LineConnector, BuildError> {
    let widths = Widths {
        receiver: 2,
        line: match own.variant {
            Variant::Mlr2 => 1,
            Variant::Mlr2000 => 3,
        },
    };
    let composer = Composer {
        form: match own.format {
            Format::AsReceived => Form::AsReceived,
            Format::ContactId => Form::ContactId,
            Format::Sia2 => Form::Sia2,
            Format::Sia1 => Form::Sia1,
            Format::Basic => Form::Basic,
        },
        numbers: automation::numbers(&own.automation, widths)?,
        accounts: Accounts {
            unfit: match own.long_accounts {
                LongAccounts::Sia2 => Unfit::OtherForm,
                LongAccounts::Widen => Unfit::Widen,
                LongAccounts::IntoLine => Unfit::IntoLine,
            },
            letters: own.automation.account_letters,
            map: own.automation.account_map.clone(),
        },
        text: own.text,
        clock: zone(own.clock)?,
    };
    let lines = Lines {
        composer,
        marks: match own.end {
            EndMark::Dc4 => Marks::DC4,
            EndMark::Cr => Marks::CR,
            EndMark::CrLf => Marks::CR_LF,
            EndMark::None => Marks::NONE,
        },
    };
    let link = automation::link(&own.automation)?;
    Ok(LineConnector::new(link, Arc::new(lines), context))
}

fn zone(clock: ClockZone) -> Result<Option<TimeZone>, BuildError> {
    let wrong = |why: String| BuildError {
        key: "clock",
        problem: format!("{LOCAL_ZONE}: {why}; write \"utc\", or set this machine's time zone"),
    };
    match clock {
        ClockZone::Off => Ok(None),
        ClockZone::Utc => Ok(Some(TimeZone::UTC)),
        ClockZone::Local => {
            let bytes = std::fs::read(LOCAL_ZONE).map_err(|error| wrong(error.to_string()))?;
            let zone = TimeZone::tzif("local", &bytes).map_err(|error| wrong(error.to_string()))?;
            Ok(Some(zone))
        }
    }
}
