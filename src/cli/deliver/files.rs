//! What the files of the connectors tell where no gateway runs.
use std::path::Path;

use serde_json::Value;

use crate::deliver::engine::{self, Peek};
use crate::serve::delivery::{Answer, ConnectorStatus, Request, directory, letter};

/// The answer as far as files give one; `None`: this needs a gateway.
pub(super) fn answer(data: &Path, request: &Request) -> anyhow::Result<Option<Answer>> {
    let known = connectors(data)?;
    let find = |name: &str| known.iter().find(|(one, _)| one == name);
    let unknown = |name: &str| {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        let data = data.display();
        Answer::Failed(if names.is_empty() {
            format!(
                "no gateway runs on {data}, and neither `{name}` nor any connector has files there"
            )
        } else {
            let names = names.join(", ");
            format!(
                "no gateway runs on {data}, and no connector `{name}` has files there; there are {names}"
            )
        })
    };
    Ok(match request {
        Request::Status { connector } => {
            if let Some(name) = connector
                && find(name).is_none()
            {
                return Ok(Some(unknown(name)));
            }
            let all = known
                .iter()
                .filter(|(name, _)| connector.as_ref().is_none_or(|one| one == name))
                .map(|(name, peek)| ConnectorStatus::of_files(name, peek))
                .collect::<Vec<_>>();
            Some(Answer::Done(serde_json::to_value(all)?))
        }
        Request::ListDead { connector, most } => Some(match find(connector) {
            None => unknown(connector),
            Some((_, peek)) => {
                let letters: Vec<Value> =
                    peek.dead_letters.iter().take(*most).map(letter).collect();
                Answer::Done(Value::Array(letters))
            }
        }),
        Request::Retry { .. }
        | Request::RetryDead { .. }
        | Request::DropDead { .. }
        | Request::Skip { .. }
        | Request::Replay { .. }
        | Request::Pause { .. }
        | Request::Start { .. } => None,
    })
}

/// Every connector that has a cursor, by name.
fn connectors(data: &Path) -> anyhow::Result<Vec<(String, Peek)>> {
    let folder = directory(data);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(peek) = engine::peek(&entry.path())? {
            found.push((entry.file_name().to_string_lossy().into_owned(), peek));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}
