//! SIGSTOP: a replica sleeps in the middle of its turns until they are somebody
//! else's, and wakes up believing that they are its own.

use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep};

use super::book::{Departure, Pause};
use super::life::Moment;
use super::marks::Phase;
use super::nemesis::Nemesis;
use super::place::CLAIM_EXPIRY_MS;
use super::sink::Sink;
use super::words::unix_micros;

/// Three times the expiry of a claim.
const LONG: Duration = Duration::from_millis(3 * CLAIM_EXPIRY_MS);

/// In percent of the marks: a phase must last long enough to be hit.
const STALLS: u32 = 50;

/// When a sleeping replica is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    AfterLong,
    /// At the moment in which another replica claims one of its turns, so that
    /// both work on it at once.
    AtTakeover,
}

impl Wake {
    /// Where it falls asleep. Whoever wakes up before it has an answer looks at its
    /// claim first, and would do nothing in the other's run.
    fn phases(self, sink: Option<Sink>) -> &'static [Phase] {
        use Phase::*;
        match self {
            // Just then what was said goes on the wire.
            Self::AfterLong if sink.is_some() => &[Recorded, Committing, Committed],
            Self::AfterLong => &[Claimed, Model, Recorded, Committing],
            Self::AtTakeover => &[Recorded, Committing],
        }
    }
}

impl Nemesis {
    /// A long pause, and a short one that ends in the other's run.
    pub async fn pause(&mut self) -> anyhow::Result<()> {
        for wake in [Wake::AfterLong, Wake::AtTakeover] {
            self.raise(STALLS).await?;
            self.put_to_sleep(wake).await?;
            let settle = Duration::from_millis(self.dice.random_range(500..1500));
            self.watch_over(settle).await?;
        }
        Ok(())
    }

    async fn put_to_sleep(&mut self, wake: Wake) -> anyhow::Result<()> {
        let victim = self.victim();
        let mut life = self.up(victim, STALLS).await?;
        let (from, turns) = loop {
            let phases = wake.phases(self.options.sink);
            let phase = phases[self.dice.random_range(0..phases.len())];
            let pass = self.dice.random_range(0..3);
            let moment = life.wait_for(phase, pass, |_| false).await?;
            if let Moment::Died(status) = moment {
                return self.found_dead(life, status);
            }
            life.stop()?;
            let from = unix_micros();
            self.tally.saw(life.news()?);
            self.look_around()?;
            let mut under_way = life.under_way.clone();
            self.tally.own(&mut under_way, life.incarnation);
            let turns: Vec<String> = under_way.turns.into_keys().collect();
            if !turns.is_empty() || phase == Phase::Committed || moment == Moment::Missed {
                break (from, turns);
            }
            // Its turn ended just before: the next one, please.
            life.go_on()?;
        };

        match wake {
            Wake::AfterLong => sleep(LONG).await,
            Wake::AtTakeover => self.wait_for_takeover(&turns).await?,
        }
        let to = unix_micros();
        life.go_on()?;
        self.stats.pauses += 1;
        let incarnation = life.incarnation;
        self.book.departures.push(Departure {
            incarnation,
            at: from,
            turns: turns.clone(),
        });
        self.book.pauses.push(Pause {
            replica: victim,
            incarnation,
            from,
            to,
            turns,
        });
        self.replicas[victim].life = Some(life);
        Ok(())
    }

    async fn wait_for_takeover(&mut self, turns: &[String]) -> anyhow::Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < LONG {
            let claims = self.look_around()?;
            if claims.iter().any(|turn| turns.contains(turn)) {
                return Ok(());
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}
