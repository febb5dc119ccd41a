//! Named switches for known departures of brands. Each is read at one point; the names are fixed.
use larm_carrier::{QuirkInfo, Quirks};

/// Accept a CRC that covers the CR, in strict mode too.
pub const CRC_INCLUDES_CR: Quirks = Quirks(1);
/// Accept a length that counts the CR, in strict mode too.
pub const LENGTH_INCLUDES_CR: Quirks = Quirks(1 << 1);
/// Accept a length in decimal, in strict mode too.
pub const LENGTH_DECIMAL: Quirks = Quirks(1 << 2);
/// Do not check CRC and length.
pub const CRC_UNCHECKED: Quirks = Quirks(1 << 3);
/// Each retry has a new sequence number.
pub const RENUMBERS_RETRIES: Quirks = Quirks(1 << 4);
/// One sequence number for everything.
pub const CONSTANT_SEQUENCE: Quirks = Quirks(1 << 5);
/// The account in the data is the customer's.
pub const ACCOUNT_FROM_DATA: Quirks = Quirks(1 << 6);
/// User numbers are 500 higher than on the panel.
pub const USERS_PLUS_500: Quirks = Quirks(1 << 7);
/// Contact ID 441 and 456: 1 is armed, 3 is disarmed.
pub const CID_ARM_SWAPPED: Quirks = Quirks(1 << 8);
/// Contact ID qualifier 2 is a restore.
pub const CID_RESTORE_2: Quirks = Quirks(1 << 9);
/// NAK names the account as `#000`.
pub const NAK_ACCOUNT_ZEROS: Quirks = Quirks(1 << 10);
/// ACK for message ids that larm does not read.
pub const DUH_AS_ACK: Quirks = Quirks(1 << 11);
/// DUH where no event can be found in the data.
pub const UNDECODABLE_DUH: Quirks = Quirks(1 << 12);
/// The modifiers `ti` and `da` and the block `H` are no UTC: keep them as text only.
pub const LOCAL_TIME: Quirks = Quirks(1 << 13);
/// ACK with a time stamp, in clear frames too.
pub const ACK_WITH_TIME: Quirks = Quirks(1 << 14);

/// Every switch with its name, brand, source and effect.
pub const QUIRKS: &[QuirkInfo] = &[
    QuirkInfo {
        name: "crc-includes-cr",
        quirk: CRC_INCLUDES_CR,
        brand: "Eldes",
        source: "Cheaterdev/sia-ha 3; eavanvalkenburg/pysiaalarm 17, 28",
        effect: "A CRC over body and CR is accepted in strict mode too (tolerant mode accepts it anyway).",
    },
    QuirkInfo {
        name: "length-includes-cr",
        quirk: LENGTH_INCLUDES_CR,
        brand: "Eldes, Dahua",
        source: "Cheaterdev/sia-ha 3; eavanvalkenburg/pysiaalarm 54",
        effect: "A length that counts the CR is accepted in strict mode too (tolerant mode accepts it anyway).",
    },
    QuirkInfo {
        name: "length-decimal",
        quirk: LENGTH_DECIMAL,
        brand: "home-made senders",
        source: "reference frames of this repository",
        effect: "A length in decimal is accepted in strict mode too (tolerant mode accepts it anyway).",
    },
    QuirkInfo {
        name: "crc-unchecked",
        quirk: CRC_UNCHECKED,
        brand: "Aritech/UTC ATS with XSIA (constant 0101)",
        source: "tdeckers/utcar README; eavanvalkenburg/pysiaalarm 49",
        effect: "CRC and length are not checked, a frame ends at its first CR; its events are graded suspect (unchecked).",
    },
    QuirkInfo {
        name: "renumbers-retries",
        quirk: RENUMBERS_RETRIES,
        brand: "Eldes",
        source: "eavanvalkenburg/pysiaalarm 17",
        effect: "A new sequence number is no evidence against a repeat.",
    },
    QuirkInfo {
        name: "constant-sequence",
        quirk: CONSTANT_SEQUENCE,
        brand: "senders with 0000 or 0001 in every frame",
        source: "schmupu/ioBroker.sia 63",
        effect: "The same sequence number is no evidence for a repeat.",
    },
    QuirkInfo {
        name: "account-from-data",
        quirk: ACCOUNT_FROM_DATA,
        brand: "cloud bridges behind one header account",
        source: "eavanvalkenburg/pysiaalarm pull/87",
        effect: "Events carry the account in the data; the header's account chooses key and policy.",
    },
    QuirkInfo {
        name: "users-plus-500",
        quirk: USERS_PLUS_500,
        brand: "Ajax",
        source: "home-assistant/core 88474",
        effect: "500 is taken off user numbers above 500.",
    },
    QuirkInfo {
        name: "cid-arm-swapped",
        quirk: CID_ARM_SWAPPED,
        brand: "Bosch AMAX",
        source: "eavanvalkenburg/pysiaalarm 45",
        effect: "Contact ID 441 and 456 with 1 are read as armed, with 3 as disarmed.",
    },
    QuirkInfo {
        name: "cid-restore-2",
        quirk: CID_RESTORE_2,
        brand: "senders built on the PyPI package siadc09",
        source: "siadc09 1.0.1 of PyPI",
        effect: "Contact ID qualifier 2 is read as 3, restored.",
    },
    QuirkInfo {
        name: "nak-account-zeros",
        quirk: NAK_ACCOUNT_ZEROS,
        brand: "transmitters of the newest edition",
        source: "siadc09 1.0.1 of PyPI",
        effect: "NAK is written with #000 in place of A0.",
    },
    QuirkInfo {
        name: "duh-as-ack",
        quirk: DUH_AS_ACK,
        brand: "Ajax and others that stop at DUH",
        source: "home-assistant/core 88474, 88675",
        effect: "Message ids that larm does not read are acknowledged once they are recorded.",
    },
    QuirkInfo {
        name: "undecodable-duh",
        quirk: UNDECODABLE_DUH,
        brand: "transmitters that send again in another format after DUH",
        source: "SIA DC-09, DUH",
        effect: "A known message id in whose data no event is found is recorded and answered with DUH.",
    },
    QuirkInfo {
        name: "local-time",
        quirk: LOCAL_TIME,
        brand: "AMC and other panels without a time zone",
        source: "eavanvalkenburg/pysiaalarm pull/27, pull/40",
        effect: "Times of clear frames are kept as text and not taken as the event's UTC time.",
    },
    QuirkInfo {
        name: "ack-with-time",
        quirk: ACK_WITH_TIME,
        brand: "panels that set their clock by any reply",
        source: "eavanvalkenburg/pysiaalarm 14",
        effect: "ACK to a clear frame carries the receiver's time.",
    },
];

/// The switch with this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static QuirkInfo> {
    QUIRKS.iter().find(|info| info.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_bit_and_name() {
        let mut all = Quirks::default();
        for info in QUIRKS {
            assert_eq!(info.quirk.0.count_ones(), 1, "{}", info.name);
            assert!(!all.has(info.quirk), "{} shares a bit", info.name);
            all = all.with(info.quirk);
            assert_eq!(
                by_name(info.name).map(|found| found.quirk),
                Some(info.quirk)
            );
        }
    }
}
