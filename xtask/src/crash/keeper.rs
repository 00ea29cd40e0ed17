//! The other half of the nemesis: it brings the server up, notices when it ends
//! by itself, and looks after its books and its file between the kills.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::ensure;

use super::check::{Check, Violation, conservation, integrity};
use super::life::Life;
use super::marks::{Mark, Phase, UnderWay};
use super::nemesis::Nemesis;
use super::operator;
use super::server::{Faults, Server, Startup};
use super::wire::{Order, Report};

const READY: Duration = Duration::from_secs(30);
/// Deaths that nobody asked for; with more of them the run makes no sense.
const PATIENCE: u32 = 5;

impl Nemesis {
    pub async fn spawn(&mut self, stall_percent: u32) -> anyhow::Result<Life> {
        let incarnation = self.spawned.len() as u64 + 1;
        self.oracle.tell(&Order::Start { incarnation }).await?;
        let faults = Faults {
            bug: self.options.bug.clone(),
            stall_percent,
            hold: false,
        };
        let server = Server::start(&self.stage, &faults)?;
        self.spawned.insert(incarnation, server.spawned_at);
        self.stats.starts += 1;
        Ok(Life::new(server, &self.stage))
    }

    /// Starts the server until it is ready, unless it runs already, and checks
    /// its books now and then.
    pub async fn up(&mut self, stall_percent: u32) -> anyhow::Result<Life> {
        if let Some(life) = self.running.take() {
            return Ok(life);
        }
        loop {
            let mut life = self.spawn(stall_percent).await?;
            match life.server.ready(READY).await? {
                Startup::Exited(status) => self.found_dead(life, status)?,
                Startup::Ready(took) => {
                    self.stats.ready.push(took);
                    if self.stats.ready.len().is_multiple_of(5)
                        && let Ok(accounting) = operator::accounting(&self.stage).await
                    {
                        self.stats.accountings += 1;
                        self.violations.extend(conservation::balance(&accounting));
                    }
                    return Ok(life);
                }
            }
        }
    }

    /// The server ended by itself.
    pub fn found_dead(&mut self, life: Life, status: ExitStatus) -> anyhow::Result<()> {
        let marks = life.last_words()?;
        self.suspects = suspects(&marks);
        self.tally.ended(marks);
        if self.aborts_left > 0 {
            self.aborts_left -= 1;
            self.stats.aborts += 1;
            return Ok(());
        }
        self.unasked_deaths += 1;
        self.violations.push(Violation::new(
            Check::Server,
            format!("it ended by itself: {status}"),
        ));
        let (aborts, log) = (self.stats.aborts, self.stage.server_log());
        ensure!(
            self.unasked_deaths <= PATIENCE,
            "the server ends by itself again and again, after {aborts} aborts by poison; see {}",
            log.display()
        );
        Ok(())
    }

    pub fn look_at_the_file(&mut self, cycle: u32) -> anyhow::Result<()> {
        if let Some(found) = integrity::check(&self.stage.database())? {
            self.stats.integrity_checks += 1;
            let after = |violation: Violation| {
                Violation::new(
                    violation.check,
                    format!("after cycle {cycle}: {}", violation.detail),
                )
            };
            self.violations.extend(found.into_iter().map(after));
        }
        Ok(())
    }

    /// Takes in what the oracle reported.
    pub fn hear(&mut self) -> anyhow::Result<()> {
        while let Some(report) = self.oracle.heard()? {
            match report {
                Report::Listening { .. } => {}
                Report::FirstAck { incarnation, at } => {
                    let since = self
                        .spawned
                        .get(&incarnation)
                        .map(|spawned| at.saturating_sub(*spawned));
                    self.stats
                        .first_ack
                        .extend(since.map(Duration::from_micros));
                }
                Report::Poisoned { index, id, answer } => {
                    drop(self.poisoned.insert(index, (id, answer)))
                }
                Report::Finished => self.finished = true,
            }
        }
        Ok(())
    }
}

/// The events of the turns that were under way at an end: one of them is the
/// poison, and at the last end only the poison is left.
fn suspects(marks: &[Mark]) -> Vec<String> {
    let mut under_way = UnderWay::default();
    marks.iter().for_each(|mark| under_way.apply(mark));
    let claims = marks.iter().filter(|mark| mark.phase == Phase::Claimed);
    claims
        .filter(|mark| under_way.turns.contains_key(&mark.subject))
        .flat_map(|mark| mark.events.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_under_way_is_suspected() -> anyhow::Result<()> {
        let lines = [
            "e9 accepted 1",
            "t1 claimed 1 e1,e2",
            "t2 claimed 2 e3",
            "t3 claimed 3 e4",
            "t1 model 4",
            "t2 committed 5",
        ];
        let marks: Vec<Mark> = lines
            .iter()
            .map(|line| Mark::parse(line))
            .collect::<Result<_, _>>()?;
        assert_eq!(suspects(&marks), ["e1", "e2", "e4"]);
        Ok(())
    }
}
