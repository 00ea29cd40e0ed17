//! What a node may use: the claimed turn, the clock, and the journal.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use zupa_core::store::{ClaimedTurn, Record};
use zupa_core::{Clock, Digest, Error, Hint, Step};

use super::Journal;
use crate::claim::Held;
use crate::commit::End;
use crate::faults::{Faults, Phase};
use crate::runtime::Doors;
use crate::settings::Settings;
use crate::writer::Writer;

/// The context of one run of one turn.
pub(crate) struct Cx<'a> {
    pub turn: &'a ClaimedTurn,
    pub claim: &'a Held,
    pub journal: &'a Journal,
    pub writer: &'a Writer,
    pub clock: &'a dyn Clock,
    pub doors: &'a Doors,
    pub settings: &'a Settings,
    pub stopping: &'a CancellationToken,
    pub faults: &'a Faults,
}

impl Cx<'_> {
    /// Performs an effect once: an earlier run's result for the same key and
    /// input is returned instead; a new one is handed to the writer before it is
    /// returned, so that it is in the log before anything that depends on it.
    ///
    /// With another input the earlier result is not used: the effect is done
    /// again and replaces it. That is safe while no step after it has an intent.
    pub(crate) async fn effect<T, F>(
        &self,
        key: &str,
        input: Digest,
        effect: impl FnOnce() -> F,
    ) -> std::result::Result<T, End>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = std::result::Result<T, End>>,
    {
        if let Some(result) = self.recorded(key, input) {
            return Ok(result);
        }
        if self.stopping.is_cancelled() {
            return Err(End::Release);
        }
        let result = effect().await?;
        self.record(key, input, &result).await?;
        Ok(result)
    }

    fn recorded<T: DeserializeOwned>(&self, key: &str, input: Digest) -> Option<T> {
        let step = self
            .turn
            .steps
            .iter()
            .find(|step| step.key == key && step.input == input)?;
        serde_json::from_str(&step.result).ok()
    }

    async fn record<T: Serialize>(
        &self,
        key: &str,
        input: Digest,
        result: &T,
    ) -> std::result::Result<(), End> {
        let result = serde_json::to_string(result).map_err(|source| {
            End::Failed(Error::internal("a step's result is not JSON").with_source(source))
        })?;
        let record = Record {
            turn: self.turn.turn,
            conversation: self.turn.conversation,
            epoch: self.turn.epoch,
            run: self.turn.runs,
            step: Step {
                key: key.to_owned(),
                input,
                result,
            },
        };
        // Nothing waits for the answer: the commit goes through the same writer
        // behind this, under the same fence, so it cannot be durable without it.
        if !self.faults.is_marking() {
            self.journal.hand_in(self.writer, record).await;
        } else if self.journal.write(self.writer, record).await {
            self.faults.mark(self.turn.turn.0, Phase::Recorded).await;
        }
        Ok(())
    }

    /// Shows a passing sign to whoever watches the conversation.
    pub(crate) fn hint(&self, hint: Hint) {
        self.doors.hint(&self.turn.address, hint);
    }
}
