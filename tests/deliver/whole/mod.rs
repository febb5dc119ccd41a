//! Every connector through the whole gateway: `larm serve` as a process, transmitters on real
//! sockets, the real other side, and the faults of all three.
//!
//! A connector is one line of the table below, with its [`peers::Peer`]; a fault is one function of
//! `scenarios`, and every connector goes through all of them. At the end of each
//! [`stage::Stage::finish`] holds what was acknowledged, what the journal has and what arrived
//! against each other.
//!
//! Sizes: `LARM_BACKLOG` events of a backlog (240), `LARM_KILLS` kills (3).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what broke by panicking, and tells people how quick it was"
)]
mod endpoints;
mod ledger;
mod mark;
mod peers;
mod scenarios;
mod stage;
mod transmitters;
mod wire;

use peers::Need;
use peers::line::Line;
use peers::mqtt::Mqtt;
use peers::nats::Nats;
use peers::postgresql::Postgresql;
use peers::relay::Relay;
use peers::webhook::Webhook;
use stage::Stage;

/// One connector: its name, what makes its other side, and whether that has TLS.
macro_rules! proved {
    ($name:ident, $make:path $(, $tls:ident)?) => {
        mod $name {
            use super::*;

            fn stage(need: Need) -> Stage {
                Stage::new(stringify!($name), Box::new($make(need)))
            }

            #[test]
            fn down_at_the_start() {
                scenarios::down_at_the_start(stage(Need::Plain));
            }

            #[test]
            fn killed_again_and_again() {
                scenarios::killed_again_and_again(stage(Need::Plain));
            }

            #[test]
            fn slow_hanging_and_gone() {
                scenarios::slow_hanging_and_gone(stage(Need::Wire));
            }

            #[test]
            fn one_record_refused() {
                scenarios::one_record_refused(stage(Need::Picky));
            }

            #[test]
            fn a_backlog() {
                scenarios::a_backlog(stage(Need::Plain));
            }

            #[test]
            fn the_cursor_torn() {
                scenarios::the_cursor_torn(stage(Need::Plain));
            }

            #[test]
            fn larm_killed() {
                scenarios::larm_killed(stage(Need::Plain));
            }

            $(
                #[test]
                fn the_wrong_certificate() {
                    assert_eq!(stringify!($tls), "tls");
                    scenarios::the_wrong_certificate(stage(Need::Tls));
                }
            )?
        }
    };
}

proved!(nats, Nats::new, tls);
proved!(postgresql, Postgresql::new, tls);
proved!(mqtt, Mqtt::new, tls);
proved!(webhook, Webhook::new, tls);
proved!(surgard, Line::surgard, tls);
proved!(surgard_called, Line::surgard_called, tls);
proved!(ademco_685, Line::ademco_685, tls);
// DC-09 has an encryption of its own, which the tests of the relay are about.
proved!(dc09_relay, Relay::new);
