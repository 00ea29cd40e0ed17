//! Repository rules: what must hold for the files and crates as a whole.
//!
//! Each rule is one file with a pure function from text to findings, and a
//! test that plants a violation and sees it found. This file feeds them.

mod arrows;
mod core_tree;
mod header;
mod hosts;
mod length;
mod links;
mod machine_paths;
mod places;
mod secrets;
mod sql;
mod tls;
mod translations;
mod tree;

use anyhow::{Context, Result, bail, ensure};

use crate::ci;
use tree::File;

/// A rule that looks at one file at a time.
type FileRule = fn(&File) -> Vec<Finding>;

const FILE_RULES: &[FileRule] = &[
    length::check,
    header::check,
    places::check,
    sql::check,
    secrets::check,
    hosts::check,
    machine_paths::check,
];

/// Checks every rule, prints all findings, and fails if one of them must fail.
pub fn run() -> Result<()> {
    let files = tree::read(&ci::root())?;
    let sources = files.iter().filter(|file| file.is_rust()).count();
    // An empty list would pass every rule.
    ensure!(
        sources > 0,
        "found no Rust file under {}",
        ci::root().display()
    );

    let mut findings: Vec<Finding> = Vec::new();
    for file in &files {
        findings.extend(FILE_RULES.iter().flat_map(|rule| rule(file)));
    }
    findings.extend(links::check(&files));
    findings.extend(translations::check(&files));
    findings.extend(arrows::check(&cargo_text(&[
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ])?)?);
    findings.extend(core_tree::check(&cargo_text(core_tree::COMMAND)?)?);
    findings.extend(tls::check(&cargo_text(tls::COMMAND)?)?);

    report(&findings, files.len())
}

fn report(findings: &[Finding], files: usize) -> Result<()> {
    for finding in findings {
        eprintln!("{finding}");
    }
    let failures = findings
        .iter()
        .filter(|finding| finding.level == Level::Fail)
        .count();
    let warnings = findings.len() - failures;
    eprintln!("rules: {files} files, {failures} violations, {warnings} warnings");
    if failures > 0 {
        bail!("{failures} violations of the repository rules, listed above");
    }
    Ok(())
}

/// The standard output of one cargo command at the root.
fn cargo_text(arguments: &[&str]) -> Result<String> {
    let output = ci::cargo()
        .args(arguments)
        .output()
        .with_context(|| format!("start `cargo {}`", arguments.join(" ")))?;
    ensure!(
        output.status.success(),
        "`cargo {}` failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("cargo printed something that is not UTF-8")
}

/// One thing that a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    level: Level,
    rule: &'static str,
    /// Where: a path, or a crate.
    place: String,
    /// From 1; 0 when the whole file is meant.
    line: usize,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Warn,
    Fail,
}

impl Finding {
    fn fail(rule: &'static str, place: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            level: Level::Fail,
            rule,
            place: place.to_owned(),
            line,
            message: message.into(),
        }
    }

    fn warn(rule: &'static str, place: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            level: Level::Warn,
            ..Self::fail(rule, place, line, message)
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = match self.level {
            Level::Warn => "warning",
            Level::Fail => "violation",
        };
        write!(out, "{level}[{}]: {}", self.rule, self.place)?;
        if self.line > 0 {
            write!(out, ":{}", self.line)?;
        }
        write!(out, ": {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_violation_fails_the_run_and_a_warning_does_not() {
        let warning = Finding::warn("length", "a.rs", 0, "long");
        let violation = Finding::fail("length", "b.rs", 0, "too long");
        assert!(report(std::slice::from_ref(&warning), 2).is_ok());
        assert!(report(&[warning, violation], 2).is_err());
    }

    #[test]
    fn a_finding_names_rule_place_and_line() {
        let finding = Finding::fail("links", "README.md", 7, "no such file");
        assert_eq!(
            finding.to_string(),
            "violation[links]: README.md:7: no such file"
        );
    }
}
