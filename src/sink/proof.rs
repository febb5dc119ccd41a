//! The one place where a journal's token becomes what a protocol accepts as proof.
use larm_carrier::Proof;

use crate::journal::Commit;

impl Proof for Commit {
    fn position(&self) -> u64 {
        Self::position(self)
    }
}
