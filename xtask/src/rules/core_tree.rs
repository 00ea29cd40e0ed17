//! Core's tree: zupa-core does no IO, so nothing that does may be below it.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::Finding;

/// The crate alone, so that no sibling's features are mixed in.
pub const COMMAND: &[&str] = &[
    "tree",
    "--package",
    "zupa-core",
    "--edges",
    "normal",
    "--prefix",
    "none",
    "--format",
    "{p}\t{f}",
];

/// Names; one ending in `-` bans the family.
const BANNED: &[&str] = &[
    "async-openai",
    "axum",
    "axum-",
    "h2",
    "hyper",
    "hyper-",
    "libsqlite3-sys",
    "mio",
    "reqwest",
    "ring",
    "rusqlite",
    "rustls",
    "rustls-",
    "socket2",
    "sqlx",
    "sqlx-",
    "tower",
    "tower-",
    "tracing-subscriber",
];

/// tokio is there for its channels, not for its runtime.
const TOKIO_FEATURES: &[&str] = &["default", "sync"];

/// Takes the output of [`COMMAND`]: `name vX.Y.Z …<tab>feature,feature`.
pub fn check(tree: &str) -> Result<Vec<Finding>> {
    ensure!(
        tree.starts_with("zupa-core "),
        "cargo tree did not begin with zupa-core"
    );
    // A package stands under each of its users; from the second time on with `(*)`.
    let packages: BTreeSet<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches("(*)").trim_end())
        .collect();
    let mut findings = Vec::new();
    for line in packages {
        let (package, features) = line.split_once('\t').unwrap_or((line, ""));
        let name = package.split(' ').next().unwrap_or(package);
        if BANNED.iter().any(|banned| is_banned(name, banned)) {
            let message = format!("{name} is below it: core has no IO, no SQL, no HTTP");
            findings.push(Finding::fail("core-tree", "zupa-core", 0, message));
        }
        if name == "tokio" {
            let extra = features
                .split(',')
                .filter(|f| !f.is_empty() && !TOKIO_FEATURES.contains(f));
            findings.extend(extra.map(|feature| {
                let message = format!("tokio feature {feature}: only sync is allowed here");
                Finding::fail("core-tree", "zupa-core", 0, message)
            }));
        }
    }
    Ok(findings)
}

fn is_banned(name: &str, banned: &str) -> bool {
    name == banned || (banned.ends_with('-') && name.starts_with(banned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(line: &str) -> usize {
        let tree = format!("zupa-core v0.1.0 (path)\t\nserde v1.0.229\tderive,std\n{line}\n");
        check(&tree).unwrap().len()
    }

    #[test]
    fn a_crate_that_does_io_is_found() {
        for name in [
            "sqlx",
            "sqlx-core",
            "axum",
            "hyper",
            "hyper-util",
            "reqwest",
            "rusqlite",
            "tracing-subscriber",
        ] {
            assert_eq!(count(&format!("{name} v1.0.0\t")), 1, "{name}");
        }
    }

    #[test]
    fn tokio_with_a_runtime_is_found() {
        assert_eq!(count("tokio v1.54.1\trt,sync,time"), 2);
        assert_eq!(count("tokio v1.54.1\tsync"), 0);
        assert_eq!(count("tokio v1.54.1\tdefault,sync (*)"), 0);
        assert_eq!(count("tokio-util v0.7.20\trt"), 0);
    }

    #[test]
    fn a_package_with_many_users_is_found_once() {
        assert_eq!(count("hyper v1.12.0\thttp1\nhyper v1.12.0\thttp1 (*)"), 1);
    }

    #[test]
    fn names_that_only_begin_alike_pass() {
        assert_eq!(count("ringbuffer v1.0.0\t"), 0);
        assert_eq!(count("hyperlink v1.0.0\t"), 0);
    }

    #[test]
    fn an_empty_tree_is_an_error_and_not_a_pass() {
        assert!(check("").is_err());
    }
}
