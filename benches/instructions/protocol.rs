//! DC-09: from bytes to a judged request, and from a verdict to the bytes of a reply.
use gungraun::prelude::*;
use larm_carrier::{Accounts, Answer, NoAccounts, Request, Session as _, Verdict};
use larm_dc09::cid::CidRules;
use larm_dc09::frame::{BODY_LEN_MAX, Scan, scan};
use larm_dc09::{Dc09, Outgoing, Ticket, decode};
use larm_wire::crc::crc16_arc;

use crate::samples::{self, Durable, NOISE, OneKey, cid, clear, closed, moment, sia};

type Bytes = &'static [u8];

fn kept(bytes: Vec<u8>) -> Bytes {
    bytes.leak()
}

#[library_benchmark]
#[bench::bytes_200(kept(vec![0x5A; 200]))]
fn crc(bytes: Bytes) -> u16 {
    crc16_arc(bytes)
}

#[library_benchmark]
#[bench::one_frame(kept(clear(&sia(7))))]
fn framing(bytes: Bytes) -> Scan<'static> {
    scan(bytes, false, BODY_LEN_MAX)
}

// Down to the last event, borrowed.
#[library_benchmark]
#[bench::sia(kept(clear(&sia(7))))]
fn decode_sia(bytes: Bytes) -> usize {
    let message = decode(bytes).expect("a sound frame");
    let content = message.content().expect("in clear");
    content.sia().map(|event| event.code.len()).sum()
}

// Down to the event, borrowed.
#[library_benchmark]
#[bench::cid(kept(clear(&cid(7))))]
fn decode_cid(bytes: Bytes) -> usize {
    let message = decode(bytes).expect("a sound frame");
    let content = message.content().expect("in clear");
    let event = content.cid(message.header.account, CidRules::default());
    event.expect("an event").code.len()
}

/// A session that has taken the same frame before.
struct Ready {
    session: Dc09,
    accounts: Box<dyn Accounts>,
    frame: Bytes,
}

fn ready(frame: Vec<u8>, accounts: Box<dyn Accounts>) -> &'static mut Ready {
    let frame = kept(frame);
    let mut session = samples::session();
    drop(samples::receive(&mut session, frame, &*accounts));
    Box::leak(Box::new(Ready {
        session,
        accounts,
        frame,
    }))
}

// Framed, opened, decoded, judged, and owned as records.
#[library_benchmark]
#[bench::sia(ready(clear(&sia(7)), Box::new(NoAccounts)))]
#[bench::cid(ready(clear(&cid(7)), Box::new(NoAccounts)))]
#[bench::encrypted(ready(closed(&sia(7)), Box::new(OneKey::new())))]
#[bench::link_test(ready(clear(&Outgoing::link_test(7, "1234")), Box::new(NoAccounts)))]
fn receive(ready: &'static mut Ready) -> Request<'static, Ticket> {
    samples::receive(&mut ready.session, ready.frame, &*ready.accounts)
}

/// A session, a request to answer, and room for its reply.
struct Asked {
    session: Dc09,
    ticket: Ticket,
    out: Vec<u8>,
}

fn asked(frame: Vec<u8>, accounts: Box<dyn Accounts>) -> Asked {
    let ready = ready(frame, accounts);
    let mut ask = || Asked {
        ticket: samples::receive(&mut ready.session, ready.frame, &*ready.accounts).ticket,
        session: samples::session(),
        out: Vec::with_capacity(256),
    };
    drop(answer(ask()));
    ask()
}

fn answer(mut asked: Asked) -> (Answer, Vec<u8>) {
    let verdict = Verdict::Committed(Durable);
    let answer = asked
        .session
        .reply(asked.ticket, verdict, moment(), || NOISE, &mut asked.out);
    (answer, asked.out)
}

#[library_benchmark]
#[bench::in_clear(asked(clear(&sia(7)), Box::new(NoAccounts)))]
#[bench::encrypted(asked(closed(&sia(7)), Box::new(OneKey::new())))]
fn reply(asked: Asked) -> (Answer, Vec<u8>) {
    answer(asked)
}

// What `larm send` and the relay write.
#[library_benchmark]
#[bench::in_clear(warm(sia(7), clear))]
#[bench::encrypted(warm(sia(7), closed))]
fn encode((frame, written): (&'static Outgoing, Written)) -> Vec<u8> {
    written(frame)
}

type Written = fn(&Outgoing) -> Vec<u8>;

fn warm(frame: Outgoing, written: Written) -> (&'static Outgoing, Written) {
    drop(written(&frame));
    (Box::leak(Box::new(frame)), written)
}

library_benchmark_group!(
    name = dc09,
    benchmarks = [crc, framing, decode_sia, decode_cid, receive, reply, encode]
);
