//! `larm accounts list --unknown`: who sent something and is not registered, and how to adopt them.
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use larm_event::{Event, SuspectReason, Timestamp};
use larm_wire::text::printable;
use serde_json::{Value, json};

use crate::accounts::{Column, Defaults, Draft, Number, Snapshot};
use crate::history::{Feed, Filter, Tail, directory};
use crate::registry::ACCOUNT_RULES;

/// What is in the history, and in the journal behind it, of one account that is not registered.
struct Sender {
    count: u64,
    first_at: Timestamp,
    /// The latest event.
    last: Event,
    /// Something was encrypted, so a key is needed.
    encrypted: bool,
}

/// Every account that sent something and is not registered by now.
pub(super) fn list(
    data: &Path,
    register: &Snapshot,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let mut senders = senders(data)?;
    senders.retain(|number, _| !is_registered(register, number));
    let adoptions: Vec<String> = senders
        .iter()
        .map(|(number, sender)| adoption(number, sender, &senders, register, data))
        .collect();
    if json {
        for ((number, sender), adopt) in senders.iter().zip(&adoptions) {
            writeln!(out, "{}", as_json(number, sender, adopt))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![
        [
            "ACCOUNT",
            "RECEIVER",
            "LINE",
            "COUNT",
            "FIRST (UTC)",
            "LAST (UTC)",
            "LISTENER",
            "PEER",
            "CODE",
            "ADOPT WITH",
        ]
        .map(str::to_owned),
    ];
    let lines = senders.iter().zip(&adoptions);
    rows.extend(lines.map(|((number, sender), adopt)| row(number, sender, adopt)));
    super::show::table(&rows, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads all that unknown accounts sent. Damaged frames do not count: their number may be wrong.
fn senders(data: &Path) -> anyhow::Result<BTreeMap<Number, Sender>> {
    let (journal, history) = (data.join("journal"), directory(data));
    if !journal.is_dir() && !history.is_dir() {
        anyhow::bail!(
            "nothing was received in {}: name the gateway's data directory with --data",
            data.display()
        );
    }
    let filter = Filter {
        known: Some(false),
        ..Filter::default()
    };
    let mut feed = Feed::open(&history, filter, |from| Tail::open(&journal, from))?;
    let mut senders = BTreeMap::new();
    for event in feed.stored() {
        count(&mut senders, event?);
    }
    while let Some(event) = feed.arrived()? {
        count(&mut senders, event);
    }
    Ok(senders)
}

fn count(senders: &mut BTreeMap<Number, Sender>, event: Event) {
    let reasons = &event.authenticity.reasons;
    let Some(account) = event.account.clone() else {
        return;
    };
    if reasons.contains(&SuspectReason::Damaged) {
        return;
    }
    let encrypted = reasons.contains(&SuspectReason::NoKey);
    let number = Number {
        account,
        receiver: event.receiver.clone(),
        line: event.line.clone(),
    };
    match senders.entry(number) {
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert(Sender {
                count: 1,
                first_at: event.received_at,
                last: event,
                encrypted,
            });
        }
        std::collections::btree_map::Entry::Occupied(mut place) => {
            let sender = place.get_mut();
            sender.count += 1;
            sender.encrypted |= encrypted;
            sender.first_at = sender.first_at.min(event.received_at);
            if event.received_at >= sender.last.received_at {
                sender.last = event;
            }
        }
    }
}

fn is_registered(register: &Snapshot, number: &Number) -> bool {
    let (receiver, line) = (number.receiver.as_deref(), number.line.as_deref());
    register.entry(receiver, line, &number.account).is_some()
}

/// The command that registers this account; empty where the register takes no such number. The
/// receiver and the line prefix are named only where others have the same number.
fn adoption(
    number: &Number,
    sender: &Sender,
    senders: &BTreeMap<Number, Sender>,
    register: &Snapshot,
    data: &Path,
) -> String {
    let same = |other: &str| other.eq_ignore_ascii_case(&number.account);
    let is_shared = senders.keys().filter(|other| same(&other.account)).count() > 1
        || register.iter().any(|entry| same(entry.number()));
    let parts = [
        (Column::Receiver, "receiver", &number.receiver),
        (Column::Line, "line", &number.line),
    ];
    let mut draft = Draft::default();
    let mut command = "larm accounts add ".to_owned();
    // Behind a name even a leading `-` is no option.
    if number.account.starts_with('-') {
        command.push_str("--account=");
    }
    command.push_str(&quoted(&number.account));
    let mut fits = draft.set(Column::Account, &number.account, &ACCOUNT_RULES);
    for (column, name, value) in parts {
        let value = value
            .as_ref()
            .filter(|value| is_shared && !value.is_empty());
        if let Some(value) = value {
            fits = fits.and_then(|()| draft.set(column, value, &ACCOUNT_RULES));
            command.extend([" --", name, "=", &quoted(value)]);
        }
    }
    if fits.is_err() {
        return String::new();
    }
    if sender.encrypted {
        command.push_str(" --key-file FILE");
    }
    if data != Path::new(super::DATA) {
        command.extend([" --data ", &quoted(&data.to_string_lossy())]);
    }
    command
}

/// The text as one word of a POSIX shell: what a stranger sent must not run when it is pasted.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn row(number: &Number, sender: &Sender, adopt: &str) -> [String; 10] {
    let shown = |text: Option<&str>| {
        text.filter(|text| !text.is_empty())
            .map_or("-".to_owned(), |text| printable(text).into_owned())
    };
    let time = |at: Timestamp| {
        let text = at.to_string().replace('T', " ");
        text.get(..19).unwrap_or(&text).to_owned()
    };
    let path = sender.last.path.as_ref();
    let code = sender.last.code.as_ref();
    [
        shown(Some(&number.account)),
        shown(number.receiver.as_deref()),
        shown(number.line.as_deref()),
        sender.count.to_string(),
        time(sender.first_at),
        time(sender.last.received_at),
        shown(path.map(|path| path.listener.as_str())),
        shown(path.map(|path| path.peer.as_str())),
        shown(code.map(|code| code.code.as_str())),
        // As it is: it is to be pasted, and the register takes no number that could mislead.
        Some(adopt)
            .filter(|adopt| !adopt.is_empty())
            .unwrap_or("-")
            .to_owned(),
    ]
}

/// What is absent is left out.
fn as_json(number: &Number, sender: &Sender, adopt: &str) -> Value {
    let path = sender.last.path.as_ref();
    let code = sender.last.code.as_ref();
    let fields = [
        ("account", Some(json!(number.account))),
        ("receiver", number.receiver.as_ref().map(|text| json!(text))),
        ("line", number.line.as_ref().map(|text| json!(text))),
        ("count", Some(json!(sender.count))),
        ("first_at", Some(json!(sender.first_at.to_string()))),
        ("last_at", Some(json!(sender.last.received_at.to_string()))),
        ("listener", path.map(|path| json!(path.listener))),
        ("transport", path.map(|path| json!(path.transport))),
        ("peer", path.map(|path| json!(path.peer))),
        ("code", code.map(|code| json!(code.code))),
        ("encrypted", Some(json!(sender.encrypted))),
        (
            "adopt",
            Some(adopt)
                .filter(|adopt| !adopt.is_empty())
                .map(|adopt| json!(adopt)),
        ),
    ];
    let present = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect())
}

/// What is registered in `data`; nothing where there is no register, which is not made here.
pub(super) fn register(data: &Path) -> anyhow::Result<Snapshot> {
    if !data.join("accounts.sqlite").exists() {
        return Ok(Snapshot::default());
    }
    let register = crate::accounts::Register::open(data, ACCOUNT_RULES)?;
    Ok(register.snapshot(&Defaults::default())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_sent_is_one_word_for_the_shell() {
        for (text, word) in [
            ("1234", "1234"),
            ("", "''"),
            ("1;reboot", "'1;reboot'"),
            ("$(id)", "'$(id)'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
