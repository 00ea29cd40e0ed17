//! Arrows: which crate of the workspace may depend on which.
//!
//! ```text
//! zupa ──▶ runtime, http, adapters ──▶ core ◀── testkit (dev-dependency only)
//! faultproxy (dev-dependency only) ──▶ none of them
//! whatsapp-sim (of zupa and xtask; elsewhere dev-dependency only) ──▶ none of them
//! xtask ──▶ whatsapp-sim
//! ```

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Finding;

const CORE: &str = "zupa-core";
const TESTKIT: &str = "zupa-testkit";
const FAULTPROXY: &str = "zupa-faultproxy";
const SIMULATOR: &str = "zupa-whatsapp-sim";

fn is_allowed(from: &str, to: &str, for_tests: bool) -> bool {
    match from {
        CORE | FAULTPROXY | SIMULATOR => false,
        // The outside world: it knows nothing of ours.
        "xtask" => to == SIMULATOR,
        _ if to == FAULTPROXY => for_tests,
        "zupa" => to != "xtask" && (to != TESTKIT || for_tests),
        TESTKIT => to == CORE,
        _ if to == SIMULATOR => for_tests,
        // The runtime, zupa-http and adapters, those to come included.
        _ => to == CORE || (to == TESTKIT && for_tests),
    }
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` is a normal dependency.
    kind: Option<String>,
}

/// Takes `cargo metadata --no-deps --format-version 1`.
pub fn check(metadata: &str) -> Result<Vec<Finding>> {
    let metadata: Metadata = serde_json::from_str(metadata).context("read cargo metadata")?;
    let members: Vec<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();

    let mut findings = Vec::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if !members.contains(&name) {
                continue;
            }
            let for_tests = dependency.kind.as_deref() == Some("dev");
            if is_allowed(&package.name, name, for_tests) {
                continue;
            }
            let kind = if for_tests { "dev-depends" } else { "depends" };
            let message = format!("{kind} on {name}, an arrow that design §4 does not have");
            findings.push(Finding::fail("arrows", &package.name, 0, message));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRATES: &[&str] = &[
        "xtask",
        "zupa",
        "zupa-core",
        "zupa-faultproxy",
        "zupa-http",
        "zupa-openai",
        "zupa-runtime",
        "zupa-sqlite",
        "zupa-testkit",
        "zupa-whatsapp-cloud",
        "zupa-whatsapp-sim",
        "zupa-wwebjs-bridge",
    ];

    /// A workspace in which `from` has one dependency.
    fn planted(from: &str, to: &str, kind: Option<&str>) -> usize {
        let packages: Vec<_> = CRATES
            .iter()
            .map(|name| {
                let dependencies = match *name == from {
                    true => vec![serde_json::json!({ "name": to, "kind": kind })],
                    false => Vec::new(),
                };
                serde_json::json!({ "name": name, "dependencies": dependencies })
            })
            .collect();
        check(&serde_json::json!({ "packages": packages }).to_string())
            .unwrap()
            .len()
    }

    #[test]
    fn a_forbidden_arrow_is_found() {
        for (from, to) in [
            ("zupa-core", "zupa-runtime"),
            ("zupa-runtime", "zupa-sqlite"),
            ("zupa-sqlite", "zupa-runtime"),
            ("zupa-sqlite", "zupa-openai"),
            ("zupa-whatsapp-cloud", "zupa-http"),
            ("zupa-wwebjs-bridge", "zupa-runtime"),
            ("zupa-http", "zupa-runtime"),
            ("zupa-testkit", "zupa-runtime"),
            ("zupa-sqlite", "zupa-testkit"),
            ("zupa", "zupa-testkit"),
            ("zupa", "zupa-faultproxy"),
            ("zupa-openai", "zupa-faultproxy"),
            ("zupa-faultproxy", "zupa-core"),
            ("zupa-whatsapp-sim", "zupa-core"),
            ("zupa-whatsapp-sim", "zupa-whatsapp-cloud"),
            ("zupa-whatsapp-cloud", "zupa-whatsapp-sim"),
            ("xtask", "zupa-core"),
        ] {
            assert_eq!(planted(from, to, None), 1, "{from} -> {to}");
            assert_eq!(planted(from, to, Some("build")), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn a_forbidden_arrow_for_tests_is_found() {
        assert_eq!(planted("zupa-core", "zupa-testkit", Some("dev")), 1);
        assert_eq!(planted("zupa-sqlite", "zupa-runtime", Some("dev")), 1);
        assert_eq!(planted("xtask", "zupa", Some("dev")), 1);
        assert_eq!(planted("zupa-faultproxy", "zupa-core", Some("dev")), 1);
    }

    #[test]
    fn the_arrows_of_the_design_are_allowed() {
        for from in ["zupa-sqlite", "zupa-openai", "zupa-http", "zupa-runtime"] {
            assert_eq!(planted(from, "zupa-core", None), 0);
            assert_eq!(planted(from, "zupa-testkit", Some("dev")), 0);
            assert_eq!(planted(from, "zupa-faultproxy", Some("dev")), 0);
        }
        assert_eq!(planted("zupa", "zupa-sqlite", None), 0);
        assert_eq!(planted("zupa", "zupa-whatsapp-sim", None), 0);
        assert_eq!(planted("xtask", "zupa-whatsapp-sim", None), 0);
        let for_tests = Some("dev");
        assert_eq!(
            planted("zupa-whatsapp-cloud", "zupa-whatsapp-sim", for_tests),
            0
        );
        assert_eq!(planted("zupa-core", "serde", None), 0);
    }
}
