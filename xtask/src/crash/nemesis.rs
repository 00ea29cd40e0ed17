//! The killer. Cycle by cycle it starts the server, waits for a random time or
//! for a phase of a turn, and kills the whole process group.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;

use super::check::{Check, Violation};
use super::life::{Life, Moment};
use super::marks::Phase;
use super::options::Options;
use super::oracle::handle::Oracle;
use super::script::Script;
use super::stage::Stage;
use super::stats::Stats;
use super::tally::Tally;
use super::wire::Order;
use super::words::dice;

/// Longer than `Claims::Short` lets a claim live.
const FROZEN: Duration = Duration::from_millis(2500);

pub struct Nemesis {
    pub stage: Stage,
    pub oracle: Oracle,
    pub tally: Tally,
    pub stats: Stats,
    pub violations: Vec<Violation>,
    pub poisoned: BTreeMap<u32, (String, String)>,
    /// Events that the last end without a kill may be laid to.
    pub suspects: Vec<String>,
    pub finished: bool,
    /// A life that the next cycle takes over.
    pub running: Option<Life>,
    /// While a poison is under way, the server may end by itself so often.
    pub aborts_left: u32,
    pub options: Options,
    /// When each incarnation was started, in unix microseconds.
    pub spawned: BTreeMap<u64, u64>,
    pub unasked_deaths: u32,
    script: Script,
    dice: SmallRng,
}

#[derive(Debug, Clone, Copy)]
enum Plan {
    After(Duration),
    In(Phase),
}

impl Nemesis {
    pub fn new(stage: Stage, options: Options, script: Script, oracle: Oracle) -> Self {
        Self {
            stage,
            oracle,
            tally: Tally::default(),
            stats: Stats::default(),
            violations: Vec::new(),
            poisoned: BTreeMap::new(),
            suspects: Vec::new(),
            finished: false,
            running: None,
            aborts_left: 0,
            dice: dice(options.seed, "nemesis"),
            options,
            script,
            spawned: BTreeMap::new(),
            unasked_deaths: 0,
        }
    }

    /// The fault phase.
    pub async fn haunt(&mut self) -> anyhow::Result<()> {
        let cycles = self.options.cycles;
        self.oracle
            .tell(&Order::Begin {
                port: self.stage.port,
            })
            .await?;
        for cycle in 0..cycles {
            self.oracle
                .tell(&Order::Release {
                    messages: self.script.released(cycle),
                })
                .await?;
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
            self.stats.progress(cycle + 1, cycles, &self.tally);
        }
        // A short run may have missed a phase by bad luck: some more kills, aimed.
        for _ in 0..(cycles / 2).max(6) {
            let short = self.tally.short_of(self.enough());
            let Some(phase) = short.first() else { break };
            self.stats.extra_cycles += 1;
            self.cycle(Plan::In(*phase), false).await?;
        }
        Ok(())
    }

    pub fn enough(&self) -> u64 {
        u64::from(self.options.min_per_phase.unwrap_or(0))
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
        let mut life = self.up(stall_percent).await?;
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
        match plan {
            Plan::In(_) if hit => self.stats.kills_in_phase += 1,
            Plan::In(_) => self.stats.kills_missed += 1,
            Plan::After(_) => self.stats.kills_at_random += 1,
        }
        self.hear()?;
        Ok(())
    }

    /// The second of two kills less than 200 ms apart: recovery of the recovery.
    async fn kill_at_startup(&mut self) -> anyhow::Result<()> {
        let mut life = self.spawn(10).await?;
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
        self.tally.killed(life.kill().await?);
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
