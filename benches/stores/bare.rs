//! A NATS client of a few lines, with no library: writes messages, counts confirmations.
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;

use larm::deliver::Delivery;

/// Messages under way at a time.
const WINDOW: usize = 2_000;

/// Publishes everything and waits for every confirmation.
pub(crate) fn publish(port: u16, backlog: &[Delivery]) {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a server");
    stream.set_nodelay(true).expect("a socket");
    let mut reader = BufReader::with_capacity(1 << 16, stream.try_clone().expect("a socket"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a greeting");
    let mut writer = BufWriter::with_capacity(1 << 16, stream);
    let hello = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n";
    write!(writer, "{hello}SUB _INBOX.bare.* 1\r\n").expect("a socket");
    // A permit for each message under way.
    let (permits, free) = mpsc::sync_channel::<()>(WINDOW);
    let count = backlog.len();
    let counter = std::thread::spawn(move || {
        for _ in 0..count {
            confirmation(&mut reader);
            free.recv().expect("a message was under way");
        }
    });
    for (at, delivery) in backlog.iter().enumerate() {
        if permits.try_send(()).is_err() {
            writer.flush().expect("a socket");
            permits.send(()).expect("the counter runs");
        }
        write_message(&mut writer, at, delivery);
    }
    writer.flush().expect("a socket");
    counter.join().expect("every confirmation came");
}

fn write_message(writer: &mut impl std::io::Write, at: usize, delivery: &Delivery) {
    let event = &delivery.event;
    let headers = format!(
        "NATS/1.0\r\nNats-Msg-Id: {}\r\nNats-Expected-Stream: ALARMS\r\n\r\n",
        event.id
    );
    write!(
        writer,
        "HPUB alarm.{}.{}.{} _INBOX.bare.{at} {} {}\r\n{headers}{}\r\n",
        event.receiver.as_deref().unwrap_or("_"),
        event.account.as_deref().unwrap_or("_"),
        event.category.as_str(),
        headers.len(),
        headers.len() + delivery.json.len(),
        delivery.json
    )
    .expect("a socket");
}

/// Reads to the end of the next confirmation.
fn confirmation(reader: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(
            reader.read_line(&mut line).expect("a socket") > 0,
            "the server closed"
        );
        if line.starts_with("MSG ") {
            let length: usize = line
                .split_whitespace()
                .next_back()
                .and_then(|n| n.parse().ok())
                .expect("a length");
            let mut body = vec![0; length + 2];
            reader.read_exact(&mut body).expect("a socket");
            let text = String::from_utf8_lossy(&body);
            assert!(
                text.contains("\"seq\"") && !text.contains("duplicate"),
                "{text}"
            );
            return;
        }
        assert!(
            !line.starts_with("-ERR") && !line.starts_with("HMSG"),
            "{line}"
        );
    }
}
