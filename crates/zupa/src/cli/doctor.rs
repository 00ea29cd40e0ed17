//! `zupa doctor`: whether what should hold does, one line for each check.
//!
//! Reading order: one check ([`finding`]), what the configuration alone says
//! ([`settings`]), what Meta says of it (`numbers`), what ordinary phones need
//! ([`phones`]), what needs the store or the process that serves it ([`installation`]),
//! and the sum of all messages ([`accounts`]).

mod accounts;
mod finding;
mod installation;
#[cfg(feature = "whatsapp-cloud")]
mod numbers;
mod phones;
mod settings;

use zupa::config;

use super::arguments::{Doctor, Global};
use super::check;
use super::failure::{Code, Failure};
use super::source::Source;
use finding::{Finding, Report};

/// Runs `zupa doctor`.
pub async fn doctor(global: &Global, doctor: &Doctor) -> Result<Code, Failure> {
    if doctor.accounting {
        let config = check::load(global, &[])?;
        let counts = accounts::read(&Source::open(&config).await?).await?;
        return accounts::print(&counts, doctor.output.json);
    }
    let report = Report(examine(global).await?);
    report.print(doctor.output.json)?;
    Ok(report.code())
}

async fn examine(global: &Global) -> Result<Vec<Finding>, Failure> {
    let config = match config::load(check::sources(global, &[])?) {
        Ok(config) => config,
        // Nothing else can be said of an installation that nobody can read.
        Err(problems) => return Ok(problems.iter().map(settings::problem).collect()),
    };
    // Flags of the process that serves are not ours to know, but where it listens is.
    let listens = match installation::serving(&config).await {
        Some(address) => address,
        None => config.server.listen,
    };
    let mut findings = settings::examine(&config, listens);
    findings.push(settings::model(&config).await);
    #[cfg(feature = "whatsapp-cloud")]
    findings.extend(numbers::examine(&config).await);
    findings.extend(phones::examine(&config));
    findings.extend(installation::examine(&config).await);
    Ok(findings)
}
