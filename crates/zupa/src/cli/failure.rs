//! What went wrong, for people: what, why, what to try; and the exit code.

mod server;

use std::process::ExitCode;

use zupa_core::{Error, ErrorKind};

/// Exit codes, the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    Difference = 3,
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

    /// What was attempted and did not work.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Why, if that is known.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// What to try, if that is known.
    pub fn fix(&self) -> Option<&str> {
        self.fix.as_deref()
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
        let (code, fix) = match error.kind() {
            _ if let Some(said) = server::said(&error) => said,
            _ if is_unwritable(&error) => (
                Code::Permission,
                Some("see that this user may write there, or name another path in store.url"),
            ),
            ErrorKind::Conflict => (
                Code::Temporary,
                Some("stop the other process, or give this one another store.url"),
            ),
            ErrorKind::Unsupported if server::context(&error, "this_build_knows").is_some() => (
                Code::Failed,
                Some(
                    "run the newer zupa again, or restore a backup from before the upgrade: \
                     `zupa db restore --from FILE`",
                ),
            ),
            ErrorKind::Corrupt if server::context(&error, "restored").is_some() => (
                Code::IntegrityViolated,
                Some("`zupa db restore --force --from FILE` with another backup"),
            ),
            ErrorKind::Corrupt => (
                Code::IntegrityViolated,
                Some("keep a copy of what is there, then restore a backup"),
            ),
            ErrorKind::Unsupported => (Code::Failed, None),
            ErrorKind::Full => (Code::Temporary, Some("make room on the disk")),
            ErrorKind::DurabilityLost => (
                Code::Temporary,
                Some(
                    "check the disk; then start again: what was acknowledged is checked at the start",
                ),
            ),
            ErrorKind::NotFound => (
                Code::NotFound,
                Some("make one with `zupa db migrate`, or name the one you mean in store.url"),
            ),
            ErrorKind::Invalid => (Code::Config, None),
            ErrorKind::Unavailable | ErrorKind::Timeout => (Code::Failed, None),
            _ => (Code::Failed, None),
        };
        let why = std::error::Error::source(&error)
            .map(ToString::to_string)
            .or_else(|| newer(&error));
        let what = match error.kind() {
            // What was attempted does not say how grave it is.
            ErrorKind::DurabilityLost => format!("a flush to disk failed: {error}"),
            _ => error.to_string(),
        };
        Self {
            code,
            what,
            why,
            fix: fix.map(Into::into),
        }
    }
}

/// Why a store of a newer version cannot be served.
fn newer(error: &Error) -> Option<String> {
    let knows = server::context(error, "this_build_knows")?;
    Some(format!(
        "its schema may be served by binaries that know a newer one than {knows}, and this build knows {knows}"
    ))
}

/// True when a file or folder of ours can never be written where it is named:
/// no permission, or no such place.
fn is_unwritable(error: &Error) -> bool {
    use std::io::ErrorKind as Io;
    let denied = |beneath: &std::io::Error| beneath.kind() == Io::PermissionDenied;
    let misplaced = |beneath: &std::io::Error| {
        matches!(
            beneath.kind(),
            Io::NotFound
                | Io::NotADirectory
                | Io::IsADirectory
                | Io::AlreadyExists
                | Io::ReadOnlyFilesystem
        )
    };
    // SQLite's word for it: a file that cannot be opened, or not for writing.
    let refused = || {
        error.context().iter().any(|(key, value)| {
            *key == "sqlite_code"
                && matches!(value.parse::<u32>(), Ok(code) if matches!(code & 0xff, 8 | 14))
        })
    };
    let unavailable = error.kind() == ErrorKind::Unavailable;
    unavailable && refused() || beneath(error).any(|io| denied(io) || unavailable && misplaced(io))
}

/// The failures of the operating system that an error stands on.
fn beneath(error: &Error) -> impl Iterator<Item = &std::io::Error> {
    std::iter::successors(std::error::Error::source(error), |beneath| beneath.source())
        .filter_map(|beneath| beneath.downcast_ref())
}
