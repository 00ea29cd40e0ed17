//! Links: a relative link in a Markdown file leads to a file of the repository.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::File;

pub fn check(files: &[File]) -> Vec<Finding> {
    let known = paths_and_folders(files);
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, target) in targets(&file.text) {
            let message = match resolve(&file.path, &target) {
                Resolved::Elsewhere => continue,
                Resolved::Inside(path) if known.contains(&path) => continue,
                Resolved::Inside(_) => format!("a link leads nowhere: {target}"),
                Resolved::Outside => format!("a link leaves the repository: {target}"),
            };
            findings.push(Finding::fail("links", &file.path, line, message));
        }
    }
    findings
}

fn paths_and_folders(files: &[File]) -> BTreeSet<String> {
    let mut known = BTreeSet::from([String::new()]);
    for file in files {
        let mut path = file.path.as_str();
        known.insert(path.to_owned());
        while let Some((folder, _)) = path.rsplit_once('/') {
            known.insert(folder.to_owned());
            path = folder;
        }
    }
    known
}

/// Where links point, with their line: `[text](target)`, `![alt](target)` and
/// `[name]: target`, outside code.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    let mut in_fence = false;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            in_fence = !in_fence;
        } else if !in_fence {
            let line = without_code(line);
            let inline = line.match_indices("](").filter_map(|(at, open)| {
                let rest = &line[at + open.len()..];
                rest.split_once(')').map(|(inside, _)| inside)
            });
            let reference = line
                .strip_prefix('[')
                .and_then(|rest| rest.split_once("]: "));
            let reference = reference.map(|(_, target)| target);
            targets.extend(inline.chain(reference).filter_map(|inside| {
                // `<a b.md>` may hold spaces; otherwise a title follows them.
                let target = match inside.trim().strip_prefix('<') {
                    Some(rest) => rest.split('>').next(),
                    None => inside.split_whitespace().next(),
                };
                target.map(|target| (index + 1, target.to_owned()))
            }));
        }
    }
    targets
}

/// The line without its `code spans`.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

#[derive(Debug, PartialEq, Eq)]
enum Resolved {
    /// Another site, the same page, or an item of rustdoc.
    Elsewhere,
    Inside(String),
    Outside,
}

fn resolve(from: &str, target: &str) -> Resolved {
    let has_scheme = target.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '+')
    });
    if has_scheme || target.contains("::") || target.starts_with("//") {
        return Resolved::Elsewhere;
    }
    let path = target.split(['#', '?']).next().unwrap_or(target);
    if path.is_empty() {
        return Resolved::Elsewhere;
    }

    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let (base, path) = match path.strip_prefix('/') {
        Some(from_root) => ("", from_root),
        None => (folder, path),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Resolved::Outside,
            ".." => {}
            part => parts.push(part),
        }
    }
    Resolved::Inside(parts.join("/").replace("%20", " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> Vec<String> {
        let files = [
            File::new("docs/guide.md", text),
            File::new("docs/decisions/0001-one.md", ""),
            File::new("docs/phone.png", ""),
            File::new("README.md", ""),
        ];
        check(&files)
            .iter()
            .map(|finding| finding.to_string())
            .collect()
    }

    #[test]
    fn a_link_to_a_missing_file_is_found_with_its_line() {
        let found = broken("# Guide\n\nSee [this](missing.md) and [that](../README.md).\n");
        assert_eq!(
            found,
            ["violation[links]: docs/guide.md:3: a link leads nowhere: missing.md"]
        );
        assert_eq!(broken("![shot](gone.png)\n").len(), 1);
        assert_eq!(broken("[one]: decisions/0002-two.md \"Two\"\n").len(), 1);
        assert_eq!(broken("[r](/docs/none.md)\n").len(), 1);
    }

    #[test]
    fn a_link_out_of_the_repository_is_found() {
        assert_eq!(broken("[notes](../../shared/design.md)\n").len(), 1);
    }

    #[test]
    fn links_that_resolve_are_silent() {
        let text = "[a](decisions/0001-one.md#why) [b](decisions/) [c](./decisions) [d](../README.md?x)\n\
                    [e](<decisions/0001-one.md> \"One\") ![f](phone.png) [g](/README.md)\n";
        assert_eq!(broken(text), [""; 0]);
    }

    #[test]
    fn other_sites_fragments_items_and_code_are_not_ours() {
        let text = "[a](https://docs.rs/x) [b](#here) [c](mailto:a@b.c) [d](zupa_core::Store)\n\
                    `[e](gone.md)`\n```\n[f](gone.md)\n```\n";
        assert_eq!(broken(text), [""; 0]);
    }
}
