//! Items of one batch that are about the same row. A statement over a list would
//! let any of them win, so such a batch is applied item by item.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use zupa_core::store::{Accept, Batch};

/// True when two items of a list are about the same row.
pub(super) fn any(batch: &Batch) -> bool {
    repeats(
        batch
            .settle
            .iter()
            .map(|item| (item.conversation, item.number)),
    ) || repeats(batch.receipts.iter().map(|item| &item.about))
        || repeats(batch.record.iter().map(|item| (item.turn, &item.step.key)))
        || repeats(batch.finish.iter().map(|item| item.conversation))
        || repeats(
            batch
                .attempt
                .iter()
                .map(|item| (item.conversation, item.number)),
        )
        || repeats(batch.claim.iter().map(|item| item.conversation))
        || repeats(batch.renew.iter().map(|item| item.conversation))
        || aliases_cross(&batch.accept)
}

fn repeats<T: Eq + Hash>(keys: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    let mut keys = keys;
    keys.any(|key| !seen.insert(key))
}

/// True when an alias leads to two primary aliases: the later item must see
/// what the earlier one revealed.
fn aliases_cross(accepts: &[Accept]) -> bool {
    if accepts.iter().all(|accept| accept.inbound.also.is_empty()) {
        return false;
    }
    let mut primary_of = HashMap::new();
    accepts.iter().any(|accept| {
        let address = &accept.inbound.address;
        std::iter::once(&address.alias)
            .chain(&accept.inbound.also)
            .any(|alias| {
                let key = (alias, &address.channel, &address.tenant);
                *primary_of.entry(key).or_insert(&address.alias) != &address.alias
            })
    })
}
