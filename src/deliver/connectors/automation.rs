//! From the settings that both line connectors share to a link: roles, files, numbers, checked.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::connector::{Automation, LateReceipts, ReceiptWords, SecondClient};
use crate::deliver::BuildError;
use crate::deliver::lines::link::{Late, LinkSettings, Network, Role, Second};
use crate::deliver::lines::numbers::{Numbers, Pair};
use crate::deliver::lines::receipt::ReceiptForm;
use crate::tls::{self, ClientTls, ServerTls, TlsError};

/// Events of a batch: few, since a batch cut short by a crash is delivered again as a whole.
const BATCH: usize = 8;

/// How long the two numbers are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Widths {
    pub(super) receiver: usize,
    pub(super) line: usize,
}

fn wrong(key: &'static str, problem: impl Into<String>) -> BuildError {
    BuildError {
        key,
        problem: problem.into(),
    }
}

/// The link of a connector.
pub(super) fn link(own: &Automation) -> Result<LinkSettings, BuildError> {
    Ok(LinkSettings {
        role: role(own)?,
        connect_timeout: own.connect_timeout,
        wait: own.receipt_timeout,
        repeats: own.repeats,
        late: match own.late_receipts {
            LateReceipts::Reconnect => Late::Reconnect,
            LateReceipts::Quiet => Late::Quiet,
        },
        quiet: own.quiet,
        heartbeat: (!own.heartbeat.is_zero()).then_some(own.heartbeat),
        receipts: match own.receipts {
            ReceiptWords::Byte => ReceiptForm::Byte,
            ReceiptWords::Text => ReceiptForm::Text,
        },
        refuse_after: own.refuse_after,
        refuse_alarms_after: own.refuse_alarms_after,
        batch: BATCH,
    })
}

fn role(own: &Automation) -> Result<Role, BuildError> {
    match (own.connect.is_empty(), own.listen.is_empty()) {
        (false, true) => connect(own),
        (true, false) => listen(own),
        (true, true) => Err(wrong(
            "connect",
            "neither `connect` nor `listen` is set; write `connect = \"host:port\"` where larm \
             connects, or `listen = \"address:port\"` where the case system does",
        )),
        (false, false) => Err(wrong(
            "listen",
            "`connect` is set as well; keep one of the two",
        )),
    }
}

fn connect(own: &Automation) -> Result<Role, BuildError> {
    for endpoint in &own.connect {
        let port = endpoint
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty());
        let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            let problem = "write a host with a port, such as \"case.example.net:1025\"";
            return Err(wrong("connect", problem));
        }
    }
    let tls = if own.tls {
        let files = ClientTls {
            ca: own.ca_file.clone(),
            certificate: own.certificate_file.clone(),
            key: own.key_file.clone(),
        };
        let config = tls::client(&files).map_err(|error| blame(own, &error))?;
        let name = (!own.server_name.is_empty()).then(|| own.server_name.clone());
        if let Some(name) = &name {
            tls::server_name(name).map_err(|error| wrong("server_name", error.to_string()))?;
        }
        Some((TlsConnector::from(config), name))
    } else {
        no_tls(own)?;
        None
    };
    Ok(Role::Connect {
        endpoints: own.connect.clone(),
        tls,
    })
}

fn listen(own: &Automation) -> Result<Role, BuildError> {
    let address: SocketAddr = own.listen.parse().map_err(|_| {
        wrong(
            "listen",
            "write an address with a port, such as \"0.0.0.0:1025\"",
        )
    })?;
    let peers = own.peers.iter().map(|peer| {
        Network::parse(peer).map_err(|error| wrong("peers", format!("`{peer}`: {error}")))
    });
    let peers: Vec<Network> = peers.collect::<Result<_, _>>()?;
    if peers.is_empty() {
        let problem = "with `listen` it is needed: the addresses or networks of the case system";
        return Err(wrong("peers", problem));
    }
    let tls = if own.tls {
        let demanded = |file: &Option<PathBuf>, key| {
            let problem = "with `listen` and `tls` it is needed";
            file.clone().ok_or_else(|| wrong(key, problem))
        };
        let files = ServerTls {
            certificate: demanded(&own.certificate_file, "certificate_file")?,
            key: demanded(&own.key_file, "key_file")?,
            client_ca: own.ca_file.clone(),
        };
        let config = tls::server(&files).map_err(|error| blame(own, &error))?;
        Some(TlsAcceptor::from(config))
    } else {
        no_tls(own)?;
        None
    };
    Ok(Role::Listen {
        address,
        peers,
        second: match own.second {
            SecondClient::Refuse => Second::Refuse,
            SecondClient::Heartbeats => Second::Heartbeats,
        },
        tls,
    })
}

/// Files for TLS where there is none are a mistake that would go unseen.
fn no_tls(own: &Automation) -> Result<(), BuildError> {
    let set = [
        ("ca_file", own.ca_file.is_some()),
        ("certificate_file", own.certificate_file.is_some()),
        ("key_file", own.key_file.is_some()),
        ("server_name", !own.server_name.is_empty()),
    ];
    match set.iter().find(|(_, set)| *set) {
        Some((key, _)) => Err(wrong(key, "it says nothing without `tls = true`")),
        None => Ok(()),
    }
}

/// The key of the file that is at fault.
fn blame(own: &Automation, error: &TlsError) -> BuildError {
    let text = error.to_string();
    let named = |file: &Option<PathBuf>| {
        let file = file.as_ref().map(|file| file.display().to_string());
        file.is_some_and(|file| text.contains(&file))
    };
    let key = match error {
        TlsError::Mismatch { .. } => "certificate_file",
        TlsError::Half { missing: "key", .. } => "key_file",
        _ if named(&own.certificate_file) => "certificate_file",
        _ if named(&own.key_file) => "key_file",
        _ => "ca_file",
    };
    wrong(key, text)
}

/// The numbers of a connector, each as wide as the records have them.
pub(super) fn numbers(own: &Automation, widths: Widths) -> Result<Numbers, BuildError> {
    let read_all = |map: &BTreeMap<String, String>, key| {
        let pairs = map.iter().map(|(name, pair)| {
            let (receiver, line) = pair.split_once('/').ok_or_else(|| {
                wrong(
                    key,
                    format!("`{name}`: write receiver and line, such as \"02/1\""),
                )
            })?;
            let pair = Pair {
                receiver: number(receiver, widths.receiver, key)?,
                line: number(line, widths.line, key)?,
            };
            Ok((name.clone(), pair))
        });
        pairs.collect::<Result<BTreeMap<String, Pair>, BuildError>>()
    };
    Ok(Numbers {
        default: Pair {
            receiver: number(&own.receiver, widths.receiver, "receiver")?,
            line: number(&own.line, widths.line, "line")?,
        },
        accounts: read_all(&own.numbers_by_account, "numbers_by_account")?,
        listeners: read_all(&own.numbers_by_listener, "numbers_by_listener")?,
    })
}

/// A number with leading zeros.
fn number(text: &str, width: usize, key: &'static str) -> Result<String, BuildError> {
    let fits = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    if (1..=width).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(format!("{text:0>width$}"));
    }
    let problem = format!("`{text}` does not fit; it has up to {width} digits, or letters A to F");
    Err(wrong(key, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::connector::Surgard;

    fn usual() -> Automation {
        let mut own = Surgard::default().automation;
        own.connect = vec!["case.example.net:1025".to_owned()];
        own
    }

    type Spoil = fn(&mut Automation);

    const WIDTHS: Widths = Widths {
        receiver: 2,
        line: 3,
    };

    #[test]
    fn what_is_wrong_is_said_at_its_key() {
        let set: [(Spoil, &str); 12] = [
            (|own| own.connect.clear(), "connect"),
            (|own| own.listen = "0.0.0.0:1".to_owned(), "listen"),
            (|own| own.connect = vec!["case".to_owned()], "connect"),
            (|own| own.connect = vec!["case:0".to_owned()], "connect"),
            (|own| own.ca_file = Some("/nowhere.pem".into()), "ca_file"),
            (|own| own.server_name = "case".to_owned(), "server_name"),
            (
                |own| {
                    own.tls = true;
                    own.ca_file = Some("/nowhere.pem".into());
                },
                "ca_file",
            ),
            (
                |own| {
                    own.connect.clear();
                    own.listen = "0.0.0.0:1".to_owned();
                },
                "peers",
            ),
            (
                |own| {
                    own.connect.clear();
                    own.listen = "somewhere:1".to_owned();
                },
                "listen",
            ),
            (
                |own| {
                    own.connect.clear();
                    own.listen = "0.0.0.0:1".to_owned();
                    own.peers = vec!["192.0.2.0/33".to_owned()];
                },
                "peers",
            ),
            (
                |own| {
                    own.connect.clear();
                    own.listen = "0.0.0.0:1".to_owned();
                    own.peers = vec!["192.0.2.7".to_owned()];
                    own.tls = true;
                },
                "certificate_file",
            ),
            (
                |own| {
                    own.connect.clear();
                    own.listen = "0.0.0.0:1".to_owned();
                    own.peers = vec!["192.0.2.7".to_owned()];
                    own.tls = true;
                    own.certificate_file = Some("/nowhere.pem".into());
                    own.key_file = Some("/nowhere.key".into());
                },
                "certificate_file",
            ),
        ];
        assert!(link(&usual()).is_ok());
        for (at, (spoil, key)) in set.into_iter().enumerate() {
            let mut own = usual();
            spoil(&mut own);
            let error = link(&own).err().map(|error| error.key);
            assert_eq!(error, Some(key), "case {at}");
        }
    }

    #[test]
    fn numbers_are_as_wide_as_the_records_have_them() {
        let mut own = usual();
        own.receiver = "2".to_owned();
        own.line = "1".to_owned();
        own.numbers_by_account = [("12".to_owned(), "3/4F".to_owned())].into();
        let read = numbers(&own, WIDTHS).unwrap();
        assert_eq!(read.default.receiver, "02");
        assert_eq!(read.default.line, "001");
        let pair = read
            .accounts
            .get("12")
            .map(|pair| (&*pair.receiver, &*pair.line));
        assert_eq!(pair, Some(("03", "04F")));
        for wrong in ["3", "3/", "/4", "333/4", "3/4444", "3/4/5", "3/ä", "3/|"] {
            own.numbers_by_listener = [("dc09".to_owned(), wrong.to_owned())].into();
            let error = numbers(&own, WIDTHS).err().map(|error| error.key);
            assert_eq!(error, Some("numbers_by_listener"), "{wrong}");
        }
    }
}
