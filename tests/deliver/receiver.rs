//! A webhook receiver over TLS, in Python, that checks every signature with a library that nobody
//! here wrote.
use serde_json::Value;

use crate::certificates::{Authority, Leaf};
use crate::lines::Program;

/// What requests are signed with.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The receiver, with every request that it told of.
pub(crate) struct Receiver {
    program: Program,
    port: u16,
    got: Vec<Value>,
}

impl Receiver {
    /// Starts it on a port (0: a free one); with an authority it wants to know who comes.
    pub(crate) fn start(port: u16, leaf: &Leaf, client_ca: Option<&Authority>) -> Self {
        let mut command = crate::peer::python("webhook.py");
        command.arg(port.to_string());
        command.arg(&leaf.certificate).arg(&leaf.key).arg(SECRET);
        if let Some(authority) = client_ca {
            command.arg(authority.ca());
        }
        let program = Program::start(&mut command);
        let listening = program.line()["listening"].as_u64().expect("a port");
        Self {
            program,
            port: listening.try_into().expect("a port"),
            got: Vec::new(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// An order, in force when this returns.
    pub(crate) fn order(&mut self, order: &Value) {
        self.program.order(order);
        loop {
            let line = self.program.line();
            if line.get("ordered").is_some() {
                return;
            }
            self.got.push(line);
        }
    }

    /// Kills it, with what it told until then.
    pub(crate) fn end(&mut self) {
        self.got.extend(self.program.kill());
    }

    /// Waits for another request.
    pub(crate) fn one_more(&mut self) {
        self.got.push(self.program.line());
    }

    /// Every request so far.
    pub(crate) fn requests(&mut self) -> &[Value] {
        self.got.extend(self.program.told());
        &self.got
    }

    /// Waits until it has told of so many requests.
    pub(crate) fn until(&mut self, requests: usize) -> &[Value] {
        while self.got.len() < requests {
            self.one_more();
        }
        self.requests()
    }
}
