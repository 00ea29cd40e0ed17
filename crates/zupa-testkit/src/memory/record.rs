//! Stop 3, `turn`, in memory: intents and results of effects, and what is said
//! with them.
//!
//! *Arrives*: an intent or a result, under the claim it was made.
//! *Leaves*: a step that later runs of the turn reuse, with its outbox rows.
//! *If the process dies here*: both were written under one lock, or not.

use zupa_core::store::{Record, Recorded};
use zupa_core::{Error, Result, Step, Timestamp};

use super::planted::Planted;
use super::rows::{State, TurnRow};

impl State {
    pub(super) fn record(&mut self, record: Record, now: Timestamp) -> Result<Recorded> {
        let planted = self.planted;
        if let Some(result) = &record.step.result
            && let Err(source) = serde_json::from_str::<serde_json::Value>(result)
        {
            return Err(Error::invalid("a step's result is not JSON").with_source(source));
        }
        let Some(conversation) = self.conversations.get_mut(&record.conversation) else {
            return Ok(Recorded::Stale);
        };
        if planted == Some(Planted::SayBeforeFence)
            && !conversation.is_held_by(record.turn, record.epoch)
        {
            conversation.write_outbox(record.turn, &record.say, 0, now);
        }
        if !conversation.is_held_by(record.turn, record.epoch) {
            return Ok(Recorded::Stale);
        }
        let Some(turn) = conversation.turns.get_mut(&record.turn) else {
            return Ok(Recorded::Stale);
        };
        let is_new = turn.note(record.step);
        if is_new || planted == Some(Planted::SaidTwice) {
            let first = turn.said;
            turn.said += u32::try_from(record.say.len()).unwrap_or(u32::MAX);
            conversation.write_outbox(record.turn, &record.say, first, now);
        }
        Ok(Recorded::Written)
    }
}

impl TurnRow {
    /// Takes a step into the journal; false if that says nothing new.
    fn note(&mut self, step: Step) -> bool {
        let known = self.steps.iter_mut().find(|known| known.key == step.key);
        match known {
            Some(known) if known.input == step.input => {
                let fills = known.is_intent() && !step.is_intent();
                if fills {
                    known.result = step.result;
                }
                fills
            }
            // What it was given has changed, so its result did not fit.
            Some(known) => {
                *known = step;
                true
            }
            None => {
                self.steps.push(step);
                true
            }
        }
    }
}
