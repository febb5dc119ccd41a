//! PostgreSQL's own tools: `\copy` of the rows, and `pgbench`.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use larm::deliver::Delivery;

use crate::servers::postgresql::PostgresServer;

const COLUMNS: &str = "id, position, node, received_at, occurred_at, protocol, receiver, line, account, \
                       scheme, code, kind, category, priority, partition, zone, text, test, record";

/// The rows as a file that `\copy` reads.
pub(crate) fn file(server: &PostgresServer, backlog: &[Delivery]) -> PathBuf {
    let mut text = String::new();
    for delivery in backlog {
        let event = &delivery.event;
        let absent = || "\\N".to_owned();
        let field = |value: &Option<String>| value.clone().unwrap_or_else(absent);
        let code = event.code.as_ref();
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            event.id,
            delivery.position,
            event.node,
            event.received_at,
            event
                .occurred_at
                .map_or_else(absent, |time| time.to_string()),
            event.protocol,
            field(&event.receiver),
            field(&event.line),
            field(&event.account),
            code.map_or_else(absent, |code| code.scheme.as_str().to_owned()),
            code.map_or_else(absent, |code| code.code.clone()),
            event.kind.as_str(),
            event.category.as_str(),
            event.priority.get(),
            field(&event.partition),
            field(&event.zone),
            field(&event.text),
            event.test,
            delivery.json,
        );
    }
    let file = server.socket_directory().join("rows");
    std::fs::write(&file, text).expect("a writable directory");
    file
}

/// Empties the table.
pub(crate) fn empty(server: &PostgresServer) {
    run_psql(server, &["-c", "TRUNCATE larm.event", "-c", "CHECKPOINT"]);
}

/// Copies the rows.
pub(crate) fn run(server: &PostgresServer, file: &Path) {
    let copy = format!("\\copy larm.event ({COLUMNS}) from '{}'", file.display());
    run_psql(server, &["-c", &copy]);
}

/// The rate that `pgbench` reports for rows inserted one by one.
pub(crate) fn pgbench(server: &PostgresServer) -> String {
    let script = server.socket_directory().join("insert.sql");
    let insert = "INSERT INTO larm.event (id, position, node, received_at, protocol, account, kind, category, \
                  priority, test, record) VALUES (gen_random_uuid(), 1, 'test', now(), 'dc09/SIA-DCS', '1234', \
                  'alarm', 'fire', 1, false, '{}') ON CONFLICT (id) DO NOTHING;\n";
    std::fs::write(&script, insert).expect("a writable directory");
    let mut command = server.command("pgbench");
    let output = finish(
        command
            .args([
                "-n",
                "-c",
                "8",
                "-j",
                "2",
                "-T",
                "5",
                "-M",
                "prepared",
                "-h",
                "127.0.0.1",
            ])
            .args(["-p", &server.port().to_string(), "-U", "postgres", "-f"])
            .arg(&script)
            .arg("postgres"),
    );
    let rate = output.lines().find(|line| line.starts_with("tps"));
    rate.unwrap_or("no rate").to_owned()
}

fn run_psql(server: &PostgresServer, arguments: &[&str]) {
    let mut command = server.command("psql");
    finish(command.args(["-q", "-d", &server.url()]).args(arguments));
}

fn finish(command: &mut Command) -> String {
    let output = command.output().expect("a program of the package");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}
