//! What changed between two configurations, and which of it a running gateway can take over.
use super::schema::{Key, SECTIONS};
use super::{Acknowledge, Config};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `section.key`, `listener NAME` or `connector NAME`.
    pub what: String,
    /// The old value as it would stand in the file; absent where there was none.
    pub old: Option<String>,
    /// The new value.
    pub new: Option<String>,
    /// Whether SIGHUP applies it; otherwise it needs a restart.
    pub applied: bool,
}

/// Every difference between two configurations, in the order of the reference.
#[must_use]
pub fn reload(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    for section in SECTIONS.iter().filter(|section| !section.repeated) {
        for key in section.keys {
            let (before, after) = (
                old.show(section.name, key.name),
                new.show(section.name, key.name),
            );
            if before != after {
                changes.push(Change {
                    what: format!("{}.{}", section.name, key.name),
                    old: before,
                    new: after,
                    applied: key.reload,
                });
            }
        }
    }
    by_name(
        "listener",
        (&old.listeners, &new.listeners),
        |one| one.name.as_str(),
        |one| brief(super::listener::SECTION.keys, |key| one.show(key)),
        &mut changes,
    );
    by_name(
        "shadow",
        (&old.shadows, &new.shadows),
        |one| one.name.as_str(),
        |one| brief(super::shadow::SECTION.keys, |key| one.show(key)),
        &mut changes,
    );
    let before = changes.len();
    by_name(
        "connector",
        (&old.connectors, &new.connectors),
        |one| one.name.as_str(),
        |one| brief(one.keys(), |key| one.show(key)),
        &mut changes,
    );
    for change in changes.iter_mut().skip(before) {
        change.applied = true;
    }
    if old.acknowledge != new.acknowledge {
        let all = |rules: &[Acknowledge]| {
            let keys = super::acknowledge::SECTION.keys;
            let each = rules.iter().map(|one| brief(keys, |key| one.show(key)));
            (!rules.is_empty()).then(|| each.collect::<Vec<_>>().join("; "))
        };
        changes.push(Change {
            what: "acknowledge".to_owned(),
            old: all(&old.acknowledge),
            new: all(&new.acknowledge),
            applied: true,
        });
    }
    changes
}

/// Named sections: each that came, went, or is another one. None is applied.
fn by_name<T: PartialEq>(
    what: &str,
    (old, new): (&[T], &[T]),
    name: impl Fn(&T) -> &str,
    brief: impl Fn(&T) -> String,
    changes: &mut Vec<Change>,
) {
    let find = |list: &'_ [T], wanted: &str| list.iter().position(|one| name(one) == wanted);
    let gone = old.iter().filter(|one| find(new, name(one)).is_none());
    for one in gone.chain(new).map(&name) {
        let before = find(old, one).and_then(|at| old.get(at));
        let after = find(new, one).and_then(|at| new.get(at));
        if before != after {
            changes.push(Change {
                what: format!("{what} {one}"),
                old: before.map(&brief),
                new: after.map(&brief),
                applied: false,
            });
        }
    }
}

fn brief<'k>(
    keys: impl IntoIterator<Item = &'k Key>,
    show: impl Fn(&str) -> Option<String>,
) -> String {
    let keys = keys.into_iter();
    let shown = keys.filter_map(|key| Some(format!("{} = {}", key.name, show(key.name)?)));
    shown.collect::<Vec<_>>().join(", ")
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let outcome = if self.applied {
            "applied"
        } else {
            "needs a restart"
        };
        write!(
            f,
            "{}: {} -> {}: {outcome}",
            self.what,
            side(&self.old),
            side(&self.new)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Config {
        Config::parse("larm.toml", text).unwrap()
    }

    #[test]
    fn the_same_is_no_change() {
        assert_eq!(reload(&Config::default(), &Config::default()), Vec::new());
    }

    #[test]
    fn says_what_is_applied_and_what_needs_a_restart() {
        let new =
            parse("[log]\nlevel = \"debug\"\n[queue]\nalarms = 99\n[flood]\ndamaged_total = 700\n");
        let told: Vec<String> = reload(&Config::default(), &new)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "queue.alarms: 8192 -> 99: needs a restart",
                "flood.damaged_total: 600 -> 700: applied",
                "log.level: \"info\" -> \"debug\": applied",
            ]
        );
    }

    #[test]
    fn listeners_are_compared_by_name() {
        let one = parse("[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n");
        let two = parse(
            "[[listener]]\nname = \"b\"\naddress = \"127.0.0.1:2\"\n[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:3\"\n",
        );
        let changes = reload(&one, &two);
        let names: Vec<&str> = changes.iter().map(|change| change.what.as_str()).collect();
        assert_eq!(names, ["listener b", "listener a"]);
        assert!(changes.iter().all(|change| !change.applied));
        assert!(changes[1].to_string().contains("127.0.0.1:1"));
    }
}
