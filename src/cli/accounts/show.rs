//! Accounts as text: a table, one account in full, and both as JSON. Keys never.
use std::io::Write;
use std::process::ExitCode;

use larm_event::Timestamp;
use serde_json::{Map, Value, json};

use crate::accounts::{Account, Column, KeyState, Listed, Register};

/// Every account.
pub(super) fn list(
    register: &Register,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let mut rows = vec![
        [
            "ACCOUNT", "RECEIVER", "LINE", "KEY", "NEXT", "CLEAR", "TAGS", "SITE",
        ]
        .map(str::to_owned),
    ];
    let mut written = Ok(());
    register.each(|listed| {
        if json && written.is_ok() {
            written = writeln!(out, "{}", as_json(&listed));
        } else if !json {
            rows.push(row(&listed));
        }
    })?;
    written?;
    if json {
        return Ok(ExitCode::SUCCESS);
    }
    table(&rows, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Rows under each other, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(
    rows: &[[String; N]],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// One account in full.
pub(super) fn one(listed: &Listed, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if json {
        writeln!(out, "{}", as_json(listed))?;
        return Ok(ExitCode::SUCCESS);
    }
    let account = &listed.account;
    writeln!(out, "account {}", account.number)?;
    writeln!(out, "  {}", keys(listed.keys))?;
    let shown = Column::all().filter(|column| !column.is_secret() && !is_identity(*column));
    for column in shown {
        for item in plain_items(account, column) {
            writeln!(out, "  {}: {item}", column.as_str())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `key: set (AES-128), next: none`.
pub(super) fn keys(keys: KeyState) -> String {
    let state = |key: Option<&str>| key.map_or("none".to_owned(), |size| format!("set ({size})"));
    format!("key: {}, next: {}", state(keys.now), state(keys.next))
}

fn is_identity(column: Column) -> bool {
    matches!(column, Column::Account | Column::Receiver | Column::Line)
}

fn row(listed: &Listed) -> [String; 8] {
    let account = &listed.account;
    let dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    [
        account.cell(Column::Account),
        dash(account.cell(Column::Receiver)),
        dash(account.cell(Column::Line)),
        listed.keys.now.unwrap_or("-").to_owned(),
        listed.keys.next.unwrap_or("-").to_owned(),
        dash(account.cell(Column::Encryption)),
        dash(account.tags.join(",")),
        dash(account.cell(Column::Site)),
    ]
}

fn plain_items(account: &Account, column: Column) -> Vec<String> {
    let until = |until: &Option<Timestamp>| {
        until
            .map(|until| format!(" (in test until {until})"))
            .unwrap_or_default()
    };
    match column {
        Column::Protocols => account.protocols.clone(),
        Column::Quirks => account.quirks.clone(),
        Column::Tags => account.tags.clone(),
        Column::Contacts => account.person.contacts.clone(),
        Column::Zones => account
            .zones
            .iter()
            .map(|zone| {
                let name = zone.name.as_deref().unwrap_or("-");
                format!("{} {name}{}", zone.zone, until(&zone.test_until))
            })
            .collect(),
        Column::Priorities => account
            .priorities
            .iter()
            .map(|(code, priority)| format!("{code} {}", priority.get()))
            .collect(),
        _ => Some(account.cell(column))
            .filter(|text| !text.is_empty())
            .into_iter()
            .collect(),
    }
}

/// The fields that are set, under the names of the CSV columns; of keys their size.
fn as_json(listed: &Listed) -> Value {
    let account = &listed.account;
    let mut object = Map::new();
    for column in Column::all() {
        let value = match column {
            Column::Key => listed.keys.now.map(Value::from),
            Column::KeyNext => listed.keys.next.map(Value::from),
            Column::WindowEnforce => account.window.enforce.map(Value::from),
            Column::Zones => some(account.zones.iter().map(|zone| {
                let mut entry = Map::from_iter([("zone".to_owned(), json!(zone.zone))]);
                entry.extend(
                    zone.name
                        .as_ref()
                        .map(|name| ("name".to_owned(), json!(name))),
                );
                let until = zone.test_until.map(|until| until.to_string());
                entry.extend(until.map(|until| ("test_until".to_owned(), json!(until))));
                Value::Object(entry)
            })),
            Column::Priorities => {
                let pairs = account.priorities.iter();
                let map: Map<String, Value> = pairs
                    .map(|(code, priority)| (code.clone(), json!(priority.get())))
                    .collect();
                (!map.is_empty()).then_some(Value::Object(map))
            }
            _ if column.is_list() => {
                some(plain_items(account, column).into_iter().map(Value::from))
            }
            _ => Some(account.cell(column))
                .filter(|text| !text.is_empty())
                .map(Value::from),
        };
        if let Some(value) = value {
            object.insert(column.as_str().to_owned(), value);
        }
    }
    Value::Object(object)
}

fn some(items: impl Iterator<Item = Value>) -> Option<Value> {
    let items: Vec<Value> = items.collect();
    (!items.is_empty()).then_some(Value::Array(items))
}
