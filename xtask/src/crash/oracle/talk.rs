//! What the person at the other end of a conversation does: says one thing after
//! the other, and breathes in between.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, timeout};

use super::report;
use super::sender::Sender;
use crate::crash::wire::Report;
use crate::crash::words::{Conversation, dice};

impl Sender {
    pub(super) async fn converse(
        self: Arc<Self>,
        conversation: Conversation,
        count: u32,
    ) -> anyhow::Result<()> {
        for seq in 1..=count {
            self.gate.acquire().await?.forget();
            self.breathe(&conversation, seq).await;
            self.first(self.script.message(&conversation, seq)).await?;
        }
        Ok(())
    }

    /// The third message follows the poison at once in every second of these
    /// conversations, so that one claim may hold both: then only one may die.
    pub(super) async fn converse_poisoned(self: Arc<Self>, index: u32) -> anyhow::Result<()> {
        let [before, poison, after] = self.script.poisoned(index);
        let token = before.key.token();
        self.first(before).await?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.model.answered(&token) && Instant::now() < deadline {
            self.pause(5..10).await;
        }
        // Long enough for its commit, in all but the slowest cases; nothing depends on it.
        self.pause(250..300).await;
        let id = poison.id.clone();
        if let Some(answer) = self.first(poison).await? {
            report(&Report::Poisoned { index, id, answer });
        }
        if index.is_multiple_of(2) {
            self.pause(400..500).await;
        }
        self.first(after).await?;
        Ok(())
    }

    /// Pauses between two messages of one person: mostly some, often none, so
    /// that bursts are claimed together. The messages of a cycle are spread over it; nobody
    /// who may speak is silent for longer.
    async fn breathe(&self, conversation: &Conversation, seq: u32) {
        let mut dice = dice(self.script.seed, ("breathe", conversation, seq));
        if self.script.backlog || dice.random_ratio(3, 10) {
            return;
        }
        let a_cycle = f64::from(self.script.messages)
            / f64::from(self.script.cycles * self.script.conversations);
        let cycle = Duration::from_millis(self.script.cycle_ms);
        let pause = (cycle * 2).div_f64(a_cycle.max(2.0)).mul_f64(dice.random());
        let _ = timeout(pause, self.healed.subscribe().wait_for(|healed| *healed)).await;
    }
}
