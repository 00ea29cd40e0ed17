//! Hosts: everything comes from the public registries. A private mirror is a
//! matter of one person's own configuration, never of the repository.

use super::Finding;
use super::tree::File;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM: &str = "registry.npmjs.org";

/// Product names that a package mirror carries in its host.
const MIRRORS: &[&str] = &[
    "artifactory",
    "jfrog",
    "nexus",
    "verdaccio",
    "devpi",
    "gitea-packages",
];
/// Ends of names that only resolve inside some network.
const PRIVATE_ENDINGS: &[&str] = &[".intranet", ".corp", ".lan"];
/// Files that exist to point a client elsewhere.
const CLIENT_FILES: &[&str] = &[".npmrc", ".yarnrc", ".pypirc", "pip.conf"];

pub fn check(file: &File) -> Vec<Finding> {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    if CLIENT_FILES.contains(&name) {
        return vec![Finding::fail(
            "hosts",
            &file.path,
            0,
            "a package client's own configuration is tracked",
        )];
    }
    file.lines()
        .filter_map(|(number, line)| {
            let message = match name {
                "Cargo.lock" => foreign_crate(line),
                "package-lock.json" => foreign_package(line),
                "config.toml" if file.path.contains(".cargo/") => replaced_source(line),
                _ => None,
            };
            let message = message.or_else(|| private_host(line))?;
            Some(Finding::fail("hosts", &file.path, number, message))
        })
        .collect()
}

fn foreign_crate(line: &str) -> Option<String> {
    let source = line.strip_prefix("source = \"")?.trim_end_matches('"');
    (source != CRATES_IO).then(|| format!("a crate that is not from crates.io: {source}"))
}

fn foreign_package(line: &str) -> Option<String> {
    let resolved = line.trim_start().strip_prefix("\"resolved\":")?;
    let host = hosts(resolved).next()?;
    (host != NPM).then(|| format!("a package that is not from {NPM}: {host}"))
}

fn replaced_source(line: &str) -> Option<String> {
    let line = line.trim_start();
    let replaces = ["[source.", "[registries.", "[registry]", "replace-with"]
        .iter()
        .any(|start| line.starts_with(start));
    replaces.then(|| "cargo is pointed at another registry for everybody".to_owned())
}

fn private_host(line: &str) -> Option<String> {
    let host = hosts(line).find(|host| {
        let mirror = host.split('.').any(|label| MIRRORS.contains(&label));
        mirror || PRIVATE_ENDINGS.iter().any(|ending| host.ends_with(ending))
    })?;
    Some(format!("a private host: {host}"))
}

/// The host of each URL on the line, without user and port.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("://").map(|(at, separator)| {
        let rest = &line[at + separator.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-._@:".contains(c)));
        let authority = &rest[..end.unwrap_or(rest.len())];
        let host = authority.rsplit('@').next().unwrap_or(authority);
        host.split(':').next().unwrap_or(host)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&File::new(path, text)).len()
    }

    #[test]
    fn a_crate_from_elsewhere_is_found() {
        assert_eq!(
            count(
                "Cargo.lock",
                "source = \"sparse+https://crates.example.com/\"\n"
            ),
            1
        );
        assert_eq!(
            count("Cargo.lock", "source = \"git+https://example.com/x#1\"\n"),
            1
        );
        assert_eq!(
            count("Cargo.lock", &format!("source = \"{CRATES_IO}\"\n")),
            0
        );
    }

    #[test]
    fn a_package_from_elsewhere_is_found() {
        let line = |host: &str| format!("  \"resolved\": \"https://{host}/left-pad.tgz\",\n");
        assert_eq!(
            count("bridge/package-lock.json", &line("packages.example.com")),
            1
        );
        assert_eq!(count("bridge/package-lock.json", &line(NPM)), 0);
    }

    #[test]
    fn a_replaced_registry_is_found() {
        let text = "[source.crates-io]\nreplace-with = \"mirror\"\n";
        assert_eq!(count(".cargo/config.toml", text), 2);
        assert_eq!(count(".npmrc", "registry=x\n"), 1);
    }

    #[test]
    fn a_private_host_in_any_file_is_found() {
        for host in [
            "nexus.example.com",
            "user:pw@artifactory.example.com:8443",
            "git.company.corp",
        ] {
            let text = format!("see https:{}{host}/path\n", "//");
            assert_eq!(count("docs/build.md", &text), 1, "{host}");
        }
        assert_eq!(
            count("docs/build.md", "see https://docs.rs/nexus and localhost\n"),
            0
        );
    }
}
