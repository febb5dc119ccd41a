//! `larm serve`: runs the gateway in the foreground.
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::config::{Config, ListenUrl, Listener, Transport};
use crate::serve::{Gateway, Setup, Shadows, Signals, run_until_signal};

/// Arguments of `larm serve`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a configuration: DC-09 on 127.0.0.1:3061 over TCP and UDP, every \
account accepted, everything under the data directory. `larm check --print-defaults` prints it.\n\n\
Standard output: one line `listening on PROTOCOL+TRANSPORT://ADDRESS:PORT` for each listener, then \
`ready`. Logs go to standard error.\n\nSignals: SIGTERM or SIGINT drain (reply to what is committed, \
stop reading, sync, exit 0); SIGHUP reads configuration and register again; SIGUSR1 prints the \
counters to standard output.\n\nExamples:\n  larm serve\n  larm serve --config /etc/larm/larm.toml\n  \
larm serve --data /var/lib/larm --listen dc09+tcp://0.0.0.0:3061 --listen dc09+udp://0.0.0.0:3061"
)]
pub(super) struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "LARM_CONFIG")]
    config: Option<PathBuf>,
    /// The data directory; goes before the configuration's.
    #[arg(long, value_name = "DIR", env = "LARM_DATA")]
    data: Option<PathBuf>,
    /// Listen here instead of where the configuration says; may be given several times.
    #[arg(long, value_name = "URL")]
    listen: Vec<ListenUrl>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut config = match &args.config {
        None => Config::default(),
        Some(path) => match Config::load(path, &|_| None) {
            Ok(config) => config,
            Err(error) => return Ok(super::refuse_config(&error)),
        },
    };
    if !args.listen.is_empty() {
        config.listeners = Listener::from_urls(&args.listen);
    }
    if let Some(data) = &args.data {
        config.gateway.data.clone_from(data);
    }
    super::start_logging(&config);
    let setup = Setup {
        data: config.gateway.data.clone(),
        config_path: args.config.clone(),
        listeners_given: !args.listen.is_empty(),
        config,
    };
    let mut shadows = Shadows::open(&setup.config)?;
    announce_shadows(&shadows).context("standard output")?;
    let runtime = super::runtime(setup.config.gateway.worker_threads)?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let outcome = runtime.block_on(async {
        let gateway = Gateway::start(setup)?;
        shadows.watch(&gateway)?;
        announce(&gateway)?;
        run_until_signal(gateway, &mut signals, &mut shadows)
            .await
            .map_err(anyhow::Error::from)
    });
    if let Err(error) = &outcome
        && shadows.must_go_on()
    {
        let why = format!("{error:#}");
        tracing::error!(
            why,
            "the gateway has ended; shadows still pass traffic on, unseen, until larm is stopped"
        );
        runtime.block_on(signals.end());
    }
    // Threads that a hung disk holds must not hold the end of the process.
    runtime.shutdown_background();
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Says which receivers larm stands before.
fn announce_shadows(shadows: &Shadows) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for (url, receiver) in shadows.places() {
        writeln!(out, "shadow of {receiver} on {url}")?;
    }
    out.flush()
}

/// Says where the gateway listens, and what to try first.
fn announce(gateway: &Gateway) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    write_announcement(gateway, &mut out).context("standard output")
}

fn write_announcement(gateway: &Gateway, out: &mut impl Write) -> std::io::Result<()> {
    for url in gateway.listening() {
        writeln!(out, "listening on {url}")?;
    }
    writeln!(out, "ready")?;
    let tcp = gateway.address(Transport::Tcp).map(|address| ("", address));
    let udp = || {
        gateway
            .address(Transport::Udp)
            .map(|address| ("--udp ", address))
    };
    if let Some((flag, address)) = tcp.or_else(udp) {
        writeln!(
            out,
            "try: larm send {flag}--to {address} --account 1234 --code BA --zone 1"
        )?;
    }
    out.flush()
}
