//! After the last fault: all replicas are up, the rest of the messages is sent,
//! and the wait begins until nothing is open any more. Nobody kills now: an end
//! is a finding, and so is the next start.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::check::{Check, Violation};
use super::life::Life;
use super::nemesis::Nemesis;
use super::operator::{self, Accounting};
use super::wire::Order;

/// For the sender to get rid of what is left.
const SENDING: Duration = Duration::from_secs(120);
/// For the server to end what it accepted (promise P6).
const DRAIN: Duration = Duration::from_secs(60);

/// Healed replicas with their books, if they showed them.
#[derive(Debug)]
pub struct Healed {
    pub lives: Vec<Life>,
    pub accounting: Option<Accounting>,
    pub drained_in: Option<Duration>,
}

impl Nemesis {
    pub async fn heal(&mut self) -> anyhow::Result<Healed> {
        self.replicas
            .iter_mut()
            .for_each(|replica| replica.rests = 0);
        self.raise(0).await?;
        self.oracle.tell(&Order::Heal).await?;
        let begin = Instant::now();
        while !self.finished && begin.elapsed() < SENDING {
            self.raise(0).await?;
            self.hear()?;
            sleep(Duration::from_millis(5)).await;
        }
        if !self.finished {
            let detail = format!(
                "the sender is not done after {SENDING:?}: something is never acknowledged"
            );
            self.violations.push(Violation::new(Check::Drain, detail));
        }
        self.drain().await
    }

    async fn drain(&mut self) -> anyhow::Result<Healed> {
        let begin = Instant::now();
        let mut last = None;
        while begin.elapsed() < DRAIN {
            self.raise(0).await?;
            match operator::accounting(&self.stage.places[0]).await {
                Ok(accounting) if accounting.still_open() + accounting.on_their_way() == 0 => {
                    return Ok(Healed {
                        lives: self.lives(),
                        accounting: Some(accounting),
                        drained_in: Some(begin.elapsed()),
                    });
                }
                accounting => last = Some(accounting),
            }
            sleep(Duration::from_millis(25)).await;
        }
        let detail = match &last {
            Some(Ok(accounting)) => format!(
                "still open after {DRAIN:?}: {:?}; deliveries: {:?}",
                accounting.open, accounting.deliveries
            ),
            Some(Err(error)) => format!("the accounting cannot be read: {error:#}"),
            None => "the accounting was never read".to_owned(),
        };
        self.violations.push(Violation::new(Check::Drain, detail));
        Ok(Healed {
            lives: self.lives(),
            accounting: last.and_then(Result::ok),
            drained_in: None,
        })
    }

    fn lives(&mut self) -> Vec<Life> {
        let replicas = self.replicas.iter_mut();
        replicas.filter_map(|replica| replica.life.take()).collect()
    }
}
