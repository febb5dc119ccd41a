//! What a record leaves out of its event.
use std::fmt;

/// One thing that the form of a record has no place for, or holds only in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Loss {
    /// The code is the nearest one of another scheme.
    Code = 1,
    /// The qualifier: new, or reported before.
    Qualifier = 1 << 1,
    /// The account is written in another way.
    Account = 1 << 2,
    /// Area or partition.
    Partition = 1 << 3,
    /// Zone or user.
    Address = 1 << 4,
    /// User, peripheral and other modifiers of the block.
    Modifiers = 1 << 5,
    /// Words.
    Text = 1 << 6,
    /// Characters that a line cannot hold were replaced.
    Characters = 1 << 7,
    /// A measured value.
    Value = 1 << 8,
    /// Where the device is.
    Location = 1 << 9,
    /// Links to image, sound or video.
    Media = 1 << 10,
}

impl Loss {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Code, "code"),
        (Self::Qualifier, "qualifier"),
        (Self::Account, "account"),
        (Self::Partition, "partition"),
        (Self::Address, "address"),
        (Self::Modifiers, "modifiers"),
        (Self::Text, "text"),
        (Self::Characters, "characters"),
        (Self::Value, "value"),
        (Self::Location, "location"),
        (Self::Media, "media"),
    ];
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses(u16);

impl Losses {
    /// Adds one.
    pub fn note(&mut self, loss: Loss) {
        self.0 |= loss as u16;
    }

    /// Adds one where it `holds`.
    pub fn note_if(&mut self, holds: bool, loss: Loss) {
        if holds {
            self.note(loss);
        }
    }

    /// Whether it is among them.
    #[must_use]
    pub const fn has(self, loss: Loss) -> bool {
        self.0 & loss as u16 != 0
    }

    /// Nothing was lost.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The words, with commas; `none` for the empty set.
impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let words = Loss::ALL.iter().filter(|(loss, _)| self.has(*loss));
        for (at, (_, word)) in words.enumerate() {
            write!(f, "{}{word}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
