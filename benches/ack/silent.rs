//! Memory of a gateway that nobody talks to, and of one with thousands of silent connections.
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::gateway::Gateway;
use crate::load::{Frames, Plan, Seen, Serial, run};

/// Descriptors that a process needs beside its connections.
const SPARE: usize = 256;

/// Addresses that the connections come from: 127.0.0.1 and up.
const SOURCES: usize = 250;

/// Nothing changes any more after this long without work.
const SETTLE: Duration = Duration::from_secs(1);

/// What was found.
pub(crate) struct Silent {
    /// Bytes resident without a connection.
    pub(crate) idle: u64,
    /// Bytes resident with all of them.
    pub(crate) held: u64,
    /// Silent connections.
    pub(crate) connections: usize,
    /// Link tests meanwhile, from one transmitter.
    pub(crate) link_tests: Seen,
}

impl Silent {
    /// Bytes resident for each connection.
    pub(crate) fn each(&self) -> u64 {
        self.held.saturating_sub(self.idle) / (self.connections.max(1) as u64)
    }
}

/// Lets this process, and those that it starts from now on, hold so many connections.
pub(crate) fn allow(connections: usize) -> anyhow::Result<()> {
    let wanted = (connections + SPARE) as u64;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: now.maximum.map(|maximum| maximum.max(wanted)),
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        bail!("{wanted} open files are needed and not allowed ({error}): see `ulimit -n`");
    }
    Ok(())
}

/// Starts a gateway of its own and fills it; [`allow`] comes first.
pub(crate) fn measure(
    directory: &Path,
    connections: usize,
    lasts: Duration,
) -> anyhow::Result<Silent> {
    let gateway = Gateway::start(&directory.join("silent"))?;
    std::thread::sleep(SETTLE);
    let idle = gateway.resident()?;
    let held_before = gateway.descriptors()?;
    let streams = (0..connections)
        .map(|number| connect(number, gateway.address))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while gateway.descriptors()? < held_before + connections {
        ensure!(
            Instant::now() < deadline,
            "the gateway accepted only {} of {connections} connections",
            gateway.descriptors()?.saturating_sub(held_before)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(SETTLE);
    let held = gateway.resident()?;
    let plan = Plan {
        address: gateway.address,
        connections: 1,
        frames: Frames::LinkTests,
        lasts,
    };
    let link_tests = run(plan, &Serial::default())?;
    for stream in &streams {
        ensure!(still_open(stream)?, "the gateway closed a silent one");
    }
    drop(streams);
    gateway.finish()?;
    Ok(Silent {
        idle,
        held,
        connections,
        link_tests,
    })
}

fn connect(number: usize, to: SocketAddr) -> anyhow::Result<TcpStream> {
    let last = u8::try_from(1 + number % SOURCES)?;
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&from.into())?;
    socket
        .connect(&to.into())
        .with_context(|| format!("connection {number} from {from}"))?;
    Ok(socket.into())
}

fn still_open(stream: &TcpStream) -> anyhow::Result<bool> {
    stream.set_nonblocking(true)?;
    match stream.peek(&mut [0]) {
        Ok(read) => Ok(read > 0),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error.into()),
    }
}
