//! The values that connectors need beside the plain ones: names, lists, tables, paths, hosts, URLs.
use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeValue;

use super::{Key, ProblemKind, Table, Takes, Value, nearest, type_of};
use crate::config::peer::Peer;

/// Longest path, in characters.
const PATH_MAX: usize = 4096;
/// Longest URL, in characters.
const URL_MAX: usize = 2048;

impl<'d> Table<'d> {
    /// A name of letters, digits, `-` and `_`, into `slot`.
    pub(in crate::config) fn name(&self, key: &str, slot: &mut String) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Name { max } = rule.takes else {
            return;
        };
        let Some(text) = self.plain(rule, value, max) else {
            return;
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !text.chars().all(fits) {
            self.wrong(rule, value, "it has other characters");
        } else if text.starts_with(['-', '_']) {
            self.wrong(rule, value, "it starts with a sign");
        } else {
            text.clone_into(slot);
        }
    }

    /// Words of the rule, turned by `read`, into `slot`.
    pub(in crate::config) fn words<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
        slot: &mut Vec<T>,
    ) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Words(words) = rule.takes else {
            return;
        };
        for item in self.items(rule, value, words.len()) {
            let DeValue::String(text) = item.get_ref() else {
                self.wrong(rule, item, &format!("it is {}", type_of(item.get_ref())));
                continue;
            };
            match read(text) {
                Some(found) => slot.push(found),
                None => self.no_word(rule, item, nearest(text, words.iter().copied())),
            }
        }
    }

    /// Texts, into `slot`.
    pub(in crate::config) fn texts(&self, key: &str, slot: &mut Vec<String>) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Texts { max, items } = rule.takes else {
            return;
        };
        let items = self.items(rule, value, items);
        let texts = items.iter().filter_map(|item| self.plain(rule, item, max));
        slot.extend(texts.map(str::to_owned));
    }

    /// Texts by name, into `slot`.
    pub(in crate::config) fn map(&self, key: &str, slot: &mut BTreeMap<String, String>) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Map { max, items } = rule.takes else {
            return;
        };
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong(rule, value, &format!("it is {}", type_of(value.get_ref())));
        };
        if table.len() > items {
            self.wrong(rule, value, "it has too many entries");
        }
        for (name, item) in table {
            let name: &str = name.get_ref();
            if name.is_empty() || name.chars().count() > max || name.chars().any(char::is_control) {
                self.wrong(rule, item, "its name does not fit");
            } else if let Some(text) = self.plain(rule, item, max) {
                slot.insert(name.to_owned(), text.to_owned());
            }
        }
    }

    /// The path of a file or directory, into `slot`.
    pub(in crate::config) fn path(&self, key: &str, slot: &mut PathBuf) {
        if let Some((rule, value)) = self.value(key)
            && let Some(text) = self.plain(rule, value, PATH_MAX)
        {
            *slot = PathBuf::from(text);
        }
    }

    /// A path that may be absent, into `slot`.
    pub(in crate::config) fn path_option(&self, key: &str, slot: &mut Option<PathBuf>) {
        let mut path = PathBuf::new();
        self.path(key, &mut path);
        if !path.as_os_str().is_empty() {
            *slot = Some(path);
        }
    }

    /// One path or several, into `slot`.
    pub(in crate::config) fn paths(&self, key: &str, slot: &mut Vec<PathBuf>) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Paths { items } = rule.takes else {
            return;
        };
        let items = self.items(rule, value, items);
        let texts = items
            .iter()
            .filter_map(|item| self.plain(rule, item, PATH_MAX));
        slot.extend(texts.map(PathBuf::from));
    }

    /// A host with a port, into `slot`.
    pub(in crate::config) fn peer(&self, key: &str, slot: &mut Peer) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Some(text) = self.plain(rule, value, URL_MAX) else {
            return;
        };
        match Peer::parse(text) {
            Ok(peer) => *slot = peer,
            Err(why) => self.wrong(rule, value, why),
        }
    }

    /// A URL, into `slot`.
    pub(in crate::config) fn url(&self, key: &str, slot: &mut String) {
        let Some((rule, value)) = self.value(key) else {
            return;
        };
        let Takes::Url(schemes) = rule.takes else {
            return;
        };
        let Some(text) = self.plain(rule, value, URL_MAX) else {
            return;
        };
        match url_problem(text, schemes) {
            None => text.clone_into(slot),
            // The text is not shown: it holds the secret.
            Some(UrlProblem::Secret) => self.document.report(
                value.span(),
                ProblemKind::WrongValue {
                    key: rule.name,
                    found: "this".to_owned(),
                    why: "it holds a password".to_owned(),
                    right: "the URL without it; secrets stand in files of their own".to_owned(),
                },
            ),
            Some(UrlProblem::Wrong(why)) => self.wrong(rule, value, why),
        }
    }

    /// A word that is none of the rule's, with the nearest one.
    pub(super) fn no_word(&self, rule: &'static Key, value: Value<'d>, near: Option<&str>) {
        let Some(word) = near else {
            return self.wrong(rule, value, "it is none of the words");
        };
        let kind = ProblemKind::WrongValue {
            key: rule.name,
            found: self.written(value),
            why: "it is none of the words".to_owned(),
            right: format!("\"{word}\" (takes {})", rule.takes.describe()),
        };
        self.document.report(value.span(), kind);
    }
}

enum UrlProblem {
    /// User information with a password.
    Secret,
    /// Anything else, said in words.
    Wrong(&'static str),
}

/// What is wrong with a URL, looked at no closer than its users do.
///
/// ```text
/// url = scheme "://" [user "@"] host [":" port] ["/" …]
/// ```
fn url_problem(text: &str, schemes: &[&str]) -> Option<UrlProblem> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some(UrlProblem::Wrong("it is no URL"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(':') {
        Some(UrlProblem::Secret)
    } else if !schemes.contains(&scheme) {
        Some(UrlProblem::Wrong("it starts otherwise"))
    } else if host.is_empty() || host.starts_with(':') {
        Some(UrlProblem::Wrong("it names no host"))
    } else if text.chars().any(char::is_whitespace) {
        Some(UrlProblem::Wrong("it holds a space"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;
    use crate::config::schema::Section;

    /// The keys stand in a section of a name that exists, since the reader asks for no other.
    static SECTION: Section = Section {
        name: "connector",
        repeated: true,
        about: "",
        keys: &[],
    };

    static KEYS: [Key; 5] = {
        const fn key(name: &'static str, takes: Takes) -> Key {
            Key {
                name,
                takes,
                default: "",
                what: "",
                reload: true,
            }
        }
        [
            key("url", Takes::Url(&["https", "nats"])),
            key("map", Takes::Map { max: 4, items: 2 }),
            key("path", Takes::Path),
            key("paths", Takes::Paths { items: 2 }),
            key("peer", Takes::Peer),
        ]
    };

    /// What `read` says about `line`, with the number of problems.
    fn read<T: Default>(line: &str, read: impl Fn(&Table<'_>, &mut T)) -> (T, Vec<String>) {
        let text = format!("[[connector]]\n{line}\n");
        let document = Document::parse(&text);
        let mut slot = T::default();
        {
            let mut table = document.tables(&SECTION).pop().unwrap();
            table.know(&KEYS);
            table.refuse_unknown_keys();
            read(&table, &mut slot);
        }
        let problems = document.into_problems();
        (slot, problems.iter().map(|one| one.kind.title()).collect())
    }

    #[test]
    fn urls_have_a_known_scheme_a_host_and_no_password() {
        for good in ["https://x", "https://me@x:1/p?q", "nats://[::1]:4222"] {
            let line = format!("url = \"{good}\"");
            let (url, problems) = read(&line, |table, slot: &mut String| table.url("url", slot));
            assert_eq!((url.as_str(), problems), (good, Vec::new()));
        }
        for (bad, why) in [
            ("x", "it is no URL"),
            ("http://x", "it starts otherwise"),
            ("https:///p", "it names no host"),
            ("https://:1", "it names no host"),
            ("https://x/a b", "it holds a space"),
            ("https://me:secret@x", "this: it holds a password"),
        ] {
            let line = format!("url = \"{bad}\"");
            let (url, problems) = read(&line, |table, slot: &mut String| table.url("url", slot));
            assert_eq!(url, "");
            assert!(problems[0].contains(why), "{problems:?}");
            assert!(!problems[0].contains("secret"), "{problems:?}");
        }
    }

    #[test]
    fn tables_are_bounded() {
        let map = |line| {
            read(line, |table, slot: &mut BTreeMap<_, _>| {
                table.map("map", slot);
            })
        };
        let (found, problems) = map("map = { a = \"b\", \"c d\" = \"e\" }");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(found["c d"], "e");
        for bad in [
            "map = 1",
            "map = { a = 1 }",
            "map = { a = \"12345\" }",
            "map = { abcde = \"1\" }",
            "map = { a = \"1\", b = \"1\", c = \"1\" }",
        ] {
            assert_eq!(map(bad).1.len(), 1, "{bad}");
        }
    }

    #[test]
    fn paths_and_peers_are_read() {
        let (path, problems) = read("path = \"/a b\"", |table, slot| {
            table.path_option("path", slot);
        });
        assert_eq!((path, problems), (Some(PathBuf::from("/a b")), Vec::new()));
        let paths = |line| read(line, |table, slot: &mut Vec<_>| table.paths("paths", slot));
        assert_eq!(paths("paths = [\"a\", \"b\"]").0.len(), 2);
        assert_eq!(paths("paths = \"a\"").0.len(), 1);
        assert_eq!(paths("paths = [\"a\", \"b\", \"c\"]").1.len(), 1);
        let peer = |line| read(line, |table, slot: &mut Peer| table.peer("peer", slot));
        assert_eq!(peer("peer = \"[::1]:9\"").0.to_string(), "[::1]:9");
        assert!(peer("peer = \"x\"").1[0].contains("the port is missing"));
    }
}
