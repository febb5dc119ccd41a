//! A case system behind Sur-Gard or Ademco 685 lines, in both roles; it told what it had taken
//! before it answered.
use serde_json::{Value, json};

use super::{Arrival, Need, Peer, Wardrobe, path_line, poison};
use crate::lines::Program;
use crate::servers::free_port;
use crate::whole::mark::{Form, Mark};
use crate::whole::wire::Wire;

/// The case system.
pub(crate) struct Line {
    kind: &'static str,
    /// The case system connects.
    calls: bool,
    need: Need,
    /// Where whoever listens does so.
    port: u16,
    running: Option<Program>,
    told: Vec<Value>,
    wire: Option<Wire>,
    wardrobe: Option<Wardrobe>,
}

impl Line {
    /// Sur-Gard; the case system listens.
    pub(crate) fn surgard(need: Need) -> Self {
        Self::new("surgard", false, need)
    }

    /// Sur-Gard; the case system connects.
    pub(crate) fn surgard_called(need: Need) -> Self {
        Self::new("surgard", true, need)
    }

    /// Ademco 685; the case system listens.
    pub(crate) fn ademco_685(need: Need) -> Self {
        Self::new("ademco-685", false, need)
    }

    fn new(kind: &'static str, calls: bool, need: Need) -> Self {
        let port = free_port();
        Self {
            kind,
            calls,
            need,
            port,
            running: None,
            told: Vec::new(),
            wire: (need == Need::Wire).then(|| Wire::to(port)),
            wardrobe: (need == Need::Tls).then(|| Wardrobe::new(calls)),
        }
    }

    fn hear(&mut self, lines: Vec<Value>) {
        let events = lines.into_iter().filter(|line| line["answer"] == "ack");
        self.told.extend(events);
    }

    fn wired(&self) -> u16 {
        self.wire.as_ref().map_or(self.port, Wire::port)
    }
}

impl Peer for Line {
    fn address(&self) -> String {
        if self.calls {
            format!("127.0.0.1:{}", self.port)
        } else {
            format!("localhost:{}", self.wired())
        }
    }

    fn section(&self, at: &[String]) -> String {
        let role = if self.calls {
            format!("listen = {:?}\npeers = [\"127.0.0.1\"]\n", at[0])
        } else {
            format!("connect = {at:?}\n")
        };
        let tls = self.wardrobe.as_ref().map(|wardrobe| {
            let own = wardrobe.gateway();
            "tls = true\n".to_owned()
                + &path_line("ca_file", &wardrobe.ca())
                + &path_line("certificate_file", &own.certificate)
                + &path_line("key_file", &own.key)
        });
        format!(
            "kind = \"{}\"\nreceipt_timeout = \"500ms\"\nheartbeat = \"100ms\"\nquiet = \"10ms\"\n\
             connect_timeout = \"1s\"\nrefuse_alarms_after = 3\nrefuse_after = 3\n{}{}",
            self.kind,
            role,
            tls.unwrap_or_default()
        )
    }

    fn form(&self) -> Form {
        match self.kind {
            "surgard" => Form::Sia,
            _ => Form::ContactId,
        }
    }

    fn start(&mut self) {
        self.kill();
        let mut command = crate::peer::python("case_system.py");
        command.arg(self.kind.trim_start_matches("ademco-"));
        let (role, port) = if self.calls {
            ("connect", self.wired())
        } else {
            ("listen", self.port)
        };
        command.args([role, &port.to_string()]);
        if let Some(wardrobe) = &self.wardrobe {
            let worn = wardrobe.worn();
            command.args([&worn.certificate, &worn.key, &wardrobe.ca()]);
        }
        let mut program = Program::start(&mut command);
        assert_eq!(program.line()["ready"], true);
        if self.need == Need::Picky {
            program.order(&json!({ "decline": poison().number }));
        }
        self.running = Some(program);
    }

    fn kill(&mut self) {
        if let Some(mut program) = self.running.take() {
            let lines = program.kill();
            self.hear(lines);
        }
    }

    fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    fn wardrobe(&self) -> Option<&Wardrobe> {
        self.wardrobe.as_ref()
    }

    fn arrived(&mut self) -> Vec<Arrival> {
        let lines = self.running.as_ref().map(Program::told);
        self.hear(lines.unwrap_or_default());
        let mark = |line: &Value| {
            Arrival::Mark(Mark {
                account: line["account"].as_str().expect("an account").to_owned(),
                number: line["number"].as_u64().expect("a number"),
            })
        };
        self.told.iter().map(mark).collect()
    }
}
