//! What leads an event: is it told from a code that starts with the same letter?
use larm_dc09::sia::{Qualifier, Value, events};

#[test]
fn the_four_measured_codes_lead_with_e_before_any_address() {
    for (payload, code, address, number, unit) in [
        ("EDA1*22C", "DA", "1", "22", "C"),
        ("EDA21*-7.5F", "DA", "21", "-7.5", "F"),
        ("EDBB*3", "DB", "B", "3", ""),
        ("EDI7*40H", "DI", "7", "40", "H"),
        ("Eri2/DM3*12M", "DM", "3", "12", "M"),
    ] {
        let found: Vec<_> = events(payload.as_bytes()).collect();
        assert_eq!(found.len(), 1, "{payload}: {found:?}");
        assert_eq!(found[0].qualifier, Qualifier::Environment, "{payload}");
        assert_eq!(found[0].code, code, "{payload}");
        assert_eq!(found[0].address, Some(address), "{payload}");
        assert_eq!(found[0].value, Some(Value { number, unit }), "{payload}");
    }
}

#[test]
fn codes_that_start_with_e_stay_codes() {
    for (payload, code) in [("EA5", "EA"), ("NEE3", "EE"), ("EX1", "EX")] {
        let found: Vec<_> = events(payload.as_bytes()).collect();
        assert_eq!(found.len(), 1, "{payload}: {found:?}");
        assert_eq!(found[0].qualifier, Qualifier::New, "{payload}");
        assert_eq!(found[0].code, code, "{payload}");
    }
}

#[test]
fn a_code_with_a_hex_address_is_not_a_second_qualifier() {
    for (payload, qualifier, code, address) in [
        ("NOPA1", Qualifier::New, "OP", "A1"),
        ("Nri1/OPA1", Qualifier::New, "OP", "A1"),
        ("Oti12:41:59/ri495/OJC3", Qualifier::Old, "OJ", "C3"),
        ("Nti07:21:27/NTB71", Qualifier::New, "NT", "B71"),
        ("ri1/OBA5", Qualifier::Old, "BA", "5"),
        ("NNL2", Qualifier::New, "NL", "2"),
    ] {
        let found: Vec<_> = events(payload.as_bytes()).collect();
        assert_eq!(found.len(), 1, "{payload}: {found:?}");
        assert_eq!(found[0].qualifier, qualifier, "{payload}");
        assert_eq!(found[0].code, code, "{payload}");
        assert_eq!(found[0].address, Some(address), "{payload}");
    }
}

#[test]
fn a_block_or_an_event_may_be_followed_by_a_qualifier() {
    for payload in ["Nri1/BA1|Ori2/BR2", "Nri1/BA1/Ori2/BR2", "NBA1|OBR2"] {
        let found: Vec<_> = events(payload.as_bytes()).collect();
        let read: Vec<_> = found
            .iter()
            .map(|event| (event.qualifier, event.code))
            .collect();
        assert_eq!(
            read,
            [(Qualifier::New, "BA"), (Qualifier::Old, "BR")],
            "{payload}"
        );
    }
}
