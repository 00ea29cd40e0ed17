//! Zupa's own path in this process: the store, a scripted model, a door that
//! tells when an answer was sent. What comes in goes through the same handle
//! that every door pushes into.

mod counting;
mod door;
mod events;
mod history;
mod load;
mod recovery;

use std::sync::Arc;
use std::time::Duration;

use zupa_core::{ChannelId, Model, Store, TenantId};
use zupa_runtime::{Agent, Runtime, Script, ScriptedModel, Settings};

use super::cannot;
use super::clock;
use super::figures::Figures;
use super::file::{self, LogCount};
use super::folder;
use super::meter::{Meter, Writes};
use super::place::Place;
use super::workload::{TEXT, Workload};
use crate::cli::Failure;
use counting::Counting;
use door::Door;
use events::Events;
pub(super) use events::EventsTold;
pub(super) use history::{Window, history};
pub(super) use recovery::{accept_one, pile, recover};

/// How long the last answers are awaited.
const PATIENCE: Duration = Duration::from_secs(10);
/// Turns in flight at most: more than any workload has, so that nobody waits.
const NO_LIMIT: usize = 1 << 16;
/// How long a process rests before its memory is read.
const REST: Duration = Duration::from_secs(2);

/// The running path and what the benchmark holds of it.
pub(super) struct Bench {
    runtime: Runtime,
    door: Arc<Door>,
    meter: Arc<Meter>,
    events: Option<Events>,
}

impl Bench {
    /// Opens the store and starts the path. `prepare` runs when the schema is
    /// there and nothing else runs yet.
    async fn start<T>(
        workload: &Workload,
        place: &Place,
        prepare: impl FnOnce(&Door) -> Result<T, Failure>,
    ) -> Result<(Self, T), Failure> {
        let writes = Arc::new(Writes::default());
        let opened = place.open(workload.durability).await?;
        let store = Counting::new(opened.store, writes.clone());
        let script = Script::always("a ".repeat(TEXT / 2 - 1) + "ok", workload.model());
        let model: Arc<dyn Model> = Arc::new(ScriptedModel::new(script)?);
        let meter = Arc::new(Meter::new(workload, writes));
        let door = Arc::new(Door::new(
            ChannelId::parse("bench")?,
            TenantId::default_tenant(),
            workload.conversations,
            meter.clone(),
        ));
        let prepared = prepare(&door)?;
        let settings = Settings {
            turns_in_flight: NO_LIMIT,
            backlog: u64::MAX,
            queue_age: Duration::ZERO,
            ..Settings::default()
        };
        let agent = Agent::new("bench", "You answer questions about a small hotel, kindly.");
        let mut builder = Runtime::builder(Arc::new(store) as Arc<dyn Store>, model, agent)
            .channel(door.clone())
            .settings(settings);
        if let Some(wakeup) = opened.wakeup {
            builder = builder.wakeup(wakeup);
        }
        let runtime = builder.start().await?;
        let events = match workload.events_per_second {
            0 => None,
            pace => Some(Events::start(runtime.bus(), pace)?),
        };
        let bench = Self {
            runtime,
            door,
            meter,
            events,
        };
        Ok((bench, prepared))
    }

    /// Ends the path; tells what became of the events, if there were any.
    async fn stop(self) -> Result<Option<EventsTold>, Failure> {
        let emitted = match self.events {
            Some(events) => Some(events.stop().await?),
            None => None,
        };
        self.runtime.shutdown(PATIENCE).await?;
        match emitted {
            Some(emitted) => Ok(Some(emitted.told().await?)),
            None => Ok(None),
        }
    }
}

/// Runs a workload.
pub(super) fn run(workload: &Workload, place: &Place) -> Result<Figures, Failure> {
    on_threads(measure(workload, place))
}

async fn measure(workload: &Workload, place: &Place) -> Result<Figures, Failure> {
    // A server's bytes are asked for by whoever started us.
    let Ok(file) = place.file() else {
        let (bench, ()) = Bench::start(workload, place, |_| Ok(())).await?;
        let unanswered = load::run(workload, &bench).await?;
        let mut figures = bench.meter.figures(unanswered);
        figures.events = bench.stop().await?;
        return Ok(figures);
    };
    let look = |_: &Door| {
        let log = workload.counts_log.then(|| LogCount::start(file));
        Ok((file::stored_bytes(file)?, log.transpose()?))
    };
    let (bench, (before, log)) = Bench::start(workload, place, look).await?;
    let unanswered = load::run(workload, &bench).await?;
    let mut figures = bench
        .meter
        .figures(unanswered)
        .with_growth(before, file::stored_bytes(file)?)
        .with_log(log.map(|log| log.bytes()).transpose()?);
    figures.events = bench.stop().await?;
    Ok(figures)
}

/// One turn in each conversation, then rest; tells the memory.
pub(super) fn idle(workload: &Workload, place: &Place) -> Result<Figures, Failure> {
    on_threads(async {
        let (bench, ()) = Bench::start(workload, place, |_| Ok(())).await?;
        let unanswered = load::run(workload, &bench).await?;
        tokio::time::sleep(REST).await;
        let mut figures = bench.meter.figures(unanswered);
        figures.rss_bytes = folder::resident_bytes();
        bench.stop().await?;
        Ok(figures)
    })
}

/// The threads that `zupa serve` has.
fn on_threads<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(cannot("start threads"))?;
    let result = threads.block_on(work);
    threads.shutdown_background();
    result
}
