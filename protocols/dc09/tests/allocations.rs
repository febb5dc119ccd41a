//! A clear frame is read without a single heap allocation, down to its last event and block.
#![expect(clippy::panic, reason = "a test fails by panicking")]
use larm_dc09::cid::CidRules;
use larm_dc09::{Body, Outgoing, decode};

/// Reads everything that a frame holds and adds up lengths, so that nothing is optimised away.
fn read_all(bytes: &[u8]) -> usize {
    let message = decode(bytes).expect("a sound frame");
    let Body::Clear(block) = message.body else {
        panic!("a clear frame")
    };
    let content = message.content().expect("a clear frame has content");
    let events: usize = content
        .sia()
        .map(|event| {
            event.code.len()
                + event.text.map_or(0, <[u8]>::len)
                + event
                    .modifiers
                    .iter()
                    .map(|modifier| modifier.value.len())
                    .sum::<usize>()
        })
        .sum();
    let cid = content.cid(message.header.account, CidRules::default());
    let blocks: usize = block
        .extended
        .into_iter()
        .map(|block| block.value.len())
        .sum();
    events + cid.map_or(0, |event| event.code.len()) + blocks + message.header.id.len()
}

#[test]
fn reading_a_clear_frame_allocates_nothing() {
    let mut sia = Outgoing::new("SIA-DCS", 7, "1234").with_payload(
        b"Nti10:15/da11-25-26/ri4^Area^/id14^Name^/FA2^Hall^/BA01/BR02*23.5C_|AText behind",
    );
    sia.extended = [
        ('V', "https://example.org/a.jpg"),
        ('X', "017E36.00"),
        ('I', "text"),
    ]
    .map(|(letter, value)| (letter, value.as_bytes().to_vec()))
    .to_vec();
    let cid = Outgoing::new("ADM-CID", 8, "1234").with_payload(b"1131 01 015");
    let null = Outgoing::link_test(9, "1234");
    for frame in [sia, cid, null] {
        let bytes = frame.encode(None).unwrap();
        let mut sum = 0;
        let counted = allocation_counter::measure(|| sum = read_all(&bytes));
        assert!(sum > 0);
        assert_eq!(counted.count_total, 0, "{}", frame.id);
    }
}
