//! `zupa audit`: what was done to the installation as a whole, by whom, and why.

use zupa::config::Config;
use zupa_http::audit::{self as shared, Entries, Entry};

use super::arguments::{AuditCommand, Global, ListAudit};
use super::failure::{Code, Failure};
use super::reviews::{plain, versioned};
use super::source::Source;
use super::{check, operator, print};

/// Runs `zupa audit …`.
pub async fn audit(global: &Global, command: &AuditCommand) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    match command {
        AuditCommand::Ls(wanted) => list(&config, wanted).await,
    }
}

async fn list(config: &Config, wanted: &ListAudit) -> Result<Code, Failure> {
    let found = match Source::open(config).await? {
        Source::Store(opened) => {
            let limit = usize::from(wanted.limit);
            shared::list(opened.desk.as_ref(), wanted.before, limit).await?
        }
        Source::Server(server) => {
            let limit = wanted.limit;
            let before = wanted.before;
            let before = before.map_or_else(String::new, |number| format!("&before={number}"));
            operator::get::<Entries>(&server, &format!("/api/v1/audit?limit={limit}{before}"))
                .await?
                .ok_or_else(|| Failure::new(Code::Failed, "the server is of another version"))?
        }
    };
    if wanted.output.json {
        versioned(&found)?;
        return Ok(Code::Ok);
    }
    for entry in &found.entries {
        print::line(format_args!("{}", line(entry)));
    }
    match found.entries.last() {
        None => eprintln!("nothing was done to the installation"),
        Some(last) if found.more => eprintln!("there are more: --before {}", last.number),
        Some(_) => {}
    }
    Ok(Code::Ok)
}

fn line(entry: &Entry) -> String {
    let Entry {
        number, at, actor, ..
    } = entry;
    let (action, reason) = (&entry.action, plain(&entry.reason.as_str().into()));
    format!("{number}  {at}  {actor}  {action}  {reason}")
}
