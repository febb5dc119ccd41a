//! The versions of the table, shipped in the program, and how a database gets to the newest one.
//!
//! A version is never changed once it was released; what changes is a further file. Versions only
//! add, so that a gateway of an older release goes on writing into a newer table.
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

/// Every version, oldest first; version 1 is the first.
const VERSIONS: [&str; 1] = [include_str!("migrations/0001_event.sql")];

/// Longest name of a schema or table: names of indexes are made from it, and PostgreSQL cuts names
/// after 63 bytes.
const NAME_MAX: usize = 40;

/// The names that the statements are written with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    schema: String,
    table: String,
}

impl Names {
    /// Takes names that need no thought: small letters, digits and `_`.
    pub fn new(schema: &str, table: &str) -> Result<Self, (&'static str, String)> {
        for (key, name) in [("schema", schema), ("table", table)] {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let letter_first = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
            if !letter_first || !name.chars().all(fits) || name.len() > NAME_MAX {
                return Err((
                    key,
                    format!(
                        "a name has 1 to {NAME_MAX} small letters, digits and `_`, no digit first"
                    ),
                ));
            }
        }
        Ok(Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
        })
    }

    /// `"schema"."table"`, ready for a statement.
    pub(super) fn target(&self) -> String {
        format!("\"{}\".\"{}\"", self.schema, self.table)
    }

    fn fill(&self, template: &str) -> String {
        let table = &self.table;
        template
            .replace("{schema}", &format!("\"{}\"", self.schema))
            .replace("{table}", &format!("\"{table}\""))
            .replace("{table_version}", &format!("\"{table}_version\""))
            .replace("{table_arrival}", &format!("\"{table}_arrival\""))
            .replace("{table_account}", &format!("\"{table}_account\""))
            .replace("{table_received}", &format!("\"{table}_received\""))
    }

    fn version_table(&self) -> String {
        self.fill(
            "CREATE TABLE IF NOT EXISTS {schema}.{table_version} (\n    \
                 version    integer     PRIMARY KEY,\n    \
                 applied_at timestamptz NOT NULL DEFAULT now()\n);\n",
        )
    }

    /// Version `number` with the note that it was applied.
    fn version(&self, number: usize, template: &str) -> String {
        let note =
            format!("INSERT INTO {{schema}}.{{table_version}} (version) VALUES ({number});\n");
        self.fill(&format!("{}{note}", template.trim_start()))
    }
}

/// The statements that bring an empty database to the newest version, for a DBA who applies them
/// by hand.
#[must_use]
pub fn sql(names: &Names) -> String {
    let versions: String = numbered()
        .map(|(number, text)| names.version(number, text))
        .collect();
    format!(
        "BEGIN;\n{}{}{versions}COMMIT;\n",
        names.fill("CREATE SCHEMA IF NOT EXISTS {schema};\n"),
        names.version_table(),
    )
}

/// Brings the table to the newest version, or finds that it is there.
pub(super) async fn run(client: &mut Client, names: &Names, allowed: bool) -> Result<(), String> {
    // Looked at first: a user who may only insert needs no further rights where all is done.
    let found = found(client, names).await.map_err(|error| failed(&error))?;
    let newest = VERSIONS.len();
    if found >= newest {
        return Ok(());
    }
    if !allowed {
        return Err(format!(
            "table {} is at version {found}, this larm needs {newest}: apply the statements of the \
             manual, or set `migrate = true`",
            names.target()
        ));
    }
    apply(client, names).await.map_err(|error| failed(&error))?;
    tracing::info!(table = %names.target(), version = newest, "PostgreSQL table brought up to date");
    Ok(())
}

async fn apply(client: &mut Client, names: &Names) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    // Two gateways that start at a time: the second one waits and finds nothing to do.
    let lock = "SELECT pg_advisory_xact_lock(hashtext('larm'), hashtext($1))";
    transaction.execute(lock, &[&names.target()]).await?;
    // Asked first, since creating needs a right even where nothing is to be created.
    let known = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    if transaction
        .query_opt(known, &[&names.schema])
        .await?
        .is_none()
    {
        let create = names.fill("CREATE SCHEMA {schema}");
        transaction.batch_execute(&create).await?;
    }
    transaction.batch_execute(&names.version_table()).await?;
    let newest = names.fill("SELECT coalesce(max(version), 0) FROM {schema}.{table_version}");
    let found: i32 = transaction.query_one(&newest, &[]).await?.get(0);
    let found = usize::try_from(found).unwrap_or(0);
    for (number, text) in numbered().filter(|(number, _)| *number > found) {
        transaction
            .batch_execute(&names.version(number, text))
            .await?;
    }
    transaction.commit().await
}

/// The version that the database has; 0: none.
async fn found(client: &Client, names: &Names) -> Result<usize, Error> {
    let newest = names.fill("SELECT coalesce(max(version), 0) FROM {schema}.{table_version}");
    match client.query_one(&newest, &[]).await {
        Ok(row) => Ok(usize::try_from(row.get::<_, i32>(0)).unwrap_or(0)),
        Err(error) if is_missing(&error) => Ok(0),
        Err(error) => Err(error),
    }
}

fn is_missing(error: &Error) -> bool {
    let missing = [&SqlState::UNDEFINED_TABLE, &SqlState::INVALID_SCHEMA_NAME];
    error.code().is_some_and(|code| missing.contains(&code))
}

fn failed(error: &Error) -> String {
    format!(
        "the table cannot be prepared: {}",
        super::answer::describe(error)
    )
}

fn numbered() -> impl Iterator<Item = (usize, &'static str)> {
    (1..).zip(VERSIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quoting_are_refused() {
        assert!(Names::new("larm", "event").is_ok());
        assert!(Names::new("_x", "order").is_ok());
        for wrong in ["", "1a", "A", "a-b", "a\"b", "a b", "å", &"a".repeat(41)] {
            assert_eq!(
                Names::new(wrong, "event").unwrap_err().0,
                "schema",
                "{wrong}"
            );
            assert_eq!(Names::new("larm", wrong).unwrap_err().0, "table", "{wrong}");
        }
    }

    #[test]
    fn every_place_of_the_statements_is_filled() {
        let sql = sql(&Names::new("alarms", "entry").unwrap());
        assert!(!sql.contains('{') && !sql.contains('}'), "{sql}");
        assert!(sql.contains("CREATE TABLE \"alarms\".\"entry\" ("));
        assert!(sql.contains("INSERT INTO \"alarms\".\"entry_version\" (version) VALUES (1);"));
    }

    #[test]
    fn the_manual_prints_the_statements_as_they_are() {
        let printed = include_str!("../../../../docs/examples/connectors/postgresql.sql");
        assert_eq!(printed, sql(&Names::new("larm", "event").unwrap()));
    }
}
