//! Recovery with a full backlog: 10,000 messages accepted by a server that
//! claims nothing, a kill, and the time until all of them are answered. Or with all
//! turns in flight: 1,000 of them wait for a model that stalls, a kill, and the time
//! until all of them ask it again, and are answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::book::Book;
use super::check::{Check, Violation};
use super::heal::Healed;
use super::judge::{Judgement, judge};
use super::life::Life;
use super::marks::{Mark, Phase};
use super::operator::{self, Accounting};
use super::options::Options;
use super::oracle::handle::Oracle;
use super::script::Script;
use super::server::{Faults, Server, Startup};
use super::stage::Stage;
use super::wire::{Order, Report};

/// Start of the process → all answered.
const LIMIT: Duration = Duration::from_secs(5);
/// Long enough to print a time beyond the limit.
const DEADLINE: Duration = Duration::from_secs(60);
const FILLING: Duration = Duration::from_secs(120);
const READY: Duration = Duration::from_secs(30);
/// Shorter than the model may take.
const ASKING: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recovery {
    pub messages: u64,
    pub ready_ms: u64,
    pub first_finished_ms: u64,
    pub all_finished_ms: u64,
    /// Of turns in flight: when the last of them asked the model again.
    pub resumed_ms: Option<u64>,
}

pub async fn run(
    stage: &Stage,
    options: &Options,
    script: &Script,
    mut oracle: Oracle,
) -> anyhow::Result<(Recovery, Judgement)> {
    let faults = |hold| Faults {
        sink: None,
        sends: false,
        bug: options.bug.clone(),
        stall_percent: 0,
        hold,
    };
    let mut life = start(stage, 1, &faults(!options.in_flight)).await?.0;
    fill(stage, script, &mut oracle).await?;
    if options.in_flight {
        all_asking(&mut life, script.messages).await?;
    }
    let accounting = operator::accounting(&stage.places[0]).await?;
    let (accepted, ended) = (accounting.accepted, accounting.all_ended());
    ensure!(
        ended == 0,
        "{ended} messages ended on a server that was to claim nothing"
    );
    ensure!(
        accepted == u64::from(script.messages),
        "{accepted} accepted, not {}",
        script.messages
    );
    life.look()?;
    let mut history = life.kill().await?;
    oracle.tell(&Order::Answer).await?;

    let (mut life, ready) = start(stage, 2, &faults(false)).await?;
    let (first, accounting) = finished(stage, &life, 1).await?;
    let (all, accounting) = if accounting.all_ended() < accepted {
        finished(stage, &life, accepted).await?
    } else {
        (first, accounting)
    };
    life.look()?;
    let (resumed, lost) = if options.in_flight {
        resumed(&history, &life.marks, life.server.spawned_at)
    } else {
        (None, Vec::new())
    };
    let recovery = Recovery {
        messages: accepted,
        ready_ms: millis(ready),
        first_finished_ms: millis(first),
        all_finished_ms: millis(all),
        resumed_ms: resumed,
    };
    history.shrink_to_fit();
    let healed = Healed {
        lives: vec![life],
        accounting: Some(accounting),
        drained_in: Some(all),
    };
    let mut judgement = judge(stage, healed, history, &Book::default(), oracle).await?;
    judgement.violations.extend(lost);
    if !options.in_flight {
        judgement.violations.extend(verdict(&recovery));
    }
    Ok((recovery, judgement))
}

async fn start(
    stage: &Stage,
    incarnation: u64,
    faults: &Faults,
) -> anyhow::Result<(Life, Duration)> {
    let place = &stage.places[0];
    let mut server = Server::start(place, faults)?;
    match server.ready(READY).await? {
        Startup::Ready(took) => Ok((Life::new(server, place, incarnation), took)),
        Startup::Exited(status) => bail!(
            "the server does not start: {status}, see {}",
            place.server_log().display()
        ),
    }
}

async fn fill(stage: &Stage, script: &Script, oracle: &mut Oracle) -> anyhow::Result<()> {
    let doors = stage.doors();
    oracle.tell(&Order::Begin { doors }).await?;
    oracle.tell(&Order::Heal).await?;
    let begin = Instant::now();
    while begin.elapsed() < FILLING {
        if oracle.heard()? == Some(Report::Finished) {
            return Ok(());
        }
        sleep(Duration::from_millis(5)).await;
    }
    bail!(
        "{} messages were not accepted within {FILLING:?}",
        script.messages
    )
}

/// Waits until so many turns wait for the model.
async fn all_asking(life: &mut Life, turns: u32) -> anyhow::Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < ASKING {
        life.look()?;
        if life.under_way.count(Phase::Model) == u64::from(turns) {
            return Ok(());
        }
        sleep(Duration::from_millis(5)).await;
    }
    let asking = life.under_way.count(Phase::Model);
    bail!("{asking} of {turns} turns asked the model within {ASKING:?}")
}

/// When the last turn that had asked the model before the death asked it again, in
/// milliseconds from the start; and the turns that never did.
fn resumed(before: &[Mark], after: &[Mark], started_at: u64) -> (Option<u64>, Vec<Violation>) {
    let mut again: BTreeMap<&str, u64> = BTreeMap::new();
    for mark in after.iter().filter(|mark| mark.phase == Phase::Model) {
        again.entry(&mark.subject).or_insert(mark.at);
    }
    let asked = before.iter().filter(|mark| mark.phase == Phase::Model);
    let turns: BTreeSet<&str> = asked.map(|mark| mark.subject.as_str()).collect();
    let lost = turns.iter().filter(|turn| !again.contains_key(*turn));
    let lost = lost.map(|turn| {
        let detail = format!("turn {turn} was in flight at the kill and never ran again");
        Violation::new(Check::Turns, detail)
    });
    let last = turns.iter().filter_map(|turn| again.get(turn)).max();
    let last = last.map(|at| at.saturating_sub(started_at) / 1_000);
    (last, lost.collect())
}

/// Waits until so many messages ended, and tells when, counted from the start
/// of the process. The books are read every 10 ms, so it is no more exact.
async fn finished(
    stage: &Stage,
    life: &Life,
    count: u64,
) -> anyhow::Result<(Duration, Accounting)> {
    let mut last = None;
    while life.server.spawned.elapsed() < DEADLINE {
        let accounting = operator::accounting(&stage.places[0]).await;
        let at = life.server.spawned.elapsed();
        match accounting {
            Ok(accounting) if accounting.all_ended() >= count => return Ok((at, accounting)),
            accounting => last = Some(accounting),
        }
        sleep(Duration::from_millis(10)).await;
    }
    let last = last.context("the books were never read")??;
    bail!(
        "{} of {count} messages ended within {DEADLINE:?}: {last:?}",
        last.all_ended()
    )
}

fn verdict(recovery: &Recovery) -> Option<Violation> {
    let limit = millis(LIMIT);
    let detail = format!(
        "all were answered only {} ms after the start, not within {limit}",
        recovery.all_finished_ms
    );
    (recovery.all_finished_ms >= limit).then(|| Violation::new(Check::Drain, detail))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_recovery_is_caught() {
        let after = |all_finished_ms| Recovery {
            messages: 10_000,
            ready_ms: 50,
            first_finished_ms: 80,
            all_finished_ms,
            resumed_ms: None,
        };
        assert_eq!(verdict(&after(4_999)), None);
        assert!(verdict(&after(5_000)).is_some());
    }

    #[test]
    fn a_turn_that_never_runs_again_is_caught() -> anyhow::Result<()> {
        let marks = |lines: &[&str]| -> anyhow::Result<Vec<Mark>> {
            lines.iter().map(|line| Mark::parse(line)).collect()
        };
        let before = marks(&["t1 claimed 1", "t1 model 2", "t2 model 3"])?;
        let both = marks(&["t1 model 5000", "t2 model 9000", "t2 model 12000"])?;
        assert_eq!(resumed(&before, &both, 2_000), (Some(7), Vec::new()));
        let (last, lost) = resumed(&before, &both[..1], 2_000);
        assert_eq!((last, lost.len()), (Some(3), 1));
        Ok(())
    }
}
