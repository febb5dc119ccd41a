//! What stands in front of a server: connections pass through it, with TLS on this side where it is
//! wanted, and can all be cut at once.
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use larm::tls::{self, ServerTls};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// The front; gone with all its connections when dropped.
pub(crate) struct Front {
    port: u16,
    cut: Arc<Mutex<CancellationToken>>,
    /// A runtime of its own: its owner's may be as busy as it likes.
    runtime: Option<Runtime>,
}

impl Front {
    /// Passes bytes as they are.
    pub(crate) fn plain(to: u16) -> Self {
        Self::start(to, None)
    }

    /// Speaks TLS on this side.
    pub(crate) fn tls(to: u16, files: &ServerTls) -> Self {
        let config = tls::server(files).expect("sound files");
        Self::start(to, Some(TlsAcceptor::from(config)))
    }

    fn start(to: u16, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.expect("a loopback port");
        let port = listener.local_addr().expect("a bound socket").port();
        listener.set_nonblocking(true).expect("a socket");
        let runtime = Runtime::new().expect("a runtime");
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).expect("a socket")
        };
        let cut = Arc::new(Mutex::new(CancellationToken::new()));
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, to));
        runtime.spawn(serve(listener, to, acceptor, Arc::clone(&cut)));
        Self {
            port,
            cut,
            runtime: Some(runtime),
        }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection at once; new ones are taken as before.
    pub(crate) fn cut(&self) {
        let mut cut = self.cut.lock().unwrap();
        std::mem::take(&mut *cut).cancel();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // Also inside a test that has a runtime of its own, where waiting is forbidden.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(
    listener: TcpListener,
    to: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    cut: Arc<Mutex<CancellationToken>>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, cut) = (acceptor.clone(), cut.lock().unwrap().clone());
        tokio::spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = pass(socket, to, acceptor) => {}
            }
        });
    }
}

/// One connection; whatever breaks it ends it, as a network does.
async fn pass(socket: TcpStream, to: SocketAddr, acceptor: Option<TlsAcceptor>) {
    match acceptor {
        None => join(socket, to).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(socket).await {
                join(stream, to).await;
            }
        }
    }
}

async fn join(mut client: impl AsyncRead + AsyncWrite + Unpin, to: SocketAddr) {
    if let Ok(mut server) = TcpStream::connect(to).await {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
