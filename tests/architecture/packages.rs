//! The manifests: which package of the workspace may depend on which, and the lints of each.
use std::process::Command;

use serde_json::Value;

use crate::finding::Finding;
use crate::imports;
use crate::tracked;

/// One package of the workspace, as `cargo metadata` shows it.
#[derive(Debug)]
pub(crate) struct Package {
    /// Name with `-`.
    pub(crate) name: String,
    /// Its manifest, from the root of the repository.
    pub(crate) manifest: String,
    /// The text of its manifest.
    pub(crate) manifest_text: String,
    /// What its code (not its tests) depends on.
    pub(crate) dependencies: Vec<String>,
    /// `cargo build` and `cargo test` at the root include it.
    pub(crate) default_member: bool,
}

/// Reads the workspace. Offline and without resolving, so that no registry is asked.
pub(crate) fn read() -> Vec<Package> {
    let root = tracked::root();
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(&root)
        .output()
        .expect("cargo runs this test, so cargo can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let members = metadata["workspace_default_members"]
        .as_array()
        .expect("a list of members");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    packages
        .iter()
        .map(|package| {
            let path = package["manifest_path"].as_str().expect("a path");
            let manifest = path
                .strip_prefix(&format!("{}/", root.display()))
                .expect("a member stands inside the workspace")
                .to_owned();
            Package {
                name: package["name"].as_str().expect("a name").to_owned(),
                manifest_text: std::fs::read_to_string(path).expect("cargo has read it as well"),
                manifest,
                dependencies: package["dependencies"]
                    .as_array()
                    .expect("a list of dependencies")
                    .iter()
                    .filter(|dependency| dependency["kind"] != "dev")
                    .filter_map(|dependency| Some(dependency["name"].as_str()?.to_owned()))
                    .collect(),
                default_member: members.contains(&package["id"]),
            }
        })
        .collect()
}

/// Every broken rule of every manifest.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let names: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    packages
        .iter()
        .flat_map(|package| check_one(package, &names))
        .collect()
}

fn check_one(package: &Package, members: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let file = package.manifest.as_str();
    let line = |text: &str| {
        let at = package
            .manifest_text
            .lines()
            .position(|line| line.starts_with(text));
        at.map_or(0, |at| at + 1)
    };
    // What stands under `tests` is run by a step of its own.
    if !package.default_member && !file.starts_with("tests/") {
        findings.push(Finding::new(
            file,
            0,
            "not in default-members",
            "every package",
        ));
    }
    let manifest: toml::Table = toml::from_str(&package.manifest_text).expect("cargo has read it");
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    if lints != Some(&toml::Value::Boolean(true)) {
        let found = "the workspace's lints are not taken over";
        findings.push(Finding::new(
            file,
            line("[lints"),
            found,
            "[lints] workspace = true",
        ));
    }
    if let Some(lints) = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("lints"))
    {
        let level = lints.get("rust").and_then(|rust| rust.get("unsafe_code"));
        if level.and_then(toml::Value::as_str) != Some("forbid") {
            let found = "unsafe code is not forbidden";
            findings.push(Finding::new(
                file,
                line("unsafe_code"),
                found,
                "unsafe_code = \"forbid\"",
            ));
        }
    }
    let Some(allowed) = imports::members_allowed(&package.name) else {
        return findings;
    };
    for dependency in &package.dependencies {
        let member =
            members.contains(&dependency.as_str()) && !allowed.contains(&dependency.as_str());
        let outside = imports::NEVER_IN_A_PROTOCOL.contains(&dependency.as_str());
        if member || outside {
            let found = format!("{} depends on {dependency}", package.name);
            let allowed =
                format!("of the workspace: {allowed:?}; nothing with sockets, files or clocks");
            findings.push(Finding::new(file, line(dependency), found, allowed));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{Package, check};

    fn package(name: &str, dependencies: &[&str], manifest_text: &str) -> Package {
        Package {
            name: name.to_owned(),
            manifest: format!("{name}/Cargo.toml"),
            manifest_text: manifest_text.to_owned(),
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
            default_member: true,
        }
    }

    const LINTS: &str = "[lints]\nworkspace = true\n[dependencies]\nlarm-carrier = \"1\"\n";

    #[test]
    fn a_forbidden_dependency_is_found_with_its_line() {
        let findings = check(&[
            package("larm-event", &["larm-carrier"], LINTS),
            package("larm-carrier", &["larm-event", "larm-wire"], LINTS),
            package("larm-dc09", &["larm-carrier", "larm-next"], LINTS),
            package("larm-next", &["larm-wire", "tokio"], LINTS),
            package("larm-wire", &[], LINTS),
        ]);
        let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[0].starts_with("larm-event/Cargo.toml:4: larm-event depends on larm-carrier")
        );
        assert!(found[1].contains("larm-dc09 depends on larm-next"));
        assert!(found[2].contains("larm-next depends on tokio"));
    }

    #[test]
    fn missing_lints_are_found() {
        let own = "[lints.rust]\nunsafe_code = \"forbid\"\n";
        let weak = "[workspace.lints.rust]\nunsafe_code = \"warn\"\n[lints]\nworkspace = true\n";
        let findings = check(&[package("larm-event", &[], own), package("larm", &[], weak)]);
        assert_eq!(
            findings
                .iter()
                .map(|finding| finding.line)
                .collect::<Vec<_>>(),
            [1, 2]
        );
    }

    #[test]
    fn a_package_outside_the_default_members_is_found() {
        let mut forgotten = package("larm-event", &[], LINTS);
        forgotten.default_member = false;
        assert_eq!(check(&[forgotten]).len(), 1);
    }
}
