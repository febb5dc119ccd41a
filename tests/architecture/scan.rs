//! Just enough of Rust's grammar to see imports: comments, literals and test code are blanked, the
//! rest is cut into tokens, and paths are read from them.
//!
//! Not a compiler: a path that a macro puts together is not seen. That is enough, since a forbidden
//! crate cannot be reached without naming it once, and `packages` checks the manifests as well.
use std::collections::BTreeSet;

/// One source file without comments, literals and test code.
pub(crate) struct Source {
    /// Path from the root of the repository, with `/`.
    pub(crate) file: String,
    /// The text as written.
    pub(crate) text: String,
    /// Test code: a file under `tests`, `benches` or `fuzz`, or a module behind `cfg(test)`.
    pub(crate) test: bool,
    /// Tokens of the code with test code left out.
    pub(crate) tokens: Vec<Token>,
    /// Tokens of all code.
    pub(crate) all_tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// An identifier, `::`, or one other character.
    pub(crate) text: String,
    /// Line from 1.
    pub(crate) line: usize,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// A path that code names: its parts from the left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) parts: Vec<String>,
    pub(crate) line: usize,
}

/// Reads all files together, since a module behind `cfg(test)` may stand in a file of its own.
pub(crate) fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    let mut test_modules = BTreeSet::new();
    let mut read: Vec<Source> = files
        .iter()
        .map(|(file, text)| {
            let all_tokens = tokens(&blank(text));
            let (tokens, modules) = without_tests(&all_tokens);
            test_modules.extend(
                modules
                    .iter()
                    .map(|name| format!("{}/{name}", folder(file))),
            );
            Source {
                file: (*file).to_owned(),
                text: (*text).to_owned(),
                test: in_test_folder(file),
                tokens,
                all_tokens,
            }
        })
        .collect();
    for source in &mut read {
        let stem = source.file.trim_end_matches(".rs");
        source.test |= test_modules.iter().any(|module| {
            stem == module
                || stem
                    .strip_prefix(module)
                    .is_some_and(|rest| rest.starts_with('/'))
        });
    }
    read
}

/// Whether a folder on the way makes all of it test code.
fn in_test_folder(file: &str) -> bool {
    let top =
        |name: &str| file.starts_with(&format!("{name}/")) || file.contains(&format!("/{name}/"));
    ["tests", "benches", "fuzz", "examples"]
        .into_iter()
        .any(top)
}

/// Where the child modules of `file` stand.
fn folder(file: &str) -> String {
    let (parent, name) = file.rsplit_once('/').unwrap_or(("", file));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => parent.to_owned(),
        _ => file.trim_end_matches(".rs").to_owned(),
    }
}

/// The text with comments and literals replaced by spaces; lines stay where they are.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let rest = &chars[at..];
        let len = match c {
            '/' if rest.get(1) == Some(&'/') => rest.iter().take_while(|c| **c != '\n').count(),
            '/' if rest.get(1) == Some(&'*') => block_comment(rest),
            '"' => string(rest),
            '\'' => character(rest),
            'r' | 'b' | 'c' if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                prefixed(rest)
            }
            _ => 0,
        };
        if len == 0 {
            out.push(c);
            at += 1;
        } else {
            let end = chars.len().min(at + len);
            out.extend(
                chars[at..end]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    out
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while let Some(c) = rest.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// A character literal; 0 for a lifetime.
fn character(rest: &[char]) -> usize {
    match (rest.get(1), rest.get(2)) {
        (Some('\\'), Some(_)) => 3 + rest.iter().skip(3).take_while(|c| **c != '\'').count() + 1,
        (Some(_), Some('\'')) => 3,
        _ => 0,
    }
}

/// `r"…"`, `r#"…"#`, `b"…"`, `b'…'`, `br"…"`, `c"…"`; 0 for a word that only starts like one.
fn prefixed(rest: &[char]) -> usize {
    let letters = rest
        .iter()
        .take(2)
        .take_while(|c| matches!(c, 'r' | 'b' | 'c'))
        .count();
    let raw = rest[..letters].contains(&'r');
    let hashes = rest[letters..].iter().take_while(|c| **c == '#').count();
    let open = letters + hashes;
    match rest.get(open) {
        Some('"') if raw => {
            let mut close = vec!['"'];
            close.extend(std::iter::repeat_n('#', hashes));
            let body = &rest[open + 1..];
            let end = body.windows(close.len()).position(|window| window == close);
            open + 1 + end.map_or(body.len(), |end| end + close.len())
        }
        Some('"') if hashes == 0 => letters + string(&rest[letters..]),
        Some('\'') if hashes == 0 && letters == 1 && rest[0] == 'b' => 1 + character(&rest[1..]),
        _ => 0,
    }
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let line = index + 1;
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let len = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(len);
            tokens.push(Token {
                text: token.to_owned(),
                line,
            });
            rest = after.trim_start();
        }
    }
    tokens
}

/// The tokens without items behind `cfg(test)`, and the names of such modules without a body.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        match test_attribute(&tokens[at..]) {
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
            Some(len) => {
                let item = &tokens[at + len..];
                let end = item_len(item);
                let module = item[..end].iter().position(|token| token.text == "mod");
                if item[..end].last().is_some_and(|token| token.text == ";")
                    && let Some(name) = module.and_then(|module| item.get(module + 1))
                {
                    modules.push(name.text.clone());
                }
                at += len + end;
            }
        }
    }
    (kept, modules)
}

/// The length of an attribute that makes the next item test code: `#[cfg(test)]`, `#[test]`,
/// `#[cfg(all(test, …))]`. Never one under `not`.
fn test_attribute(tokens: &[Token]) -> Option<usize> {
    if tokens.first()?.text != "#" || tokens.get(1)?.text != "[" {
        return None;
    }
    let end = 2 + closing(&tokens[1..]);
    let words: Vec<&str> = tokens[2..end.min(tokens.len())]
        .iter()
        .map(|t| t.text.as_str())
        .collect();
    let conditional =
        words.first() == Some(&"cfg") && !words.contains(&"not") && !words.contains(&"any");
    ((conditional && words.contains(&"test")) || words.first() == Some(&"test")).then_some(end)
}

/// The number of tokens between an opening bracket (first) and its closing one, and that one.
fn closing(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

/// The length of an item: up to its body's end or its semicolon.
fn item_len(tokens: &[Token]) -> usize {
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at + 1,
            "{" => return (at + closing(&tokens[at..]) + 1).min(tokens.len()),
            "(" | "[" => at += closing(&tokens[at..]) + 1,
            _ => at += 1,
        }
    }
    tokens.len()
}

/// Every path with at least two parts, and every leaf of every `use`.
pub(crate) fn named(tokens: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        // `use<…>` in a type captures lifetimes and imports nothing.
        let imports = tokens.get(at + 1).is_some_and(|token| token.text != "<");
        if tokens[at].text == "use" && imports {
            at += 1 + use_tree(&tokens[at + 1..], &[], &mut found);
        } else if tokens[at].is_word() {
            let (parts, len) = path(&tokens[at..]);
            let continued = at > 0 && matches!(tokens[at - 1].text.as_str(), "::" | ".");
            if parts.len() > 1 && !continued {
                found.push(Named {
                    parts,
                    line: tokens[at].line,
                });
            }
            at += len;
        } else {
            at += 1;
        }
    }
    found
}

/// The words joined by `::` at the start, and how many tokens they take.
fn path(tokens: &[Token]) -> (Vec<String>, usize) {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at).filter(|token| token.is_word()) {
        parts.push(token.text.clone());
        at += 1;
        let more = tokens.get(at).is_some_and(|token| token.text == "::")
            && tokens.get(at + 1).is_some_and(Token::is_word);
        if !more {
            break;
        }
        at += 1;
    }
    (parts, at)
}

/// Reads one use tree behind `before`; returns how many tokens it takes.
fn use_tree(tokens: &[Token], before: &[String], found: &mut Vec<Named>) -> usize {
    let mut at = usize::from(tokens.first().is_some_and(|token| token.text == "::"));
    let line = tokens.get(at).map_or(0, |token| token.line);
    let (parts, len) = path(&tokens[at.min(tokens.len())..]);
    at += len;
    let whole: Vec<String> = before.iter().cloned().chain(parts).collect();
    if tokens.get(at).is_some_and(|token| token.text == "::") {
        at += 1;
    }
    if tokens.get(at).is_some_and(|token| token.text == "{") {
        let end = at + closing(&tokens[at..]);
        at += 1;
        while at < end {
            if tokens[at].text == "," {
                at += 1;
            } else {
                at += use_tree(&tokens[at..end], &whole, found).max(1);
            }
        }
        return end + 1;
    }
    if !whole.is_empty() {
        found.push(Named { parts: whole, line });
    }
    // A star, or `as` and a name.
    at + tokens[at.min(tokens.len())..]
        .iter()
        .take_while(|token| !matches!(token.text.as_str(), "," | "}" | ";"))
        .count()
}

#[cfg(test)]
mod tests {
    use super::{blank, named, sources, tokens};

    fn paths(code: &str) -> Vec<String> {
        named(&tokens(&blank(code)))
            .iter()
            .map(|named| named.parts.join("::"))
            .collect()
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        let code =
            "a // b::c\n/* d::e /* f */ g::h */ i \"j::k\\\"\" 'l' b'm' r#\"n::o \" p\"# 'q q";
        assert_eq!(
            blank(code).split_whitespace().collect::<Vec<_>>(),
            ["a", "i", "'q", "q"]
        );
    }

    #[test]
    fn use_trees_are_spread_out() {
        assert_eq!(
            paths(
                "pub use a::{b, c::{d as e, f::*}, self}; use ::g::h; let x = i::j(k::l); fn f() -> impl m::N + use<'_, T> {}"
            ),
            [
                "a::b", "a::c::d", "a::c::f", "a::self", "g::h", "i::j", "k::l", "m::N"
            ]
        );
    }

    #[test]
    fn test_code_is_left_out() {
        let read = sources(&[
            (
                "src/a/mod.rs",
                "#[cfg(test)]\nmod tests { use x::y; }\n#[cfg(test)] mod more;\nuse z::w;",
            ),
            ("src/a/more.rs", "use x::y;"),
            ("src/a/other.rs", "#[cfg(not(test))] use p::q;"),
        ]);
        let first: Vec<_> = named(&read[0].tokens)
            .into_iter()
            .map(|named| (named.parts.join("::"), named.line))
            .collect();
        assert_eq!(first, [("z::w".to_owned(), 4)]);
        assert_eq!(
            read.iter().map(|source| source.test).collect::<Vec<_>>(),
            [false, true, false]
        );
        assert_eq!(named(&read[2].tokens).len(), 1);
    }
}
