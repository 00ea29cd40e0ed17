//! What a turn costs with little and with much history behind it.

use serde::{Deserialize, Serialize};

use super::super::cannot;
use super::super::child::progress;
use super::super::figures::median;
use super::super::place::Place;
use super::super::workload::Workload;
use super::{Bench, clock, file, on_threads};
use crate::cli::{Code, Failure};

/// Turns of a window.
const WINDOW: u64 = 500;

/// Turns of one conversation, and what they cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Window {
    /// The turn in the middle.
    pub around: u64,
    pub turns: u64,
    /// The median turn.
    pub p50_ms: f64,
    /// Growth of the file for each turn, payload included.
    pub stored_bytes_per_turn: f64,
}

/// One conversation, one turn after the other, up to half a window beyond
/// `last`; looks at the windows around the 500th and the last.
pub(crate) fn history(
    workload: &Workload,
    place: &Place,
    last: u64,
) -> Result<Vec<Window>, Failure> {
    let file = place.file()?;
    on_threads(async {
        let (bench, ()) = Bench::start(workload, place, |_| Ok(())).await?;
        let mut windows = Vec::new();
        let mut sequence = 0;
        for around in [WINDOW, last] {
            while sequence < around - WINDOW / 2 {
                turn(&bench, workload, sequence).await?;
                sequence += 1;
                if sequence.is_multiple_of(1_000) {
                    progress(&format!("{sequence} turns"));
                }
            }
            let before = file::stored_bytes(file)?;
            let mut times = Vec::with_capacity(WINDOW as usize);
            for _ in 0..WINDOW {
                times.push(turn(&bench, workload, sequence).await?);
                sequence += 1;
            }
            let grown = file::stored_bytes(file)?.saturating_sub(before);
            windows.push(Window {
                around,
                turns: WINDOW,
                p50_ms: median(times),
                stored_bytes_per_turn: grown as f64 / WINDOW as f64,
            });
        }
        bench.stop().await?;
        Ok(windows)
    })
}

/// One turn; tells its time in milliseconds.
async fn turn(bench: &Bench, workload: &Workload, sequence: u64) -> Result<f64, Failure> {
    let began = clock::now();
    let Some((conversation, answer)) = bench.door.take(began) else {
        return Err(Failure::new(Code::Failed, "a turn before was not answered"));
    };
    let message = bench.door.message(workload, conversation, sequence)?;
    let taken = bench.runtime.intake().deliver(message).await?;
    taken.into_iter().collect::<zupa_core::Result<Vec<_>>>()?;
    answer.await.map_err(cannot("wait for an answer"))?;
    Ok(clock::millis(began.elapsed()))
}
