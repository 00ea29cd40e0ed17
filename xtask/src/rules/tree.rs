//! Reads the files of the repository: what git tracks or would track.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Never part of the repository; only looked at when git cannot be asked.
const IGNORED_FOLDERS: &[&str] = &[".git", "target", ".zupa", "node_modules"];

/// One file.
#[derive(Debug, Clone)]
pub struct File {
    /// From the root, with `/` between the parts.
    pub path: String,
    /// Empty for what is not UTF-8: a picture is there to be linked to.
    pub text: String,
}

impl File {
    #[cfg(test)]
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Code that ships or runs here, as opposed to tests, examples and fixtures.
    pub fn is_crate_source(&self) -> bool {
        let mut parts = self.path.split('/');
        self.is_rust() && parts.next() == Some("crates") && parts.nth(1) == Some("src")
    }

    /// Lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

/// Every file of the repository, sorted by path.
pub fn read(root: &Path) -> Result<Vec<File>> {
    let mut paths = match tracked(root) {
        Some(paths) => paths,
        None => walked(root)?,
    };
    paths.sort();
    paths.dedup();

    let mut files = Vec::new();
    for path in paths {
        // Deleted but not yet staged, or a submodule.
        let full = root.join(&path);
        if !full.is_file() {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("read {path}"))?;
        files.push(File {
            path,
            text: String::from_utf8(bytes).unwrap_or_default(),
        });
    }
    Ok(files)
}

/// Tracked files and new ones that are not ignored, so that a rule speaks
/// before the commit. `None` without git or outside a checkout.
fn tracked(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .current_dir(root)
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    Some(
        text.split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

fn walked(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let ignored = IGNORED_FOLDERS
                .iter()
                .any(|name| entry.file_name() == *name);
            let kind = entry.file_type()?;
            if kind.is_dir() && !ignored {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let relative = path.strip_prefix(root).unwrap_or(&path);
                paths.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_listing_see_this_file() {
        let root = crate::ci::root();
        let this = "xtask/src/rules/tree.rs".to_owned();
        assert!(walked(&root).unwrap().contains(&this));
        if let Some(paths) = tracked(&root) {
            assert!(paths.contains(&this));
        }
    }

    #[test]
    fn only_src_of_a_crate_is_crate_source() {
        assert!(File::new("crates/zupa-core/src/store/accept.rs", "").is_crate_source());
        assert!(!File::new("crates/zupa-core/tests/it/main.rs", "").is_crate_source());
        assert!(!File::new("xtask/src/main.rs", "").is_crate_source());
        assert!(!File::new("crates/zupa-core/src/schema.sql", "").is_crate_source());
    }
}
