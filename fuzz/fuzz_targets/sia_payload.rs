//! SIA payloads: events borrow from the payload, their number is bounded, and an event written in
//! the plain form is read as the same event.
#![no_main]
use larm_dc09::sia::{Qualifier, SiaEvent, events};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let found: Vec<SiaEvent<'_>> = events(payload).collect();
    assert!(found.len() <= payload.len(), "more events than bytes");
    for event in found {
        let Some(plain) = written(&event) else {
            continue;
        };
        let back: Vec<SiaEvent<'_>> = events(plain.as_bytes()).collect();
        assert_eq!(back.len(), 1, "{plain:?} from {event:?}");
        assert_eq!(back[0].qualifier, event.qualifier, "{plain:?}");
        assert_eq!(back[0].code, event.code, "{plain:?}");
        assert_eq!(back[0].address, event.address, "{plain:?}");
        let names = |event: &SiaEvent<'_>| -> Vec<(String, String)> {
            let pair = |one: larm_dc09::sia::Modifier<'_>| (one.name.into(), one.value.into());
            event.modifiers.iter().map(pair).collect()
        };
        assert_eq!(names(&back[0]), names(&event), "{plain:?}");
    }
});

/// Qualifier, modifiers each with its slash, code, address. `None` where that form would say
/// something else: a message of text alone, and a code that no environmental block has.
fn written(event: &SiaEvent<'_>) -> Option<String> {
    let measured = matches!(event.code, "DA" | "DB" | "DI" | "DM");
    if event.code.len() != 2 || (event.qualifier == Qualifier::Environment && !measured) {
        return None;
    }
    let mut out = match event.qualifier {
        Qualifier::New => "N".to_owned(),
        Qualifier::Old => "O".to_owned(),
        Qualifier::Environment => "E".to_owned(),
    };
    for modifier in event.modifiers.iter() {
        out += &format!("{}{}/", modifier.name, modifier.value);
    }
    out += event.code;
    out += event.address.unwrap_or_default();
    Some(out)
}
