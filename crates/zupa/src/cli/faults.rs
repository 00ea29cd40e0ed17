//! Faults for the kill harness, from the environment. Only in builds with the
//! feature `faults`.

use std::fs::OpenOptions;
use std::sync::Arc;
use std::time::Duration;

use zupa_runtime::Faults;
use zupa_sqlite::Planted;

use super::environment::variable;
use super::failure::{Code, Failure};

fn number(name: &str) -> u64 {
    variable(name)
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

/// The bug to plant in the store.
pub fn planted_in_store() -> Planted {
    Planted::named(&variable("ZUPA_FAULTS_BUG").unwrap_or_default())
}

/// What to plant in the runtime.
pub fn planted_in_runtime() -> Result<Faults, Failure> {
    let marks = match variable("ZUPA_FAULTS_MARKS") {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            Some(Arc::new(file.map_err(|error| {
                Failure::new(Code::Failed, format!("the marks {path} cannot be written"))
                    .because(error)
            })?))
        }
        None => None,
    };
    Ok(Faults {
        marks,
        stall: Duration::from_millis(number("ZUPA_FAULTS_STALL_MS")),
        stall_percent: number("ZUPA_FAULTS_STALL_PERCENT"),
        ack_before_commit: variable("ZUPA_FAULTS_BUG").as_deref() == Some("ack-before-commit"),
        hold: variable("ZUPA_FAULTS_HOLD").as_deref() == Some("1"),
        abort_on: variable("ZUPA_FAULTS_ABORT_ON").map(Into::into),
        ..Faults::default()
    })
}
