//! A cut: one replica or all of them do not reach the store for a while, and
//! are reached by their clients all the time.

use std::time::Duration;

use anyhow::Context as _;
use rand::Rng;

use super::book::{Kind, Outage};
use super::nemesis::Nemesis;
use super::network::Cut;
use super::words::unix_micros;

impl Nemesis {
    pub async fn cut(&mut self) -> anyhow::Result<()> {
        self.raise(10).await?;
        let all = self.replicas.len();
        let replicas: Vec<usize> = if self.dice.random_ratio(1, 4) {
            (0..all).collect()
        } else {
            vec![self.dice.random_range(0..all)]
        };
        let how = Cut::ALL[self.dice.random_range(0..Cut::ALL.len())];
        let longest = u64::from(self.options.longest_cut) * 1000;
        let time = Duration::from_millis(self.dice.random_range(1000..=longest.max(1000)));
        let ends_connections = self.dice.random_ratio(1, 3);

        let network = self.ground.network.as_ref();
        let network = network.context("there is no network to cut")?;
        let port = self
            .ground
            .database
            .as_ref()
            .map(|database| database.port());
        let from = unix_micros();
        for replica in &replicas {
            network.cut(*replica, how)?;
            if ends_connections && let Some(port) = port {
                self.stats.connections_ended += u32::from(network.end_connections(*replica, port));
            }
        }
        self.watch_over(time).await?;
        let network = self.ground.network.as_ref();
        let network = network.context("there is no network to heal")?;
        for replica in &replicas {
            network.heal(*replica, how)?;
        }
        let to = unix_micros();
        self.stats.cuts += 1;

        let outage = Outage {
            kind: Kind::Cut,
            how: Some(how),
            incarnations: self.incarnations(&replicas),
            replicas,
            since: from,
            from,
            to,
            back: Default::default(),
        };
        self.wait_until_back(outage).await
    }
}
