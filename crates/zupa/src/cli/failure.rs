//! What went wrong, for people: what, why, what to try; and the exit code.

use std::process::ExitCode;

use zupa_core::{Error, ErrorKind};

/// Exit codes, the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    IntegrityViolated = 4,
    NotFound = 5,
    Unreachable = 6,
    Permission = 7,
    Temporary = 75,
    Config = 78,
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    what: String,
    why: Option<String>,
    fix: Option<String>,
}

impl Failure {
    /// A failure: what was attempted and did not work.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            why: None,
            fix: None,
        }
    }

    /// Says why.
    pub fn because(mut self, why: impl std::fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// Says what to try.
    pub fn try_this(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The exit code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Prints to stderr; with `json`, one object.
    pub fn print(&self, json: bool) {
        if json {
            let object = serde_json::json!({
                "version": 1,
                "error": { "code": self.code as u8, "what": self.what, "why": self.why, "try": self.fix },
            });
            eprintln!("{object}");
            return;
        }
        eprintln!("error: {}", self.what);
        if let Some(why) = &self.why {
            eprintln!("  why: {why}");
        }
        if let Some(fix) = &self.fix {
            eprintln!("  try: {fix}");
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let denied = std::iter::successors(std::error::Error::source(&error), |beneath| {
            beneath.source()
        })
        .filter_map(|beneath| beneath.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::PermissionDenied);
        let (code, fix) = match error.kind() {
            _ if denied => (
                Code::Permission,
                Some("give this user the right to write there, or set store.url"),
            ),
            ErrorKind::Conflict => (
                Code::Temporary,
                Some("stop the other process, or give this one another store.url"),
            ),
            ErrorKind::Corrupt => (
                Code::IntegrityViolated,
                Some("keep a copy of the file, then restore a backup"),
            ),
            ErrorKind::Unsupported => (Code::Failed, None),
            ErrorKind::Full => (Code::Temporary, Some("make room on the disk")),
            ErrorKind::DurabilityLost => (
                Code::Temporary,
                Some(
                    "check the disk; then start again: what was acknowledged is checked at the start",
                ),
            ),
            ErrorKind::NotFound => (Code::NotFound, None),
            ErrorKind::Invalid => (Code::Config, None),
            ErrorKind::Unavailable | ErrorKind::Timeout => (Code::Failed, None),
            _ => (Code::Failed, None),
        };
        let why = std::error::Error::source(&error).map(ToString::to_string);
        Self {
            code,
            what: error.to_string(),
            why,
            fix: fix.map(Into::into),
        }
    }
}
