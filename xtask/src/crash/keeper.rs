//! The other half of the nemesis: it brings the replicas up, notices when one ends
//! by itself, and looks after their books and their file between the faults.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep};

use super::check::{Check, Violation, conservation, integrity};
use super::life::Life;
use super::marks::{Mark, Phase, UnderWay};
use super::nemesis::Nemesis;
use super::operator;
use super::place::Place;
use super::server::{Faults, Server, Startup};
use super::wire::{Order, Report};

const READY: Duration = Duration::from_secs(30);
/// Deaths that nobody asked for; with more of them the run makes no sense.
const PATIENCE: u32 = 5;

impl Nemesis {
    pub async fn spawn(&mut self, replica: usize, stall_percent: u32) -> anyhow::Result<Life> {
        let incarnation = self.spawned.len() as u64 + 1;
        let order = Order::Start {
            door: replica,
            incarnation,
        };
        self.oracle.tell(&order).await?;
        let faults = Faults {
            bug: self.options.bug.clone(),
            stall_percent,
            sink: self.options.sink.map(|sink| sink.spelled(&self.stage)),
            sends: self.options.on_whatsapp(),
            hold: false,
        };
        let place = &self.replicas[replica].place;
        let server = Server::start(place, &faults)?;
        self.spawned.insert(incarnation, server.spawned_at);
        self.stats.starts += 1;
        Ok(Life::new(server, place, incarnation))
    }

    /// Brings up every replica that is down and does not rest, or all of them
    /// when only one would be left. What runs already is left as it is.
    pub async fn raise(&mut self, stall_percent: u32) -> anyhow::Result<()> {
        self.bury()?;
        let lonely = self
            .replicas
            .iter()
            .filter(|replica| replica.life.is_some())
            .count()
            < 2;
        for replica in 0..self.replicas.len() {
            let place = &mut self.replicas[replica];
            if place.life.is_none() && place.rests > 0 && !lonely {
                place.rests -= 1;
                continue;
            }
            place.rests = 0;
            let life = self.up(replica, stall_percent).await?;
            self.replicas[replica].life = Some(life);
        }
        Ok(())
    }

    /// Takes a replica in hand; starts it until it is ready, unless it runs
    /// already, and checks its books now and then.
    pub async fn up(&mut self, replica: usize, stall_percent: u32) -> anyhow::Result<Life> {
        if let Some(life) = self.replicas[replica].life.take() {
            return Ok(life);
        }
        loop {
            let mut life = self.spawn(replica, stall_percent).await?;
            match life.server.ready(READY).await? {
                Startup::Exited(status) => self.found_dead(life, status)?,
                Startup::Ready(took) => {
                    self.stats.ready.push(took);
                    if self.stats.ready.len().is_multiple_of(5)
                        && let Ok(accounting) = operator::accounting(&life.server.place).await
                    {
                        self.stats.accountings += 1;
                        self.violations.extend(conservation::balance(&accounting));
                    }
                    return Ok(life);
                }
            }
        }
    }

    /// Notes the replicas that ended by themselves.
    pub fn bury(&mut self) -> anyhow::Result<()> {
        for replica in 0..self.replicas.len() {
            let slot = &mut self.replicas[replica].life;
            if let Some(mut life) = slot.take() {
                match life.server.exited()? {
                    None => *slot = Some(life),
                    Some(status) => self.found_dead(life, status)?,
                }
            }
        }
        Ok(())
    }

    /// Waits, and sees to it that all replicas are there.
    pub async fn watch_over(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        loop {
            self.bury()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(Duration::from_millis(20))).await;
        }
    }

    /// Reads what all replicas marked; returns the turns that were claimed since.
    pub fn look_around(&mut self) -> anyhow::Result<Vec<String>> {
        let mut claimed = Vec::new();
        for life in self.replicas.iter_mut().filter_map(|r| r.life.as_mut()) {
            let new = life.news()?;
            self.tally.saw(new);
            let claims = new.iter().filter(|mark| mark.phase == Phase::Claimed);
            claimed.extend(claims.map(|mark| mark.subject.clone()));
        }
        Ok(claimed)
    }

    /// The server ended by itself.
    pub fn found_dead(&mut self, life: Life, status: ExitStatus) -> anyhow::Result<()> {
        let place = life.server.place.clone();
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
            format!("replica {} ended by itself: {status}", place.replica),
        ));
        let (aborts, log) = (self.stats.aborts, place.server_log());
        ensure!(
            self.unasked_deaths <= PATIENCE,
            "the server ends by itself again and again, after {aborts} aborts by poison; see {}",
            log.display()
        );
        Ok(())
    }

    pub fn look_at_the_file(&mut self, cycle: u32) -> anyhow::Result<()> {
        let database = self.stage.places.first().and_then(Place::database);
        if let Some(database) = database
            && let Some(found) = integrity::check(database)?
        {
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
                Report::Back { number, door, at } if number == self.watch => {
                    self.back.insert(door, at);
                }
                Report::Back { .. } | Report::CaughtUp => {}
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
