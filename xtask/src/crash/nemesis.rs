//! The nemesis: act by act it brings the replicas up, lets messages come, and
//! does them harm. What it does is in `kill`, `pause`, `restart`, `cut`, `terminate`
//! and `soak`.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::SmallRng;

use super::acts::{Act, acts};
use super::book::Book;
use super::check::Violation;
use super::options::Options;
use super::oracle::handle::Oracle;
use super::replica::Replica;
use super::script::Script;
use super::soak::Sample;
use super::stage::{Ground, Stage};
use super::stats::Stats;
use super::tally::Tally;
use super::terminate::Told;
use super::wire::Order;
use super::words::dice;

pub struct Nemesis {
    pub stage: Stage,
    /// Declared before the ground that they stand on.
    pub replicas: Vec<Replica>,
    pub ground: Ground,
    pub oracle: Oracle,
    pub tally: Tally,
    pub stats: Stats,
    pub book: Book,
    pub violations: Vec<Violation>,
    pub poisoned: BTreeMap<u32, (String, String)>,
    /// Events that the last end without a kill may be laid to.
    pub suspects: Vec<String>,
    pub finished: bool,
    /// Which replicas acknowledged again, and when, since the last watch began.
    pub back: BTreeMap<usize, u64>,
    pub watch: u32,
    /// While a poison is under way, the server may end by itself so often.
    pub aborts_left: u32,
    pub options: Options,
    /// When each incarnation was started, in unix microseconds.
    pub spawned: BTreeMap<u64, u64>,
    pub unasked_deaths: u32,
    pub dice: SmallRng,
    /// What a soak measured, in order.
    pub samples: Vec<Sample>,
    /// When a soak was over, in unix microseconds.
    pub soaked_until: u64,
    script: Script,
}

impl Nemesis {
    pub fn new(
        stage: Stage,
        ground: Ground,
        options: Options,
        script: Script,
        oracle: Oracle,
    ) -> Self {
        Self {
            replicas: stage.places.iter().cloned().map(Replica::new).collect(),
            stage,
            ground,
            oracle,
            tally: Tally::default(),
            stats: Stats::default(),
            book: Book::default(),
            violations: Vec::new(),
            poisoned: BTreeMap::new(),
            suspects: Vec::new(),
            finished: false,
            back: BTreeMap::new(),
            watch: 0,
            aborts_left: 0,
            dice: dice(options.seed, "nemesis"),
            options,
            samples: Vec::new(),
            soaked_until: 0,
            script,
            spawned: BTreeMap::new(),
            unasked_deaths: 0,
        }
    }

    /// The fault phase.
    pub async fn haunt(&mut self) -> anyhow::Result<()> {
        let doors = self.stage.doors();
        self.oracle.tell(&Order::Begin { doors }).await?;
        if let Some(soak) = self.options.soak.clone() {
            return self.soak(&soak).await;
        }
        let acts = acts(&self.options);
        let count = u32::try_from(acts.len())?;
        for (number, act) in (0..).zip(acts) {
            let messages = self.script.released(number);
            self.oracle.tell(&Order::Release { messages }).await?;
            match act {
                Act::Kill => self.kill_cycle(number).await?,
                Act::Pause => self.pause().await?,
                Act::Restart => self.restart().await?,
                Act::Cut => self.cut().await?,
                Act::Terminate => self.terminate(Told::Once).await?,
                Act::TerminateTwice => self.terminate(Told::Twice).await?,
            }
            self.stats.progress(number + 1, count, &self.tally);
        }
        self.kill_where_too_few_died().await
    }

    pub fn enough(&self) -> u64 {
        u64::from(self.options.min_per_phase.unwrap_or(0))
    }

    /// A replica that is up. With one replica there is no choice, and no dice.
    pub fn victim(&mut self) -> usize {
        let up: Vec<usize> = (0..self.replicas.len())
            .filter(|replica| self.replicas[*replica].life.is_some())
            .collect();
        match up.len() {
            0 => 0,
            1 => up[0],
            count => up[self.dice.random_range(0..count)],
        }
    }
}
