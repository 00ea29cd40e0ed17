//! The contract of `Store`, `Desk` and `IdempotencyKeys` as plain async functions, one
//! per promise, named as the promise.
//!
//! Each function opens a fresh store through a [`Harness`], acts, and panics
//! when the promise is broken. Run them one by one with [`each!`](crate::each),
//! or all of them with [`run_all`], in a runtime whose time runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a contract is test code: a panic is how it reports"
)]

pub mod accept;
pub mod acts;
pub mod adapter;
pub mod alias;
pub mod batch;
pub mod burst;
mod cases;
pub mod channel;
pub mod claim;
pub mod claims;
pub mod commit;
pub mod counts;
pub mod dead_letters;
pub mod decisions;
pub mod delivery;
pub mod doubt;
pub mod early;
pub mod failures;
pub mod hand_back;
pub mod holds;
pub mod idempotency;
pub mod idle;
pub mod ids;
pub mod intents;
pub mod internals;
pub mod journal;
pub mod large;
pub mod late;
pub mod pace;
pub mod person;
pub mod reads;
pub mod receipts;
pub mod recovery;
pub mod redrives;
pub mod replies;
pub mod retry;
pub mod rivals;
pub mod say;
pub mod set_back;
pub mod settle;
pub mod speech;
pub mod state;
pub mod timers;
pub mod unread;
pub mod wakes;
pub mod walk;
pub mod window;
mod world;

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use zupa_core::{Desk, IdempotencyKeys, Store};

pub use crate::each;
pub use cases::CASES;

/// No case needs as long as this, not even on a disk that many share; one that does
/// hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// An open store, port by port.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The path's transactions.
    pub store: Arc<dyn Store>,
    /// What operators and readers see.
    pub desk: Arc<dyn Desk>,
    /// Keys of acts.
    pub keys: Arc<dyn IdempotencyKeys>,
}

impl Opened {
    /// All ports of one thing.
    pub fn of<T: Store + Desk + IdempotencyKeys>(store: Arc<T>) -> Self {
        Self {
            store: store.clone(),
            desk: store.clone(),
            keys: store,
        }
    }
}

/// What a store's author brings: how to open it.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Opens a fresh, empty store that no process has taken over yet.
    async fn store(&self) -> Opened;

    /// Opens the store of the last [`Self::store`] call again, as a restarted
    /// process would. The suite has dropped its handles and calls
    /// [`Store::recover`] itself; it closed the store before, or it did not.
    async fn reopen(&self) -> Opened;

    /// How many histories each case that generates some plays, at most 4: fewer for a
    /// store on which one takes long.
    fn histories(&self) -> u64 {
        4
    }
}

/// One promise.
#[derive(Clone, Copy)]
pub struct Case {
    /// The module and the function: `accept::same_id_other_content_is_conflict`.
    pub name: &'static str,
    /// Checks it; panics when it is broken.
    pub check: for<'h> fn(&'h dyn Harness) -> BoxFuture<'h, ()>,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The case.
    pub case: &'static str,
    /// What it saw.
    pub why: String,
}

/// What became of all cases.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Kept promises.
    pub kept: Vec<&'static str>,
    /// Broken ones.
    pub broken: Vec<Broken>,
}

impl Report {
    /// True when this case was run and found broken.
    pub fn is_broken(&self, case: &str) -> bool {
        self.broken.iter().any(|broken| broken.case == case)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, broken) = (self.kept.len(), self.broken.len());
        writeln!(f, "{kept} promises kept, {broken} broken")?;
        for broken in &self.broken {
            writeln!(f, "  {}: {}", broken.case, broken.why)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Runs every case, each on a fresh store, and reports which are broken.
pub async fn run_all(harness: &dyn Harness) -> Report {
    let mut report = Report::default();
    for case in CASES {
        match run(case, harness).await {
            Ok(()) => report.kept.push(case.name),
            Err(broken) => report.broken.push(broken),
        }
    }
    report
}

/// Runs one case. A panic or a hang is a broken promise.
///
/// # Errors
///
/// The promise that is broken, and what was seen instead.
pub async fn run(case: &Case, harness: &dyn Harness) -> Result<(), Broken> {
    let check = AssertUnwindSafe((case.check)(harness)).catch_unwind();
    let why = match tokio::time::timeout(PATIENCE, check).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(panic)) => words(panic.as_ref()),
        Err(_) => format!("no end after {PATIENCE:?}"),
    };
    Err(Broken {
        case: case.name,
        why,
    })
}

/// Waits for a promise, but not for ever.
///
/// # Panics
///
/// When the promise is broken, or still open after a minute.
pub async fn kept(promise: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(PATIENCE, promise).await;
    assert!(ended.is_ok(), "no end after {PATIENCE:?}");
}

fn words(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}
