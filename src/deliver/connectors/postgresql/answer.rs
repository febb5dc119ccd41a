//! What an error of the server means for the events of a statement.
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// What went wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The server refuses what a row holds: it will never take it.
    Data(String),
    /// Anything else: the same statement may succeed later.
    Other(String),
}

/// Sorts an error, by its SQLSTATE: class 22 (data), 23 (constraints), 54 (limits) and an
/// exception that a trigger raised are about the row.
pub(super) fn trouble(error: &Error) -> Trouble {
    let Some(found) = error.as_db_error() else {
        return Trouble::Other(describe(error));
    };
    let code = found.code();
    let about_the_row = ["22", "23", "54"]
        .iter()
        .any(|class| code.code().starts_with(class))
        || *code == SqlState::RAISE_EXCEPTION;
    if about_the_row {
        Trouble::Data(refusal(found))
    } else {
        Trouble::Other(describe(error))
    }
}

/// Why a row was refused, by code and names alone: the server's text may quote the row.
fn refusal(found: &DbError) -> String {
    let code = found.code().code();
    let named = |what: &str, name: Option<&str>| {
        name.map(|name| format!(", {what} `{}`", name.escape_default()))
            .unwrap_or_default()
    };
    format!(
        "the table refuses it: SQLSTATE {code}{}{}",
        named("constraint", found.constraint()),
        named("column", found.column())
    )
}

/// What failed, in words. Of the server's text only the message, never the detail with its values.
pub(super) fn describe(error: &Error) -> String {
    if let Some(found) = error.as_db_error() {
        let text: String = found.message().chars().take(200).collect();
        return format!(
            "{} (SQLSTATE {})",
            text.escape_default(),
            found.code().code()
        );
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.escape_default().to_string()
}
