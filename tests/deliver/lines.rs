//! Another program of a test that is ordered, and tells, by lines of JSON.
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// How long a line may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program, killed with its owner.
pub(crate) struct Program {
    child: Child,
    orders: ChildStdin,
    lines: Receiver<Value>,
}

impl Program {
    /// Starts it. Lines that are no JSON are left out.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; run tests/run --install-only"));
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            for line in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        let orders = child.stdin.take().expect("piped");
        Self {
            child,
            orders,
            lines,
        }
    }

    /// Gives an order.
    pub(crate) fn order(&mut self, order: &Value) {
        writeln!(self.orders, "{order}").expect("the program reads its orders");
    }

    /// The next line.
    pub(crate) fn line(&self) -> Value {
        self.lines
            .recv_timeout(PATIENCE)
            .expect("another line of the program")
    }

    /// Kills it, and gives everything that it told until then and nobody has read.
    pub(crate) fn kill(&mut self) -> Vec<Value> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Ends with its output.
        self.lines.iter().collect()
    }

    /// What it has told so far and nobody has read.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.lines.try_iter().collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
