//! `zupa db status`: what the store says of itself, and whether its sum holds.

use serde::Deserialize;
use zupa::config::Config;
use zupa_core::desk::{Accounting, ProcessState, ProcessView, StoreStatus};

use crate::cli::arguments::Output;
use crate::cli::failure::{Code, Failure};
use crate::cli::source::Source;
use crate::cli::{operator, print};

struct Status {
    store: StoreStatus,
    accounting: Accounting,
}

/// What the server says of itself; the store is a part of it.
#[derive(Deserialize)]
struct Process {
    store: StoreStatus,
}

/// Runs `zupa db status`.
pub async fn status(config: &Config, output: &Output) -> Result<Code, Failure> {
    let status = read(Source::open(config).await?).await?;
    let balanced = status.accounting.is_balanced();
    let Status { store, accounting } = &status;
    if output.json {
        print::json(&serde_json::json!({
            "version": 1, "store": store, "accounting": accounting, "balanced": balanced,
        }))?;
    } else {
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
        let packed = &store.packed;
        if packed.stored_bytes > 0 {
            print::line(format_args!(
                "packed         {} of the newest payloads: {} bytes in {} ({:.1}x)",
                packed.payloads,
                packed.bytes,
                packed.stored_bytes,
                packed.bytes as f64 / packed.stored_bytes as f64
            ));
        }
        for process in &store.processes {
            print_process(process);
        }
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

async fn read(source: Source) -> Result<Status, Failure> {
    let server = match source {
        Source::Store(opened) => {
            return Ok(Status {
                store: opened.desk.status().await?,
                accounting: opened.desk.accounting().await?,
            });
        }
        Source::Server(server) => server,
    };
    let gone = || Failure::new(Code::Failed, "the server is of another version");
    let process: Process = operator::get(&server, "/api/v1/status")
        .await?
        .ok_or_else(gone)?;
    Ok(Status {
        store: process.store,
        accounting: operator::get(&server, "/api/v1/accounting")
            .await?
            .ok_or_else(gone)?,
    })
}

fn print_process(process: &ProcessView) {
    let state = match process.state {
        ProcessState::Alive => "alive",
        ProcessState::Silent => "silent",
        ProcessState::Ended => "ended",
    };
    print::line(format_args!(
        "process        {} {state}, started {}, last sign {}, {} stale writes",
        process.id, process.started_at, process.heartbeat_at, process.stale
    ));
}
