//! Events as the columns of one `INSERT`: an array for each column, in the batch's order.
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use larm_event::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::migrate::Names;
use crate::deliver::Delivery;

/// Longest account in its column, in characters: an index holds it, and one entry of an index is
/// bounded. The record has all of it.
const ACCOUNT_MAX: usize = 256;

/// The columns in the order of [`Columns::parameters`], with the type of one element.
const COLUMNS: [(&str, &str); 20] = [
    ("id", "uuid"),
    ("position", "bigint"),
    ("node", "text"),
    ("received_at", "timestamptz"),
    ("occurred_at", "timestamptz"),
    ("protocol", "text"),
    ("receiver", "text"),
    ("line", "text"),
    ("account", "text"),
    ("scheme", "text"),
    ("code", "text"),
    ("kind", "text"),
    ("category", "text"),
    ("priority", "smallint"),
    ("partition", "text"),
    ("zone", "text"),
    ("user_id", "text"),
    ("text", "text"),
    ("test", "boolean"),
    ("record", "jsonb"),
];

/// The statement that [`Columns::parameters`] fills. Each row is stored once, whoever sends it
/// how often; rows arrive in the batch's order.
pub(super) fn insert(names: &Names) -> String {
    let mut columns = String::new();
    let mut arrays = String::new();
    for (number, (name, kind)) in (1..).zip(COLUMNS) {
        let joint = if number == 1 { "" } else { ", " };
        let _ = write!(columns, "{joint}\"{name}\"");
        // As text: the server reads it in either case, and no copy with a version byte is made.
        let kind = if kind == "jsonb" { "text" } else { kind };
        let _ = write!(arrays, "{joint}${number}::{kind}[]");
    }
    let values = columns.replace("\"record\"", "\"record\"::jsonb");
    format!(
        "INSERT INTO {} ({columns}) SELECT {values} FROM unnest({arrays}) AS e ({columns}) \
         ON CONFLICT (id) DO NOTHING",
        names.target()
    )
}

type Text<'a> = Vec<Option<Cow<'a, str>>>;

/// One array for each column.
#[derive(Default)]
pub(super) struct Columns<'a> {
    id: Vec<Uuid>,
    position: Vec<i64>,
    node: Vec<Cow<'a, str>>,
    received_at: Vec<SystemTime>,
    occurred_at: Vec<Option<SystemTime>>,
    protocol: Vec<Cow<'a, str>>,
    receiver: Text<'a>,
    line: Text<'a>,
    account: Text<'a>,
    scheme: Vec<Option<&'static str>>,
    code: Text<'a>,
    kind: Vec<&'static str>,
    category: Vec<&'static str>,
    priority: Vec<i16>,
    partition: Text<'a>,
    zone: Text<'a>,
    user: Text<'a>,
    text: Text<'a>,
    test: Vec<bool>,
    record: Vec<Cow<'a, str>>,
}

impl<'a> Columns<'a> {
    /// Spreads a batch over the columns.
    pub(super) fn of(batch: &'a [Delivery]) -> Self {
        let mut columns = Self::default();
        for delivery in batch {
            columns.push(delivery);
        }
        columns
    }

    fn push(&mut self, delivery: &'a Delivery) {
        let event = &*delivery.event;
        let code = event.code.as_ref();
        self.id.push(event.id);
        // A position counts records from 1; it does not reach the sign.
        self.position
            .push(i64::try_from(delivery.position).unwrap_or(i64::MAX));
        self.node.push(plain(&event.node));
        self.received_at.push(time(event.received_at));
        self.occurred_at.push(event.occurred_at.map(time));
        self.protocol.push(plain(&event.protocol));
        self.receiver.push(event.receiver.as_deref().map(plain));
        self.line.push(event.line.as_deref().map(plain));
        self.account
            .push(event.account.as_deref().map(|text| plain(cut(text))));
        self.scheme.push(code.map(|code| code.scheme.as_str()));
        self.code.push(code.map(|code| plain(&code.code)));
        self.kind.push(event.kind.as_str());
        self.category.push(event.category.as_str());
        self.priority.push(i16::from(event.priority.get()));
        self.partition.push(event.partition.as_deref().map(plain));
        self.zone.push(event.zone.as_deref().map(plain));
        self.user.push(event.user.as_deref().map(plain));
        self.text.push(event.text.as_deref().map(plain));
        self.test.push(event.test);
        self.record.push(json(&delivery.json));
    }

    /// The parameters of [`insert`].
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); COLUMNS.len()] {
        [
            &self.id,
            &self.position,
            &self.node,
            &self.received_at,
            &self.occurred_at,
            &self.protocol,
            &self.receiver,
            &self.line,
            &self.account,
            &self.scheme,
            &self.code,
            &self.kind,
            &self.category,
            &self.priority,
            &self.partition,
            &self.zone,
            &self.user,
            &self.text,
            &self.test,
            &self.record,
        ]
    }
}

fn time(stamp: Timestamp) -> SystemTime {
    let ms = stamp.as_millis();
    let distance = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 {
        SystemTime::UNIX_EPOCH - distance
    } else {
        SystemTime::UNIX_EPOCH + distance
    }
}

fn cut(account: &str) -> &str {
    match account.char_indices().nth(ACCOUNT_MAX) {
        Some((end, _)) => account.get(..end).unwrap_or(account),
        None => account,
    }
}

/// Text without the one character that PostgreSQL cannot store: U+0000 becomes the six visible
/// characters `\u0000`.
fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\\u0000"))
    } else {
        Cow::Borrowed(text)
    }
}

/// JSON text without the escape that `jsonb` refuses: `\u0000` gets a second backslash, so that it
/// stands for the same six visible characters as in [`plain`].
fn json(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u0000") {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        safe.push_str(before);
        if after.starts_with("u0000") {
            safe.push('\\');
        }
        safe.push('\\');
        // What follows a backslash belongs to it, a second backslash above all.
        let mut characters = after.chars();
        safe.extend(characters.next());
        rest = characters.as_str();
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_zero_becomes_visible() {
        assert_eq!(plain("a\0b"), "a\\u0000b");
        assert!(matches!(plain("ab"), Cow::Borrowed(_)));
    }

    #[test]
    fn an_escaped_zero_becomes_visible_and_nothing_else_changes() {
        for text in [
            "a\0b",
            "\\u0000",
            "\\\0",
            "\\\\u0000\0\\",
            "\n\"\\u0001\u{1}å",
        ] {
            let sent = serde_json::to_string(text).unwrap();
            let stored: String = serde_json::from_str(&json(&sent)).unwrap();
            assert_eq!(stored, plain(text), "{sent}");
        }
    }

    #[test]
    fn times_before_1970_are_times() {
        let before = time(Timestamp::from_millis(-1_500));
        let distance = SystemTime::UNIX_EPOCH.duration_since(before).unwrap();
        assert_eq!(distance, Duration::from_millis(1_500));
    }

    #[test]
    fn long_accounts_are_cut_between_characters() {
        let account = "å".repeat(300);
        assert_eq!(cut(&account).chars().count(), ACCOUNT_MAX);
        assert_eq!(cut("1234"), "1234");
    }

    #[test]
    fn the_statement_names_every_column_three_times() {
        let statement = insert(&Names::new("larm", "event").unwrap());
        for (name, _) in COLUMNS {
            let found = statement.matches(&format!("\"{name}\"")).count();
            assert!(found >= 3, "{name}: {statement}");
        }
        assert!(statement.contains("$20::text[]"), "{statement}");
    }
}
