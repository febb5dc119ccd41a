//! The session of the contract: bytes to steps, verdicts to reply bytes.
use alloc::vec::Vec;

use larm_carrier::{
    Accounts, Answer, CloseReason, Delivery, Intent, Mode, Moment, Noise, Proof, Quirks, Request,
    Session, Step, Verdict,
};
use larm_event::Timestamp;

use crate::frame::{self, BODY_LEN_MAX, Frame, Scan, is_filler, scan};
use crate::judge::{Judgement, Rules, find, judge, judge_cut};
use crate::message::Message;
use crate::noise;
use crate::quirks;
use crate::reply::{self, Echo, KeyPlace};

/// What a session puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the longest body, at most 4095.
    pub body_len_max: usize,
    /// Bytes that are no frame, since the last frame.
    pub noise_len_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_len_max: BODY_LEN_MAX,
            noise_len_max: 4096,
        }
    }
}

/// One side of one conversation in DC-09.
#[derive(Debug)]
pub struct Dc09 {
    mode: Mode,
    limits: Limits,
    /// Switches that hold for every account, known or not.
    quirks: Quirks,
    /// Bytes that were no frame, since the last frame. Compared with `limits.noise_len_max`.
    noise_len: usize,
    /// Nothing but filler came so far.
    fresh: bool,
}

/// Needed to answer one request; dropped means silence.
#[derive(Debug)]
pub struct Ticket {
    echo: Echo,
    intent: Intent,
}

impl Dc09 {
    /// A session for one connection, or for one socket of datagrams.
    #[must_use]
    pub fn new(mode: Mode, limits: Limits) -> Self {
        let body_len_max = limits.body_len_max.min(BODY_LEN_MAX);
        Self {
            mode,
            limits: Limits {
                body_len_max,
                ..limits
            },
            quirks: Quirks::default(),
            noise_len: 0,
            fresh: true,
        }
    }

    /// Adds switches that hold for every account, known or not, such as
    /// [`quirks::DUH_AS_ACK`].
    #[must_use]
    pub fn with_quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = self.quirks.with(quirks);
        self
    }

    fn rules<'r>(&self, now: Timestamp, accounts: &'r dyn Accounts) -> Rules<'r> {
        Rules {
            mode: self.mode,
            quirks: self.quirks,
            now: Some(now),
            accounts,
            explain: false,
        }
    }

    fn request<'b>(
        &mut self,
        frame: Frame<'b>,
        skipped: usize,
        now: Timestamp,
        accounts: &dyn Accounts,
    ) -> Step<'b, Ticket> {
        self.noise_len = 0;
        self.fresh = false;
        let judged = judge(frame, self.rules(now, accounts));
        step(frame, judged, skipped + frame.bytes.len())
    }

    fn noise<'b>(
        &mut self,
        bytes: &[u8],
        skipped: usize,
        cut: bool,
        delivery: Delivery,
    ) -> Step<'b, Ticket> {
        let found = if cut {
            Noise::Cut
        } else {
            noise::recognise(bytes)
        };
        let first = core::mem::replace(&mut self.fresh, false);
        if delivery != Delivery::Datagram {
            if first && matches!(found, Noise::Tls | Noise::Http) {
                return Step::Close {
                    reason: CloseReason::ForeignProtocol,
                };
            }
            self.noise_len = self.noise_len.saturating_add(bytes.len());
            if self.noise_len > self.limits.noise_len_max {
                return Step::Close {
                    reason: CloseReason::TooMuchNoise,
                };
            }
        }
        Step::Skip {
            consumed: skipped + bytes.len(),
            noise: found,
        }
    }

    /// A frame of an account whose frames end at their first CR, whatever their length says. Asked
    /// only where a CR stands before the place that the length names.
    fn unchecked<'b>(input: &'b [u8], accounts: &dyn Accounts) -> Option<Frame<'b>> {
        let form = frame::sure_form(input)?;
        let cr = frame::first_cr(input, form)?;
        if frame::claimed_cr(input, form).is_some_and(|claimed| claimed <= cr) {
            return None;
        }
        let frame = frame::to_first_cr(input, form)?;
        let message = Message::read(frame).ok()?;
        let policy = find(accounts, &message.header, Some(&message))?;
        policy.quirks.has(quirks::CRC_UNCHECKED).then_some(frame)
    }
}

impl Session for Dc09 {
    type Ticket = Ticket;

    fn receive<'b>(
        &mut self,
        input: &'b [u8],
        delivery: Delivery,
        now: Moment,
        accounts: &dyn Accounts,
    ) -> Step<'b, Ticket> {
        let whole = delivery != Delivery::Stream;
        let skipped = filler_len(input, whole);
        let Some(rest) = input.get(skipped..).filter(|rest| !rest.is_empty()) else {
            return Step::More {
                consumed: input.len(),
                begun: false,
            };
        };
        let more = Step::More {
            consumed: skipped,
            // Senders that end each frame with CR LF leave an LF that may start the next one.
            begun: rest != b"\n",
        };
        if !whole && self.fresh && noise::may_be_foreign(rest) {
            return more;
        }
        if let Some(frame) = Self::unchecked(rest, accounts) {
            return self.request(frame, skipped, now.utc, accounts);
        }
        match scan(rest, whole, self.limits.body_len_max) {
            Scan::More => more,
            Scan::Frame(frame) => self.request(frame, skipped, now.utc, accounts),
            Scan::TooLong(_) => Step::Close {
                reason: CloseReason::FrameTooLong,
            },
            Scan::Noise(len) => {
                // Behind the opening of another protocol is no frame. In the middle of a stream the
                // same bytes are a coincidence, and must not take the next frame with them.
                let opens = self.fresh || delivery == Delivery::Datagram;
                let len = if opens && noise::is_foreign(rest) {
                    rest.len()
                } else {
                    len
                };
                self.noise(rest.get(..len).unwrap_or(rest), skipped, false, delivery)
            }
            Scan::Cut(len, form) => {
                let piece = rest.get(..len).unwrap_or(rest);
                let frame = form.and_then(|form| Frame::cut(piece, form));
                let rules = self.rules(now.utc, accounts);
                if let Some((frame, judged)) =
                    frame.and_then(|frame| judge_cut(frame, rules).map(|judged| (frame, judged)))
                {
                    self.fresh = false;
                    return step(frame, judged, skipped + len);
                }
                self.noise(piece, skipped, true, delivery)
            }
        }
    }

    fn reply<P: Proof>(
        &self,
        ticket: Ticket,
        verdict: Verdict<P>,
        now: Moment,
        noise: impl FnOnce() -> [u8; 32],
        out: &mut Vec<u8>,
    ) -> Answer {
        let Ticket { echo, intent } = ticket;
        match verdict {
            Verdict::Committed(_) | Verdict::Repeat(_) => {}
            Verdict::Refused | Verdict::Overloaded | Verdict::Late => return Answer::Silence,
        }
        match intent {
            Intent::Accept => {
                reply::ack(&echo, now.utc, noise, out);
                Answer::Positive
            }
            Intent::Correct => {
                reply::nak(&echo, now.utc, out);
                Answer::Correct
            }
            Intent::Decline => {
                reply::duh(&echo, out);
                Answer::Declined
            }
            Intent::Withhold => Answer::Silence,
        }
    }

    fn frame_len_max(&self) -> usize {
        frame::FRAME_LEN_MAX.min(10 + self.limits.body_len_max)
    }
}

/// Filler in front of what may be a frame: NUL, CR, and LF that starts none.
fn filler_len(input: &[u8], whole: bool) -> usize {
    let mut len = 0;
    while let Some(rest) = input
        .get(len..)
        .filter(|rest| rest.first().is_some_and(|byte| is_filler(*byte)))
    {
        let only_lf = rest.first() == Some(&b'\n');
        if only_lf && frame::may_start(rest, whole) {
            break;
        }
        if only_lf && !rest.get(1).is_none_or(|byte| is_filler(*byte)) {
            break;
        }
        len += 1;
    }
    len
}

fn step<'b>(frame: Frame<'b>, judged: Judgement<'b>, consumed: usize) -> Step<'b, Ticket> {
    let quirks = judged.quirks;
    let key = judged
        .policy
        .zip(judged.key_index)
        .map(|(policy, index)| KeyPlace { policy, index });
    let head = judged
        .header
        .map(|header| header.echo.to_vec())
        .unwrap_or_default();
    let echo = Echo {
        form: frame.form,
        head,
        key,
        quirks,
    };
    Step::Request {
        consumed,
        request: Request {
            ticket: Ticket {
                echo,
                intent: judged.intent,
            },
            frame: frame.bytes,
            receiver: judged.header.and_then(|header| header.receiver),
            line: judged.header.and_then(|header| header.line),
            account: judged.header.and_then(|header| header.account),
            known: judged.known,
            verdict: judged.verdict,
            link_test: judged.link_test,
            intent: judged.intent,
            events: judged.events,
            identity: judged.identity,
        },
    }
}
