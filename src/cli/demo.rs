//! `larm demo`: a gateway in a temporary directory, real frames of several kinds, and what became
//! of each.
use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use larm_carrier::Key;
use larm_event::Event;

use crate::accounts::{Account, Draft, Number, Register};
use crate::config::{Config, Listener, Transport};
use crate::journal::Reader;
use crate::registry::{self, Content, Outgoing};
use crate::serve::{Gateway, Setup};
use crate::transmit::{self, Outcome, Target};
use crate::{entropy, explain, logging, record};

/// Arguments of `larm demo`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is left behind: journal, history and register of the demo live in a \
temporary directory that is removed at the end. Takes a few seconds."
)]
pub(super) struct Args {}

/// The account of the encrypted transmitter; its key is made anew for each demo.
const ENCRYPTED: &str = "4711";

/// How long the demo waits to show that a damaged frame gets no answer.
const SILENCE: Duration = Duration::from_millis(700);

struct Scene {
    title: &'static str,
    account: &'static str,
    sequence: u16,
    transport: Transport,
    content: Content<'static>,
    location: Option<(f64, f64)>,
}

fn scenes() -> Vec<Scene> {
    let sia = |code, address, area, text| Content::Sia {
        code,
        address,
        area,
        text,
    };
    vec![
        Scene {
            title: "burglary",
            account: "1234",
            sequence: 1,
            transport: Transport::Tcp,
            content: sia("BA", Some("5"), Some("1"), Some("Front door")),
            location: None,
        },
        Scene {
            title: "fire",
            account: "1234",
            sequence: 2,
            transport: Transport::Udp,
            content: Content::Cid {
                code: "110",
                restore: false,
                partition: "01",
                zone: "012",
            },
            location: None,
        },
        Scene {
            title: "personal alarm",
            account: "8801",
            sequence: 7,
            transport: Transport::Tcp,
            content: sia("QA", Some("1"), None, Some("Pendant")),
            location: Some((59.329_32, 18.068_58)),
        },
        Scene {
            title: "encrypted",
            account: ENCRYPTED,
            sequence: 3,
            transport: Transport::Tcp,
            content: sia("TA", Some("3"), Some("2"), None),
            location: None,
        },
    ]
}

pub(super) fn run(_: &Args) -> anyhow::Result<ExitCode> {
    logging::start(logging::Form::Auto, "error");
    let dir = tempfile::Builder::new()
        .prefix("larm-demo-")
        .tempdir()
        .context("cannot make a temporary directory")?;
    let key = Key::from_bytes(&entropy::bytes::<16>()).context("the demo's own key")?;
    register(dir.path(), &key)?;
    let runtime = super::runtime(Some(2))?;
    let gateway = runtime.block_on(async { Gateway::start(setup(dir.path())) })?;
    let mut out = std::io::stdout().lock();
    let shown = show(&gateway, dir.path(), &key, &mut out);
    runtime.block_on(gateway.drain())?;
    shown?;
    next_steps(&mut out)?;
    Ok(ExitCode::SUCCESS)
}

fn setup(data: &Path) -> Setup {
    let listener = |transport: Transport| Listener {
        name: format!("dc09-{transport}"),
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        transport,
        ..Listener::default()
    };
    let mut config = Config {
        listeners: vec![listener(Transport::Tcp), listener(Transport::Udp)],
        ..Config::default()
    };
    // The demo keeps nothing: a small segment is enough and is ready at once.
    config.journal.segment_size = 1 << 20;
    config.journal.reserve = 0;
    Setup {
        config,
        config_path: None,
        listeners_given: true,
        data: data.to_owned(),
    }
}

fn register(data: &Path, key: &Key) -> anyhow::Result<()> {
    let mut register = Register::open(data, registry::ACCOUNT_RULES)?;
    let number = Number {
        account: ENCRYPTED.to_owned(),
        ..Number::default()
    };
    let copy = Key::from_bytes(key.expose()).context("the demo's own key")?;
    register.add(&Draft {
        account: Account {
            number,
            ..Account::default()
        },
        keys: [Some(copy), None],
    })?;
    Ok(())
}

fn show(gateway: &Gateway, data: &Path, key: &Key, out: &mut impl Write) -> anyhow::Result<()> {
    let tcp = gateway
        .address(Transport::Tcp)
        .context("the demo listens over TCP")?;
    let udp = gateway
        .address(Transport::Udp)
        .context("the demo listens over UDP")?;
    writeln!(out, "A gateway runs for this demo:")?;
    for url in gateway.listening() {
        writeln!(out, "  {url}")?;
    }
    writeln!(
        out,
        "Transmitters send; each is answered only when its alarm is on disk.\n"
    )?;
    let mut journal = Reader::open(&data.join("journal"), 1)?;
    for scene in scenes() {
        let address = if scene.transport == Transport::Tcp {
            tcp
        } else {
            udp
        };
        let key = (scene.account == ENCRYPTED).then_some(key);
        deliver(&scene, address, key, out)?;
        arrived(&mut journal, out)?;
    }
    repeat(gateway, tcp, out)?;
    if journal.next()?.is_some() {
        bail!("the repeat became an event of its own; please report this");
    }
    damaged(tcp, out)
}

fn message<'a>(scene: &'a Scene, key: Option<&'a Key>) -> Outgoing<'a> {
    Outgoing {
        account: scene.account,
        receiver: None,
        line: "0",
        sequence: scene.sequence,
        content: scene.content,
        location: scene.location,
        extended: &[],
        key,
        binary_crc: false,
        with_stamp: true,
        fixed_stamp: None,
        sent_at: None,
    }
}

fn deliver(
    scene: &Scene,
    address: SocketAddr,
    key: Option<&Key>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let target = Target {
        address,
        transport: scene.transport,
        timeout: Duration::from_secs(5),
        attempts: 3,
    };
    let report = transmit::deliver(&message(scene, key), &target)?;
    let Outcome::Acknowledged = report.outcome else {
        bail!("{}: not acknowledged: {:?}", scene.title, report.outcome);
    };
    let took = report.took.unwrap_or_default();
    writeln!(
        out,
        "{:<15} account {:<5} {}  on disk and acknowledged after {}",
        scene.title,
        scene.account,
        scene.transport,
        milliseconds(took)
    )?;
    Ok(())
}

fn milliseconds(took: Duration) -> String {
    format!("{:.2} ms", took.as_secs_f64() * 1e3)
}

/// Reads the event back from the journal: what is shown is what is on disk.
fn arrived(journal: &mut Reader, out: &mut impl Write) -> anyhow::Result<Event> {
    let entry = journal
        .next()?
        .context("an acknowledged alarm is in the journal")?;
    let event = record::decode(entry.position, &entry.payload)?;
    writeln!(
        out,
        "{:<15} {}, {}",
        "",
        explain::in_words(&event),
        event.authenticity.grade
    )?;
    Ok(event)
}

fn repeat(gateway: &Gateway, tcp: SocketAddr, out: &mut impl Write) -> anyhow::Result<()> {
    let mut seen = gateway.repeats();
    let first = scenes()
        .into_iter()
        .next()
        .context("there is a first scene")?;
    let scene = Scene {
        title: "repeat",
        ..first
    };
    deliver(&scene, tcp, None, out)?;
    let repeated = seen.try_recv().context("the repeat was recognised")?;
    writeln!(
        out,
        "{:<15} recognised as event {} again: acknowledged, no second alarm",
        "", repeated.event
    )?;
    Ok(())
}

/// Sends a frame with one bit turned over and shows that nobody answers it, and why.
fn damaged(tcp: SocketAddr, out: &mut impl Write) -> anyhow::Result<()> {
    let scene = scenes()
        .into_iter()
        .next()
        .context("there is a first scene")?;
    let mut frame = registry::compose(&message(&scene, None), &entropy::bytes::<32>())?;
    let middle = frame.len() / 2;
    if let Some(byte) = frame.get_mut(middle) {
        *byte ^= 1;
    }
    let mut stream = TcpStream::connect(tcp)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(&frame)?;
    let begun = Instant::now();
    let mut answer = [0; 64];
    if stream.read(&mut answer).is_ok_and(|len| len > 0) {
        bail!("a damaged frame was answered; please report this");
    }
    writeln!(
        out,
        "{:<15} account {:<5} tcp  refused: no answer ({} waited), so the transmitter sends again",
        "damaged",
        scene.account,
        milliseconds(begun.elapsed())
    )?;
    if let Some(why) = registry::explain_refused(&frame) {
        writeln!(out, "{:<15} {why}", "")?;
    }
    Ok(())
}

fn next_steps(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "\nGo on:\n  larm serve                                    receive on 127.0.0.1:3061\n  \
         larm send --to 127.0.0.1:3061 --account 1234 --code BA --zone 1\n  \
         larm events --follow                          watch what arrives\n  \
         larm decode --help                            have a frame explained\n\
         To point a real panel at larm, see \"how a real panel is pointed at larm\" in README.md."
    )
}
