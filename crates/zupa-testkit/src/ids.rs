//! `SeqIds`: fresh ids and randomness that come out the same at every run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, Uuid};
use zupa_core::Ids;

/// Deterministic ids: each one sorts behind the one before. Clones share the
/// sequence; another seed gives ids that never meet those of this one.
#[derive(Debug, Clone)]
pub struct SeqIds {
    seed: u64,
    made: Arc<AtomicU64>,
    drawn: Arc<AtomicU64>,
}

impl SeqIds {
    /// The sequence of a seed, from its start.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            made: Arc::default(),
            drawn: Arc::default(),
        }
    }

    /// A number below `bound`, for generated cases.
    ///
    /// # Panics
    ///
    /// When `bound` is zero.
    pub fn below(&self, bound: u64) -> u64 {
        self.random() % bound
    }
}

impl Default for SeqIds {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl Ids for SeqIds {
    fn fresh(&self) -> Uuid {
        let count = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let mut tail = [0; 10];
        tail[2..].copy_from_slice(&self.seed.to_be_bytes());
        Builder::from_unix_timestamp_millis(count, &tail).into_uuid()
    }

    fn random(&self) -> u64 {
        // SplitMix64: a counter, well stirred.
        let step = self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut bits = self
            .seed
            .wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_repeat_by_seed_and_are_version_7() {
        let ids = SeqIds::seeded(3);
        let first: Vec<_> = (0..300).map(|_| ids.fresh()).collect();
        assert!(first.is_sorted() && first.iter().all(|id| id.get_version_num() == 7));
        let again = SeqIds::seeded(3);
        assert!(first.iter().all(|id| *id == again.fresh()));
        assert_ne!(SeqIds::seeded(4).fresh(), first[0]);
        assert_ne!(SeqIds::seeded(4).random(), SeqIds::seeded(3).random());
    }
}
