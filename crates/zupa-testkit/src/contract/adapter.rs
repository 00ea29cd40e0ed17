//! Cases of an adapter: what stands behind one cannot always be made to behave as a case
//! wants, and then that case is skipped, by name.

use std::error::Error as _;
use std::fmt;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use zupa_core::Error;

use super::{Broken, PATIENCE, words};

/// One promise, and the function that checks it.
#[derive(Clone, Copy)]
pub struct Case<C> {
    /// The module and the function: `hearing::words_are_written_down`.
    pub name: &'static str,
    /// Checks it; panics when it is broken, answers `None` when it is skipped.
    pub check: C,
}

macro_rules! cases {
    ($($module:ident { $($case:ident)* })*) => {
        &[$($($crate::contract::adapter::Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            check: |harness| Box::pin($module::$case(harness)),
        },)*)*]
    };
}
pub(super) use cases;

/// What became of all cases.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Kept promises.
    pub kept: Vec<&'static str>,
    /// Those that could not be asked for.
    pub skipped: Vec<&'static str>,
    /// Broken ones.
    pub broken: Vec<Broken>,
}

impl Report {
    /// The broken cases, by name.
    pub fn broken_cases(&self) -> Vec<&'static str> {
        self.broken.iter().map(|broken| broken.case).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, skipped) = (self.kept.len(), self.skipped.len());
        let broken = self.broken.len();
        writeln!(
            f,
            "{kept} promises kept, {skipped} skipped, {broken} broken"
        )?;
        for broken in &self.broken {
            writeln!(f, "  {}: {}", broken.case, broken.why)?;
        }
        Ok(())
    }
}

/// Runs these cases. A panic or a hang is a broken promise.
pub(super) async fn run_all<'h>(
    cases: impl Iterator<Item = Case<BoxFuture<'h, Option<()>>>>,
) -> Report {
    let mut report = Report::default();
    for case in cases {
        let check = AssertUnwindSafe(case.check).catch_unwind();
        let why = match tokio::time::timeout(PATIENCE, check).await {
            Ok(Ok(Some(()))) => {
                report.kept.push(case.name);
                continue;
            }
            Ok(Ok(None)) => {
                report.skipped.push(case.name);
                continue;
            }
            Ok(Err(panic)) => words(panic.as_ref()),
            Err(_) => format!("no end after {PATIENCE:?}"),
        };
        report.broken.push(Broken {
            case: case.name,
            why,
        });
    }
    report
}

/// Fails if the error, or anything beneath it, quotes one of these.
pub(super) fn quotes_none_of(error: &Error, secrets: &[&str]) {
    let mut forms = vec![format!("{error} {error:?}")];
    let mut beneath = error.source();
    while let Some(source) = beneath {
        forms.push(format!("{source} {source:?}"));
        beneath = source.source();
    }
    for form in forms {
        for secret in secrets {
            assert!(!form.contains(secret), "an error quotes what was said");
        }
    }
}
