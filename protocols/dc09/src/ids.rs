//! Message ids: what larm reads, what it knows by name, and the rest.

/// The meaning of a message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// `SIA-DCS`: SIA DC-03 data codes.
    SiaDcs,
    /// `ADM-CID`: Contact ID, SIA DC-05.
    AdmCid,
    /// `NULL`: link test.
    Null,
    /// `XNM`: link test with extended data.
    Xnm,
    /// `ACK`, `NAK`, `DUH` or `RSP`: what a receiver says.
    Reply,
    /// A format of DC-07 that larm knows by name but does not read.
    Foreign,
    /// Any other id.
    Unknown,
}

/// Formats of SIA DC-07 that have a name but no decoder here.
const FOREIGN: [&str; 16] = [
    "SIA-PUL", "SIA-S2K", "ACR-SF", "ADM-41E", "ADM-42E", "ADM-HS", "DSC-43", "FBI-SF", "ITI-I",
    "SCN-S8", "SCN-S16", "SCN-S24", "SCT", "SES-SS", "SK-FSK1", "SK-FSK2",
];

impl Token {
    /// Reads an id without its quotes and without `*`. Letter case counts.
    #[must_use]
    pub fn read(id: &str) -> Self {
        match id {
            "SIA-DCS" => Self::SiaDcs,
            "ADM-CID" => Self::AdmCid,
            "NULL" => Self::Null,
            "XNM" => Self::Xnm,
            "ACK" | "NAK" | "DUH" | "RSP" => Self::Reply,
            _ if FOREIGN.contains(&id) => Self::Foreign,
            _ => Self::Unknown,
        }
    }

    /// A sign of life without content.
    #[must_use]
    pub const fn is_link_test(self) -> bool {
        matches!(self, Self::Null | Self::Xnm)
    }

    /// Content that larm reads.
    #[must_use]
    pub const fn is_event(self) -> bool {
        matches!(self, Self::SiaDcs | Self::AdmCid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_counts() {
        assert_eq!(Token::read("SIA-DCS"), Token::SiaDcs);
        assert_eq!(Token::read("sia-dcs"), Token::Unknown);
        assert_eq!(Token::read("SK-FSK2"), Token::Foreign);
    }
}
