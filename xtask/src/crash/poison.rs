//! The positive case of quarantine: a message that takes the process down by
//! itself ends as dead after a bounded number of restarts, and nothing else does.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::check::{Check, Violation};
use super::nemesis::Nemesis;
use super::operator::{self, Inbound};
use super::wire::Order;

/// Some runs among the others, one with new work beside it, three alone, and as
/// much again where it shared its claim with an innocent message.
const MOST_ABORTS: u32 = 20;
const DEADLINE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(50);

impl Nemesis {
    /// Sends one poisoned conversation and restarts the server until it is over.
    /// Nothing else is killed meanwhile, or nobody could tell who did it.
    pub async fn poison(&mut self, index: u32) -> anyhow::Result<()> {
        let before = self.stats.aborts;
        self.suspects.clear();
        self.aborts_left = MOST_ABORTS + 1;
        self.oracle.tell(&Order::Poison { index }).await?;
        let outcome = self.restart_until_dead(index, before).await?;
        self.aborts_left = 0;

        let aborts = self.stats.aborts - before;
        self.stats.aborts_by_poison.push(aborts);
        if let Some(detail) = verdict(&outcome, aborts) {
            self.violations.push(Violation::new(
                Check::Quarantine,
                format!("poison {index}: {detail}"),
            ));
        }
        Ok(())
    }

    async fn restart_until_dead(&mut self, index: u32, before: u32) -> anyhow::Result<Outcome> {
        let begin = Instant::now();
        self.raise(0).await?;
        let mut seen = None;
        let mut looked = Instant::now();
        loop {
            self.raise(0).await?;
            self.hear()?;
            if let Some((id, answer)) = self.poisoned.get(&index)
                && looked.elapsed() > LOOK
            {
                // It may abort in mid-answer: only what it does say counts.
                let ids = self.suspects.iter().chain([answer, id]);
                if let Ok(inbound) =
                    operator::inbound(&self.stage.places[0], ids.map(String::as_str)).await
                {
                    seen = Some(inbound);
                }
                looked = Instant::now();
            }
            let dead = seen.iter().flatten().any(Inbound::dead);
            if dead || begin.elapsed() > DEADLINE || self.stats.aborts - before > MOST_ABORTS {
                return Ok(seen);
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What the server said last about the poison: no answer at all, one that does
/// not know it, or its state.
type Outcome = Option<Option<Inbound>>;

fn verdict(outcome: &Outcome, aborts: u32) -> Option<String> {
    match outcome {
        None => Some("the server never told its state".to_owned()),
        Some(None) => Some("the server does not know the message".to_owned()),
        Some(Some(inbound)) if !inbound.dead() => {
            Some(format!("still {} after {aborts} aborts", inbound.state))
        }
        Some(Some(inbound)) if !inbound.crashed() => {
            Some(format!("dead, but for the reason {:?}", inbound.reason))
        }
        Some(Some(_)) if aborts == 0 => {
            Some("it died without ever taking the process down".to_owned())
        }
        Some(Some(_)) if aborts > MOST_ABORTS => Some(format!("only dead after {aborts} aborts")),
        Some(Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: &str, reason: &str) -> Outcome {
        Some(Some(Inbound {
            state: state.to_owned(),
            reason: reason.to_owned(),
        }))
    }

    #[test]
    fn dead_by_crashing_within_bounds_passes() {
        assert_eq!(verdict(&said("\"dead\"", "\"crashed\""), 7), None);
    }

    #[test]
    fn every_other_end_is_caught() {
        let found = [
            verdict(&None, 7),
            verdict(&Some(None), 7),
            verdict(&said("\"claimed\"", ""), 21),
            verdict(&said("\"dead\"", "\"exhausted\""), 7),
            verdict(&said("\"dead\"", "\"crashed\""), 0),
            verdict(&said("\"dead\"", "\"crashed\""), 21),
        ];
        assert!(found.iter().all(Option::is_some), "{found:?}");
    }
}
