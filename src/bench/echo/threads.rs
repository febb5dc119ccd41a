//! The echo without a runtime: a thread for each processor, each with its own listener.
use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use super::{Answers, Setup};

/// Sockets that are looked at after one wait.
const EVENTS_MAX: usize = 512;

/// Datagrams that are answered before other sockets get their turn.
pub(super) const DATAGRAMS_MAX: usize = 64;

/// Room for what one read brings.
pub(super) const READ_LEN: usize = 64 * 1024;

const LISTENER: u64 = 0;
/// The number of the socket for datagrams.
pub(super) const DATAGRAMS: u64 = 1;

pub(super) fn run(
    setup: &Setup,
    answers: &Arc<Answers>,
    ready: impl FnOnce(SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    on_all_threads(setup, ready, |listener, datagrams| {
        let answers = Arc::clone(answers);
        move || Server::new(listener, datagrams)?.echo(&answers)
    })
}

/// Runs what `work` makes on each thread, each with a listener and a socket for datagrams of its own at
/// the same address.
pub(super) fn on_all_threads<W>(
    setup: &Setup,
    ready: impl FnOnce(SocketAddr) -> io::Result<()>,
    work: impl Fn(TcpListener, UdpSocket) -> W,
) -> io::Result<()>
where
    W: FnOnce() -> io::Result<()> + Send + 'static,
{
    let mut address = setup.listen;
    let mut threads = Vec::new();
    for number in 0..setup.threads.max(1) {
        let listener: TcpListener = socket(address, Type::STREAM)?.into();
        address = listener.local_addr()?;
        let datagrams: UdpSocket = socket(address, Type::DGRAM)?.into();
        let name = format!("echo-{number}");
        let thread = std::thread::Builder::new().name(name);
        threads.push(thread.spawn(work(listener, datagrams))?);
    }
    ready(address)?;
    for thread in threads {
        thread
            .join()
            .map_err(|_| io::Error::other("a thread of the echo panicked"))??;
    }
    Ok(())
}

/// Bound, and shared among threads by the kernel.
fn socket(address: SocketAddr, transport: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), transport, None)?;
    socket.set_reuse_address(transport == Type::STREAM)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if transport == Type::STREAM {
        socket.listen(4_096)?;
    }
    Ok(socket)
}

/// The sockets of one thread.
pub(super) struct Server {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    listener: TcpListener,
    pub(super) datagrams: UdpSocket,
    pub(super) conversations: HashMap<u64, Conversation>,
    next: u64,
}

/// One connection.
pub(super) struct Conversation {
    pub(super) stream: TcpStream,
    /// The beginning of a frame.
    pub(super) pending: Vec<u8>,
}

impl Server {
    pub(super) fn new(listener: TcpListener, datagrams: UdpSocket) -> io::Result<Self> {
        let server = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_MAX),
            listener,
            datagrams,
            conversations: HashMap::new(),
            next: DATAGRAMS + 1,
        };
        server.add(&server.listener, LISTENER)?;
        server.add(&server.datagrams, DATAGRAMS)?;
        Ok(server)
    }

    fn add(&self, socket: &impl AsFd, number: u64) -> io::Result<()> {
        let data = EventData::new_u64(number);
        Ok(epoll::add(&self.epoll, socket, data, EventFlags::IN)?)
    }

    /// Waits until something comes, takes in new connections, and leaves in `ready` the numbers of the
    /// other sockets that have something.
    pub(super) fn wait(&mut self, ready: &mut Vec<u64>) -> io::Result<()> {
        self.events.clear();
        let room = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, room, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let number = |event: &epoll::Event| {
            let data = event.data;
            data.u64()
        };
        ready.clear();
        ready.extend(self.events.iter().map(number).filter(|n| *n != LISTENER));
        if ready.len() < self.events.len() {
            self.accept()?;
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            self.add(&stream, self.next)?;
            let pending = Vec::new();
            self.conversations
                .insert(self.next, Conversation { stream, pending });
            self.next += 1;
        }
        Ok(())
    }

    /// Answers each socket at once.
    fn echo(mut self, answers: &Answers) -> io::Result<()> {
        let (mut ready, mut out) = (Vec::with_capacity(EVENTS_MAX), Vec::new());
        let mut buffer = vec![0; READ_LEN];
        loop {
            self.wait(&mut ready)?;
            for number in &ready {
                if *number == DATAGRAMS {
                    answer_datagrams(&self.datagrams, answers, &mut buffer, &mut out);
                    continue;
                }
                let conversation = self.conversations.get_mut(number);
                let going = conversation.is_some_and(|conversation| {
                    conversation.exchange(answers, &mut buffer, &mut out)
                });
                if !going {
                    self.conversations.remove(number);
                }
            }
        }
    }
}

fn answer_datagrams(socket: &UdpSocket, answers: &Answers, buffer: &mut [u8], out: &mut Vec<u8>) {
    for _ in 0..DATAGRAMS_MAX {
        let Ok((read, peer)) = socket.recv_from(buffer) else {
            return;
        };
        out.clear();
        answers.to(buffer.get(..read).unwrap_or_default(), out);
        if !out.is_empty() {
            // What does not fit into the socket is lost, as on any network.
            drop(socket.send_to(out, peer));
        }
    }
}

impl Conversation {
    /// False when it is over.
    fn exchange(&mut self, answers: &Answers, buffer: &mut [u8], out: &mut Vec<u8>) -> bool {
        let read = match self.stream.read(buffer) {
            Ok(0) => return false,
            Ok(read) => read,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        out.clear();
        if self.pending.is_empty() {
            let used = answers.to(bytes, out);
            self.pending
                .extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            self.pending.extend_from_slice(bytes);
            let used = answers.to(&self.pending, out);
            self.pending.drain(..used);
        }
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        // Answers are short: a peer that lets so many pile up that they do not fit is let go.
        out.is_empty() || self.stream.write_all(out).is_ok()
    }
}
