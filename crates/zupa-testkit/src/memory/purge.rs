//! Forgetting, in memory: dedupe keys and raw payloads of what has ended long
//! ago. The inbounds stay, so the sum of invariant 7 does not move.

use zupa_core::Timestamp;

use super::planted::Planted;
use super::rows::{Seen, State};

impl State {
    pub(super) fn purge(
        &mut self,
        keys_before: Timestamp,
        raw_before: Timestamp,
        limit: usize,
    ) -> u64 {
        self.purge_keys(keys_before, limit) + self.purge_raw(raw_before, limit)
    }

    fn purge_keys(&mut self, before: Timestamp, limit: usize) -> u64 {
        let takes_open = self.planted == Some(Planted::PurgeTakesOpen);
        let old: Vec<_> = self
            .ledger
            .iter()
            .filter(|(_, seen)| seen.at < before && (takes_open || self.has_ended(seen)))
            .map(|(key, _)| key.clone())
            .take(limit)
            .collect();
        for key in &old {
            self.ledger.remove(key);
        }
        old.len() as u64
    }

    fn purge_raw(&mut self, before: Timestamp, limit: usize) -> u64 {
        let old = self
            .conversations
            .values_mut()
            .flat_map(|conversation| conversation.inbounds.values_mut())
            .filter(|row| row.accepted_at < before && row.state.has_ended())
            .filter(|row| row.raw.is_some())
            .take(limit);
        let mut count = 0;
        for row in old {
            row.raw = None;
            count += 1;
        }
        count
    }

    fn has_ended(&self, seen: &Seen) -> bool {
        self.conversations
            .get(&seen.conversation)
            .and_then(|conversation| conversation.inbounds.get(&seen.number))
            .is_none_or(|row| row.state.has_ended())
    }
}
