//! `zupa turn` and `zupa db`: reads, from the serving process if there is one,
//! else from the file.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zupa::sqlite::{SqliteConfig, SqliteStore, is_locked};
use zupa_core::Desk;
use zupa_core::desk::{Accounting, StoreStatus, TurnView};
use zupa_http::{Why, why};

use super::arguments::{DbCommand, Global, Id, TurnCommand};
use super::failure::{Code, Failure};
use super::{check, operator, print, token};

/// Where to read.
enum Source {
    Server((std::net::SocketAddr, String)),
    File(Arc<dyn Desk>),
}

impl Source {
    async fn open(store: &Path) -> Result<Self, Failure> {
        if is_locked(store) {
            return Ok(Self::Server(token::read(store)?));
        }
        if !store.exists() {
            return Err(Failure::new(
                Code::NotFound,
                format!("there is no store at {}", store.display()),
            )
            .try_this("name the one you mean with --set store.url=sqlite://PATH"));
        }
        let store = SqliteStore::open(SqliteConfig::at(store)).await?;
        Ok(Self::File(Arc::new(store)))
    }
}

/// Runs `zupa turn …`.
pub async fn turn(global: &Global, command: &TurnCommand) -> Result<Code, Failure> {
    let (TurnCommand::Show(wanted) | TurnCommand::Why(wanted)) = command;
    let config = check::load(global, &[])?;
    let view = match Source::open(config.store.path()).await? {
        Source::File(desk) => desk.turn(&wanted.id).await?,
        Source::Server(server) => {
            let path = format!("/api/v1/turns/{}", encode(&wanted.id));
            operator::get::<TurnView>(&server, &path).await?
        }
    };
    let view = view.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            format!("no turn and no message is called {}", wanted.id),
        )
        .try_this("the id in the answer to the POST, or in the simulated phone's panel")
    })?;
    match command {
        TurnCommand::Show(_) => show(&view, wanted),
        TurnCommand::Why(_) => explain(&why(&view), wanted),
    }
}

fn explain(why: &Why, wanted: &Id) -> Result<Code, Failure> {
    if wanted.output.json {
        print::json(&serde_json::json!({
            "version": 1, "id": wanted.id, "code": why.code, "why": why.sentence,
        }))?;
    } else {
        print::line(format_args!("{}: {}", why.code, why.sentence));
    }
    Ok(Code::Ok)
}

fn show(view: &TurnView, wanted: &Id) -> Result<Code, Failure> {
    if wanted.output.json {
        #[derive(Serialize)]
        struct Versioned<'a> {
            version: u8,
            #[serde(flatten)]
            view: &'a TurnView,
        }
        print::json(&Versioned { version: 1, view })?;
        return Ok(Code::Ok);
    }
    print::line(format_args!("conversation {}", view.conversation));
    if let Some(turn) = &view.turn {
        print::line(format_args!(
            "turn         {} {:?}, inbounds {} to {}, {} starts, {} failures",
            turn.id, turn.state, turn.first, turn.last, turn.runs, turn.failures
        ));
        print::line(format_args!("  claimed    {}", turn.claimed_at));
        if let Some(ended_at) = turn.ended_at {
            print::line(format_args!("  ended      {ended_at}"));
        }
        if let Some(not_before) = turn.not_before {
            print::line(format_args!("  again      {not_before}"));
        }
    }
    for inbound in &view.inbounds {
        print::line(format_args!(
            "inbound      #{} {} {:?}, accepted {}, {} duplicates",
            inbound.number, inbound.event, inbound.state, inbound.accepted_at, inbound.duplicates
        ));
    }
    for step in &view.steps {
        print::line(format_args!("step         {step}"));
    }
    for delivery in &view.deliveries {
        print::line(format_args!(
            "delivery     #{} {} {:?}, {} attempts",
            delivery.number, delivery.id, delivery.state, delivery.attempts
        ));
    }
    for entry in &view.audit {
        print::line(format_args!(
            "audit        {} {} by {} {}",
            entry.at, entry.action, entry.actor, entry.reason
        ));
    }
    print::line(format_args!("why          {}", why(view).sentence));
    Ok(Code::Ok)
}

struct Status {
    store: StoreStatus,
    accounting: Accounting,
}

/// What the server says of itself; the store is a part of it.
#[derive(Deserialize)]
struct Process {
    store: StoreStatus,
}

/// Runs `zupa db …`.
pub async fn db(global: &Global, command: &DbCommand) -> Result<Code, Failure> {
    let DbCommand::Status(output) = command;
    let config = check::load(global, &[])?;
    let status = match Source::open(config.store.path()).await? {
        Source::File(desk) => Status {
            store: desk.status().await?,
            accounting: desk.accounting().await?,
        },
        Source::Server(server) => {
            let gone = || Failure::new(Code::Failed, "the server is of another version");
            let process: Process = operator::get(&server, "/api/v1/status")
                .await?
                .ok_or_else(gone)?;
            Status {
                store: process.store,
                accounting: operator::get(&server, "/api/v1/accounting")
                    .await?
                    .ok_or_else(gone)?,
            }
        }
    };
    let balanced = status.accounting.is_balanced();
    if output.json {
        print::json(&serde_json::json!({
            "version": 1, "store": status.store, "accounting": status.accounting, "balanced": balanced,
        }))?;
    } else {
        let Status { store, accounting } = &status;
        print::line(format_args!("engine         {}", store.engine));
        print::line(format_args!("location       {}", store.location));
        print::line(format_args!(
            "schema         {} (this build wants {})",
            store.schema_version, store.schema_wanted
        ));
        print::line(format_args!("durability     {}", store.durability));
        print::line(format_args!(
            "bytes          {} and {} in the log",
            store.bytes, store.log_bytes
        ));
        print::line(format_args!("conversations  {}", store.conversations));
        print::line(format_args!("accepted       {}", accounting.accepted));
        for (state, count) in accounting.open.iter().chain(&accounting.ended) {
            print::line(format_args!("  {state:<12} {count}"));
        }
        print::line(format_args!("balanced       {balanced}"));
    }
    Ok(if balanced {
        Code::Ok
    } else {
        Code::IntegrityViolated
    })
}

/// An id as part of a path: everything but letters, digits and `-_.` escaped.
fn encode(id: &str) -> String {
    id.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
