//! One incarnation of a replica, and what its marks tell while it lives.

use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::marks::{Mark, Phase, Tail, UnderWay};
use super::place::Place;
use super::server::Server;

/// How often the marks are looked at. A stalled mark lasts 50 ms.
const LOOK: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub struct Life {
    pub incarnation: u64,
    pub server: Server,
    pub under_way: UnderWay,
    pub marks: Vec<Mark>,
    /// So many marks were handed out as news.
    told: usize,
    tail: Tail,
}

/// How a wait for the right moment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Now,
    /// The wanted phase did not show up in time; another moment is as good as any.
    Missed,
    Died(ExitStatus),
}

impl Life {
    pub fn new(server: Server, place: &Place, incarnation: u64) -> Self {
        Self {
            incarnation,
            server,
            under_way: UnderWay::default(),
            marks: Vec::new(),
            told: 0,
            tail: Tail::new(place.marks(), incarnation),
        }
    }

    /// Reads on; returns how many marks were known before.
    pub fn look(&mut self) -> anyhow::Result<usize> {
        let before = self.marks.len();
        for mark in self.tail.read()? {
            self.under_way.apply(&mark);
            self.marks.push(mark);
        }
        Ok(before)
    }

    /// Reads on; returns what was not returned here before.
    pub fn news(&mut self) -> anyhow::Result<&[Mark]> {
        self.look()?;
        let told = std::mem::replace(&mut self.told, self.marks.len());
        Ok(&self.marks[told..])
    }

    /// Lets the server run for a while.
    pub async fn wait(&mut self, time: Duration) -> anyhow::Result<Moment> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if let Some(status) = self.server.exited()? {
                return Ok(Moment::Died(status));
            }
            sleep(LOOK.min(end.saturating_duration_since(Instant::now()))).await;
        }
        self.look()?;
        Ok(Moment::Now)
    }

    /// Waits until a mark of this phase appears and its turn is still there,
    /// letting the first few go by.
    pub async fn wait_for(
        &mut self,
        phase: Phase,
        mut pass: u32,
        spares: impl Fn(&UnderWay) -> bool,
    ) -> anyhow::Result<Moment> {
        const CHOOSY: Duration = Duration::from_millis(1500);
        const DEADLINE: Duration = Duration::from_secs(4);
        let begin = Instant::now();
        while begin.elapsed() < DEADLINE {
            if let Some(status) = self.server.exited()? {
                return Ok(Moment::Died(status));
            }
            let before = self.look()?;
            let new = self.marks[before..].iter().any(|mark| mark.phase == phase);
            let there = match phase {
                // The turn is gone, and what it said is about to leave.
                Phase::Committed => new,
                phase => self.under_way.count(phase) > 0,
            };
            let choosy = begin.elapsed() < CHOOSY && pass > 0;
            let good = there && (new || !choosy) && !spares(&self.under_way);
            if good && !choosy {
                return Ok(Moment::Now);
            }
            pass -= u32::from(good);
            sleep(LOOK).await;
        }
        Ok(Moment::Missed)
    }

    /// Waits until so many turns are in flight.
    pub async fn wait_for_load(&mut self, turns: usize) -> anyhow::Result<Moment> {
        const DEADLINE: Duration = Duration::from_secs(10);
        let begin = Instant::now();
        while begin.elapsed() < DEADLINE {
            if let Some(status) = self.server.exited()? {
                return Ok(Moment::Died(status));
            }
            self.look()?;
            if self.under_way.turns.len() >= turns {
                return Ok(Moment::Now);
            }
            sleep(LOOK).await;
        }
        Ok(Moment::Missed)
    }

    /// Waits until a kill would hit no lone turn once too often.
    pub async fn wait_to_spare(
        &mut self,
        spares: impl Fn(&UnderWay) -> bool,
    ) -> anyhow::Result<Moment> {
        const DEADLINE: Duration = Duration::from_secs(10);
        let begin = Instant::now();
        while begin.elapsed() < DEADLINE {
            if let Some(status) = self.server.exited()? {
                return Ok(Moment::Died(status));
            }
            self.look()?;
            if !spares(&self.under_way) {
                return Ok(Moment::Now);
            }
            sleep(LOOK).await;
        }
        Ok(Moment::Missed)
    }

    /// Kills it; returns all it marked.
    pub async fn kill(self) -> anyhow::Result<Vec<Mark>> {
        let Self {
            server,
            mut marks,
            mut tail,
            ..
        } = self;
        server.kill().await?;
        marks.extend(tail.read()?);
        Ok(marks)
    }

    /// Asks it to end, as [`Server::stop`]. Returns how it ended, unless it did not within this time and was killed, and all it marked.
    pub async fn end(
        self,
        again: Option<Duration>,
        deadline: Duration,
    ) -> anyhow::Result<(Option<ExitStatus>, Vec<Mark>)> {
        let Self {
            server,
            mut marks,
            mut tail,
            ..
        } = self;
        let ended = server.stop(again, deadline).await?;
        marks.extend(tail.read()?);
        Ok((ended, marks))
    }

    /// All that a process marked which is gone already.
    pub fn last_words(mut self) -> anyhow::Result<Vec<Mark>> {
        self.look()?;
        Ok(self.marks)
    }

    /// Stops the process for longer than its claims live, and wakes it up again.
    pub async fn freeze(&mut self, time: Duration) -> anyhow::Result<()> {
        self.stop()?;
        sleep(time).await;
        self.go_on()
    }

    pub fn stop(&self) -> anyhow::Result<()> {
        self.server.signal(Signal::STOP)
    }

    pub fn go_on(&self) -> anyhow::Result<()> {
        self.server.signal(Signal::CONT)
    }
}
