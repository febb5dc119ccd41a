//! A wire to a server that can be cut just after a question went through, so that the answer is
//! lost.
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The wire.
pub(crate) struct Cut {
    port: u16,
    armed: Arc<AtomicBool>,
}

impl Cut {
    /// A port that leads to the server at `port`.
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let cut = Self {
            port: listener.local_addr().expect("a bound socket").port(),
            armed: Arc::default(),
        };
        let armed = Arc::clone(&cut.armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                let armed = Arc::clone(&armed);
                tokio::spawn(async move {
                    carry(client, server.expect("a server"), &armed).await;
                });
            }
        });
        cut
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next question still goes through; its answer comes as far as the wire, and no further.
    pub(crate) fn after_next_question(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, armed: &AtomicBool) {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(length @ 1..) if server.write_all(&up[..length]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut down) => match read {
                // Dropped with the connection. The server answers after it has committed.
                Ok(1..) if armed.swap(false, Ordering::Relaxed) => return,
                Ok(length @ 1..) if client.write_all(&down[..length]).await.is_ok() => {}
                _ => return,
            },
        }
    }
}
