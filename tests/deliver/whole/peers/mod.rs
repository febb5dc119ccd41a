//! The other sides: real servers, and programs that nobody would mistake for larm. Each is one file
//! and one line of the table in `whole`.
pub(crate) mod line;
pub(crate) mod mqtt;
pub(crate) mod nats;
pub(crate) mod postgresql;
pub(crate) mod relay;
pub(crate) mod webhook;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::mark::{Form, Mark};
use super::wire::Wire;
use crate::certificates::{Authority, Leaf};

/// What a scenario needs of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing but that it takes events.
    Plain,
    /// A wire in between.
    Wire,
    /// TLS, with a certificate that may be the wrong one.
    Tls,
    /// It refuses [`poison`] for good, and nothing else.
    Picky,
}

/// The other side of one connector.
pub(crate) trait Peer {
    /// Where larm reaches it, or is reached by it.
    fn address(&self) -> String;

    /// What only this kind has in its `[[connector]]` section, for one address or, where the kind
    /// has several, more of them, the first choice first.
    fn section(&self, at: &[String]) -> String;

    /// How events have to be sent so that they get there whole.
    fn form(&self) -> Form {
        Form::Sia
    }

    /// Starts it, or starts it again; it listens when this returns.
    fn start(&mut self);

    /// SIGKILL, where it runs.
    fn kill(&mut self);

    /// The wire, where one was needed.
    fn wire(&self) -> Option<&Wire>;

    /// Its files for TLS, where it was needed.
    fn wardrobe(&self) -> Option<&Wardrobe>;

    /// Everything that it has taken so far, in its order. It runs.
    fn arrived(&mut self) -> Vec<Arrival>;
}

/// One event as the other side has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// By its id, with the account that it came for.
    Id(String, Option<String>),
    /// By what it says.
    Mark(Mark),
}

impl Arrival {
    /// From the JSON form of an event.
    pub(crate) fn of_json(event: &Value) -> Self {
        let text = |key: &str| event[key].as_str().map(str::to_owned);
        Self::Id(text("id").expect("an id"), text("account"))
    }
}

/// The event that a picky other side refuses, of an account that has others.
pub(crate) fn poison() -> Mark {
    Mark {
        account: "1003".to_owned(),
        number: 99_999,
    }
}

/// Text of it, for those that refuse what is long.
pub(crate) const LONG: usize = 1_500;

/// Certificates of the other side: what it wears stands in the same two files, before its next
/// start.
pub(crate) struct Wardrobe {
    ours: Authority,
    right: Leaf,
    wrong: Leaf,
    worn: Leaf,
    gateway: Leaf,
    stranger: Authority,
}

impl Wardrobe {
    /// For a side that shows a server's certificate, or a client's. It wears the right one.
    pub(crate) fn new(client: bool) -> Self {
        let (ours, stranger) = (Authority::new(), Authority::new());
        let make = |authority: &Authority| {
            if client {
                authority.client("other-side")
            } else {
                authority.server("other-side")
            }
        };
        let (right, wrong) = (make(&ours), make(&stranger));
        let gateway = if client {
            ours.server("gateway")
        } else {
            ours.client("gateway")
        };
        let file = |name: &str| ours.directory().join(name);
        let worn = Leaf {
            certificate: file("worn.pem"),
            key: file("worn.key"),
        };
        let wardrobe = Self {
            ours,
            right,
            wrong,
            worn,
            gateway,
            stranger,
        };
        wardrobe.wear(true);
        wardrobe
    }

    /// The right certificate, or one of an authority that larm was not told of.
    pub(crate) fn wear(&self, right: bool) {
        let leaf = if right { &self.right } else { &self.wrong };
        for (from, to) in [
            (&leaf.certificate, &self.worn.certificate),
            (&leaf.key, &self.worn.key),
        ] {
            std::fs::copy(from, to).expect("files of this test");
        }
    }

    /// What it wears.
    pub(crate) fn worn(&self) -> &Leaf {
        &self.worn
    }

    /// What larm may show.
    pub(crate) fn gateway(&self) -> &Leaf {
        &self.gateway
    }

    /// The authorities of both, for whoever looks at the other side whatever it wears.
    pub(crate) fn both(&self) -> PathBuf {
        let both = self.ours.directory().join("both.pem");
        let read = |file| std::fs::read_to_string(file).expect("a file of this test");
        let text = read(self.ours.ca()) + &read(self.stranger.ca());
        std::fs::write(&both, text).expect("a writable directory");
        both
    }

    /// The authority that larm knows.
    pub(crate) fn ca(&self) -> PathBuf {
        self.ours.ca()
    }
}

/// A line of a section with a path.
pub(crate) fn path_line(key: &str, path: &Path) -> String {
    format!("{key} = \"{}\"\n", path.display())
}

/// What asks a server in between.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}
