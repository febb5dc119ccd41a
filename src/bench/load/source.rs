//! What is sent next: kinds by their shares, accounts in turn, a tag that no other message has.
use std::sync::Arc;

use larm_carrier::Key;

use super::plan::{Mix, Plan};
use super::tally::Class;
use crate::bench::tag::Tag;
use crate::clock::utc_now;
use crate::registry::bulk::{Head, Stencil, stamp};

/// Sequence numbers: 1 to 9999.
const SEQUENCES: u64 = 9_999;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Alarm,
    Rest,
    LinkTest,
}

/// A message that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Nanoseconds of the load's clock when it was to be sent.
    pub(super) intended: u64,
    /// The same when it was sent in fact.
    pub(super) at: u64,
    pub(super) serial: u64,
    pub(super) head: Head,
    pub(super) kind: Kind,
    pub(super) encrypted: bool,
    pub(super) repeat: bool,
}

impl Sent {
    pub(super) fn class(&self) -> Class {
        match self.kind {
            _ if self.repeat => Class::Repeat,
            Kind::Alarm => Class::Alarm,
            Kind::Rest => Class::Rest,
            Kind::LinkTest => Class::LinkTest,
        }
    }
}

/// Makes the messages of one thread.
pub(super) struct Source {
    stencils: [Stencil; 3],
    /// Upper bounds of draws of 32 bits.
    link_tests_below: u64,
    rest_below: u64,
    repeats_below: u64,
    encrypted_percent: u32,
    first_account: u32,
    accounts: u32,
    key: Option<Arc<Key>>,
    clear_stamp: bool,
    run: u32,
    next_serial: u64,
    /// State of a xorshift generator, never 0.
    random: u64,
    /// UTC milliseconds at the start of the load's clock.
    utc_start_ms: i64,
    stamp: [u8; 20],
    stamp_second: i64,
}

impl Source {
    pub(super) fn new(plan: &Plan, thread: usize) -> Self {
        let thread = thread as u64;
        let Mix {
            link_tests,
            rest,
            repeats,
            encrypted,
        } = plan.mix;
        Self {
            stencils: [
                Stencil::new("SIA-DCS", b"Nri1/BA01^BENCH ", b"^"),
                Stencil::new("SIA-DCS", b"Nri1/OP01^BENCH ", b"^"),
                Stencil::link_test(),
            ],
            link_tests_below: of_32_bits(link_tests),
            rest_below: of_32_bits(link_tests + rest),
            repeats_below: of_32_bits(repeats),
            encrypted_percent: percent(encrypted),
            first_account: plan.accounts.first,
            accounts: plan.accounts.count.max(1),
            key: plan.key.clone(),
            clear_stamp: plan.stamp,
            run: plan.run,
            next_serial: thread << 44,
            random: 0x9E37_79B9_7F4A_7C15 ^ (thread + 1) ^ u64::from(plan.run) << 20,
            utc_start_ms: utc_now().as_millis(),
            stamp: stamp(0),
            stamp_second: i64::MIN,
        }
    }

    /// The load's clock begins now.
    pub(super) fn start(&mut self) {
        self.utc_start_ms = utc_now().as_millis();
    }

    pub(super) fn kind(&mut self) -> Kind {
        let draw = self.draw();
        if draw < self.link_tests_below {
            Kind::LinkTest
        } else if draw < self.rest_below {
            Kind::Rest
        } else {
            Kind::Alarm
        }
    }

    /// Whether an event is to be sent once more.
    pub(super) fn repeats(&mut self) -> bool {
        self.repeats_below > 0 && self.draw() < self.repeats_below
    }

    /// A message that nobody has sent before. No `turn` comes twice in a run: it chooses the
    /// account, and the sequence number, which rises by one with each message of an account.
    ///
    /// A transmitter that uses a number for two messages would not have its repeats recognised.
    /// So a run starts at a number of its own, where it uses the accounts of another run.
    pub(super) fn message(&mut self, kind: Kind, turn: u64, intended: u64) -> Sent {
        let accounts = u64::from(self.accounts);
        let number = u32::try_from(turn % accounts).unwrap_or(0);
        let place = (u64::from(self.run) + turn / accounts) % SEQUENCES;
        let sequence = u16::try_from(place).unwrap_or(0) + 1;
        let serial = self.next_serial;
        self.next_serial += 1;
        Sent {
            intended,
            at: intended,
            serial,
            head: Head::new(sequence, &account(self.first_account.wrapping_add(number))),
            kind,
            // 61 and 100 have no common factor, so neighbours fall on both sides.
            encrypted: number.wrapping_mul(61) % 100 < self.encrypted_percent,
            repeat: false,
        }
    }

    /// The time that goes into frames; called whenever the clock was read.
    pub(super) fn tick(&mut self, now: u64) {
        let ms = self.utc_start_ms + i64::try_from(now / 1_000_000).unwrap_or(0);
        if ms / 1000 != self.stamp_second {
            self.stamp_second = ms / 1000;
            self.stamp = stamp(ms);
        }
    }

    /// Appends the frame of `message`.
    pub(super) fn write(&mut self, message: &Sent, out: &mut Vec<u8>) {
        let tag = self.tag(message.serial).write();
        let noise = if message.encrypted {
            self.noise()
        } else {
            [0; 32]
        };
        let [alarm, rest, link_test] = &self.stencils;
        let stencil = match message.kind {
            Kind::Alarm => alarm,
            Kind::Rest => rest,
            Kind::LinkTest => link_test,
        };
        let head = &message.head;
        match self.key.as_ref().filter(|_| message.encrypted) {
            Some(key) => stencil.write_sealed(head, &tag, &self.stamp, (key, &noise), out),
            None => stencil.write(head, &tag, self.clear_stamp.then_some(&self.stamp), out),
        }
    }

    pub(super) fn tag(&self, serial: u64) -> Tag {
        Tag {
            run: self.run,
            serial,
        }
    }

    pub(super) fn key(&self) -> Option<&Key> {
        self.key.as_deref()
    }

    /// 32 bits of xorshift64*.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    /// Padding for a message that nobody needs to keep secret.
    fn noise(&mut self) -> [u8; 32] {
        let mut noise = [0; 32];
        for part in noise.as_chunks_mut::<4>().0 {
            *part = u32::try_from(self.draw()).unwrap_or(0).to_le_bytes();
        }
        noise
    }
}

/// The draws of 32 bits that are below this bound make up `share` of all.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 2^32"
)]
fn of_32_bits(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * 4_294_967_296.0) as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 100"
)]
fn percent(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 100.0).round() as u32
}

/// Eight decimal digits.
pub(in crate::bench) fn account(number: u32) -> [u8; 8] {
    let mut rest = number % 100_000_000;
    let mut digits = [b'0'; 8];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10).to_le_bytes()[0];
        rest /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(mix: Mix) -> Source {
        let mut plan = Plan::new(([127, 0, 0, 1], 1).into());
        plan.mix = mix;
        plan.accounts.count = 100;
        plan.key = Some(Arc::new(Key::from_bytes(b"0123456789abcdef").unwrap()));
        Source::new(&plan, 0)
    }

    #[test]
    fn shares_are_kept() {
        let mut source = source(Mix {
            link_tests: 0.5,
            rest: 0.25,
            repeats: 0.1,
            encrypted: 0.25,
        });
        let mut counts = [0u32; 5];
        for turn in 0..10_000 {
            let kind = source.kind();
            let message = source.message(kind, turn, 0);
            counts[kind as usize] += 1;
            counts[3] += u32::from(source.repeats());
            counts[4] += u32::from(message.encrypted);
        }
        for (count, wanted) in counts.iter().zip([2_500, 2_500, 5_000, 1_000, 2_500]) {
            assert!(count.abs_diff(wanted) < 250, "{counts:?}");
        }
    }

    #[test]
    fn no_two_messages_are_the_same() {
        let mut source = source(Mix::default());
        let mut seen = std::collections::HashSet::new();
        for turn in 0..1_000 {
            let message = source.message(Kind::Alarm, turn % 3, 0);
            let mut frame = Vec::new();
            source.write(&message, &mut frame);
            assert!(seen.insert(frame));
        }
    }

    #[test]
    fn an_account_uses_no_number_twice_in_a_row_of_9999() {
        let mut source = source(Mix::default());
        source.accounts = 2;
        let mut seen = std::collections::HashSet::new();
        for turn in 0..9_999 * 2 {
            let message = source.message(Kind::Alarm, turn, 0);
            assert!(seen.insert(message.head.as_bytes().to_vec()), "{turn}");
        }
    }

    #[test]
    fn accounts_have_eight_digits() {
        assert_eq!(&account(42), b"00000042");
        assert_eq!(&account(1_234_567_890), b"34567890");
    }
}
