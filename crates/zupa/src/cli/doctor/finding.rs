//! What one check found, and how all of them are printed.

use serde::Serialize;

use crate::cli::failure::{Code, Failure};
use crate::cli::print;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// It works, and somebody should know.
    Warn,
    /// It does not hold.
    Fail,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    check: &'static str,
    level: Level,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(rename = "try", skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    /// The store is not what it should be, which no setting mends.
    #[serde(skip)]
    violated: bool,
}

impl Finding {
    /// It holds.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Ok,
            what: what.into(),
            why: None,
            fix: None,
            violated: false,
        }
    }

    /// It holds no longer than somebody is careful.
    pub fn warn(
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Warn,
            why: Some(why.into()),
            fix: Some(fix.into()),
            ..Self::ok(check, what)
        }
    }

    /// It does not hold.
    pub fn fail(
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Fail,
            ..Self::warn(check, what, why, fix)
        }
    }

    /// It could not even be looked at.
    pub fn failed(check: &'static str, failure: &Failure) -> Self {
        Self {
            level: Level::Fail,
            why: failure.why().map(str::to_owned),
            fix: failure.fix().map(str::to_owned),
            violated: failure.code() == Code::IntegrityViolated,
            ..Self::ok(check, failure.what())
        }
    }

    /// Says that what is stored is not what it should be.
    pub fn violated(mut self) -> Self {
        self.violated = true;
        self
    }

    fn print(&self) {
        let level = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        print::line(format_args!("{level}  {:<11} {}", self.check, self.what));
        for (word, text) in [("why", &self.why), ("try", &self.fix)] {
            if let Some(text) = text {
                print::line(format_args!("                  {word}: {text}"));
            }
        }
    }
}

/// Everything that was found.
pub struct Report(pub Vec<Finding>);

impl Report {
    /// Prints all of it.
    pub fn print(&self, as_json: bool) -> Result<(), Failure> {
        if as_json {
            let ok = self.code() == Code::Ok;
            return print::json(&serde_json::json!({ "version": 1, "ok": ok, "checks": self.0 }));
        }
        for finding in &self.0 {
            finding.print();
        }
        Ok(())
    }

    /// Nothing failed; something did; or the store is not what it should be.
    pub fn code(&self) -> Code {
        let failed = |finding: &&Finding| finding.level == Level::Fail;
        if self.0.iter().filter(failed).any(|finding| finding.violated) {
            return Code::IntegrityViolated;
        }
        match self.0.iter().any(|finding| failed(&finding)) {
            true => Code::Failed,
            false => Code::Ok,
        }
    }
}
