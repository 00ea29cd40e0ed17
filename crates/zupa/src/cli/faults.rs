//! Faults for the kill harness, from the environment. Only in builds with the
//! feature `faults`.

use std::fs::{File, OpenOptions};
use std::sync::Arc;
use std::time::Duration;

use zupa_core::Deduplicates;
use zupa_runtime::{Faults, Settings};
use zupa_sqlite::Planted;

use super::environment::variable;
use super::failure::{Code, Failure};
use super::sink::Sink;

fn number(name: &str) -> u64 {
    variable(name)
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

/// The bug to plant in the store.
pub fn planted_in_store() -> Planted {
    Planted::named(&variable("ZUPA_FAULTS_BUG").unwrap_or_default())
}

/// The bug to plant in the store, where that is Postgres.
#[cfg(feature = "postgres")]
pub fn planted_in_postgres() -> zupa_postgres::Planted {
    zupa_postgres::Planted::named(&variable("ZUPA_FAULTS_BUG").unwrap_or_default())
}

/// Where messages leave, as `by-key:PATH` or `never:PATH`: nowhere, or into a
/// file, with a platform behind it that drops repeats of a key or does not.
pub fn sink() -> Result<Option<Sink>, Failure> {
    let Some(wanted) = variable("ZUPA_FAULTS_SINK") else {
        return Ok(None);
    };
    let (deduplicates, path) = match wanted.split_once(':') {
        Some(("by-key", path)) => (Deduplicates::ByKey, path),
        Some(("never", path)) => (Deduplicates::Never, path),
        _ => {
            return Err(Failure::new(
                Code::Config,
                format!("{wanted:?} is no sink: by-key:PATH or never:PATH"),
            ));
        }
    };
    Ok(Some(Sink {
        file: appending(path, "sink")?,
        deduplicates,
    }))
}

/// The same times, with a shorter wait for evidence if one is asked for.
pub fn hurried(settings: Settings) -> Settings {
    match number("ZUPA_FAULTS_DOUBT_MS") {
        0 => settings,
        doubt => Settings {
            doubt: Duration::from_millis(doubt),
            ..settings
        },
    }
}

fn appending(path: &str, what: &str) -> Result<Arc<File>, Failure> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(|error| {
        Failure::new(Code::Failed, format!("the {what} {path} cannot be written")).because(error)
    })?;
    Ok(Arc::new(file))
}

/// What to plant in the runtime.
pub fn planted_in_runtime() -> Result<Faults, Failure> {
    let marks = match variable("ZUPA_FAULTS_MARKS") {
        Some(path) => Some(appending(&path, "marks")?),
        None => None,
    };
    let bug = variable("ZUPA_FAULTS_BUG").unwrap_or_default();
    Ok(Faults {
        marks,
        stall: Duration::from_millis(number("ZUPA_FAULTS_STALL_MS")),
        stall_percent: number("ZUPA_FAULTS_STALL_PERCENT"),
        ack_before_commit: bug == "ack-before-commit",
        resend_without_evidence: bug == "resend-without-evidence",
        send_however_late: bug == "send-however-late",
        hold: variable("ZUPA_FAULTS_HOLD").as_deref() == Some("1"),
        abort_on: variable("ZUPA_FAULTS_ABORT_ON").map(Into::into),
        ..Faults::default()
    })
}
