//! What is wrong with the configuration and where it stands.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// Where a value, or a problem with one, comes from. Ordered for reports: file
/// by line, then environment, then flags.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// The file; line and column count from 1, columns in characters.
    File {
        /// As given to [`Sources`](super::Sources).
        path: PathBuf,
        /// Of the value, or of the key where the key is the problem.
        line: usize,
        /// In that line.
        column: usize,
    },
    /// A variable of the environment.
    Env {
        /// Its name.
        name: String,
    },
    /// A flag of the command line.
    Flag {
        /// The path of the key that it sets.
        name: String,
    },
}

impl Origin {
    /// `default`, `file`, `env` or `flag`.
    pub fn source(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Env { .. } => "env",
            Self::Flag { .. } => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Env { name } => write!(f, "env {name}"),
            Self::Flag { name } => write!(f, "flag {name}"),
        }
    }
}

/// One problem, or one warning, in the user's words. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where it stands.
    #[serde(flatten)]
    pub origin: Origin,
    /// The path of the key; empty where the file cannot be read as TOML.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// Why that is a problem.
    pub why: String,
    /// What to do about it.
    #[serde(rename = "try")]
    pub fix: String,
}

impl fmt::Display for Problem {
    /// Three lines without the last line end: where and what, why, try.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}\n  why: {}\n  try: {}", self.what, self.why, self.fix)
    }
}

/// A problem before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub what: String,
    pub why: String,
    pub fix: String,
}

impl Flaw {
    pub(super) fn new(
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
            fix: fix.into(),
        }
    }

    pub(super) fn at(self, origin: Origin, key: impl Into<String>) -> Problem {
        Problem {
            origin,
            key: key.into(),
            what: self.what,
            why: self.why,
            fix: self.fix,
        }
    }
}
