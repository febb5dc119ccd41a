//! Departures from the standard that frames of real transmitters show, by their fixed words.

macro_rules! deviations {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $strict:ident;)+) => {
        /// One departure from the standard.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Deviation { $($(#[$doc])* $variant),+ }

        impl Deviation {
            /// Every one, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The fixed word in records and explanations.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What strict mode makes of it.
            #[must_use]
            pub const fn strict(self) -> Strict {
                match self { $(Self::$variant => Strict::$strict),+ }
            }
        }
    };
}

/// What strict mode makes of a deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strict {
    /// Within what the standard leaves open, or no reason to refuse by its own words.
    Accepts,
    /// The header is not of the standard's form: DUH.
    Declines,
    /// Integrity does not hold by the standard's rule: silence.
    Ignores,
}

deviations! {
    /// The CRC covers the CR too.
    CrcInclCr = "crc-incl-cr", Ignores;
    /// The length counts the CR too.
    LenInclCr = "len-incl-cr", Ignores;
    /// The length is written in decimal.
    LenDecimal = "len-decimal", Ignores;
    /// There is no `L` element.
    NoLine = "no-line", Declines;
    /// `L` without digits.
    EmptyLine = "empty-line", Declines;
    /// `L` with more than six digits.
    LineLength = "line-length", Declines;
    /// `R` without digits.
    EmptyReceiver = "empty-receiver", Declines;
    /// `R` with more than six digits.
    ReceiverLength = "receiver-length", Declines;
    /// There is no account in the header.
    NoAccount = "no-account", Declines;
    /// The account has fewer than 3 or more than 16 characters.
    AcctLength = "acct-length", Accepts;
    /// The account has characters that are no hex digits.
    AcctNonhex = "acct-nonhex", Declines;
    /// The account has lower-case hex digits.
    AcctLower = "acct-lower", Accepts;
    /// Lower-case digits in CRC or length.
    LowerHex = "lower-hex", Accepts;
    /// NUL behind the CR.
    TrailingNul = "trailing-nul", Accepts;
    /// Something between the data or extended blocks and the time stamp or the end.
    TrailingData = "trailing-data", Declines;
    /// The data does not repeat the account.
    DataAcctMissing = "data-acct-missing", Accepts;
    /// The account in the data has no `#`.
    DataAcctNoHash = "data-acct-no-hash", Accepts;
    /// The account in the data is not the one in the header.
    DataAcctDiffers = "data-acct-differs", Accepts;
    /// A bracket inside the data.
    BracketInData = "bracket-in-data", Accepts;
    /// A control character inside the content.
    ControlChar = "control-char", Accepts;
    /// Bytes above 0x7F inside the content.
    NonAscii = "non-ascii", Accepts;
    /// The time stamp names no time that exists.
    TimestampBad = "timestamp-bad", Accepts;
    /// An encrypted frame without a time stamp.
    NoTimestampEncrypted = "no-timestamp-encrypted", Accepts;
    /// Padding with bytes that are no printable ASCII.
    PadBinary = "pad-binary", Accepts;
    /// Padding with `[`, `]` or `|`.
    PadReservedChar = "pad-reserved-char", Accepts;
    /// Cipher text in lower-case hex digits.
    CipherLowerHex = "cipher-lower-hex", Accepts;
    /// `]` behind the cipher text.
    CipherClosingBracket = "cipher-closing-bracket", Accepts;
    /// Contact ID in another form than `QXYZ GG CCC`.
    CidFormat = "cid-format", Accepts;
    /// Contact ID with a checksum that fits.
    CidChecksumOk = "cid-checksum-ok", Accepts;
    /// Contact ID with a checksum that does not fit.
    CidChecksumBad = "cid-checksum-bad", Accepts;
}

/// A set of deviations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deviations(u64);

impl Deviations {
    /// None.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub const fn add(&mut self, deviation: Deviation) {
        self.0 |= 1 << deviation as u8;
    }

    /// Adds one where `condition` holds.
    pub const fn add_if(&mut self, condition: bool, deviation: Deviation) {
        if condition {
            self.add(deviation);
        }
    }

    /// Whether it is in the set.
    #[must_use]
    pub const fn has(self, deviation: Deviation) -> bool {
        self.0 & (1 << deviation as u8) != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in the set, in the order of the declaration.
    pub fn iter(self) -> impl Iterator<Item = Deviation> {
        // One step for each that is there, which is nearly always none.
        let mut left = self.0;
        core::iter::from_fn(move || {
            let at = usize::try_from(left.trailing_zeros()).ok()?;
            let found = Deviation::ALL.get(at)?;
            left &= left - 1;
            Some(*found)
        })
    }

    /// Whether strict mode declines a frame with these.
    #[must_use]
    pub fn declined(self) -> bool {
        self.iter()
            .any(|deviation| deviation.strict() == Strict::Declines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_keeps_what_was_added() {
        let mut set = Deviations::NONE;
        set.add(Deviation::NoLine);
        set.add_if(false, Deviation::NoAccount);
        assert!(set.iter().eq([Deviation::NoLine]));
        assert!(set.declined());
        assert!(Deviation::ALL.len() <= 64);
    }
}
