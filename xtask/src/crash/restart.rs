//! The store's server goes down at once and comes back, and some of its
//! backends end in between. No replica may end with it.

use std::time::Duration;

use anyhow::Context as _;
use rand::Rng;
use tokio::time::{Instant, sleep};

use super::book::{Kind, Outage};
use super::database::{Connections, Database};
use super::nemesis::Nemesis;
use super::wire::Order;
use super::words::unix_micros;

/// Long enough to print a time beyond the limit.
const PATIENCE: Duration = Duration::from_secs(45);

impl Nemesis {
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.raise(10).await?;
        let since = unix_micros();
        for _ in 0..self.dice.random_range(1..4) {
            let pause = Duration::from_millis(self.dice.random_range(50..500));
            self.watch_over(pause).await?;
            self.book.terminated += self.database()?.terminate_one()?;
        }
        if self.dice.random_ratio(1, 3) {
            let deaf = Duration::from_millis(self.dice.random_range(200..1500));
            self.database()?.take_connections(Connections::Refused)?;
            self.watch_over(deaf).await?;
            self.database()?.take_connections(Connections::Taken)?;
        }
        let before = Duration::from_millis(self.dice.random_range(50..1000));
        self.watch_over(before).await?;

        let down = Duration::from_millis(self.dice.random_range(0..2000));
        let from = unix_micros();
        self.database()?.stop()?;
        sleep(down).await;
        self.database()?.start_again()?;
        let to = unix_micros();

        let replicas: Vec<usize> = (0..self.replicas.len()).collect();
        let outage = Outage {
            kind: Kind::Restart,
            how: None,
            incarnations: self.incarnations(&replicas),
            replicas,
            since,
            from,
            to,
            back: Default::default(),
        };
        self.wait_until_back(outage).await
    }

    /// Who lives in these places now.
    pub fn incarnations(&self, replicas: &[usize]) -> Vec<u64> {
        let lives = replicas.iter().map(|replica| &self.replicas[*replica].life);
        lives.flatten().map(|life| life.incarnation).collect()
    }

    fn database(&self) -> anyhow::Result<&Database> {
        let database = self.ground.database.as_ref();
        database.context("there is no server to stop")
    }

    /// The outage is over: waits until each replica concerned acknowledges a
    /// message again, or for too long.
    pub async fn wait_until_back(&mut self, mut outage: Outage) -> anyhow::Result<()> {
        self.watch += 1;
        self.back.clear();
        let watch = Order::Watch { number: self.watch };
        self.oracle.tell(&watch).await?;
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            self.watch_over(Duration::from_millis(5)).await?;
            self.hear()?;
            if outage
                .replicas
                .iter()
                .all(|replica| self.back.contains_key(replica))
            {
                break;
            }
        }
        outage.back = self.back.clone();
        self.book.outages.push(outage);
        let settle = Duration::from_millis(self.dice.random_range(200..1200));
        self.watch_over(settle).await
    }
}
