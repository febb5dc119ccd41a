//! Contact ID payloads: what is read in any form reads the same in the standard's form.
#![no_main]
use larm_dc09::cid::{CidRules, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    for rules in [CidRules { restore_2: false }, CidRules { restore_2: true }] {
        for account in [None, Some("1234"), Some("ABCDEF")] {
            let Some(event) = read(payload, account, rules) else {
                continue;
            };
            let plain = format!(
                "{}{} {} {}",
                event.qualifier.digit(),
                event.code,
                event.partition,
                event.zone
            );
            let back = read(plain.as_bytes(), account, rules).expect("the standard's form");
            assert_eq!(back.qualifier, event.qualifier, "{plain:?}");
            assert_eq!(back.code, event.code, "{plain:?}");
            assert_eq!(back.partition, event.partition, "{plain:?}");
            assert_eq!(back.zone, event.zone, "{plain:?}");
        }
    }
});
