//! A death with much accepted, and the start after it; and the first start.

use std::time::Duration;

use super::super::child::mark;
use super::super::place::Place;
use super::super::workload::{Load, Workload};
use super::{Bench, Door, clock, load, on_threads};
use crate::cli::{Code, Failure};

/// A model that does not answer before the death.
const FOR_EVER_MS: u64 = 60 * 60 * 1_000;
/// How often we look whether the answers are there.
const LOOK: Duration = Duration::from_millis(1);
/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Accepts messages, one in each conversation, and dies with all turns open.
pub(crate) fn pile(workload: &Workload, place: &Place, messages: u32) -> Result<(), Failure> {
    let workload = Workload {
        conversations: messages,
        model_ms: FOR_EVER_MS,
        ..*workload
    };
    on_threads(async {
        let (bench, ()) = Bench::start(&workload, place, |_| Ok(())).await?;
        load::accept(&workload, &bench, messages).await?;
        std::process::abort();
    })
}

/// Starts on what a death left and waits until all of it is answered.
pub(crate) fn recover(workload: &Workload, place: &Place, messages: u32) -> Result<(), Failure> {
    let workload = Workload {
        conversations: messages,
        load: Load::Closed { in_flight: 1 },
        ..*workload
    };
    on_threads(async {
        let began = clock::now();
        let expect_all = |door: &Door| {
            while door.take(began).is_some() {}
            Ok(())
        };
        let (bench, ()) = Bench::start(&workload, place, expect_all).await?;
        let (mut first, all) = (false, u64::from(messages));
        while bench.meter.all() < all {
            if !first && bench.meter.all() > 0 {
                first = true;
                mark("first");
            }
            if began.elapsed() > PATIENCE {
                let failure = Failure::new(Code::Failed, "not all was answered after the death");
                return Err(failure.because(format!("{} of {all}", bench.meter.all())));
            }
            tokio::time::sleep(LOOK).await;
        }
        if !first {
            mark("first");
        }
        mark("all");
        bench.stop().await.map(drop)
    })
}

/// Starts on an empty file and hands one message in.
pub(crate) fn accept_one(workload: &Workload, place: &Place) -> Result<(), Failure> {
    on_threads(async {
        let (bench, ()) = Bench::start(workload, place, |_| Ok(())).await?;
        let Some((conversation, _answer)) = bench.door.take(clock::now()) else {
            return Err(Failure::new(Code::Failed, "there is no conversation"));
        };
        let message = bench.door.message(workload, conversation, 0)?;
        let taken = bench.runtime.intake().deliver(message).await?;
        taken.into_iter().collect::<zupa_core::Result<Vec<_>>>()?;
        mark("acknowledged");
        bench.stop().await.map(drop)
    })
}
