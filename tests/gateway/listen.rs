//! Ways in: several of each, both families, and a reply that comes from where it was asked.
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};

use crate::frame::{Reply, link_test, read_reply, sia};
use crate::harness::{Gateway, PATIENCE, name};

fn started(listeners: &[&str]) -> (tempfile::TempDir, Gateway) {
    let room = tempfile::tempdir().unwrap();
    let mut arguments = Vec::new();
    for listener in listeners {
        arguments.extend(["--listen", listener]);
    }
    let gateway = Gateway::start_with(&room.path().join("data"), &arguments);
    (room, gateway)
}

/// One question to this address, of any kind; the reply has to come from there.
fn ask(kind: &str, to: SocketAddr, frame: &[u8]) -> Reply {
    if kind == "tcp" {
        let mut stream = TcpStream::connect(to).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(frame).unwrap();
        return read_reply(&mut stream).expect("an answer");
    }
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(frame, to).unwrap();
    let mut buffer = [0u8; 512];
    let (len, from) = socket.recv_from(&mut buffer).expect("an answer");
    assert_eq!(from, to, "the reply comes from the address that was asked");
    Reply::parse(&buffer[..len]).unwrap()
}

#[test]
fn every_listener_serves() {
    let (_room, gateway) = started(&[
        "dc09+tcp://[::1]:0",
        "dc09+udp://[::1]:0",
        "dc09+tcp://127.0.0.1:0",
        "dc09+udp://127.0.0.2:0",
    ]);
    // The harness has asked for one of each on 127.0.0.1, too.
    assert_eq!(gateway.listening.len(), 6, "{:?}", gateway.listening);
    for (at, (kind, to)) in gateway.listening.iter().enumerate() {
        let reply = ask(kind, *to, &sia(1, &format!("{:04X}", 0xE000 + at), "BA1"));
        assert_eq!(reply.id, "ACK", "{kind} {to}");
    }
    let mut names: Vec<String> = gateway.events(6).iter().map(name).collect();
    names.sort();
    let expected: Vec<String> = (0..6)
        .map(|at| format!("{:04X}/BA/1", 0xE000 + at))
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn a_datagram_is_answered_from_the_address_that_it_was_sent_to() {
    let (_room, gateway) = started(&["dc09+udp://0.0.0.0:0", "dc09+udp://[::]:0"]);
    let mut asked = 0;
    for (kind, to) in &gateway.listening {
        let hosts: &[&str] = match to.ip() {
            ip if !ip.is_unspecified() => continue,
            IpAddr::V4(_) => &["127.0.0.1", "127.0.0.5", "127.9.8.7"],
            IpAddr::V6(_) => &["::1"],
        };
        for host in hosts {
            let to = SocketAddr::new(host.parse().unwrap(), to.port());
            assert_eq!(ask(kind, to, &link_test(asked, "1234")).id, "ACK", "{to}");
            asked += 1;
        }
    }
    assert_eq!(asked, 4);
}

#[test]
fn a_port_that_is_taken_is_told() {
    let (_room, gateway) = started(&[]);
    let taken = format!("dc09+tcp://{}", gateway.tcp);
    let other = tempfile::tempdir().unwrap();
    let said = Gateway::spawn(&other.path().join("data"), &["--listen", &taken])
        .err()
        .expect("the port is taken");
    assert!(said.contains(&gateway.tcp.port().to_string()), "{said}");
}
