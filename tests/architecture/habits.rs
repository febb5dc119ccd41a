//! What no source may hold, where the proof of durability is made, and what no file may name.
use crate::finding::Finding;
use crate::scan::Source;
use crate::tracked::Text;

/// What no source may hold, wherever it stands.
pub(crate) fn habits(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source.text.starts_with("//! ") {
        let found = "the first line is no //! comment";
        findings.push(Finding::new(
            &source.file,
            1,
            found,
            "//! and the one purpose of the file",
        ));
    }
    for (at, token) in source.all_tokens.iter().enumerate() {
        let before = |back: usize| {
            at.checked_sub(back)
                .and_then(|at| source.all_tokens.get(at))
                .map_or("", |t| t.text.as_str())
        };
        let after = source
            .all_tokens
            .get(at + 1)
            .map_or("", |token| token.text.as_str());
        let allowed = match token.text.as_str() {
            "unsafe" => "no unsafe code",
            "unsafe_code" if before(2) != "forbid" => "forbid(unsafe_code) only",
            "todo" | "unimplemented" if after == "!" => "code that does it",
            "ignore" if before(1) == "[" && before(2) == "#" => "tests that run",
            "global_allocator" if source.file != "src/main.rs" && !source.test => {
                "the allocator in src/main.rs only"
            }
            _ => continue,
        };
        findings.push(Finding::new(
            &source.file,
            token.line,
            token.text.as_str(),
            allowed,
        ));
    }
    findings
}

/// `impl … Proof for …` stands exactly once outside of tests: in `src/sink`.
pub(crate) fn proof(sources: &[Source]) -> Vec<Finding> {
    const ALLOWED: &str = "exactly one impl of Proof, in src/sink";
    let mut places = Vec::new();
    for source in sources.iter().filter(|source| !source.test) {
        for two in source.tokens.windows(2) {
            if two[0].text == "Proof" && two[1].text == "for" {
                places.push((source.file.as_str(), two[0].line));
            }
        }
    }
    let at_home = places
        .iter()
        .filter(|(file, _)| file.starts_with("src/sink"))
        .count();
    let strays = places
        .iter()
        .filter(|(file, _)| !file.starts_with("src/sink") || at_home > 1);
    let mut findings: Vec<Finding> = strays
        .map(|(file, line)| Finding::new(file, *line, "impl of Proof", ALLOWED))
        .collect();
    if at_home == 0 {
        findings.push(Finding::new("src/sink", 0, "no impl of Proof", ALLOWED));
    }
    findings
}

/// Every crate under `protocols` is `no_std`, without a condition.
pub(crate) fn no_std(sources: &[Source]) -> Vec<Finding> {
    let roots = sources.iter().filter(|source| {
        source.file.starts_with("protocols/") && source.file.ends_with("/src/lib.rs")
    });
    roots
        .filter(|source| {
            !source.tokens.windows(5).any(|five| {
                five.iter()
                    .map(|token| token.text.as_str())
                    .eq(["#", "!", "[", "no_std", "]"])
            })
        })
        .map(|source| Finding::new(&source.file, 1, "not #![no_std]", "#![no_std] with alloc"))
        .collect()
}

/// Absolute paths of a machine, and addresses of a package mirror.
pub(crate) fn machine(text: &Text) -> Vec<Finding> {
    // Put together here, so that this file does not hold them.
    const MARKS: [&str; 6] = [
        concat!("/wo", "rk/"),
        concat!("/fa", "rm/"),
        concat!("/ro", "ot/"),
        concat!("/tmp", "/wt"),
        concat!("/opt", "/wheels"),
        concat!("index", "-url"),
    ];
    let lock = text.file.ends_with("Cargo.lock");
    let mut findings = Vec::new();
    for (index, line) in text.text.lines().enumerate() {
        let marked = MARKS.iter().find(|mark| {
            line.match_indices(*mark)
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric()))
        });
        if let Some(mark) = marked {
            findings.push(Finding::new(
                &text.file,
                index + 1,
                *mark,
                "paths inside the repository",
            ));
        }
        let source = line.strip_prefix("source = ").filter(|_| lock);
        if source.is_some_and(|source| !source.contains("//github.com/rust-lang/crates.io-index\""))
        {
            findings.push(Finding::new(&text.file, index + 1, line, "crates.io"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{habits, machine, no_std, proof};
    use crate::finding::Finding;
    use crate::scan::{Source, sources};
    use crate::tracked::Text;

    const NONE: [usize; 0] = [];

    fn one(file: &str, code: &str) -> Source {
        sources(&[(file, code)]).remove(0)
    }

    /// The lines on which `rule` finds something.
    fn lines(rule: fn(&Source) -> Vec<Finding>, file: &str, code: &str) -> Vec<usize> {
        rule(&one(file, code))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn forbidden_words_are_found_in_code_alone() {
        let code = "//! x\n// unsafe todo!()\nconst A: &str = \"unsafe\";\nunsafe fn f() {}\n#[allow(unsafe_code)]\nfn g() { todo!() }\n#[ignore]\n#[test] fn h() { unimplemented!() }\n#[global_allocator]\n#[ignore = \"slow\"]\n";
        assert_eq!(
            lines(habits, "src/conn/tcp.rs", code),
            [4, 5, 6, 7, 8, 9, 10]
        );
        assert_eq!(
            lines(habits, "src/main.rs", "//! x\n#[global_allocator]\n"),
            NONE
        );
        assert_eq!(
            lines(habits, "src/lib.rs", "//! x\n#![forbid(unsafe_code)]\n"),
            NONE
        );
        assert_eq!(lines(habits, "src/lib.rs", "// x\n"), [1]);
    }

    #[test]
    fn a_second_proof_is_found() {
        let home = ("src/sink/proof.rs", "impl Proof for Commit {}");
        let stray = (
            "src/conn/tcp.rs",
            "impl<T> larm_carrier::Proof for Lie<T> {}",
        );
        let test = (
            "src/conn/udp.rs",
            "#[cfg(test)]\nmod tests { impl Proof for Fake {} }",
        );
        assert_eq!(proof(&sources(&[home, test])), []);
        assert_eq!(proof(&sources(&[home, stray])).len(), 1);
        assert_eq!(
            proof(&sources(&[home, ("src/sink/mod.rs", home.1)])).len(),
            2
        );
        assert_eq!(proof(&sources(&[test])).len(), 1);
    }

    #[test]
    fn a_protocol_with_std_is_found() {
        let good = (
            "protocols/a/src/lib.rs",
            "//! x\n#![no_std]\nextern crate alloc;",
        );
        let bad = (
            "protocols/b/src/lib.rs",
            "//! x\n#![cfg_attr(not(test), no_std)]",
        );
        let found = no_std(&sources(&[good, bad]));
        assert_eq!(
            found.iter().map(|f| f.file.as_str()).collect::<Vec<_>>(),
            ["protocols/b/src/lib.rs"]
        );
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        let text = |file: &str, text: &str| Text {
            file: file.to_owned(),
            text: text.to_owned(),
        };
        let bad = format!(
            "fine\nsee {}x\nhttps://a.example{}y\n",
            concat!("/ro", "ot/"),
            concat!("/wo", "rk/")
        );
        let found: Vec<_> = machine(&text("a.md", &bad))
            .iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(found, [2]);
        let lock = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"registry+https://mirror.example/index\"\n";
        let found: Vec<_> = machine(&text("Cargo.lock", lock))
            .iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(found, [2]);
    }
}
