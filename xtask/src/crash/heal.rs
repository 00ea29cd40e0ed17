//! After the last kill: one more start without faults, the rest of the messages,
//! and the wait until nothing is open any more.

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

/// A healed server with its books, if it showed them.
#[derive(Debug)]
pub struct Healed {
    pub life: Life,
    pub accounting: Option<Accounting>,
    pub drained_in: Option<Duration>,
}

impl Nemesis {
    pub async fn heal(&mut self) -> anyhow::Result<Healed> {
        let mut life = self.up(0).await?;
        self.oracle.tell(&Order::Heal).await?;
        let begin = Instant::now();
        while !self.finished && begin.elapsed() < SENDING {
            life = self.keep_alive(life).await?;
            self.hear()?;
            sleep(Duration::from_millis(5)).await;
        }
        if !self.finished {
            let detail = format!(
                "the sender is not done after {SENDING:?}: something is never acknowledged"
            );
            self.violations.push(Violation::new(Check::Drain, detail));
        }
        self.drain(life).await
    }

    async fn drain(&mut self, mut life: Life) -> anyhow::Result<Healed> {
        let begin = Instant::now();
        let mut last = None;
        while begin.elapsed() < DRAIN {
            life = self.keep_alive(life).await?;
            match operator::accounting(&self.stage).await {
                Ok(accounting) if accounting.still_open() == 0 => {
                    return Ok(Healed {
                        life,
                        accounting: Some(accounting),
                        drained_in: Some(begin.elapsed()),
                    });
                }
                accounting => last = Some(accounting),
            }
            sleep(Duration::from_millis(25)).await;
        }
        let detail = match &last {
            Some(Ok(accounting)) => format!("still open after {DRAIN:?}: {:?}", accounting.open),
            Some(Err(error)) => format!("the accounting cannot be read: {error:#}"),
            None => "the accounting was never read".to_owned(),
        };
        self.violations.push(Violation::new(Check::Drain, detail));
        Ok(Healed {
            life,
            accounting: last.and_then(Result::ok),
            drained_in: None,
        })
    }

    /// Nobody kills any more: an end now is a finding, and the next start too.
    async fn keep_alive(&mut self, mut life: Life) -> anyhow::Result<Life> {
        match life.server.exited()? {
            None => Ok(life),
            Some(status) => {
                self.found_dead(life, status)?;
                self.up(0).await
            }
        }
    }
}
