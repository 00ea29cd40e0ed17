//! What needs the store, or the process that serves it: that it can be reached, is
//! of this version, survives a power cut, accounts for every message, and that its
//! operators' routes are closed.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use serde::Deserialize;
use zupa::config::{Config, Durability, Engine};
use zupa_core::desk::StoreStatus;
use zupa_sqlite::is_locked;

use super::accounts;
use super::finding::Finding;
use crate::cli::failure::{Code, Failure};
use crate::cli::source::Source;
use crate::cli::{files, operator, store, token};

/// What the server says of itself; the store is a part of it.
#[derive(Deserialize)]
struct Process {
    store: StoreStatus,
}

/// Where the process that serves this store listens, if there is one.
pub async fn serving(config: &Config) -> Option<SocketAddr> {
    let address = token::address(&store::marks(config)).ok()?;
    let serves = match config.store.url.engine() {
        Engine::File(path) => is_locked(path),
        // Nothing of it tells whether its process still runs.
        Engine::Memory | Engine::Postgres => {
            operator::get_as_stranger(address, "/livez").await.is_ok()
        }
    };
    serves.then_some(address)
}

/// Looks at the store.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![durability(config)];
    let source = match Source::open(config).await {
        Ok(source) => source,
        Err(failure) => {
            findings.push(closed(config, &failure));
            findings.push(token_file(config));
            return findings;
        }
    };
    let served = match &source {
        Source::Server((address, _)) => Some(*address),
        Source::Store(_) => None,
    };
    findings.push(match read(&source).await {
        Ok(status) => schema(&status),
        Err(failure) => Finding::failed("store", &failure),
    });
    findings.push(match accounts::read(&source).await {
        Ok(counts) => accounts::finding(&counts),
        Err(failure) => Finding::failed("accounting", &failure),
    });
    findings.push(match served {
        Some(address) => closed_to_strangers(config, address).await,
        None => token_file(config),
    });
    findings
}

async fn read(source: &Source) -> Result<StoreStatus, Failure> {
    match source {
        Source::Store(opened) => Ok(opened.desk.status().await?),
        Source::Server(server) => operator::get::<Process>(server, "/api/v1/status")
            .await?
            .map(|process| process.store)
            .ok_or_else(|| Failure::new(Code::Failed, "the server is of another version")),
    }
}

/// A store that could not be opened. Before the first start there is none.
fn closed(config: &Config, failure: &Failure) -> Finding {
    let fresh = match config.store.url.engine() {
        Engine::File(_) => failure.code() == Code::NotFound,
        Engine::Memory => failure.code() == Code::Unreachable,
        Engine::Postgres => false,
    };
    if fresh {
        return Finding::ok("store", "there is none yet; the first start makes it");
    }
    Finding::failed("store", failure)
}

fn schema(status: &StoreStatus) -> Finding {
    let (has, wanted) = (status.schema_version, status.schema_wanted);
    let what = format!("{} answers, schema {has}", status.engine);
    if has == wanted {
        return Finding::ok("store", what);
    }
    Finding::fail(
        "store",
        what,
        format!("this build wants schema {wanted}"),
        "`zupa db migrate`, or the zupa that the store belongs to",
    )
}

fn durability(config: &Config) -> Finding {
    match config.store.durability {
        Durability::Full => Finding::ok("durability", "full: a commit survives a power cut"),
        Durability::Normal => Finding::warn(
            "durability",
            "normal: a commit survives a crash of the process",
            "a power cut may lose messages that were acknowledged",
            "durability = \"full\" in [store]",
        ),
    }
}

/// A running process must turn away who has no token.
async fn closed_to_strangers(config: &Config, address: SocketAddr) -> Finding {
    const ROUTE: &str = "/api/v1/status";
    match operator::get_as_stranger(address, ROUTE).await {
        Ok(status) if status == hyper::StatusCode::UNAUTHORIZED => token_file(config),
        Ok(status) => Finding::fail(
            "token",
            format!("{address} answers {status} to a reader without a token"),
            "whoever reaches the port may read what operators read",
            "stop what listens there; it is not this zupa as it should be",
        ),
        Err(failure) => Finding::failed("token", &failure),
    }
}

/// The token is made at each start; what can be wrong is who may read it.
fn token_file(config: &Config) -> Finding {
    let path = files::beside(&store::marks(config), ".token");
    let mode = std::fs::metadata(&path).map(|file| file.permissions().mode() & 0o077);
    match mode {
        Ok(0) => Finding::ok(
            "token",
            "the operator API needs one, which only its owner reads",
        ),
        Ok(_) => Finding::fail(
            "token",
            format!("{} can be read by others", path.display()),
            "whoever has the token is an administrator",
            format!(
                "`chmod 600 {}`, then start again for a fresh one",
                path.display()
            ),
        ),
        Err(_) => Finding::ok("token", "the operator API needs one, made at each start"),
    }
}
