//! SIGKILL: at a random time or in a phase of a turn, of one replica and its
//! whole process group. The others go on.

use std::time::Duration;

use rand::Rng;

use super::book::Departure;
use super::check::{Check, Violation};
use super::life::{Life, Moment};
use super::marks::Phase;
use super::nemesis::Nemesis;
use super::words::unix_micros;

/// Longer than `Claims::Short` lets a claim live.
const FROZEN: Duration = Duration::from_millis(2500);

#[derive(Debug, Clone, Copy)]
enum Plan {
    After(Duration),
    In(Phase),
}

impl Nemesis {
    /// One kill, and sometimes a second one just after the restart.
    pub async fn kill_cycle(&mut self, cycle: u32) -> anyhow::Result<()> {
        let cycles = self.options.cycles;
        if let Some(index) = spread(self.options.poison.unwrap_or(0), cycle, cycles) {
            self.poison(index).await?;
        }
        let freeze = spread(self.options.pauses.unwrap_or(0), cycle, cycles).is_some();
        let plan = if cycle % 2 == 1 {
            Plan::In(self.tally.pick(&mut self.dice))
        } else {
            self.any_time()
        };
        self.cycle(plan, freeze).await?;
        if cycle % 4 == 3 {
            self.kill_at_startup().await?;
        }
        if cycle % 20 == 19 {
            self.look_at_the_file(cycle)?;
        }
        Ok(())
    }

    /// A short run may have missed a phase by bad luck: some more kills, aimed.
    pub async fn kill_where_too_few_died(&mut self) -> anyhow::Result<()> {
        for _ in 0..(self.options.cycles / 2).max(6) {
            let short = self.tally.short_of(self.enough());
            let Some(phase) = short.first() else { break };
            self.stats.extra_cycles += 1;
            self.cycle(Plan::In(*phase), false).await?;
        }
        Ok(())
    }

    fn any_time(&mut self) -> Plan {
        Plan::After(Duration::from_millis(self.dice.random_range(5..1500)))
    }

    async fn cycle(&mut self, plan: Plan, freeze: bool) -> anyhow::Result<()> {
        // Real timing in some lives, and stretched phases where one is aimed at.
        let stall_percent = match plan {
            Plan::In(_) => 50,
            Plan::After(_) => [0, 10, 25][self.dice.random_range(0..3)],
        };
        self.raise(stall_percent).await?;
        let victim = self.victim();
        let mut life = self.up(victim, stall_percent).await?;
        if freeze {
            life.freeze(FROZEN).await?;
            self.stats.pauses += 1;
        }
        let (tally, pass) = (&self.tally, self.dice.random_range(0..6));
        let mut moment = match plan {
            Plan::After(time) => life.wait(time).await?,
            Plan::In(phase) => {
                life.wait_for(phase, pass, |under_way| tally.spares(under_way))
                    .await?
            }
        };
        let hit = matches!(plan, Plan::In(_)) && moment == Moment::Now;
        if !hit && !matches!(moment, Moment::Died(_)) {
            moment = life
                .wait_to_spare(|under_way| tally.spares(under_way))
                .await?;
        }
        match moment {
            Moment::Died(status) => return self.found_dead(life, status),
            Moment::Now | Moment::Missed => self.kill(life, moment).await?,
        }
        self.replicas[victim].rests = self.rest();
        match plan {
            Plan::In(_) if hit => self.stats.kills_in_phase += 1,
            Plan::In(_) => self.stats.kills_missed += 1,
            Plan::After(_) => self.stats.kills_at_random += 1,
        }
        self.hear()?;
        Ok(())
    }

    /// Half of the dead are replaced at once, the others after a while.
    fn rest(&mut self) -> u32 {
        if self.replicas.len() < 2 {
            return 0;
        }
        [0, 0, 1, 2][self.dice.random_range(0..4)]
    }

    /// The second of two kills less than 200 ms apart: recovery of the recovery.
    async fn kill_at_startup(&mut self) -> anyhow::Result<()> {
        let dead = self.replicas.iter().position(|other| other.life.is_none());
        let mut life = self.spawn(dead.unwrap_or(0), 10).await?;
        let time = Duration::from_millis(self.dice.random_range(1..200));
        let tally = &self.tally;
        let mut moment = life.wait(time).await?;
        if moment == Moment::Now {
            moment = life
                .wait_to_spare(|under_way| tally.spares(under_way))
                .await?;
        }
        match moment {
            Moment::Died(status) => return self.found_dead(life, status),
            Moment::Now | Moment::Missed => self.kill(life, moment).await?,
        }
        self.stats.kills_at_startup += 1;
        Ok(())
    }

    async fn kill(&mut self, life: Life, moment: Moment) -> anyhow::Result<()> {
        if moment == Moment::Missed {
            let detail = "one turn was alone under way for 10 s, while others had work";
            self.violations.push(Violation::new(Check::Drain, detail));
        }
        let (incarnation, at) = (life.incarnation, unix_micros());
        let marks = life.kill().await?;
        self.look_around()?;
        let turns = self.tally.killed(marks);
        self.book.departures.push(Departure {
            incarnation,
            at,
            turns,
        });
        Ok(())
    }
}

/// Spreads `times` events evenly over the cycles: the index of the one due now.
fn spread(times: u32, cycle: u32, cycles: u32) -> Option<u32> {
    (0..times).find(|index| cycles * (index + 1) / (times + 1) == cycle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_events_are_spread_over_the_run() {
        let due = |times, cycles| {
            (0..cycles)
                .filter_map(|cycle| spread(times, cycle, cycles))
                .collect::<Vec<_>>()
        };
        assert_eq!(due(1, 12), [0]);
        assert_eq!(due(3, 200), [0, 1, 2]);
        assert_eq!(spread(1, 6, 12), Some(0));
        assert!(due(0, 12).is_empty());
    }
}
