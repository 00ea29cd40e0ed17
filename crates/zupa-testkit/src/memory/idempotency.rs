//! Idempotency keys, in memory.

use async_trait::async_trait;
use uuid::Uuid;
use zupa_core::idempotency::{Begin, Begun, Keep};
use zupa_core::{IdempotencyKey, IdempotencyKeys, Result, Timestamp};

use super::MemoryStore;
use super::planted::Planted;
use super::rows::{KeyRow, State};

#[async_trait]
impl IdempotencyKeys for MemoryStore {
    async fn begin(&self, begin: Begin) -> Result<Begun> {
        Ok(self.lock().begin(begin))
    }

    async fn keep(&self, keep: Keep) -> Result<bool> {
        Ok(self.lock().keep(keep))
    }

    async fn free(&self, key: IdempotencyKey, holder: Uuid) -> Result<()> {
        self.lock()
            .keys
            .retain(|held, row| *held != key || row.holder != holder || row.answer.is_some());
        Ok(())
    }

    async fn forget(&self, now: Timestamp, limit: usize) -> Result<u64> {
        let mut state = self.lock();
        let over = state.keys.iter().filter(|(_, row)| row.expires_at <= now);
        let over: Vec<_> = over.map(|(key, _)| *key).take(limit).collect();
        for key in &over {
            state.keys.remove(key);
        }
        Ok(over.len() as u64)
    }
}

impl State {
    fn begin(&mut self, begin: Begin) -> Begun {
        let stays = self.planted == Some(Planted::LeaseForEver);
        let taken = self.keys.get(&begin.key);
        if let Some(row) = taken.filter(|row| stays || row.expires_at > begin.now) {
            return match &row.answer {
                _ if row.request != begin.request => Begun::OtherRequest,
                Some(answer) => Begun::Answered(answer.clone()),
                None => Begun::Running,
            };
        }
        let row = KeyRow {
            request: begin.request,
            holder: begin.holder,
            expires_at: begin.lease_until,
            answer: None,
        };
        self.keys.insert(begin.key, row);
        Begun::Fresh
    }

    fn keep(&mut self, keep: Keep) -> bool {
        let anybody = self.planted == Some(Planted::AnybodyKeeps);
        let Some(row) = self.keys.get_mut(&keep.key) else {
            return false;
        };
        if row.holder != keep.holder && !anybody {
            return false;
        }
        (row.answer, row.expires_at) = (Some(keep.answer), keep.until);
        true
    }
}
