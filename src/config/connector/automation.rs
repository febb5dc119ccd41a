//! What connectors that speak to automation software have in common: the link and the numbers.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::super::reader::Table;
use super::super::schema::{quote, quote_all};
use super::super::units::show_duration;
use super::super::words::words;

words! {
    /// What becomes of a connection while another one is in use.
    SecondClient {
        /// It is closed.
        Refuse = "refuse",
        /// It gets heartbeats, and takes the place of the first when that ends.
        Heartbeats = "heartbeats",
    }
}

words! {
    /// How receipts are written.
    ReceiptWords {
        /// 0x06 and 0x15.
        Byte = "byte",
        /// `ACK` and `NAK` with CR LF.
        Text = "text",
    }
}

words! {
    /// What is done about receipts that may come too late.
    LateReceipts {
        /// The connection is opened anew before a repeat.
        Reconnect = "reconnect",
        /// The line has to be quiet before another record.
        Quiet = "quiet",
    }
}

/// Settings of the link, and of the numbers that records carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automation {
    /// `host:port`, the first choice first; empty where the case system connects.
    pub connect: Vec<String>,
    /// Address and port; empty where the gateway connects.
    pub listen: String,
    /// Addresses and networks that may connect.
    pub peers: Vec<String>,
    /// What a second connection gets.
    pub second: SecondClient,
    /// TLS on the link.
    pub tls: bool,
    /// Name that the other side's certificate has to carry, where it is not the host's; or empty.
    pub server_name: String,
    /// PEM file of the authorities of the other side.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the own certificate.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of its key.
    pub key_file: Option<PathBuf>,
    /// To connect.
    pub connect_timeout: Duration,
    /// How receipts are written.
    pub receipts: ReceiptWords,
    /// For a receipt.
    pub receipt_timeout: Duration,
    /// Tries after the first one.
    pub repeats: u32,
    /// What is done about receipts that may come too late.
    pub late_receipts: LateReceipts,
    /// How long a new or a doubtful connection is only listened to.
    pub quiet: Duration,
    /// Between heartbeats; zero: none.
    pub heartbeat: Duration,
    /// See `refuse_alarms_after`, for everything else; 0: never.
    pub refuse_after: u32,
    /// An alarm declined this often while others are taken goes to the dead letters; 0: never.
    pub refuse_alarms_after: u32,
    /// Receiver number.
    pub receiver: String,
    /// Line number.
    pub line: String,
    /// `receiver/line` by the start of the account.
    pub numbers_by_account: BTreeMap<String, String>,
    /// `receiver/line` by listener.
    pub numbers_by_listener: BTreeMap<String, String>,
    /// The other side takes hexadecimal letters in four-character accounts.
    pub account_letters: bool,
    /// What an account is called on this link.
    pub account_map: BTreeMap<String, String>,
}

impl Automation {
    /// The defaults of a family of receivers.
    pub(super) fn usual(receiver: &str, line: &str, repeats: u32) -> Self {
        Self {
            connect: Vec::new(),
            listen: String::new(),
            peers: Vec::new(),
            second: SecondClient::Refuse,
            tls: false,
            server_name: String::new(),
            ca_file: None,
            certificate_file: None,
            key_file: None,
            connect_timeout: Duration::from_secs(5),
            receipts: ReceiptWords::Byte,
            receipt_timeout: Duration::from_secs(4),
            repeats,
            late_receipts: LateReceipts::Reconnect,
            quiet: Duration::from_millis(500),
            heartbeat: Duration::from_secs(30),
            refuse_after: 0,
            refuse_alarms_after: 0,
            receiver: receiver.to_owned(),
            line: line.to_owned(),
            numbers_by_account: BTreeMap::new(),
            numbers_by_listener: BTreeMap::new(),
            account_letters: false,
            account_map: BTreeMap::new(),
        }
    }

    pub(super) fn read(table: &Table<'_>, usual: Self) -> Self {
        let mut found = usual;
        table.texts("connect", &mut found.connect);
        table.text("listen", &mut found.listen);
        table.texts("peers", &mut found.peers);
        table.word("second", SecondClient::from_word, &mut found.second);
        table.flag("tls", &mut found.tls);
        table.text("server_name", &mut found.server_name);
        table.path_option("ca_file", &mut found.ca_file);
        table.path_option("certificate_file", &mut found.certificate_file);
        table.path_option("key_file", &mut found.key_file);
        table.duration("connect_timeout", &mut found.connect_timeout);
        table.word("receipts", ReceiptWords::from_word, &mut found.receipts);
        table.duration("receipt_timeout", &mut found.receipt_timeout);
        table.count("repeats", &mut found.repeats);
        table.word(
            "late_receipts",
            LateReceipts::from_word,
            &mut found.late_receipts,
        );
        table.duration("quiet", &mut found.quiet);
        table.duration("heartbeat", &mut found.heartbeat);
        table.count("refuse_after", &mut found.refuse_after);
        table.count("refuse_alarms_after", &mut found.refuse_alarms_after);
        table.text("receiver", &mut found.receiver);
        table.text("line", &mut found.line);
        table.map("numbers_by_account", &mut found.numbers_by_account);
        table.map("numbers_by_listener", &mut found.numbers_by_listener);
        table.flag("account_letters", &mut found.account_letters);
        table.map("account_map", &mut found.account_map);
        found
    }

    /// The value of `key` as it would stand in the file; `None` where it would not stand there.
    pub(super) fn show(&self, key: &str) -> Option<String> {
        let file =
            |file: &Option<PathBuf>| file.as_ref().map(|file| quote(&file.to_string_lossy()));
        let text = |text: &String| (!text.is_empty()).then(|| quote(text));
        match key {
            "connect" => quote_all(&self.connect),
            "listen" => text(&self.listen),
            "peers" => quote_all(&self.peers),
            "second" => Some(quote(self.second.as_str())),
            "tls" => Some(self.tls.to_string()),
            "server_name" => text(&self.server_name),
            "ca_file" => file(&self.ca_file),
            "certificate_file" => file(&self.certificate_file),
            "key_file" => file(&self.key_file),
            "connect_timeout" => Some(quote(&show_duration(self.connect_timeout))),
            "receipts" => Some(quote(self.receipts.as_str())),
            "receipt_timeout" => Some(quote(&show_duration(self.receipt_timeout))),
            "repeats" => Some(self.repeats.to_string()),
            "late_receipts" => Some(quote(self.late_receipts.as_str())),
            "quiet" => Some(quote(&show_duration(self.quiet))),
            "heartbeat" => Some(quote(&show_duration(self.heartbeat))),
            "refuse_after" => Some(self.refuse_after.to_string()),
            "refuse_alarms_after" => Some(self.refuse_alarms_after.to_string()),
            "receiver" => text(&self.receiver),
            "line" => text(&self.line),
            "numbers_by_account" => show_map(&self.numbers_by_account),
            "numbers_by_listener" => show_map(&self.numbers_by_listener),
            "account_letters" => Some(self.account_letters.to_string()),
            "account_map" => show_map(&self.account_map),
            _ => None,
        }
    }
}

fn show_map(map: &BTreeMap<String, String>) -> Option<String> {
    let entries = map
        .iter()
        .map(|(name, value)| format!("{} = {}", quote(name), quote(value)));
    let entries: Vec<String> = entries.collect();
    (!entries.is_empty()).then(|| format!("{{ {} }}", entries.join(", ")))
}

/// The keys of the link and the numbers, behind those of one family of receivers.
macro_rules! keys {
    (receiver = $receiver:literal, repeats = $repeats:literal; $($own:expr),+ $(,)?) => {
        &[
            keys!(@ "connect", Texts { max: 260, items: 8 }, "",
                "The case system's `host:port`, or a list of them, the first choice first. The next \
                 one is taken when the failure rule holds. This or `listen`."),
            keys!(@ "listen", Text { max: 64 }, "",
                "Address and port where the case system connects."),
            keys!(@ "peers", Texts { max: 50, items: 64 }, "",
                "Addresses and networks that may connect, such as \"192.0.2.0/24\"; needed with \
                 `listen`."),
            keys!(@ "second", Word(SecondClient::WORDS), "\"refuse\"",
                "What a second connection gets while the first is in use: it is closed, or it gets \
                 heartbeats and takes over when the first ends."),
            keys!(@ "tls", Flag, "false",
                "TLS on the link. With `listen` it needs `certificate_file` and `key_file`."),
            keys!(@ "server_name", Text { max: 253 }, "",
                "Name that the case system's certificate has to carry, where it is not the host in \
                 `connect`."),
            keys!(@ "ca_file", Path, "",
                "PEM file of the authorities of the other side. With `connect` it stands for the \
                 system's; with `listen` it makes a client certificate of theirs necessary."),
            keys!(@ "certificate_file", Path, "",
                "PEM file of the certificate that larm shows, with its chain."),
            keys!(@ "key_file", Path, "", "PEM file of its private key."),
            keys!(@ "connect_timeout", Duration { min: 100, max: 60_000 }, "\"5s\"",
                "For a connection with its TLS handshake."),
            keys!(@ "receipts", Word(ReceiptWords::WORDS), "\"byte\"",
                "How receipts are written: the bytes 0x06 and 0x15, or the lines `ACK` and `NAK`."),
            keys!(@ "receipt_timeout", Duration { min: 10, max: 60_000 }, "\"4s\"",
                "How long a record waits for its receipt."),
            keys!(@ "repeats", Count { min: 0, max: 100, unit: "repeats" }, $repeats,
                "Tries after the first one. Then the link counts as failed, and only heartbeats go \
                 out until one is acknowledged."),
            keys!(@ "late_receipts", Word(LateReceipts::WORDS), "\"reconnect\"",
                "Before a repeat the connection is opened anew, so that a receipt that comes too \
                 late cannot be taken for another record's; or it stays, and the line has to be \
                 quiet, which is weaker and meant for serial converters."),
            keys!(@ "quiet", Duration { min: 0, max: 60_000 }, "\"500ms\"",
                "How long a new connection is only listened to before its first record; with \
                 `late_receipts = \"quiet\"` also how long the line has to be quiet."),
            keys!(@ "heartbeat", Duration { min: 0, max: 3_600_000 }, "\"30s\"",
                "Between two heartbeats on an idle link; \"0ms\": none."),
            keys!(@ "refuse_after", Count { min: 0, max: 10_000, unit: "times" }, "0",
                "A record that is declined this often, while others are taken, goes to the dead \
                 letters; 0: never, it is tried for ever."),
            keys!(@ "refuse_alarms_after", Count { min: 0, max: 10_000, unit: "times" }, "0",
                "The same for alarms and for what may be one."),
            keys!(@ "receiver", Text { max: 2 }, $receiver,
                "Receiver number in the records."),
            keys!(@ "line", Text { max: 3 }, "\"1\"", "Line number in the records."),
            keys!(@ "numbers_by_account", Map { max: 16, items: 10_000 }, "",
                "Other numbers for accounts that start so, as `receiver/line`; the longest start \
                 wins."),
            keys!(@ "numbers_by_listener", Map { max: 32, items: 1_000 }, "",
                "Other numbers for events of a listener, as `receiver/line`."),
            keys!(@ "account_letters", Flag, "false",
                "The case system takes the letters A to F in accounts of four characters."),
            keys!(@ "account_map", Map { max: 16, items: 100_000 }, "",
                "What single accounts are called on this link."),
            $($own),+
        ]
    };
    (@ $name:literal, $takes:ident $({ $($field:ident: $value:expr),* })? $(($words:expr))?, $default:literal, $what:literal) => {
        crate::config::schema::Key {
            name: $name,
            takes: crate::config::schema::Takes::$takes $({ $($field: $value),* })? $(($words))?,
            default: $default,
            what: $what,
            reload: true,
        }
    };
}
pub(super) use keys;
