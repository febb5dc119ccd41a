//! A wire between larm and a server that can be long, and can be held: what is sent into it then
//! stays there, on connections that stay open, as with a machine that hangs.
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often a held wire is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The wire; its threads end with their connections.
pub(crate) struct Wire {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    delay_ms: AtomicU64,
    held: AtomicBool,
}

impl Wire {
    /// A port that leads to the one at `port`, whoever listens there.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let wire = Self {
            port: listener.local_addr().expect("a bound socket").port(),
            state: Arc::default(),
        };
        let state = Arc::clone(&wire.state);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Nobody there: the connection ends at once.
                if let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    join(near, far, &state);
                }
            }
        });
        wire
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Every piece takes this long, each way.
    pub(crate) fn delay(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).expect("a short time");
        self.state.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// From now on nothing comes out of it; or everything does.
    pub(crate) fn hold(&self, held: bool) {
        self.state.held.store(held, Ordering::Relaxed);
    }
}

fn join(near: TcpStream, far: TcpStream, state: &Arc<State>) {
    let ends = [&near, &far].map(|end| {
        let _ = end.set_nodelay(true);
        end.try_clone().expect("a descriptor")
    });
    let [near_copy, far_copy] = ends;
    for (from, into) in [(near, far_copy), (far, near_copy)] {
        let state = Arc::clone(state);
        std::thread::spawn(move || pump(from, into, &state));
    }
}

fn pump(mut from: TcpStream, mut into: TcpStream, state: &State) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        std::thread::sleep(Duration::from_millis(
            state.delay_ms.load(Ordering::Relaxed),
        ));
        while state.held.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
        if into.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = into.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
