//! `ademco-685`: the lines of Ademco 685 receivers, for automation software.
use std::sync::Arc;

use larm_event::Event;

use super::automation::{self, Widths};
use crate::config::connector::{Ademco685, WideAccounts};
use crate::deliver::lines::account::{Accounts, Unfit};
use crate::deliver::lines::ademco685::Composer;
use crate::deliver::lines::frame::Marks;
use crate::deliver::lines::link::{LineConnector, Printer};
use crate::deliver::lines::loss::Losses;
use crate::deliver::{BuildError, Context};

struct Lines(Composer);

impl Printer for Lines {
    fn event(&self, event: &Event) -> (Vec<u8>, Losses) {
        let (record, losses) = self.0.record(event);
        (Marks::LF_CR.wrap(&record.to_string()), losses)
    }

    fn heartbeat(&self) -> Vec<u8> {
        Marks::LF_CR.wrap(&self.0.heartbeat().to_string())
    }
}

/// A connector of this kind.
pub(super) fn build(own: &Ademco685, context: &Context) -> Result<LineConnector, BuildError> {
    let widths = Widths {
        receiver: 1,
        line: 1,
    };
    let composer = Composer {
        numbers: automation::numbers(&own.automation, widths)?,
        accounts: Accounts {
            unfit: match own.long_accounts {
                WideAccounts::Widen => Unfit::Widen,
                WideAccounts::IntoLine => Unfit::IntoLine,
            },
            letters: own.automation.account_letters,
            map: own.automation.account_map.clone(),
        },
        space: own.trailing_space,
        numbered_heartbeat: own.numbered_heartbeat,
    };
    let link = automation::link(&own.automation)?;
    Ok(LineConnector::new(link, Arc::new(Lines(composer)), context))
}
