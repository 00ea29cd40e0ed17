//! TLS: rustls with ring, once. OpenSSL needs a system library and aws-lc 40 MB
//! of C, and either comes in with one careless feature.

use anyhow::{Result, ensure};

use super::Finding;

/// Everything that this host would build, tests and build scripts included.
pub const COMMAND: &[&str] = &[
    "tree",
    "--workspace",
    "--all-features",
    "--edges",
    "normal,build,dev",
    "--prefix",
    "none",
    "--format",
    "{p}",
];

const BANNED: &[&str] = &["aws-lc-sys", "aws-lc-rs", "openssl-sys", "native-tls"];

/// Takes the output of [`COMMAND`].
pub fn check(tree: &str) -> Result<Vec<Finding>> {
    ensure!(
        tree.contains("zupa"),
        "cargo tree did not show the workspace"
    );
    Ok(BANNED
        .iter()
        .filter(|banned| {
            tree.lines()
                .any(|line| line.split(' ').next() == Some(**banned))
        })
        .map(|banned| {
            let message = format!(
                "is in the tree; `cargo tree -i {banned} --workspace --all-features` says why"
            );
            Finding::fail("tls", banned, 0, message)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_tls_stack_is_found() {
        for name in BANNED {
            let tree =
                format!("zupa v0.1.0 (path)\nring v0.17.14\n{name} v0.9.1\n{name} v0.9.1 (*)\n");
            assert_eq!(check(&tree).unwrap().len(), 1, "{name}");
        }
    }

    #[test]
    fn rustls_with_ring_passes() {
        let tree = "zupa v0.1.0 (path)\nring v0.17.14\nrustls v0.23.46\nopenssl-probe v0.2.2\n";
        assert_eq!(check(tree).unwrap(), []);
    }

    #[test]
    fn an_empty_tree_is_an_error_and_not_a_pass() {
        assert!(check("").is_err());
    }
}
