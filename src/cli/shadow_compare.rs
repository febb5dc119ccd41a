//! `larm shadow compare`: an existing receiver's answers in a capture, held against larm's own.
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use larm_carrier::Mode;

use crate::accounts::{Defaults, Register, Snapshot};
use crate::config::{self, Config, UnsupportedId};
use crate::registry::{self, Protocol};
use crate::shadow::{self, CaptureParts, Captured, ReceiverAt};

/// Arguments of `larm shadow compare`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The capture: pcap or pcapng.
    #[arg(long, value_name = "FILE")]
    capture: PathBuf,
    /// The existing receiver in it: its port, or ADDRESS:PORT where others have that port, too.
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = receiver)]
    receiver: ReceiverAt,
    /// The configuration, for how larm treats unknown accounts, times and ids.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory, for accounts and keys; without it every account is unknown and nothing
    /// encrypted can be opened.
    #[arg(long, value_name = "DIR", env = "LARM_DATA")]
    data: Option<PathBuf>,
    /// Departures from the standard are not tolerated, as on a strict listener.
    #[arg(long)]
    strict: bool,
    /// No answer for this many seconds counts as silence.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    answer_timeout: u64,
    #[command(flatten)]
    pub(super) show: super::shadow::Show,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match &args.config {
        None => Config::default(),
        Some(path) => match Config::load(path, &|_| None) {
            Ok(config) => config,
            Err(error) => return Ok(super::refuse_config(&error)),
        },
    };
    let room = tempfile::tempdir().context("a directory for the report")?;
    let parts = CaptureParts {
        receiver: args.receiver,
        protocol: Protocol::Dc09,
        settings: registry::Settings {
            mode: if args.strict {
                Mode::Strict
            } else {
                Mode::Tolerant
            },
            frame_len_max: config::Listener::default().frame_max,
            acknowledge_unsupported: config.dc09.unsupported_id == UnsupportedId::Ack,
        },
        accounts: Arc::new(accounts(args.data.as_deref(), &config)?),
        holds_unknown: config.accounts.unknown == config::Unknown::Hold,
        answer_timeout: Duration::from_secs(args.answer_timeout),
        reports: shadow::directory(room.path()),
    };
    let captured = shadow::compare_capture(&args.capture, &parts)?;
    let code = super::shadow::print(room.path(), args.show)?;
    say(&captured, &parts);
    match captured.end.damage {
        Some(damage) => Err(damage.into()),
        None => Ok(code),
    }
}

/// The register in the data directory, which has to be there.
fn accounts(data: Option<&Path>, config: &Config) -> anyhow::Result<Snapshot> {
    let Some(data) = data else {
        return Ok(Snapshot::default());
    };
    if !data.is_dir() {
        anyhow::bail!(
            "{} is no directory: point --data at a data directory of `larm`, or leave it out",
            data.display()
        );
    }
    let register = Register::open(data, registry::ACCOUNT_RULES)?;
    Ok(register.snapshot(&Defaults {
        encryption: config.accounts.encryption,
        window: config.dc09.window,
    })?)
}

#[expect(
    clippy::print_stderr,
    reason = "what a person should know beside the report, which programs read"
)]
fn say(captured: &Captured, parts: &CaptureParts) {
    let Captured {
        packets,
        of_receiver,
        fragments,
        unknown_link,
        end,
    } = captured;
    let mut lines = vec![format!(
        "{of_receiver} of {packets} packets are the receiver's"
    )];
    if *of_receiver == 0 {
        lines.push(format!(
            "nobody has port {}: is --receiver right?",
            parts.receiver.port
        ));
    }
    if *fragments > 0 {
        lines.push(format!("{fragments} parts of IP packets were left out"));
    }
    if *unknown_link > 0 {
        lines.push(format!(
            "{unknown_link} packets have a first header that larm does not know: capture on one \
             interface, such as `tcpdump -i eth0 -w FILE`"
        ));
    }
    if end.cut {
        lines.push("the last packet is cut; everything before it was read".to_owned());
    }
    for line in lines {
        eprintln!("{line}");
    }
}

/// `PORT` or `ADDRESS:PORT`.
fn receiver(text: &str) -> Result<ReceiverAt, String> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    if let Some(port) = port(text) {
        return Ok(ReceiverAt {
            address: None,
            port,
        });
    }
    let (address, port): (IpAddr, u16) = text
        .parse::<SocketAddr>()
        .map(|found| (found.ip(), found.port()))
        .map_err(|_| "write a port, or an address with one: 3061, 192.0.2.7:3061".to_owned())?;
    Ok(ReceiverAt {
        address: Some(address),
        port,
    })
}
