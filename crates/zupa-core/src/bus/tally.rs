//! Counts by namespace that never wait for each other.

use std::sync::OnceLock;

use super::sync::{AtomicU64, Ordering};

/// Namespaces that are counted apart; those beyond share one count.
const NAMESPACES: usize = 32;
/// The word for those beyond.
const OTHERS: &str = "other";

/// Losses by namespace. Without a lock, because whoever emits must not wait.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: [(OnceLock<&'static str>, AtomicU64); NAMESPACES],
    others: AtomicU64,
}

impl Tally {
    pub(super) fn add(&self, namespace: &'static str) {
        let count = self
            .counts
            .iter()
            .find(|(of, _)| *of.get_or_init(|| namespace) == namespace)
            .map_or(&self.others, |(_, count)| count);
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Those that have a count, in the order in which they got one.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        let named = self
            .counts
            .iter()
            .map_while(|(of, count)| Some((*of.get()?, count.load(Ordering::Relaxed))));
        let others = Some((OTHERS, self.others.load(Ordering::Relaxed)));
        named
            .chain(others.filter(|(_, count)| *count > 0))
            .collect()
    }
}
